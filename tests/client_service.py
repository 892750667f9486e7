"""The whole service in this process for tests of its clients: the real HTTP API, streams, guard and estimator on a real
socket, and a classifier that is sure of squats. `Wire` is a network in front of it that can be cut.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.middleware import Middleware

from gymspotter.pose import Estimator, load_estimator
from gymspotter.pose.live import step
from serve.access.guard import Guard, GuardMiddleware
from serve.access.tokens import Tokens
from serve.http.api import build_api
from serve.model.champion import Loaded
from serve.settings import AppSettings
from serve.streams.endpoint import add_streams
from serve.streams.keeper import LocalKeeper
from serve.streams.pictures import decode_jpeg
from tests.local_backend import LocalBackend
from tests.stream_server import FACTS, Backend, names_squats, until


class _Streams(Backend):
    """Poses by the real estimator, at most one at a time."""

    estimator: Estimator | None = None

    async def pose(self, jpeg, state):
        async with self.one_at_a_time:
            return await asyncio.to_thread(self._pose, jpeg, state)

    def _pose(self, jpeg, state):
        self.estimator = self.estimator or load_estimator("blazepose")
        return step(self.estimator, decode_jpeg(jpeg, self.settings.image_pixels), state)


class _Http(LocalBackend):
    """Videos by the real estimator, classified with the windows of the streams."""

    def __init__(self, streams: Backend) -> None:
        super().__init__(FACTS)
        self.current = streams.champion.current
        self._batcher = streams.batcher

    async def classify(self, poses_STJC):
        return await self._batcher.classify(poses_STJC)


def _in_a_thread(serve: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    return thread


class Service:
    """Starts at once, on a free port or on ``port``; `stop` ends it, as a crash does: nothing is copied any more."""

    def __init__(
        self, *, port: int = 0, keeper: LocalKeeper | None = None, tokens: Any = None, **settings: Any
    ) -> None:
        self.settings = AppSettings(**settings)
        guard = Guard(Tokens.load(tokens), self.settings)
        loaded = Loaded(version="7", facts=FACTS, logits=names_squats)
        self.backend = _Streams(self.settings, Backend.Source(loaded), keeper, guard)
        self.backend.one_at_a_time = asyncio.Lock()
        api = build_api(_Http(self.backend), self.settings, middleware=[Middleware(GuardMiddleware, guard=guard)])
        add_streams(api, self.backend)
        config = uvicorn.Config(api, port=port, log_level="warning", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = _in_a_thread(self._server.serve)
        until(lambda: self._server.started)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()
        self.backend.batcher.close()


@contextmanager
def serving(**options: Any) -> Iterator[Service]:
    """A service until the block ends."""
    service = Service(**options)
    try:
        yield service
    finally:
        service.stop()


@dataclass
class Wire:
    """A network between a client and the port ``to``, which loses its connections without a word when told to.

    ``cut_after``: numbers of bytes from the client, counted over everything, after which it does so by itself.
    """

    to: int
    cut_after: list[int] = field(default_factory=list)
    passed: int = 0
    cuts: int = 0
    url: str = ""
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, back}
        self._writers |= ends
        await asyncio.gather(self._carry(reader, back, True), self._carry(there, writer, False))
        self._writers -= ends

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counted: bool) -> None:
        try:
            while data := await reader.read(2**16):
                if counted:
                    self.passed += len(data)
                    if self.cut_after and self.passed >= self.cut_after[0]:
                        self.cut_after.pop(0)
                        self._cut()
                        return
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    def _cut(self) -> None:
        self.cuts += 1
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await stop.wait()
        self._cut()
        server.close()


@contextmanager
def wired(port: int, cut_after: list[int]) -> Iterator[Wire]:
    """A wire until the block ends."""
    wire, ready, stop = Wire(to=port, cut_after=cut_after), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(wire.serve(ready, stop)), daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        yield wire
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()

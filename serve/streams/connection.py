"""One WebSocket of the endpoint: hello and welcome, the messages that follow, and how it ends."""

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Protocol

from fastapi import WebSocket

from gymspotter.errors import InputError
from gymspotter.skeleton import LAYOUTS
from gymspotter.stream.events import ErrorMessage, Limits, Welcome, as_message
from gymspotter.stream.protocol import JPEG, PROTOCOL, Frames, Hello, Picture, read_hello, read_message
from serve.access.guard import Refused
from serve.access.tokens import Client
from serve.streams.backend import StreamBackend
from serve.streams.copying import IDLE, RESUMED_ELSEWHERE, TOO_LONG, Copying
from serve.streams.feed import Feed
from serve.streams.hops import Hops, encode
from serve.streams.outlet import Outlet
from serve.streams.sessions import Held, told_of

_log = logging.getLogger(__name__)

BYE, GOING_AWAY, TOO_LARGE, DEFECT, BAD = 1000, 1001, 1009, 1011, 4400
HELLO_SECONDS, HELLO_BYTES = 10.0, 2**16
BAD_MESSAGES = 10
_DRAIN_SECONDS = 10.0
_STATUS = {4400: 400, 4401: 401, 4403: 403, 4408: 408, 4409: 409, 4413: 413, 4429: 429, 1001: 503, 1009: 413, 1011: 500}
# Messages that come closer together than this are read one at a time, so that others have their turn.
_FLOOD_SECONDS = 0.002


class _LostError(Exception):
    """The other side is gone."""


class Shared(Protocol):
    """What the connections of a replica share: see `endpoint.Streams`."""

    backend: StreamBackend
    clock: Callable[[], float]
    limits: Limits
    hops: Hops
    feed: Feed
    copying: Copying

    def come_in(self, connection: "Connection") -> None:
        """A connection has said its hello."""
        ...

    async def begin(self, hello: Hello, client: Client) -> tuple[Held, bool]:
        """The session of a hello, open, and whether it was resumed. Raises Refused."""
        ...


class Connection:
    """From accept to close. `run` is called once."""

    def __init__(self, websocket: WebSocket, shared: Shared) -> None:
        self._websocket = websocket
        self._shared = shared
        self._held: Held | None = None
        self._outlet = Outlet(websocket.send, stop=self.stop, bad=self.bad)
        self._bad = 0
        self._ending: tuple[int, str] | None = None
        self._task: asyncio.Task[Any] | None = None

    def stop(self, code: int, detail: str = "") -> None:
        """End the connection from elsewhere: with an error that says ``detail``, then a close with ``code``."""
        if self._ending is None and self._task is not None:
            self._ending = (code, detail)
            self._task.cancel()

    def bad(self, detail: str) -> None:
        """Tell the client what is wrong with a message; after ten of them it is enough."""
        self._bad += 1
        self._error(422, detail)
        if self._bad >= BAD_MESSAGES:
            self.stop(BAD, f"{BAD_MESSAGES} messages could not be used.")
        else:
            self._outlet.flush_soon()

    async def run(self) -> None:
        """Serve the connection until it ends; the session is parked if it was lost, and forgotten after a bye."""
        self._task = asyncio.current_task()
        code, detail = DEFECT, ""
        try:
            await self._websocket.accept()
            await self._serve()
            code = BYE
        except _LostError:
            self._leave(park=True)
            return
        except Refused as refused:
            code, detail = refused.close_code, refused.detail
        except asyncio.CancelledError:
            if self._ending is None:
                self._leave(park=True)
                raise
            self._task.uncancel()  # type: ignore[union-attr]
            code, detail = self._ending
        except Exception:
            _log.exception("a stream failed", extra=told_of(self._held))
            detail = "the service failed on this stream: its log says where."
        ending = asyncio.create_task(self._end(code, detail))
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await ending  # `stop` came a moment too late: the close is on its way already

    async def _end(self, code: int, detail: str) -> None:
        """Say why, close, and let go of the session."""
        self._ending = self._ending or (code, detail)  # nobody stops it a second time
        held = self._held
        if held is not None and code == TOO_LONG:
            await self._finish(held)
        if detail:
            self._error(_STATUS.get(code, 400), detail)
        # It is let go before the close is sent, so that a client that comes back at once finds it.
        self._leave(park=code in (GOING_AWAY, IDLE, DEFECT))
        await self._outlet.close(code)

    def _leave(self, *, park: bool) -> None:
        held, shared = self._held, self._shared
        self._held = None
        if held is None or held.outlet is not self._outlet:  # another connection has it by now
            shared.backend.metrics.sessions(shared.backend.sessions.open_count)
            return
        if park:
            shared.backend.sessions.park(held)
            shared.copying.at_once(held)
        else:
            shared.backend.sessions.forget(held)
            shared.copying.drop(held)
        _log.info("session %s", "parked" if park else "ended", extra=told_of(held))
        shared.backend.metrics.sessions(shared.backend.sessions.open_count)

    async def _serve(self) -> None:
        shared, websocket = self._shared, self._websocket
        hello = await self._hello()
        shared.come_in(self)
        address = websocket.client.host if websocket.client else None
        client = shared.backend.guard.admit_stream(websocket.headers, address, hello.token)
        held, resumed = await shared.begin(hello, client)
        self._take(held, hello, resumed)
        await self._outlet.flush()
        layout = None if hello.layout == JPEG else LAYOUTS[hello.layout]
        limits, clock, outlet, last = shared.limits, shared.clock, self._outlet, 0.0
        while True:
            data = await self._receive()
            held.last_heard = came = clock()
            if not shared.feed.may_read(held, data, came):
                outlet.flush_soon()
                await asyncio.sleep(0)
                continue
            try:
                message = read_message(data, layout, limits)
            except InputError as error:
                self.bad(str(error))
                await asyncio.sleep(0)  # where the tenth one ends it
                continue
            if type(message) is Frames:
                assert layout is not None
                shared.feed.frames(held, message, layout, came)
            elif type(message) is Picture:
                shared.feed.picture(held, message, hello.poses, came)
            else:
                await self._finish(held)
                return
            if outlet.waiting:
                await outlet.flush()
            if came - last < _FLOOD_SECONDS:
                await asyncio.sleep(0)
            last = came

    async def _hello(self) -> Hello:
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                text = await self._receive()
        except TimeoutError:
            raise Refused(408, IDLE, f"no hello came within {HELLO_SECONDS:g} s: send it first.") from None
        if len(text) > HELLO_BYTES:
            raise Refused(413, TOO_LARGE, f"the hello has more than {HELLO_BYTES} bytes: send it alone.")
        try:
            return read_hello(text)
        except InputError as error:
            raise Refused(400, BAD, str(error)) from error

    def _take(self, held: Held, hello: Hello, resumed: bool) -> None:
        """Serve the session with this connection: welcome, and what the client missed of it."""
        shared = self._shared
        if held.outlet is not None:
            held.outlet.stop(RESUMED_ELSEWHERE, "the session was resumed by another connection.")
        held.outlet, self._held = self._outlet, held
        current = shared.backend.champion.current
        welcome = Welcome(
            protocol=PROTOCOL,
            session=held.id,
            resume=held.secret,
            model_version=current.version,
            classes=held.config.classes,
            frames=held.config.frames,
            grid_fps=held.config.grid_fps,
            hop=held.config.hop,
            resumed=resumed,
            received=held.session.received,
            seq=held.session.seq,
            limits=shared.limits,
        )
        self._outlet.put("welcome", encode(as_message(welcome)))
        if resumed and hello.seen is not None:
            for seq, text in held.recent:
                if seq > hello.seen:
                    self._outlet.put("missed", text)
        shared.feed.welcome(held, resumed=resumed)
        shared.hops.due(held, shared.clock())  # what a copy's session had not answered yet
        shared.copying.start()
        shared.backend.metrics.sessions(shared.backend.sessions.open_count)
        _log.info("session %s", "resumed" if resumed else "opened", extra=told_of(held))

    async def _finish(self, held: Held) -> None:
        """Answer what is due, then tell how the session ends."""
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self._shared.feed.drain(held)
        except TimeoutError:
            _log.warning("the last windows of a session were not answered in time", extra=told_of(held))
        if held.outlet is self._outlet:  # no other connection has resumed it meanwhile
            self._shared.hops.deliver(held, held.session.finish())

    async def _receive(self) -> str | bytes:
        """The next message; raises _LostError at the end, and Refused if it is too large."""
        try:
            message = await self._websocket.receive()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # whatever the server raises for a socket that is gone
            raise _LostError from error
        if message["type"] != "websocket.receive":
            raise _LostError
        text: str | None = message.get("text")
        data = text if text is not None else message.get("bytes") or b""
        if len(data) > self._shared.limits.message_bytes:
            limit = self._shared.limits.message_bytes
            raise Refused(413, TOO_LARGE, f"the message has more than {limit} bytes: send less at once.")
        return data

    def _error(self, status: int, detail: str) -> None:
        error = ErrorMessage(status=status, title=HTTPStatus(status).phrase, detail=detail)
        self._outlet.put("error", encode(as_message(error)))

"""WS /v1/stream: live sessions over WebSockets (docs/streaming.md).

connection.py    a socket; sessions.py    what a replica holds; feed.py    messages into sessions; hops.py
windows to answers to events; outlet.py    what goes out; copying.py, keeper.py    copies that outlive the replica.
"""

import asyncio
import time
from collections.abc import Callable

from fastapi import FastAPI, WebSocket

from gymspotter.stream.events import Limits
from gymspotter.stream.protocol import Hello
from gymspotter.stream.session import Session, StreamConfig
from serve.access.guard import Refused
from serve.access.tokens import Client
from serve.settings import AppSettings
from serve.streams.backend import StreamBackend
from serve.streams.connection import GOING_AWAY, Connection
from serve.streams.copying import IDLE, Copying
from serve.streams.feed import Feed
from serve.streams.hops import Hops
from serve.streams.sessions import Held

__all__ = ["PATH", "StreamBackend", "Streams", "add_streams", "limits_of"]

PATH = "/v1/stream"
_CLOSE_SECONDS = 10.0
_AT_THE_DOOR = 200  # connections without a session: before their hello


def limits_of(settings: AppSettings) -> Limits:
    """What a welcome says of the settings."""
    return Limits(
        message_bytes=settings.message_bytes,
        frames_per_message=settings.frames_per_message,
        frames_per_second=settings.frames_per_second,
        session_seconds=settings.session_seconds,
        resume_seconds=settings.resume_seconds,
        image_pixels=settings.image_pixels,
    )


class Streams:
    """All streams of one replica. It belongs to one event loop."""

    def __init__(self, backend: StreamBackend, clock: Callable[[], float] = time.monotonic) -> None:
        self.backend = backend
        self.clock = clock
        self.limits = limits_of(backend.settings)
        self.hops = Hops(backend, clock)
        self.feed = Feed(backend, self.hops, clock)
        self.copying = Copying(backend, clock)
        self._connections: set[Connection] = set()
        self._at_the_door: dict[Connection, None] = {}  # oldest first
        self._closing = False

    async def serve(self, websocket: WebSocket) -> None:
        """One connection, from accept to close.

        Where too many have said no hello yet, the one that has waited longest goes: who has something to say says it at
        once, and nobody can shut the door by standing in it.
        """
        connection = Connection(websocket, self)
        self._connections.add(connection)
        self._at_the_door[connection] = None
        if len(self._at_the_door) > _AT_THE_DOOR:
            oldest = next(iter(self._at_the_door))
            del self._at_the_door[oldest]
            oldest.stop(IDLE, "too many connections wait here, and no hello came on this one: send it first.")
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            self._at_the_door.pop(connection, None)

    def come_in(self, connection: Connection) -> None:
        """It has said its hello."""
        self._at_the_door.pop(connection, None)

    async def begin(self, hello: Hello, client: Client) -> tuple[Held, bool]:
        """The session of a hello, open, and whether it was resumed.

        Raises:
            Refused: the replica or the client has too many sessions, or the replica is going away.
        """
        if self._closing:
            raise Refused(503, GOING_AWAY, "the service is going away: try again at once.")
        if hello.resume is not None:
            restored, generation = await self.copying.take_over(hello.resume, client)
            if restored is not None:
                return restored, True
            held = self.backend.sessions.resume(hello.resume, client)
            if held is not None:
                held.generation = max(held.generation, generation)
                return held, True
        facts = self.backend.champion.current.facts
        config = StreamConfig(
            classes=tuple(facts.classes), grid_fps=facts.grid_fps, frames=facts.frames, hop=hello.hop, top=hello.top
        )
        held = self.backend.sessions.open(client, Session(config), config)
        self.copying.at_once(held)  # so that a replica that dies within the first seconds loses no session either
        return held, False

    async def close(self) -> None:
        """Close all connections with 1001 and see that the sessions are copied: the replica is going away."""
        self._closing = True
        for connection in list(self._connections):
            connection.stop(GOING_AWAY)
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                while self._connections:
                    await asyncio.sleep(0.01)
                await self.copying.idle()
        except TimeoutError:
            pass


def add_streams(api: FastAPI, backend: StreamBackend, *, clock: Callable[[], float] = time.monotonic) -> Streams:
    """Add the WebSocket endpoint to an application; call the returned object's ``close`` before it ends."""
    streams = Streams(backend, clock)

    @api.websocket(PATH)
    async def stream(websocket: WebSocket) -> None:
        await streams.serve(websocket)

    return streams

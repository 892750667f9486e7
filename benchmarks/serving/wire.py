"""A stream as light as it can be, so that a thousand of them leave the machine to the service.

The messages are made beforehand, and of the answers only labels are read. The WebSocket protocol itself is that of the
websockets library, without its queues and tasks. A client for apps, which reconnects, is `gymspotter.client`.
"""

import asyncio
import json
import math
import struct
import time
from collections import Counter
from collections.abc import Sequence
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

FPS, BUNDLE = 5.0, 5  # frames a second, and frames in a message
_HEADER = struct.Struct("<BBH")


def hello(layout: str = "h36m17", **more: object) -> str:
    """The first message of a stream."""
    return json.dumps({"type": "hello", "protocol": 1, "layout": layout, "fps": FPS, "hop": 1.0, "top": 3, **more})


def bundle(times: Sequence[float], joints: NDArray[np.float32]) -> bytes:
    """A binary message of joints [n, J, 3] without scores."""
    return _HEADER.pack(1, 0, len(times)) + struct.pack(f"<{len(times)}d", *times) + joints.tobytes()


def bundles(performance: NDArray[np.float32]) -> list[bytes]:
    """A performance [frames, J, 3] as messages of a second each; `Wire.send` writes the times into them."""
    return [bundle([0.0] * BUNDLE, performance[k : k + BUNDLE]) for k in range(0, len(performance), BUNDLE)]


class Wire(asyncio.Protocol):
    """One stream, which sends the next second of its performance when it is told to.

    ``sent`` has the moment of each message, ``latency`` the seconds from there until the label that it completed came,
    NaN where none came (yet): the label at ``t`` is completed by the first message with a frame at ``t`` or later.
    """

    transport: asyncio.Transport

    def __init__(self, url: str, messages: Sequence[bytes], greeting: str) -> None:
        self.protocol = ClientProtocol(parse_uri(url), max_size=None)
        self.greeting = greeting
        self.messages = [bytearray(message) for message in messages]
        self.sent: list[float] = []
        self.latency: list[float] = []
        self.heard: Counter[str] = Counter()
        self.versions: set[str] = set()
        self.trouble = ""
        self.welcomed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, url: str, messages: Sequence[bytes], greeting: str | None = None) -> "Wire":
        """A stream that was welcomed; ConnectionError if it is not within ten seconds."""
        parts = urlsplit(url)
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(
            lambda: cls(url, messages, greeting or hello()), parts.hostname, parts.port
        )
        done, _ = await asyncio.wait({wire.welcomed, wire.closed}, timeout=10, return_when="FIRST_COMPLETED")
        if not wire.welcomed.done():
            wire.transport.abort()
            raise ConnectionError(wire.trouble or ("closed" if done else "no welcome in ten seconds"))
        return wire

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self.protocol.state is State.OPEN and not self.transport.is_closing()

    def send(self) -> None:
        """The next second of the performance, over and over again."""
        if not self.is_open:
            return
        number = len(self.sent)
        message = self.messages[number % len(self.messages)]
        times = ((number * BUNDLE + k) / FPS for k in range(BUNDLE))
        struct.pack_into(f"<{BUNDLE}d", message, _HEADER.size, *times)
        self.sent.append(time.perf_counter())
        self.latency.append(math.nan)
        self.protocol.send_binary(bytes(message))
        self._flush()

    def say(self, text: str) -> None:
        """A text message."""
        if self.is_open:
            self.protocol.send_text(text.encode())
            self._flush()

    async def bye(self) -> None:
        """End the session as an app does; a service that does not close within ten seconds is left."""
        self.say('{"type":"bye"}')
        await asyncio.wait({self.closed}, timeout=10)
        self.transport.abort()

    def drop(self) -> None:
        """Vanish without a word."""
        self.transport.abort()

    # ---- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the WebSocket."""
        self.transport = transport  # type: ignore[assignment]  # uvloop's is none of asyncio's classes
        self.protocol.send_request(self.protocol.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Note when what came."""
        now = time.perf_counter()
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if isinstance(event, Response):
                if self.protocol.handshake_exc is None:
                    self.say(self.greeting)
                else:
                    self.trouble = str(self.protocol.handshake_exc)
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._read(event.data, now)
        self._flush()

    def eof_received(self) -> None:
        """The service has closed."""
        self.protocol.receive_eof()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self.trouble = self.trouble or str(exc or "closed")
        if not self.closed.done():
            self.closed.set_result(None)

    def _read(self, data: bytes | bytearray | memoryview, now: float) -> None:
        said = json.loads(bytes(data))
        kind = said["type"]
        self.heard[kind] += 1
        if kind == "label":
            self.versions.add(str(said["model_version"]))
            number = max(0, math.ceil((said["t"] * FPS - (BUNDLE - 1)) / BUNDLE - 1e-6))
            if number < len(self.sent) and math.isnan(self.latency[number]):
                self.latency[number] = now - self.sent[number]
        elif kind == "welcome":
            self.welcomed.set_result(None)
        elif kind == "notice":
            self.heard[f"notice {said['code']}"] += 1
        elif kind == "error":
            self.trouble = str(said["detail"])

    def _flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                self.transport.write(data)
            elif self.transport.can_write_eof():
                self.transport.write_eof()

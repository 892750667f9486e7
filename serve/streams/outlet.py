"""What goes out on one WebSocket: messages in order, a bounded queue of them, one writer at a time."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

_log = logging.getLogger(__name__)

QUEUE = 256
_CLOSE_SECONDS = 5.0
# What counts stays in the queue of a slow connection as long as anything else can be left out instead.
_COUNTS = frozenset({"welcome", "start", "end", "rep", "missed", "goodbye", "error"})

_Item = tuple[str, str, Callable[[], None] | None]  # kind, text, what to call once it is handed to the socket


class Outlet:
    """The outgoing side of a connection.

    Others act on the connection through it: ``stop`` ends it (close code, and a detail that is told before), ``bad``
    tells the client what is wrong with something it sent.
    """

    __slots__ = ("_flushing", "_queue", "_send", "_task", "bad", "dead", "stop")

    def __init__(
        self,
        send: Callable[[dict[str, Any]], Awaitable[None]],
        *,
        stop: Callable[[int, str], None],
        bad: Callable[[str], None],
    ) -> None:
        self._send = send
        self._queue: deque[_Item] = deque()
        self._flushing = False
        self._task: asyncio.Task[None] | None = None
        self.dead = False
        self.stop = stop
        self.bad = bad

    @property
    def waiting(self) -> bool:
        """Whether messages are queued."""
        return bool(self._queue)

    def put(self, kind: str, text: str, sent: Callable[[], None] | None = None) -> None:
        """Queue a message; `flush` sends it. A full queue loses its oldest label, or else its oldest message."""
        if self.dead:
            return
        if len(self._queue) >= QUEUE:
            self._make_room()
        self._queue.append((kind, text, sent))

    async def flush(self) -> None:
        """Send what is queued, unless another task is doing so; returns at once if that is slow."""
        if self._flushing:
            return
        self._flushing = True
        try:
            while self._queue and not self.dead:
                _, text, sent = self._queue.popleft()
                await self._send({"type": "websocket.send", "text": text})
                if sent is not None:
                    sent()
        except Exception as error:  # whatever the server raises for a socket that is gone; the reader hears of it too
            _log.debug("a message could not be sent: %r", error)
            self.dead = True
            self._queue.clear()
        finally:
            self._flushing = False

    def flush_soon(self) -> None:
        """Have `flush` run beside the caller."""
        if not self._flushing and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self.flush())

    async def close(self, code: int) -> None:
        """Send what is queued, then close; gives up after a few seconds if the other side does not read."""
        with suppress(Exception):
            async with asyncio.timeout(_CLOSE_SECONDS):
                while self._flushing:
                    await asyncio.sleep(0.005)
                await self.flush()
                if not self.dead:
                    await self._send({"type": "websocket.close", "code": code, "reason": ""})
        self.dead = True

    def _make_room(self) -> None:
        for may_go in (lambda kind: kind == "label", lambda kind: kind not in _COUNTS, lambda kind: True):
            for index, (kind, _, _) in enumerate(self._queue):
                if may_go(kind):
                    del self._queue[index]
                    return

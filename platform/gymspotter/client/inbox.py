"""The events of a live session that nobody has read yet."""

import asyncio
import contextlib
from collections import deque

from gymspotter.client.failures import ServiceError
from gymspotter.client.news import LiveEvent

# Of more unread events, the oldest are dropped.
_UNREAD = 10_000


class Inbox:
    """A queue of events that comes to an end."""

    def __init__(self) -> None:
        self._events: deque[LiveEvent] = deque(maxlen=_UNREAD)
        self._news = asyncio.Event()
        self._ended = False
        self._failure: ServiceError | None = None

    def put(self, event: LiveEvent) -> None:
        """One more."""
        self._events.append(event)
        self._news.set()

    def end(self, failure: ServiceError | None) -> None:
        """No more will come; ``failure`` is raised once all are read."""
        self._ended, self._failure = True, failure
        self._news.set()

    def poll(self) -> list[LiveEvent]:
        """All that are there, without waiting; safe to be called from another thread."""
        events: list[LiveEvent] = []
        with contextlib.suppress(IndexError):
            while True:
                events.append(self._events.popleft())
        return events

    async def next(self) -> LiveEvent:
        """The next one; raises StopAsyncIteration, or the failure, where none will come."""
        while not self._events:
            if self._failure:
                raise self._failure
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._events.popleft()

    async def wait(self, seconds: float) -> list[LiveEvent]:
        """All that are there, once there is one, or after ``seconds``; raises the failure."""
        with contextlib.suppress(TimeoutError, StopAsyncIteration):
            async with asyncio.timeout(max(0.0, seconds)):
                return [await self.next(), *self.poll()]
        return []

"""A live session with the service over a WebSocket that survives lost connections.

async with AsyncLiveSession("http://127.0.0.1:8000", layout="h36m17", fps=5) as live:
    await live.send(t, joints)            # as often as there is a frame
    async for event in live: ...          # Label, Start, Rep, End ... of gymspotter.stream.events

Every frame sent is kept until the service says that it has saved it. When the connection is lost, the session is
resumed: what the service does not hold is sent again, and events that were seen already are left out, so that the
events read are those of a connection that was never lost. docs/streaming.md has the protocol.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from gymspotter.client.connection import event_of, opened, stream_url, why
from gymspotter.client.failures import NO_ANSWER, PASSING, ServiceError, Timing, backoff
from gymspotter.client.frames import Sent, as_frames, message
from gymspotter.client.inbox import Inbox
from gymspotter.client.news import Disconnected, LiveEvent, Reconnected
from gymspotter.client.outbox import Outbox, Pace
from gymspotter.errors import InputError
from gymspotter.skeleton import layout as layout_of
from gymspotter.stream.events import ErrorMessage, Goodbye, Label, Welcome
from gymspotter.stream.protocol import JPEG, Hello, read_hello, write_hello

# How long the service may take for the goodbye.
_GOODBYE_S = 30.0


class AsyncLiveSession:
    """One athlete's stream to the service: frames go out, events come back. Used with ``async with``.

    ``welcome`` is the service's last one, and ``seen`` the number of the last event.
    """

    welcome: Welcome

    def __init__(
        self,
        url: str,
        *,
        layout: str = "h36m17",
        fps: float = 5.0,
        hop: float = 1.0,
        top: int = 3,
        token: str | None = None,
        poses: bool = False,
        bundle_seconds: float = 0.25,
        give_up_seconds: float = 60.0,
        queue_frames: int = 1000,
        timing: Timing = Timing(),  # noqa: B008 - frozen
    ) -> None:
        """Nothing is sent before the block is entered.

        Args:
            url: the service, http://host:8000.
            layout: of the joints to be sent, or "jpeg" for pictures.
            fps: frames a second to be sent, about.
            hop: seconds between two labels.
            top: guesses in a label.
            token: the service's token, if it wants one.
            poses: ("jpeg" only) send the skeletons found in the pictures back.
            bundle_seconds: frames are sent together if they are not further apart than this.
            give_up_seconds: how long a lost connection is tried to be got back.
            queue_frames: frames that may wait to be sent; `send` waits while there are more.
            timing: clock, sleep and chance.

        Raises:
            InputError: the address, the layout or a number cannot be used.
        """
        self.url = stream_url(url)
        self._layout = None if layout == JPEG else layout_of(layout)
        # Read as the service would, which complains of what it would refuse.
        self._hello = read_hello(write_hello(Hello(layout=layout, fps=fps, hop=hop, top=top, poses=poses)))
        self._token = token
        self._bundle_seconds, self._give_up_seconds, self._timing = bundle_seconds, give_up_seconds, timing
        self._outbox = Outbox(frames=queue_frames)
        self._inbox = Inbox()
        self._room, self._work = asyncio.Event(), asyncio.Event()
        self._socket: ClientConnection | None = None
        self._runner: asyncio.Task[None] | None = None
        self._failure: ServiceError | None = None
        self._goodbye: Goodbye | None = None
        self._closing, self._ended = False, True
        self.seen = 0

    @property
    def dropped(self) -> int:
        """How many pictures were never sent, since newer ones were waiting."""
        return self._outbox.dropped

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            ServiceError: the service is not there, or refuses.
        """
        await self._open()
        self._ended = False
        self._runner = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await self.close()
        else:
            await self._stop()

    async def send(self, t: ArrayLike, joints: ArrayLike | None, scores: ArrayLike | None = None) -> None:
        """Send one frame, or several at once. Waits while too many are still to be sent.

        Args:
            t: seconds of any clock; one number, or N.
            joints: [J, 3] or [N, J, 3] metres, NaN where a joint was not seen; None where nobody is in view.
            scores: [J] or [N, J] in 0..1, optional.

        Raises:
            InputError: the shapes are not those of the layout, or a time is not finite.
            ServiceError: the session is over.
        """
        if self._layout is None:
            raise InputError("layout is 'jpeg': send pictures, or open the session with the layout of the joints.")
        for frame in as_frames(self._layout, t, joints, scores):
            await self._put(frame, wait=True)

    async def send_picture(self, t: float, jpeg: bytes, *, wait: bool = False) -> None:
        """Send a picture, JPEG. Where too many wait, the oldest are dropped, or with ``wait`` this one waits.

        Raises:
            InputError: the session's layout is not "jpeg", or the time is not finite.
            ServiceError: the session is over.
        """
        if self._layout is not None:
            raise InputError(f"layout is {self._layout.name!r}: open the session with layout 'jpeg' for pictures.")
        if not np.isfinite(t):
            raise InputError(f"t is {t}: give finite seconds.")
        await self._put(Sent(t=float(t), jpeg=bytes(jpeg)), wait)

    async def close(self) -> Goodbye:
        """Send all that waits, say bye, and return the service's summary. The events before it can still be read.

        Raises:
            ServiceError: the session ended otherwise before.
        """
        self._closing = True
        self._work.set()
        if self._runner and not self._goodbye:
            await asyncio.wait([self._runner], timeout=self._give_up_seconds + _GOODBYE_S)
        await self._stop()
        if self._goodbye:
            return self._goodbye
        raise self._failure or ServiceError(NO_ANSWER, "the service did not answer the bye.")

    def poll(self) -> list[LiveEvent]:
        """The events that have come and were not read yet, without waiting."""
        return self._inbox.poll()

    async def wait_events(self, seconds: float) -> list[LiveEvent]:
        """As `poll`, but waits until there is an event, for ``seconds`` at most.

        Raises:
            ServiceError: the session ended otherwise than by `close`.
        """
        return await self._inbox.wait(seconds)

    def __aiter__(self) -> AsyncIterator[LiveEvent]:
        return self

    async def __anext__(self) -> LiveEvent:
        """The next event; the last one is `Goodbye`.

        Raises:
            ServiceError: the session ended otherwise.
        """
        return await self._inbox.next()

    async def _put(self, frame: Sent, wait: bool) -> None:
        while wait and self._outbox.full and not self._ended:
            self._room.clear()
            await self._room.wait()
        if self._ended or self._closing:
            raise self._failure or ServiceError(NO_ANSWER, "the session is closed: open a new one.")
        self._outbox.put(frame, self._timing.clock())
        self._work.set()

    async def _open(self) -> None:
        """Get a connection that the service has welcomed: the first, or one that resumes the session."""
        hello = replace(self._hello, resume=self.welcome.resume, seen=self.seen) if self._runner else self._hello
        self._socket, self.welcome = await opened(self.url, write_hello(hello), self._token)

    async def _stop(self) -> None:
        """Leave nothing running; a bye is not said."""
        if self._runner:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        if self._socket:
            await self._socket.close()
        self._end()

    def _end(self) -> None:
        self._ended = True
        self._room.set()
        self._inbox.end(self._failure)

    async def _run(self) -> None:
        """Serve one connection after the other until the goodbye, or until nothing helps."""
        try:
            while True:
                lost = await self._served()
                if lost is None:
                    return
                if lost.status not in PASSING:
                    raise lost
                self._inbox.put(Disconnected(reason=lost.detail))
                await self._reopen(lost)
                lost_frames = self._outbox.resume(self.welcome.received if self.welcome.resumed else None)
                if not self.welcome.resumed:
                    self.seen = 0
                self._inbox.put(Reconnected(resumed=self.welcome.resumed, lost_frames=lost_frames))
        except ServiceError as error:
            self._failure = error
        except Exception as error:
            self._failure = ServiceError(NO_ANSWER, f"the client failed ({type(error).__name__}: {error}).")
            raise
        finally:
            self._end()

    async def _reopen(self, lost: ServiceError) -> None:
        began = self._timing.clock()
        for attempt in itertools.count():
            delay = backoff(attempt, self._timing.random, first=0.25)
            if self._timing.clock() + delay - began > self._give_up_seconds:
                break
            await self._timing.sleep(delay)
            try:
                return await self._open()
            except ServiceError as error:
                if error.status not in PASSING:
                    raise
                lost = error
        detail = f"the connection was lost and did not come back within {self._give_up_seconds:g} s: {lost.detail}"
        raise ServiceError(lost.status, detail)

    async def _served(self) -> ServiceError | None:
        """Read and write until the connection ends: None if by a goodbye, otherwise why it is lost."""
        assert self._socket is not None
        socket = self._socket
        tasks = reader, writer = asyncio.create_task(self._read(socket)), asyncio.create_task(self._write(socket))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not reader.done():
                writer.result()  # it ended by itself: after the bye, or with a defect
            return await reader
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await socket.close()

    async def _read(self, socket: ClientConnection) -> ServiceError | None:
        told: ErrorMessage | None = None
        try:
            while True:
                event = event_of(await socket.recv())
                if event is None or isinstance(event, Welcome):
                    continue
                told = event if isinstance(event, ErrorMessage) else told
                if isinstance(event, Label) and event.saved is not None:
                    self._outbox.saved(event.saved)
                number = getattr(event, "seq", None)
                if number is not None:
                    if number <= self.seen:
                        continue
                    self.seen = number
                if isinstance(event, Goodbye):
                    self._goodbye = event
                self._inbox.put(event)
                if self._goodbye:
                    return None
        except ConnectionClosed as closed:
            return why(closed, told)

    async def _write(self, socket: ClientConnection) -> None:
        limits, pace = self.welcome.limits, Pace(self.welcome.limits.frames_per_second)
        with contextlib.suppress(ConnectionClosed):
            while True:
                now = self._timing.clock()
                bundle = 0.0 if self._closing else self._bundle_seconds
                wait = self._outbox.due_in(now, bundle, limits.frames_per_message)
                allowed = pace.allowed(now)
                if wait == 0 and allowed:
                    frames = self._outbox.take(min(allowed, limits.frames_per_message), limits.message_bytes)
                    self._room.set()
                    pace.count(len(frames))
                    await socket.send(message(frames))
                    continue
                if self._closing and not len(self._outbox):
                    await socket.send('{"type": "bye"}')
                    return
                self._work.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._work.wait(), pace.wait() if wait == 0 else wait)

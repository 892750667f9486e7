"""A live session for programs without asyncio: `AsyncLiveSession` on a thread of its own."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from types import TracebackType
from typing import Any, Self, TypedDict, TypeVar, Unpack

from numpy.typing import ArrayLike

from gymspotter.client.failures import Timing
from gymspotter.client.live import AsyncLiveSession
from gymspotter.client.news import LiveEvent
from gymspotter.stream.events import Goodbye, Welcome

T = TypeVar("T")


class LiveOptions(TypedDict, total=False):
    """The options of `AsyncLiveSession`, which says what they mean."""

    layout: str
    fps: float
    hop: float
    top: int
    token: str | None
    poses: bool
    bundle_seconds: float
    give_up_seconds: float
    queue_frames: int
    timing: Timing


class LiveSession:
    """See `AsyncLiveSession`; used with ``with``, and by one thread at a time.

    with LiveSession("http://127.0.0.1:8000") as live:
        live.send(t, joints)
        for event in live.poll(): ...     # what has come; or `for event in live:`, which waits
    """

    def __init__(self, url: str, **options: Unpack[LiveOptions]) -> None:
        """Nothing is sent before the block is entered; raises as `AsyncLiveSession` does."""
        self._session = AsyncLiveSession(url, **options)

    @property
    def welcome(self) -> Welcome:
        """See `AsyncLiveSession`."""
        return self._session.welcome

    @property
    def dropped(self) -> int:
        """Pictures that were never sent."""
        return self._session.dropped

    def __enter__(self) -> Self:
        """Connect; raises as `AsyncLiveSession.__aenter__` does."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gymspotter-live", daemon=True)
        self._thread.start()
        try:
            self._wait(self._session.__aenter__())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._wait(self._session.__aexit__(kind, error, trace))
        finally:
            self._stop()

    def send(self, t: ArrayLike, joints: ArrayLike | None, scores: ArrayLike | None = None) -> None:
        """See `AsyncLiveSession.send`."""
        self._wait(self._session.send(t, joints, scores))

    def send_picture(self, t: float, jpeg: bytes, *, wait: bool = False) -> None:
        """See `AsyncLiveSession.send_picture`."""
        self._wait(self._session.send_picture(t, jpeg, wait=wait))

    def poll(self) -> list[LiveEvent]:
        """The events that have come and were not read yet, without waiting."""
        return self._session.poll()

    def wait_events(self, seconds: float) -> list[LiveEvent]:
        """The events that have come; waits until there is one, but not longer than ``seconds``.

        Raises:
            ServiceError: the session ended otherwise than by `close`.
        """
        return self._wait(self._session.wait_events(seconds))

    def __iter__(self) -> Iterator[LiveEvent]:
        """The events as they come, the last one `Goodbye`; raises as `AsyncLiveSession.__anext__` does."""
        while True:
            try:
                yield self._wait(self._session.__anext__())
            except StopAsyncIteration:
                return

    def close(self) -> Goodbye:
        """See `AsyncLiveSession.close`."""
        return self._wait(self._session.close())

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

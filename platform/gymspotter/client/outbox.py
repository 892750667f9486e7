"""What a live session has still to send, and what it must keep in case the connection is lost. Pure."""

from collections import deque

from gymspotter.client.frames import Sent

# A picture that waits for more than so many others is dropped: it shows what has long passed.
_PICTURES_WAITING = 8
_KEEP_BYTES = 64 * 2**20
_MAXIMAL_FORGOTTEN = 100_000


class Outbox:
    """A bounded queue of frames to send, and those sent that the service could still ask for again.

    A frame is kept from when it is taken to be sent until the service says that it has saved it, but at most for
    ``keep_seconds`` of the session's own time. ``dropped`` counts pictures that were never sent.
    """

    def __init__(self, *, frames: int = 1000, pictures: int = _PICTURES_WAITING, keep_seconds: float = 120.0) -> None:
        self._frames, self._pictures, self._keep_seconds = frames, pictures, keep_seconds
        self._waiting: deque[Sent] = deque()
        self._since = 0.0  # by the clock, when the first of them came
        self._again = 0  # how many at the head of the queue were sent before
        self._kept: deque[Sent] = deque()
        self._kept_bytes = 0
        self._forgotten: deque[float] = deque(maxlen=_MAXIMAL_FORGOTTEN)
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def kept(self) -> int:
        """How many frames were sent and are not saved yet."""
        return len(self._kept)

    @property
    def full(self) -> bool:
        """Whether as many new frames wait as may; those sent again do not count."""
        fresh = len(self._waiting) - self._again
        return fresh >= (self._pictures if self._waiting and self._waiting[-1].jpeg is not None else self._frames)

    def due_in(self, now: float, bundle_seconds: float, most: int) -> float | None:
        """Seconds from ``now`` until what waits should be sent: 0 is at once, None when more has come.

        Skeletons wait for others, until they are ``most`` or ``bundle_seconds`` apart, by their times or by the clock;
        pictures and what is sent again do not.
        """
        if not self._waiting:
            return None
        apart = abs(self._waiting[-1].t - self._waiting[0].t)
        alone = self._again > 0 or self._waiting[0].jpeg is not None
        if alone or self.full or len(self._waiting) >= most or apart >= bundle_seconds:
            return 0.0
        return max(0.0, self._since + bundle_seconds - now)

    def put(self, frame: Sent, now: float) -> None:
        """Add a frame at the end; where too many pictures wait, the oldest new one is dropped and counted."""
        if not self._waiting:
            self._since = now
        if frame.jpeg is not None and self.full:
            del self._waiting[self._again]
            self.dropped += 1
        self._waiting.append(frame)

    def take(self, most: int, most_bytes: int) -> list[Sent]:
        """The next frames for one message: at most ``most`` and about ``most_bytes``, but always one if any waits.

        They are of one kind: one picture, or skeletons that all have scores or all have none.
        """
        taken: list[Sent] = []
        size = 4
        while self._waiting and len(taken) < most:
            frame = self._waiting[0]
            alike = not taken or (
                frame.jpeg is None and taken[0].jpeg is None and (frame.scores is None) == (taken[0].scores is None)
            )
            if taken and (not alike or size + frame.size > most_bytes):
                break
            self._waiting.popleft()
            self._again = max(0, self._again - 1)
            taken.append(frame)
            size += frame.size
            self._keep(frame)
        return taken

    def _keep(self, frame: Sent) -> None:
        self._kept.append(frame)
        self._kept_bytes += frame.size
        while self._kept[0].t < frame.t - self._keep_seconds or self._kept_bytes > _KEEP_BYTES:
            old = self._kept.popleft()
            self._kept_bytes -= old.size
            self._forgotten.append(old.t)
            if not self._kept:
                break

    def saved(self, t: float) -> None:
        """The service will not ask again for frames up to ``t``."""
        self._kept = deque(frame for frame in self._kept if frame.t > t)
        self._kept_bytes = sum(frame.size for frame in self._kept)
        while self._forgotten and self._forgotten[0] <= t:
            self._forgotten.popleft()

    def resume(self, received: float | None) -> int:
        """The service holds the frames up to ``received`` (None: it holds none): queue all later ones again.

        Returns:
            How many frames it does not hold and that are not kept any more.
        """
        lost = [t for t in self._forgotten if received is None or t > received]
        again = [frame for frame in self._kept if received is None or frame.t > received]
        self._kept = deque(frame for frame in self._kept if received is not None and frame.t <= received)
        self._kept_bytes = sum(frame.size for frame in self._kept)
        self._forgotten.clear()
        self._waiting.extendleft(reversed(again))
        self._again += len(again)
        return len(lost)


class Pace:
    """Limits frames to ``rate`` a second on average, in bursts of a second at most: the service sheds what is more."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._allowed = rate
        self._at: float | None = None

    def allowed(self, now: float) -> int:
        """How many frames may be sent at ``now``."""
        if self._at is not None:
            self._allowed = min(self._rate, self._allowed + (now - self._at) * self._rate)
        self._at = now
        return int(self._allowed)

    def count(self, frames: int) -> None:
        """So many were sent."""
        self._allowed -= frames

    def wait(self) -> float:
        """Seconds until the next one is allowed, seen from the last `allowed`."""
        return max(0.0, (1 - self._allowed) / self._rate)

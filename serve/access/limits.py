"""How often a client may do something: buckets that are refilled evenly. The clock is handed in."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

# Buckets that are kept; the one that was not asked for the longest goes first, and a new one is full.
_BUCKETS = 10_000


@dataclass(slots=True)
class Bucket:
    """What may still come now: ``left``, as of the time ``at``."""

    left: float
    at: float

    def refill(self, now: float, per_second: float, most: float) -> float:
        """Add what has come since; what is left now."""
        self.left = min(self.left + max(now - self.at, 0) * per_second, most)
        self.at = now
        return self.left


class Rates:
    """So many a minute for each key, in bounded memory: a minute's worth may come at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, buckets: int = _BUCKETS) -> None:
        self._clock = clock
        self._limit = buckets
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, key: str, per_minute: int) -> float:
        """Take one from a key's bucket: 0 if there was one, else the seconds until there is (and nothing is taken)."""
        now = self._clock()
        bucket = self._buckets.setdefault(key, Bucket(left=per_minute, at=now))
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._limit:
            self._buckets.popitem(last=False)
        per_second = per_minute / 60
        if bucket.refill(now, per_second, per_minute) < 1:
            return (1 - bucket.left) / per_second
        bucket.left -= 1
        return 0.0

    def __len__(self) -> int:
        return len(self._buckets)

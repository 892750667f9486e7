"""From a signal to its cycles, one sample at a time: turning points, what of them is noise, which are a set.

1. Turning points that stick out by `_NOISE` are kept (hysteresis).
2. Swings much smaller than a repetition are pruned, smallest first, so that a tremor on the way does not split one.
3. What is left are candidates: low, high, low. A run of candidates that resemble each other is a set; a lone movement
   that resembles nothing (bowing to the bar, sitting down) is none, so a walk-up cannot spoil the amplitude.

Nothing here knows of joints. Values are in percent of a usual repetition (see signals.py), times in seconds.
"""

from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

# A sample: time, value, whether the posture is in place. A turning point is one with its number in front.
Sample = tuple[float, float, bool]
Point = tuple[int, float, float]

_NOISE = 8.0
# A swing smaller than this share of a repetition's amplitude is no part of one, nor one smaller than `_LEAST`.
_SHARE, _LEAST = 0.45, 20.0
# A repetition has returned when it has come back by this share of its rise, and at the end of a set by this.
_RETURNED, _RETURNED_LAST = 0.45, 0.7
# Two repetitions of a set: the larger is at most so much larger, the longer so much longer, and their turning points
# are at most this share of their amplitude apart.
_ALIKE, _LASTING, _LEVEL = 1.7, 2.2, 0.45
# Two in a row must be alike to begin a set if they are as large as this, three if they are fair, four otherwise; after
# that each one that is alike counts at once.
_CLEAR, _FAIR = 70.0, 55.0
# Between two that are alike, so many may be odd.
_ODD = 1
_SHORTEST_S = 0.3
# Samples without a new low after which a repetition is over.
_SETTLED = 2
_REMEMBERED = 3
# Two minutes without a repetition are forgotten.
_MOST_SAMPLES = 600


@dataclass(frozen=True, kw_only=True)
class Repetition:
    """A repetition from leaving the rest side until it is back there, in seconds."""

    start: float
    end: float


@dataclass(frozen=True)
class _Shape:
    """What makes repetitions alike: amplitude, value at the turning point, seconds in the upper half."""

    size: float
    high: float
    lasts: float

    def like(self, other: "_Shape") -> bool:
        small, large = sorted((self.size, other.size))
        short, long = sorted((self.lasts, other.lasts))
        return large <= _ALIKE * small and long <= _LASTING * short and abs(self.high - other.high) <= _LEVEL * large


@dataclass(frozen=True)
class _Candidate:
    start: float
    end: float
    last: int
    shape: _Shape
    whole: bool
    placed: bool

    def fits(self, anywhere: bool) -> bool:
        return self.whole and (self.placed or anywhere)


class Cycles:
    """The repetitions of one signal so far."""

    def __init__(self) -> None:
        self.repetitions: list[Repetition] = []
        self._samples: list[Sample] = []
        self._first = 0  # the number of samples[0]
        self._turns: list[Point] = []
        self._high: Point | None = None  # since the last turning point
        self._low: Point | None = None
        self._rising = 0  # 1 towards a high, -1 towards a low, 0 not known yet
        self._known: list[_Shape] = []  # of the latest repetitions
        self._anywhere = False  # this set is out of place

    def push(self, time: float, value: float, in_place: bool) -> list[Repetition]:
        """Take one sample; returns the repetitions that are known to be complete with it."""
        number = self._first + len(self._samples)
        self._samples.append((time, value, in_place))
        point = (number, time, value)
        if self._high is None or self._low is None:
            self._high = self._low = point
            return []
        if value > self._high[2]:
            self._high = point
        if value < self._low[2]:
            self._low = point
        if self._rising >= 0 and self._high[2] - value >= _NOISE:
            self._turns.append(self._high)
            self._rising, self._low = -1, point
        elif self._rising <= 0 and value - self._low[2] >= _NOISE:
            self._turns.append(self._low)
            fell = self._rising < 0
            self._rising, self._high = 1, point
            return self._resolve() if fell else []
        elif self._rising < 0 and number - self._low[0] == _SETTLED:
            return self._resolve()
        if len(self._samples) > _MOST_SAMPLES:
            self._forget(number - _MOST_SAMPLES // 2)
        return []

    def finish(self) -> list[Repetition]:
        """What the end of the set completes."""
        return self._resolve(last=True)

    def restart(self) -> None:
        """Forget an unfinished repetition: the athlete was gone for longer than can be bridged."""
        self._first += len(self._samples)
        self._samples, self._turns, self._high, self._low, self._rising = [], [], None, None, 0

    def snapshot(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {
            "repetitions": [(r.start, r.end) for r in self.repetitions], "samples": list(self._samples),
            "first": self._first, "turns": list(self._turns), "high": self._high, "low": self._low,
            "rising": self._rising, "known": [(shape.size, shape.high, shape.lasts) for shape in self._known],
            "anywhere": self._anywhere,
        }  # fmt: skip

    @classmethod
    def restore(cls, snapshot: dict[str, Any]) -> "Cycles":
        """What `snapshot` told."""
        out = cls()
        out.repetitions = [Repetition(start=float(start), end=float(end)) for start, end in snapshot["repetitions"]]
        out._samples = [(float(time), float(value), bool(place)) for time, value, place in snapshot["samples"]]
        out._first, out._rising = int(snapshot["first"]), int(snapshot["rising"])
        out._turns = [_point(turn) for turn in snapshot["turns"]]
        out._high, out._low = (_point(snapshot[k]) if snapshot[k] else None for k in ("high", "low"))
        out._known = [_Shape(float(size), float(high), float(lasts)) for size, high, lasts in snapshot["known"]]
        out._anywhere = bool(snapshot["anywhere"])
        return out

    def _resolve(self, *, last: bool = False) -> list[Repetition]:
        """Find a run of repetitions among the turning points that no repetition has used yet."""
        extreme = self._low if self._rising < 0 else self._high
        if extreme is None:
            return []
        points = [*self._turns, extreme]
        tried = float("inf")
        # The largest swings first: what is small beside them is noise, unless nothing large makes a set.
        for size in sorted({_size(*triple) for triple in _swings(points, _LEAST)}, reverse=True):
            if size > 0.8 * tried:
                continue
            tried = size
            candidates = [self._candidate(*triple, last) for triple in _swings(points, max(_SHARE * size, _LEAST))]
            run = self._run(candidates, size, last)
            if not run and not self._known and sum(c.placed for c in candidates) <= len(candidates) / 2:
                # An estimator that errs may see a whole set out of place: a clear pattern counts there, too.
                run = self._run(candidates, size, last, anywhere=True)
                self._anywhere = bool(run)
            if run:
                self._known = [*self._known, *(c.shape for c in run)][-_REMEMBERED:]
                self._forget(run[-1].last)
                new = [Repetition(start=c.start, end=c.end) for c in run]
                self.repetitions += new
                return new
        return []

    def _candidate(self, start: Point, high: Point, end: Point, last: bool) -> _Candidate:
        samples, base = self._samples, self._first
        top, size = high[0] - base, _size(start, high, end)

        def back(i: int, floor: float) -> int:
            while i > start[0] - base and samples[i][1] > floor:
                i -= 1
            return i

        def on(i: int, floor: float) -> int:
            while i < end[0] - base and samples[i][1] > floor:
                i += 1
            return i

        left, right = back(top, (start[2] + high[2]) / 2), on(top, (end[2] + high[2]) / 2)
        lasts = samples[right][0] - samples[left][0]
        placed = sum(sample[2] for sample in samples[left : right + 1])
        whole = not last or high[2] - end[2] >= _RETURNED_LAST * (high[2] - start[2])
        return _Candidate(
            start=samples[back(left, start[2] + 0.12 * size)][0],
            end=samples[on(right, end[2] + 0.12 * size)][0],
            last=end[0],
            shape=_Shape(size, high[2], lasts),
            whole=lasts >= _SHORTEST_S and whole,
            placed=2 * placed > right - left,
        )

    def _run(self, candidates: list[_Candidate], size: float, last: bool, anywhere: bool = False) -> list[_Candidate]:
        """The longest run of candidates that are alike, if it is long enough; an odd one in between is part of it."""
        anywhere = anywhere or self._anywhere
        needed = 2 if size >= _CLEAR else 3 if size >= _FAIR else 4
        if last and not self._known:
            if size >= _FAIR and not anywhere:  # too few for a pattern: what is large enough counts
                return [c for c in candidates if c.fits(anywhere)]
            needed = 2
        elif anywhere:
            needed += 2
        run: list[_Candidate] = []
        odd: list[_Candidate] = []
        best: list[_Candidate] = []
        for candidate in candidates:
            fits = candidate.fits(anywhere)
            if fits and (self._belongs(candidate) or (run and run[-1].shape.like(candidate.shape))):
                run, odd = [*run, *odd, candidate], []
            elif fits and odd and odd[-1].fits(anywhere) and odd[-1].shape.like(candidate.shape):
                run, odd = [odd[-1], candidate], []
            elif run and len(odd) < _ODD:
                odd = [*odd, candidate]
            else:
                run, odd = [candidate] if fits else [], []
            if len(run) > len(best) and (len(run) >= needed or self._belongs(run[-1])):
                best = list(run)
        return best

    def _belongs(self, candidate: _Candidate) -> bool:
        """Whether it is like the latest repetitions."""
        if not self._known:
            return False
        size, high, lasts = (median(getattr(shape, k) for shape in self._known) for k in ("size", "high", "lasts"))
        return _Shape(size, high, lasts).like(candidate.shape)

    def _forget(self, before: int) -> None:
        """Drop samples and turning points before a sample's number."""
        del self._samples[: before - self._first]
        self._first = before
        self._turns = [turn for turn in self._turns if turn[0] >= before]
        start = self._samples[0][0]
        if self._high and self._high[0] < before:
            self._high = (before, start, self._high[2])
        if self._low and self._low[0] < before:
            self._low = (before, start, self._low[2])


def _point(values: Any) -> Point:
    number, time, value = values
    return int(number), float(time), float(value)


def _size(start: Point, high: Point, end: Point) -> float:
    return min(high[2] - start[2], high[2] - end[2])


def _swings(points: list[Point], least: float) -> list[tuple[Point, Point, Point]]:
    """Low, high, low, where both swings are ``least`` or more and the way back is most of the way there."""
    kept = _prune(points, least)
    triples = zip(kept, kept[1:], kept[2:], strict=False)
    return [(a, b, c) for a, b, c in triples if b[2] > a[2] and b[2] - c[2] >= _RETURNED * (b[2] - a[2])]


def _prune(points: list[Point], least: float) -> list[Point]:
    """Turning points without the swings smaller than ``least``: the smallest goes first, with both its ends."""
    kept = list(points)
    while len(kept) > 2:
        swings = [abs(b[2] - a[2]) for a, b in pairwise(kept)]
        smallest = min(range(len(swings)), key=swings.__getitem__)
        if swings[smallest] >= least:
            break
        if smallest == 0:
            del kept[0]
        elif smallest == len(swings) - 1:
            del kept[-1]
        else:
            del kept[smallest : smallest + 2]
    return kept

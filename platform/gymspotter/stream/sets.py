"""From smoothed probabilities to sets: when one starts, when it ends, and its repetitions.

Thresholds are in seconds, not hops, so that every hop gives the same sets. They stand here once, with their reasons.

Shapes: L = K + 1 smoothed values (see smoothing.py), T grid frames, J joints, C = 3.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gymspotter.labels import EXERCISES
from gymspotter.repetitions import Counter, Repetition, is_counted
from gymspotter.skeleton import Floats
from gymspotter.stream.arrivals import Hop
from gymspotter.stream.events import End, Rep, SetSummary, Start

# A set starts when its exercise has led for so long and is now so likely ...
START_AT = 0.5
START_AFTER_S = 2.0
# ... and ends when it has been less likely than this for so long. In between it goes on: people pause within a set.
END_BELOW = 0.3
END_AFTER_S = 1.0
# Nobody in view for so long ends it too.
LEFT_AFTER_S = 3.0
# A window must be nearly full of a movement before a model that was trained on whole ones names it: the movement began
# so long before its name first led. (Synthetic gym, movements in a row, a 12 s window: 7.8 to 9.8 s in half the cases.)
LEAD_S = 8.0
# Repetitions are looked for so much earlier, and a first one that is found is the set's beginning.
BEFORE_S = 2.0
# ... and was over so long before its probability fell, unless a repetition was counted later.
TAIL_S = 7.0
# Sets that are remembered for the goodbye.
MOST_SETS = 1000
_NOW = 1e-6  # times of hops are sums of floats


@dataclass(kw_only=True)
class OpenSet:
    """The set that goes on; ``fed`` is the number of the next grid frame that its counter is to see,
    ``told`` how many repetitions were told."""

    number: int
    exercise: str
    since: float
    counter: Counter | None
    fed: int
    told: int = 0


class Sets:
    """All sets of a session, one open at most. ``number_event`` gives an event its seq."""

    def __init__(self, classes: Sequence[str], fps: float, number_event: Callable[[], int]) -> None:
        self._classes, self._fps, self._number_event = tuple(classes), fps, number_event
        self.open: OpenSet | None = None
        self.done: deque[SetSummary] = deque(maxlen=MOST_SETS)
        self._count = 0
        self._leader: int | None = None
        self._led_since = 0.0
        self._led_from = 0.0  # when the leader's movement is thought to have begun
        self._low_since: float | None = None
        self._free_from = float("-inf")  # no set begins before the end of the last one

    def step(self, hop: Hop, values_L: NDArray[np.float64] | None) -> list[Start | Rep | End]:
        """One hop: the repetitions up to it, then what it changes. ``values_L`` is None if there is no answer to it."""
        events: list[Start | Rep | End] = []
        if self.open is not None:
            new = self._show(self.open, hop.number, hop.last, hop.history_TJC)
            events = self._told(hop.t, self.open, new)
        if not hop.person:
            assert hop.lost_at is not None
            if hop.t - hop.lost_at >= LEFT_AFTER_S - _NOW:
                self._leader = None
                events += self.end(hop.t, hop.lost_at)
        elif values_L is not None:
            events += self._change(hop, values_L)
        return events

    def _change(self, hop: Hop, values_L: NDArray[np.float64]) -> list[Start | Rep | End]:
        t, best = hop.t, int(values_L[:-1].argmax())
        probability = float(values_L[best])
        if probability < END_BELOW:
            self._leader = None
        elif best != self._leader:
            self._leader, self._led_since = best, t
            begin = hop.last - (len(hop.history_TJC) - 1) / self._fps  # of the window
            self._led_from = max(begin, t - LEAD_S, self._free_from)
        sure = (
            self._leader is not None and probability >= START_AT and t - self._led_since >= START_AFTER_S - _NOW
        )  # fmt: skip
        one = self.open
        if one is None:
            return self._start(hop, best) if sure else []
        if self._classes[best] == one.exercise and probability >= END_BELOW:
            self._low_since = None
            return []
        if sure:
            # The other one takes over, after the last repetition that this one made.
            self._led_from = max(self._led_from, _last_repetition(one) or one.since)
            return [*self.end(t, self._led_from), *self._start(hop, best)]
        if values_L[self._classes.index(one.exercise)] >= END_BELOW:
            self._low_since = None
        elif self._low_since is None:
            self._low_since = t
        elif t - self._low_since >= END_AFTER_S - _NOW:
            return self.end(t, max(t - TAIL_S, _last_repetition(one) or one.since))
        return []

    def _start(self, hop: Hop, best: int) -> list[Start | Rep | End]:
        exercise, since = self._classes[best], max(self._led_from, self._free_from)
        self._count += 1
        # A model may have been trained on other names; a plank is held.
        counter = Counter(exercise, self._fps) if exercise in EXERCISES and is_counted(exercise) else None
        # The first grid frame from there on.
        fed = hop.number - int((hop.last - max(since - BEFORE_S, self._free_from) + _NOW) * self._fps)
        one = OpenSet(number=self._count, exercise=exercise, since=since, counter=counter, fed=fed)
        new = self._show(one, hop.number, hop.last, hop.history_TJC)
        if new:
            one.since = float(new[0].start)
        self.open, self._low_since = one, None
        start = Start(
            seq=self._number_event(), t=round(hop.t, 6), set=one.number, exercise=exercise, since=round(one.since, 6)
        )
        return [start, *self._told(hop.t, one, new)]

    def _show(self, one: OpenSet, number: int, last: float, history_TJC: Floats) -> list[Repetition]:
        """Show the counter the grid frames it has not seen; ``history_TJC`` ends with number ``number`` at ``last``."""
        frames = min(number + 1 - one.fed, len(history_TJC))  # more were lost in a gap
        one.fed = number + 1
        if one.counter is None or frames <= 0:
            return []
        return one.counter.push(last - (frames - 1) / self._fps, history_TJC[-frames:])

    def _told(self, t: float, one: OpenSet, new: list[Repetition]) -> list[Start | Rep | End]:
        """Repetitions as events."""
        before = one.told
        one.told += len(new)
        return [
            Rep(
                seq=self._number_event(),
                t=round(t, 6),
                set=one.number,
                exercise=one.exercise,
                count=before + i + 1,
                since=round(float(repetition.start), 6),
                until=round(float(repetition.end), 6),
            )
            for i, repetition in enumerate(new)
        ]

    def end(self, t: float, until: float) -> list[Start | Rep | End]:
        """End the open set, if there is one, with what its counter still held back."""
        one, self.open, self._low_since = self.open, None, None
        if one is None:
            return []
        events = self._told(t, one, one.counter.finish() if one.counter is not None else [])
        until = min(max(until, _last_repetition(one) or one.since, one.since), t)
        self._free_from = until
        summary = SetSummary(
            set=one.number,
            exercise=one.exercise,
            since=round(one.since, 6),
            until=round(until, 6),
            repetitions=one.told,
        )
        self.done.append(summary)
        events.append(End(seq=self._number_event(), t=round(t, 6), **vars(summary)))
        return events

    def rest(self, t: float, number: int, history_TJC: Floats) -> list[Start | Rep | End]:
        """The stream is over: the last frames, and the end of the open set."""
        if self.open is None:
            return []
        new = self._show(self.open, number, t, history_TJC)
        return [*self._told(t, self.open, new), *self.end(t, t)]

    def restart(self, t: float) -> list[Start | Rep | End]:
        """The clock jumped: end the open set at ``t`` of the old clock, and forget all times."""
        events = self.end(t, t)
        self._leader, self._free_from = None, float("-inf")
        return events

    def snapshot(self) -> dict[str, Any]:
        """All state as plain values and arrays."""
        one = self.open
        return {
            "open": None
            if one is None
            else vars(one) | {"counter": None if one.counter is None else one.counter.snapshot()},
            "done": [dict(vars(summary)) for summary in self.done],
            "count": self._count,
            "leader": self._leader,
            "led_since": self._led_since,
            "led_from": self._led_from,
            "low_since": self._low_since,
            "free_from": self._free_from if np.isfinite(self._free_from) else None,
        }

    def load(self, snapshot: dict[str, Any]) -> None:
        """Go on from a `snapshot`."""
        if snapshot["open"] is not None:
            one = dict(snapshot["open"])
            if one["counter"] is not None:
                one["counter"] = Counter.restore(one["exercise"], self._fps, one["counter"])
            self.open = OpenSet(**one)
        self.done.extend(SetSummary(**summary) for summary in snapshot["done"])
        self._count, self._leader = snapshot["count"], snapshot["leader"]
        self._led_since, self._led_from = snapshot["led_since"], snapshot["led_from"]
        self._low_since = snapshot["low_since"]
        self._free_from = float("-inf") if snapshot["free_from"] is None else snapshot["free_from"]


def _last_repetition(one: OpenSet) -> float | None:
    """When the set's last repetition ended."""
    done = one.counter.repetitions if one.counter is not None else ()
    return float(done[-1].end) if done else None

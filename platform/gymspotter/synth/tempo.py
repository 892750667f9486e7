"""When a repetition happens: the phase of a set over time, and slow, smooth wandering.

The phase is 0 in the position a repetition starts and ends in and 1 at its turning point. Shapes: T frames.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]
Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How an exercise is usually paced: ranges in seconds of a repetition's four parts, in order.

    ``out`` leads from phase 0 to 1, ``hold`` is the pause there, ``back`` the return and ``rest`` the pause before the
    next one. ``full_return`` says that every repetition ends at phase 0 exactly, where people otherwise stop a little
    short of it. Strength sets run at 1.5 to 5 s a repetition.
    """

    out: Range = (0.6, 1.6)
    hold: Range = (0.0, 0.6)
    back: Range = (0.8, 2.2)
    rest: Range = (0.05, 0.7)
    full_return: bool = False


LOWER_FIRST = Pace(out=(0.8, 2.2), hold=(0.0, 0.5), back=(0.6, 1.6), rest=(0.05, 0.8))
LIFT_FIRST = Pace()


@dataclass(frozen=True, kw_only=True)
class Tempo:
    """The ``phase`` [T] in 0..1, the whole repetitions as (start, end) in seconds, and the ``count`` [T] begun so far.

    A repetition that the recording cuts off at its beginning or end is in the phase but not in ``repetitions``.
    """

    phase: Signal
    repetitions: tuple[tuple[float, float], ...]
    count: NDArray[np.int64]

    def turns(self, n: int) -> list[Signal]:
        """The phases of ``n`` limbs that take the repetitions in turn and otherwise stay at 0 (see full_return)."""
        return [np.where(self.count % n == k, self.phase, 0.0) for k in range(n)]


def sample_tempo(rng: np.random.Generator, t: Signal, pace: Pace, seconds: float) -> Tempo:
    """A set of repetitions over the times ``t`` [T] of a recording of ``seconds``: one person's tempo, no two alike."""
    # Some people rush every part, others take their time.
    hurry = float(np.exp(rng.uniform(np.log(0.55), np.log(1.4))))
    parts = [hurry * float(rng.uniform(*part)) for part in (pace.out, pace.hold, pace.back, pace.rest)]
    fatigue = rng.uniform(0.0, 0.015)  # each repetition is this much slower and shorter than the one before
    depth, spill = rng.uniform(0.86, 1.0), 0.0 if pace.full_return else rng.uniform(0.0, 0.06)
    # A recording starts with a wait, or in the middle of a set.
    clock = rng.uniform(0.2, 2.0) if rng.random() < 0.4 else -rng.uniform(0.0, sum(parts))
    linger = rng.uniform(1.0, 3.0) if rng.random() < 0.08 else 0.0  # some hold the turning point and count
    parts[1] += linger
    pause_after = int(rng.integers(2, 7)) if rng.random() < 0.2 else -1

    times, values, starts = [min(clock, 0.0) - 1.0, clock], [0.0, 0.0], []
    repetitions = []
    count = 0
    while clock < seconds and not (clock > 0.75 * seconds and rng.random() < 0.06):
        start = clock
        starts.append(start)
        out, hold, back, rest = (p * np.clip(rng.normal(1, 0.1), 0.75, 1.3) * (1 + fatigue * count) for p in parts)
        top = min(1.0, depth * np.clip(rng.normal(1, 0.03), 0.9, 1.08)) * (1 - 0.4 * fatigue * min(count, 15))
        bottom = spill * rng.uniform(0, 1)
        for lasts, value in ((out, top), (hold, top), (back, bottom)):
            clock += max(lasts, 0.02)
            times.append(clock)
            values.append(value)
        if start >= 0 and clock <= seconds:
            repetitions.append((float(start), float(clock)))
        count += 1
        clock += max(rest, 0.02)
        if count == pause_after:
            clock += rng.uniform(1.0, 4.0)
        times.append(clock)
        values.append(bottom)
    phase = _ease(t, np.array(times), np.array(values), rng.uniform(0.8, 1.25))
    return Tempo(phase=phase, repetitions=tuple(repetitions), count=np.searchsorted(np.array(starts), t, side="right"))


def _ease(t: Signal, times: Signal, values: Signal, skew: float) -> Signal:
    """From value to value along minimum-jerk curves (Flash and Hogan 1985), a little early or late by ``skew``."""
    k = np.clip(np.searchsorted(times, t, side="right") - 1, 0, len(times) - 2)
    s = np.clip((t - times[k]) / (times[k + 1] - times[k]), 0, 1) ** skew
    return values[k] + (values[k + 1] - values[k]) * s**3 * (10 - 15 * s + 6 * s * s)


def wander(rng: np.random.Generator, t: Signal, size: float, *, hertz: Range = (0.05, 0.7)) -> Signal:
    """[T]: slow, smooth drift about 0 whose standard deviation is about ``size``: sway, attention, unsteadiness.

    A sum of a few sines, so that it does not depend on the frame rate.
    """
    rates = 2 * np.pi * np.exp(rng.uniform(np.log(hertz[0]), np.log(hertz[1]), 4))
    sizes = rng.uniform(0.4, 1.0, 4) * (rates / rates.min()) ** -0.5
    waves = np.sin(t[:, None] * rates + rng.uniform(0, 2 * np.pi, 4)) @ sizes
    return np.asarray(waves * (size * np.sqrt(2) / np.linalg.norm(sizes)))

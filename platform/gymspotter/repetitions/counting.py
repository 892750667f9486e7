"""Count repetitions while an exercise goes on.

counter = Counter("squat", fps=5.0)
counter.push(t, joints)  # [n, 17, 3] consecutive frames from t on; returns the repetitions completed
counter.finish()  # what the end of the set completes
"""

from typing import Any

import numpy as np

from gymspotter.errors import InputError
from gymspotter.labels import EXERCISES
from gymspotter.repetitions.cycles import Cycles, Repetition
from gymspotter.repetitions.signals import SIGNALS, torso_length
from gymspotter.skeleton import CANONICAL, Floats

# A repetition is looked at so many times a second, whatever the frame rate: frames in between are averaged.
_SAMPLES_PER_SECOND = 5.0
# An athlete who is gone for longer may have done anything.
_BRIDGED_S = 4.0
# The torso's length is the mean of so many frames, then follows slowly.
_TORSO_FRAMES = 25


def is_counted(exercise: str) -> bool:
    """Whether an exercise has repetitions: a plank is held.

    Raises:
        InputError: it is none of labels.EXERCISES.
    """
    _check(exercise)
    return exercise in SIGNALS


def count(exercise: str, joints_TJC: Floats, fps: float, t0: float = 0.0) -> list[Repetition]:
    """The repetitions in a whole recording of one exercise, as a `Counter` that sees it frame by frame counts them.

    Args:
        exercise: one of labels.EXERCISES.
        joints_TJC: canonical joints in metres on camera axes, NaN where not seen.
        fps: frames a second.
        t0: the time of the first frame in seconds.

    Raises:
        InputError: the exercise, the shape or the frame rate is none.
    """
    counter = Counter(exercise, fps)
    counter.push(t0, joints_TJC)
    counter.finish()
    return counter.repetitions


class Counter:
    """Counts the repetitions of one exercise; in bundles of any size it finds the same ones.

    It may begin before the set does and go on after it.

    Args:
        exercise: one of labels.EXERCISES; where `is_counted` is False it counts none.
        fps: frames a second.

    Raises:
        InputError: the exercise or the frame rate is none.
    """

    def __init__(self, exercise: str, fps: float) -> None:
        _check(exercise)
        if not 0 < fps < float("inf"):
            raise InputError(f"fps is {fps!r}: use the frames a second, more than 0.")
        self._signal = SIGNALS.get(exercise)
        self._fps = float(fps)
        self._bin = max(1, round(fps / _SAMPLES_PER_SECOND))
        self._cycles = Cycles()
        self._torso, self._torso_frames = 0.0, 0
        self._sum: list[float] = [0.0, 0.0, 0.0, 0.0]  # of a sample under way: times, values, in place, frames
        self._frames = 0
        self._tail: list[tuple[float, float, bool]] = []  # the latest two samples: smoothing needs the next one

    @property
    def repetitions(self) -> list[Repetition]:
        """All that were completed, in order."""
        return list(self._cycles.repetitions)

    def push(self, t: float, joints_NJC: Floats) -> list[Repetition]:
        """Take frames that follow those before.

        Args:
            t: the time of the first of them in seconds.
            joints_NJC: canonical joints [n, 17, 3] in metres on camera axes; NaN where not seen.

        Returns:
            The repetitions that were completed, or turned out to be repetitions, with these frames.

        Raises:
            InputError: the shape is another one.
        """
        if joints_NJC.ndim != 3 or joints_NJC.shape[1:] != (len(CANONICAL.joints), 3):
            raise InputError(
                f"joints have the shape {joints_NJC.shape}: use [frames, {len(CANONICAL.joints)}, 3] canonical joints."
            )
        signal = self._signal
        if signal is None:
            return []
        new: list[Repetition] = []
        for k, frame in enumerate(np.asarray(joints_NJC, np.float64).tolist()):
            length = torso_length(frame)
            if length > 1e-3 and length < 1e3:
                self._torso_frames += self._torso_frames < _TORSO_FRAMES
                self._torso += (length - self._torso) / self._torso_frames
            if self._torso_frames:
                value, in_place = signal.read(frame, self._torso)
                if abs(value) < 1e6:  # neither NaN nor infinite
                    # To the microsecond, so that a frame's time does not depend on the bundle it came in.
                    self._sum[0] += round(t + k / self._fps, 6)
                    self._sum[1] += value
                    self._sum[2] += in_place
                    self._sum[3] += 1
            self._frames += 1
            if self._frames == self._bin:
                new += self._sample()
        return new

    def finish(self) -> list[Repetition]:
        """The repetitions that the end of the set completes."""
        new = self._sample() if self._frames else []
        return new + self._flush() + self._cycles.finish()

    def snapshot(self) -> dict[str, Any]:
        """Everything it knows, as plain values."""
        return {
            "cycles": self._cycles.snapshot(), "torso": self._torso, "torso_frames": self._torso_frames,
            "sum": list(self._sum), "frames": self._frames, "tail": list(self._tail),
        }  # fmt: skip

    @classmethod
    def restore(cls, exercise: str, fps: float, snapshot: dict[str, Any]) -> "Counter":
        """A counter that goes on where the one that gave the `snapshot` was."""
        out = cls(exercise, fps)
        out._cycles = Cycles.restore(snapshot["cycles"])
        out._torso, out._torso_frames = float(snapshot["torso"]), int(snapshot["torso_frames"])
        out._sum, out._frames = [float(value) for value in snapshot["sum"]], int(snapshot["frames"])
        out._tail = [(float(time), float(value), bool(place)) for time, value, place in snapshot["tail"]]
        return out

    def _sample(self) -> list[Repetition]:
        """The frames since the last sample become one; none if nobody was seen in them."""
        times, values, placed, seen = self._sum
        self._sum, self._frames = [0.0, 0.0, 0.0, 0.0], 0
        if not seen:
            return []
        sample = (times / seen, values / seen, 2 * placed >= seen)
        new: list[Repetition] = []
        if self._tail and sample[0] - self._tail[-1][0] > _BRIDGED_S:
            new = self._flush()
            self._cycles.restart()
        self._tail.append(sample)
        if len(self._tail) == 1:
            return new
        if len(self._tail) == 2:
            (time, value, place), (_, after, _) = self._tail
            return new + self._cycles.push(time, (2 * value + after) / 3, place)
        (_, before, _), (time, value, place), (_, after, _) = self._tail
        del self._tail[0]
        return new + self._cycles.push(time, (before + value + after) / 3, place)

    def _flush(self) -> list[Repetition]:
        """The latest sample, which no other follows."""
        if not self._tail:
            return []
        time, value, place = self._tail[-1]
        before = self._tail[0][1]
        self._tail = []
        return self._cycles.push(time, (before + 2 * value) / 3, place)


def _check(exercise: str) -> None:
    if exercise not in EXERCISES:
        raise InputError(f"exercise {exercise!r} is not known: use one of {', '.join(EXERCISES)}.")

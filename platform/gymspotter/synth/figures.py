"""How each exercise looks: one repetition by one athlete, always the same, that can be shown over and over.

Shapes: T frames, J = 17 canonical joints, C = 3 coordinates (metres, x right, y down, z away from the camera).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gymspotter.labels import EXERCISES
from gymspotter.repetitions import is_counted
from gymspotter.skeleton import CANONICAL, Floats
from gymspotter.synth.body import sample_build
from gymspotter.synth.camera import Camera
from gymspotter.synth.exercises import EXERCISE_MOTIONS
from gymspotter.synth.take import Take
from gymspotter.synth.tempo import Pace, Range, Tempo

FIGURE_FPS = 10.0
SECONDS = 2.8
# From which side a movement shows best, in degrees (see camera.py): what happens in the plane of the body is seen from
# the front, what happens across it nearly from the side. The others are seen from half left.
_HALF_LEFT = 50.0
_YAW = {
    "chest fly machine": 20.0, "lateral raise": 15.0, "shoulder press": 25.0, "russian twist": 30.0,
    "pull up": 155.0, "lat pulldown": 150.0, "deadlift": 65.0, "romanian deadlift": 70.0, "t bar row": 70.0,
    "hip thrust": 80.0, "leg extension": 75.0, "leg raises": 80.0, "plank": 80.0, "push-up": 70.0,
    "tricep dips": 60.0, "tricep pushdown": 60.0, "bench press": 65.0, "decline bench press": 70.0,
    "incline bench press": 65.0,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One repetition of an exercise, or a moment of one that is ``held``.

    ``frames`` [T, J, C] at `FIGURE_FPS` frames a second begin again after the last one without a jump. The floor is
    y = 0; x and z are counted from the middle of the hips.
    """

    name: str
    held: bool
    frames: Floats


def figures() -> list[Figure]:
    """Of all exercises, in the order of their labels."""
    return [figure(name) for name in EXERCISES]


def figure(exercise: str) -> Figure:
    """Of one of labels.EXERCISES."""
    rng = np.random.default_rng(0)
    times = np.arange(round(SECONDS * FIGURE_FPS)) / FIGURE_FPS
    take = _Demonstration(t=times, build=sample_build(rng), rng=rng, seconds=SECONDS)
    joints = EXERCISE_MOTIONS[exercise](take).figure.joints(len(times))[:, : len(CANONICAL.joints)]
    # A camera on the floor that looks straight ahead leaves the floor where it is.
    level = Camera(
        yaw=_YAW.get(exercise, _HALF_LEFT), pitch=0.0, roll=0.0, distance=0.0, focal=1.0, target=(0.0, 0.0, 0.0)
    )
    seen = level.world_to_camera(joints)
    seen[..., ::2] -= seen[:, CANONICAL.index("hip"), ::2].mean(axis=0)
    return Figure(name=exercise, held=not is_counted(exercise), frames=seen)


class _Demonstration(Take):
    """A take that leaves little to chance: the usual variant, the middle of every range, a steady body.

    One repetition takes all of its time, and ends as it began.
    """

    def pick(self, low: float, high: float) -> float:
        return (low + high) / 2

    def chance(self, probability: float) -> bool:
        return probability >= 0.5

    def one_of(self, options: dict[str, float]) -> str:
        return max(options, key=lambda name: options[name])

    def wander(self, size: float, hertz: Range = (0.05, 0.7)) -> NDArray[np.float64]:
        return np.zeros_like(self.t)

    def tempo(self, pace: Pace) -> Tempo:
        phase = (1 - np.cos(2 * np.pi * self.t / self.seconds)) / 2
        return Tempo(phase=phase, repetitions=((0.0, self.seconds),), count=np.ones(len(self.t), np.int64))

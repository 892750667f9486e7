"""From a seed to a performance, and from a performance to the skeleton track that a perfect estimator would see.

performance = perform("squat", np.random.default_rng(0), seconds=12, fps=5)
joints = exact_track(performance, np.random.default_rng(1))  # [60, 17, 3]
"""

import numpy as np

from gymspotter.skeleton import CANONICAL, Floats, root_at_hip
from gymspotter.synth.body import sample_build
from gymspotter.synth.camera import Camera, sample_camera
from gymspotter.synth.exercises import EXERCISE_MOTIONS
from gymspotter.synth.others import OTHER_MOTIONS
from gymspotter.synth.scene import Build, Performance
from gymspotter.synth.take import Take

MOTIONS = EXERCISE_MOTIONS | OTHER_MOTIONS


def perform(
    exercise: str, rng: np.random.Generator, *, seconds: float, fps: float, build: Build | None = None
) -> Performance:
    """One athlete doing a movement for a time; the same generator state gives the same performance.

    Args:
        exercise: a key of MOTIONS: one of labels.EXERCISES or of others.OTHERS.
        rng: every choice is drawn from it.
        seconds: how long.
        fps: frames a second.
        build: the athlete, if it is to be the same one in several recordings.
    """
    build = build or sample_build(rng)
    frames = max(round(seconds * fps), 1)
    take = Take(t=np.arange(frames) / fps, build=build, rng=rng, steady=float(rng.uniform(0.6, 1.5)), seconds=seconds)
    motion = MOTIONS[exercise](take)
    return Performance(
        exercise=exercise,
        fps=fps,
        joints=motion.figure.joints(frames),
        repetitions=motion.repetitions,
        build=build,
        props=tuple(motion.props),
    )


def camera_joints(performance: Performance, camera: Camera) -> Floats:
    """The canonical joints [T, 17, 3] on the camera's axes, in metres, with the mid-hip as the origin."""
    seen = camera.world_to_camera(performance.joints[:, : len(CANONICAL.joints)])
    return root_at_hip(seen)


def exact_track(performance: Performance, rng: np.random.Generator) -> Floats:
    """The canonical joints [T, 17, 3] from a sampled camera, exact."""
    return camera_joints(performance, sample_camera(performance, rng))

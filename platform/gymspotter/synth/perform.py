"""From a seed to a performance, and from a performance to the skeleton track that a perfect estimator would see.

performance = perform("squat", np.random.default_rng(0), seconds=12, fps=5)
joints = exact_track(performance, np.random.default_rng(1))  # [60, 17, 3]
"""

import numpy as np

from gymspotter.skeleton import CANONICAL, Floats, root_at_hip
from gymspotter.synth.body import sample_build
from gymspotter.synth.camera import Camera, sample_camera
from gymspotter.synth.exercises import EXERCISE_MOTIONS
from gymspotter.synth.scene import Build, Performance
from gymspotter.synth.take import Take


def perform(
    exercise: str, rng: np.random.Generator, *, seconds: float, fps: float, build: Build | None = None
) -> Performance:
    """One athlete doing one of labels.EXERCISES for a time; the same generator state gives the same performance.

    Args:
        exercise: a key of EXERCISE_MOTIONS.
        rng: every choice is drawn from it.
        seconds: how long.
        fps: frames a second.
        build: the athlete, if it is to be the same one in several recordings.
    """
    build = build or sample_build(rng)
    frames = max(round(seconds * fps), 1)
    take = Take(t=np.arange(frames) / fps, build=build, rng=rng, steady=float(rng.uniform(0.6, 1.5)), seconds=seconds)
    motion = EXERCISE_MOTIONS[exercise](take)
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


def exact_track(performance: Performance, rng: np.random.Generator, *, level: float = 0.0) -> Floats:
    """The canonical joints [T, 17, 3] from a sampled camera, exact, or with :func:`sensor_noise` of ``level``."""
    joints = camera_joints(performance, sample_camera(performance, rng))
    return sensor_noise(joints, rng, level, fps=performance.fps) if level > 0 else joints


def sensor_noise(joints: Floats, rng: np.random.Generator, level: float, *, fps: float) -> Floats:
    """What a single-camera estimator makes of exact joints, roughly; ``level`` 1 is a usual video, 0 changes nothing.

    Jitter that lasts about a third of a second, three times as large in depth as in the picture and twice as large at
    wrists and ankles; a leaning of the whole body in depth; now and then left and right swapped for a moment, a limb
    or the whole body not seen (NaN).

    Args:
        joints: [T, 17, 3] on camera axes.
        rng: every choice is drawn from it.
        level: how much.
        fps: frames a second, which the durations are measured in.
    """
    if level <= 0:
        return joints
    frames, count, _ = joints.shape
    spread = np.ones(count)
    for part in ("wrist", "ankle"):
        for side in "lr":
            spread[CANONICAL.index(f"{side}_{part}")] = 2.0
    white = rng.normal(size=(frames, count, 3))
    # An autoregressive process of unit variance with a memory of 0.3 s, independent of the frame rate.
    keep = float(np.exp(-1 / (0.3 * fps)))
    smooth = np.empty_like(white)
    smooth[0] = white[0]
    for k in range(1, frames):
        smooth[k] = keep * smooth[k - 1] + np.sqrt(1 - keep**2) * white[k]
    bias = rng.normal(size=(count, 3))
    noise = (smooth + bias) * spread[:, None] * (0.008, 0.008, 0.025) * level
    noise[..., 2] += joints[..., 1] * np.tan(np.radians(rng.normal(0, 4 * level)))
    out = (joints + noise).astype(np.float32)
    _swap_sides(out, rng, level, fps)
    _drop_joints(out, rng, level, fps)
    return root_at_hip(out)


def _swap_sides(joints: Floats, rng: np.random.Generator, level: float, fps: float) -> None:
    """Exchange left and right for a moment, in place: about one in a hundred seconds at level 1."""
    seconds = len(joints) / fps
    for _ in range(rng.poisson(0.02 * level * seconds)):
        start = int(rng.integers(len(joints)))
        stop = start + max(int(rng.uniform(0.1, 0.6) * fps), 1)
        joints[start:stop] = joints[start:stop, CANONICAL.mirror]


def _drop_joints(joints: Floats, rng: np.random.Generator, level: float, fps: float) -> None:
    """Make an arm, a leg or everybody unseen for a moment, in place."""
    seconds = len(joints) / fps
    limbs: list[list[int]] = [list(range(len(CANONICAL.joints)))]
    for side in "lr":
        limbs += [[CANONICAL.index(f"{side}_{j}") for j in limb] for limb in (("elbow", "wrist"), ("knee", "ankle"))]
    for _ in range(rng.poisson(0.03 * level * seconds)):
        start = int(rng.integers(len(joints)))
        stop = start + max(int(rng.uniform(0.2, 1.5) * fps), 1)
        joints[start:stop, limbs[rng.integers(len(limbs))]] = np.nan

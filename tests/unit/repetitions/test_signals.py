import numpy as np
import pytest

from gymspotter.labels import EXERCISES
from gymspotter.repetitions.signals import MEASURES, SIGNALS, torso_length
from gymspotter.skeleton import CANONICAL, Floats
from gymspotter.synth.camera import Camera
from gymspotter.synth.perform import camera_joints, perform
from gymspotter.synth.scene import Performance

COUNTED = [exercise for exercise in EXERCISES if exercise != "plank"]


def seen(performance: Performance, yaw: float, pitch: float = 0.0) -> Floats:
    return camera_joints(
        performance, Camera(yaw=yaw, pitch=pitch, roll=0, distance=4, focal=1.2, target=(0.0, 1.0, 0.0))
    )


def signal(exercise: str, joints: Floats) -> np.ndarray:
    frames = joints.astype(float).tolist()
    torso = float(np.nanmedian([torso_length(frame) for frame in frames]))
    return np.array([SIGNALS[exercise].read(frame, torso)[0] for frame in frames])


def performed(exercise: str, seed: int = 5) -> Performance:
    return perform(exercise, np.random.default_rng(seed), seconds=12, fps=5)


def test_every_exercise_but_the_plank_has_a_signal_of_known_measures() -> None:
    assert list(SIGNALS) == COUNTED
    for s in SIGNALS.values():
        assert {part[0] for part in (*s.parts, *s.place)} <= set(MEASURES)


@pytest.mark.parametrize("exercise", COUNTED)
def test_a_level_camera_sees_the_same_signal_from_every_side(exercise: str) -> None:
    performance = performed(exercise)
    front = signal(exercise, seen(performance, 0))
    for yaw in (40, 90, 180, -120):
        np.testing.assert_allclose(signal(exercise, seen(performance, yaw)), front, atol=0.05)


@pytest.mark.parametrize("exercise", COUNTED)
def test_a_camera_that_looks_down_sees_the_same_movement(exercise: str) -> None:
    performance = performed(exercise)
    level, tilted = (signal(exercise, seen(performance, 50, pitch)) for pitch in (0, 25))
    assert np.corrcoef(level, tilted)[0, 1] > 0.9


@pytest.mark.parametrize("exercise", COUNTED)
def test_the_athletes_size_does_not_matter(exercise: str) -> None:
    joints = seen(performed(exercise), 30)
    np.testing.assert_allclose(signal(exercise, joints * 1.4), signal(exercise, joints), atol=0.05)


@pytest.mark.parametrize("exercise", [e for e in COUNTED if e != "russian twist"])
def test_a_mirror_image_has_the_same_signal(exercise: str) -> None:
    joints = seen(performed(exercise), 30)
    mirrored = joints[:, CANONICAL.mirror] * np.array((-1, 1, 1), np.float32)
    np.testing.assert_allclose(signal(exercise, mirrored), signal(exercise, joints), atol=0.05)


def test_a_twist_to_the_other_side_has_the_opposite_signal() -> None:
    joints = seen(performed("russian twist"), 30)
    mirrored = joints[:, CANONICAL.mirror] * np.array((-1, 1, 1), np.float32)
    np.testing.assert_allclose(signal("russian twist", mirrored), -signal("russian twist", joints), atol=0.05)


@pytest.mark.parametrize("exercise", [e for e in COUNTED if e not in ("russian twist", "deadlift")])
def test_a_repetition_is_high_at_its_turning_point(exercise: str) -> None:
    rises = []
    for seed in range(4):
        performance = performed(exercise, seed)
        values = signal(exercise, seen(performance, 30))
        for start, end in performance.repetitions:
            inside = values[int(start * 5) : int(end * 5) + 2]
            rises.append(inside.max() - max(inside[0], inside[-1]))
    assert np.median(rises) > 40


@pytest.mark.parametrize("exercise", COUNTED)
def test_who_is_not_seen_has_no_signal(exercise: str) -> None:
    value, _ = SIGNALS[exercise].read([[float("nan")] * 3] * 17, 0.5)
    assert np.isnan(value)
    value, _ = SIGNALS[exercise].read([[0.0] * 3] * 17, 0.5)
    assert not np.isinf(value)


def test_one_side_that_is_seen_is_enough() -> None:
    joints = seen(performed("squat"), 0)
    hidden = joints.copy()
    hidden[:, [CANONICAL.index(j) for j in ("l_knee", "l_ankle", "l_wrist")]] = np.nan
    assert np.corrcoef(signal("squat", hidden), signal("squat", joints))[0, 1] > 0.95

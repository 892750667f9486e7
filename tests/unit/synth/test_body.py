import numpy as np
import pytest

from gymspotter.labels import EXERCISES
from gymspotter.synth.body import SIDES, sample_build
from gymspotter.synth.geometry import bent_length, pitch, two_bones, vec
from gymspotter.synth.perform import perform
from gymspotter.synth.scene import BODY_JOINTS, Performance

BONES = [
    ("hip", "spine", "lumbar"),
    ("spine", "thorax", "chest"),
    ("thorax", "head", "neck"),
    ("head", "neck", "face"),
] + [
    (a.format(s), b.format(s), f"{s}_{bone}")
    for s in SIDES
    for a, b, bone in (
        ("hip", "{}_hip", "pelvis"),
        ("{}_hip", "{}_knee", "thigh"),
        ("{}_knee", "{}_ankle", "shank"),
        ("thorax", "{}_shoulder", "clavicle"),
        ("{}_shoulder", "{}_elbow", "upper_arm"),
        ("{}_elbow", "{}_wrist", "forearm"),
        ("{}_wrist", "{}_hand", "hand"),
    )
]


def joint(performance: Performance, name: str) -> np.ndarray:
    return performance.joints[:, BODY_JOINTS.index(name)].astype(float)


@pytest.mark.parametrize("exercise", EXERCISES)
def test_bones_keep_their_lengths(exercise: str) -> None:
    for seed in range(4):
        performance = perform(exercise, np.random.default_rng(seed), seconds=6, fps=10)
        for a, b, bone in BONES:
            length = np.linalg.norm(joint(performance, a) - joint(performance, b), axis=-1)
            np.testing.assert_allclose(length, performance.build.lengths[bone], atol=2e-6, err_msg=bone)
        for s in SIDES:
            foot = np.linalg.norm(joint(performance, f"{s}_heel") - joint(performance, f"{s}_toe"), axis=-1)
            np.testing.assert_allclose(foot, foot[0], atol=2e-6)


def test_builds_are_human() -> None:
    builds = [sample_build(np.random.default_rng(seed)) for seed in range(300)]
    heights = np.array([build.height for build in builds])
    assert heights.min() >= 1.5
    assert heights.max() <= 2.0
    assert heights.std() > 0.05
    for build in builds:
        for s in SIDES:
            assert build.lengths[f"{s}_thigh"] == pytest.approx(0.245 * build.height, rel=0.16)
            assert build.lengths[f"{s}_forearm"] < build.lengths[f"{s}_upper_arm"] * 1.05
        assert build.lengths["l_thigh"] != build.lengths["r_thigh"]


def test_two_bones_reach_the_target_and_bend_towards_the_pole() -> None:
    rng = np.random.default_rng(0)
    start, pole = np.zeros((50, 3)), np.tile((0.0, 0.0, 1.0), (50, 1))
    target = rng.normal(size=(50, 3)) * 0.2 + (0.4, 0, 0)
    middle, end = two_bones(start, target, 0.45, 0.4, pole)
    np.testing.assert_allclose(end, target, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(middle, axis=-1), 0.45)
    np.testing.assert_allclose(np.linalg.norm(end - middle, axis=-1), 0.4)
    assert (middle[:, 2] >= (end / 2)[:, 2] - 0.45).all()
    straight = np.cross(end, middle)
    assert (np.abs((straight * np.cross(end, pole)).sum(-1)) > 0).all()
    assert ((straight * np.cross(end, pole)).sum(-1) > 0).all()


def test_bones_never_stretch_to_a_target_out_of_reach() -> None:
    middle, end = two_bones(vec(0, 0, 0), vec(5, 0, 0), 0.4, 0.3, vec(0, 1, 0))
    assert np.linalg.norm(end) == pytest.approx(0.7, abs=1e-4)
    assert np.linalg.norm(end - middle) == pytest.approx(0.3)


def test_bent_length() -> None:
    assert bent_length(0.4, 0.3, 0.0) == pytest.approx(0.7)
    assert bent_length(0.4, 0.3, 90.0) == pytest.approx(0.5)


def test_pitch_bows_forward() -> None:
    np.testing.assert_allclose(pitch(90.0)[0] @ (0, 1, 0), (0, 0, 1), atol=1e-12)

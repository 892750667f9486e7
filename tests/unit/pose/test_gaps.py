"""Short losses are bridged in a straight line and marked by scores of 0, long ones stay open."""

import numpy as np
import pytest

from gymspotter.pose import Poses
from gymspotter.pose.gaps import bridge


def walking(lost: list[int], frames: int = 12) -> Poses:
    """Somebody who moves by the same step in each frame and is not seen in the ``lost`` ones."""
    rng = np.random.default_rng(0)
    t = np.arange(frames, dtype=np.float32)[:, None, None]
    joints = rng.normal(size=(1, 33, 3)).astype(np.float32) + t * rng.normal(size=(1, 33, 3)).astype(np.float32)
    image_xy = rng.uniform(size=(1, 33, 2)).astype(np.float32) + 0.01 * t
    scores = rng.uniform(0.1, 1, (frames, 33)).astype(np.float32)
    for values in (joints, image_xy):
        values[lost] = np.nan
    scores[lost] = 0
    return Poses(joints=joints, scores=scores, image_xy=image_xy, layout="blazepose33")


def test_a_short_loss_becomes_a_straight_line_with_scores_of_0() -> None:
    whole, lost = walking([]), [3, 4, 5, 6, 9]
    poses = bridge(walking(lost), fps=5)
    np.testing.assert_allclose(poses.joints, whole.joints, atol=1e-5)
    np.testing.assert_allclose(poses.image_xy, whole.image_xy, atol=1e-5)
    assert (poses.joints.dtype, poses.image_xy.dtype) == (np.float32, np.float32)
    assert np.flatnonzero((poses.scores == 0).all(axis=1)).tolist() == lost


@pytest.mark.parametrize(
    ("fps", "missing", "bridged"), [(5, 4, True), (5, 5, False), (2.5, 2, True), (2.5, 3, False), (30, 29, True)]
)
def test_a_second_is_too_long(fps: float, missing: int, bridged: bool) -> None:
    lost = list(range(1, 1 + missing))
    poses = bridge(walking(lost, frames=missing + 2), fps)
    assert poses.seen[lost].tolist() == [bridged] * missing


def test_losses_at_the_ends_stay_open() -> None:
    lost = [0, 1, 11]
    poses = bridge(walking(lost), fps=5)
    assert np.flatnonzero(~poses.seen).tolist() == lost
    assert np.isnan(poses.image_xy[lost]).all()


def test_what_was_seen_is_left_alone() -> None:
    lost = walking([2, 3])
    before = lost.joints.copy()
    poses = bridge(lost, fps=5)
    np.testing.assert_array_equal(lost.joints, before)
    for name in ("joints", "image_xy", "scores"):
        np.testing.assert_array_equal(getattr(poses, name)[lost.seen], getattr(lost, name)[lost.seen])


@pytest.mark.parametrize("frames", [0, 1, 4])
def test_who_is_never_seen_stays_so(frames: int) -> None:
    poses = bridge(walking(list(range(frames)), frames), fps=5)
    assert poses.joints.shape == (frames, 33, 3)
    assert not poses.seen.any()

import numpy as np
import pytest

from gymspotter.resample import frames_after, resample


def wave(times):
    """[T, 2, 1]: two joints that swing slowly."""
    return np.stack([np.sin(times), np.cos(times)], axis=1)[..., None].astype(np.float32)


@pytest.mark.parametrize("fps", [5, 10, 24, 25, 29.97, 30, 60, 240])
def test_a_smooth_movement_is_the_same_on_the_grid(fps):
    joints = wave(np.arange(int(12 * fps)) / fps)
    there = resample(joints, fps, 5.0)
    assert len(there) == frames_after(len(joints), fps, 5.0)
    # The error of a straight line between frames: (step / 2)^2 / 2 times the largest second derivative, 1.
    assert np.abs(there - wave(np.arange(len(there)) / 5)).max() <= 1 / (8 * fps**2) + 1e-5
    assert there.dtype == np.float32


@pytest.mark.parametrize("fps", [1, 2, 3.7])
def test_a_slower_rate_is_filled_in_between(fps):
    joints = wave(np.arange(int(12 * fps)) / fps)
    there = resample(joints, fps, 5.0)
    assert np.abs(there - wave(np.arange(len(there)) / 5)).max() <= 1 / (8 * fps**2) + 1e-5


def test_the_grid_ends_at_or_before_the_last_frame():
    assert [frames_after(n, 30, 5) for n in (0, 1, 6, 7, 360, 361)] == [0, 1, 1, 2, 60, 61]
    assert [frames_after(n, 1, 5) for n in (1, 2, 12)] == [1, 6, 56]
    assert frames_after(2880, 240, 5) == 60
    for fps in (0.7, 7.3, 29.97, 119.88):
        for n in (2, 50, 333):
            assert len(resample(np.zeros((n, 1, 3), np.float32), fps, 5)) == frames_after(n, fps, 5)


def test_the_same_rate_changes_nothing():
    joints = wave(np.arange(9.0))
    joints[3] = np.nan
    np.testing.assert_array_equal(resample(joints, 5.0, 5.0), joints)


def test_a_loss_between_two_steps_is_bridged_and_a_longer_one_stays():
    joints = wave(np.arange(60) / 30)  # a step of the grid is 6 frames
    joints[10:15, 0] = np.nan  # frame 12 is on the grid
    joints[22:30, 1] = np.nan  # 24 is
    there = resample(joints, 30.0, 5.0)
    assert np.isnan(there[..., 0]).nonzero()[0].tolist() == [4]
    assert np.isnan(there[..., 0]).nonzero()[1].tolist() == [1]
    assert there[2, 0, 0] == pytest.approx(np.sin(0.4), abs=0.01)


def test_nothing_is_made_up_before_the_first_and_after_the_last_sight():
    joints = wave(np.arange(60) / 30)
    joints[:10, 0] = joints[40:, 1] = np.nan
    there = resample(joints, 30.0, 5.0)
    assert np.isnan(there[:, 0, 0]).tolist() == [True] * 2 + [False] * 8
    assert np.isnan(there[:, 1, 0]).tolist() == [False] * 7 + [True] * 3


def test_going_up_a_lost_frame_is_not_bridged():
    joints = wave(np.arange(6) / 2)
    joints[3] = np.nan
    there = resample(joints, 2.0, 4.0)
    assert np.isnan(there[:, 0, 0]).nonzero()[0].tolist() == [5, 6, 7]


def test_nobody_anywhere_stays_so():
    assert np.isnan(resample(np.full((30, 17, 3), np.nan, np.float32), 30.0, 5.0)).all()

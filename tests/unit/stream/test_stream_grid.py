import numpy as np
import pytest

from gymspotter.stream.grid import Grid, Seen


def at(t, value, missing=()):
    joints = np.full((17, 3), value, np.float32)
    joints[list(missing)] = np.nan
    return Seen(t, joints, not missing)


def grid(*frames, last, fps=5.0):
    one = Grid(0.0, fps, 60)
    for frame in frames:
        one.add(frame)
    one.fill(last)
    return one


def values(one):
    """The first joint's x in all grid frames."""
    return one.history()[:, 0, 0].tolist()


def test_between_two_frames_it_is_a_straight_line():
    assert values(grid(at(0, 0), at(0.5, 5), at(1.0, 10), last=5)) == pytest.approx([0, 2, 4, 6, 8, 10], abs=1e-5)


def test_up_to_four_grid_frames_are_bridged_as_in_extraction():
    assert values(grid(at(0, 0), at(1.0, 10), last=5)) == pytest.approx([0, 2, 4, 6, 8, 10], abs=1e-5)
    assert np.isnan(values(grid(at(0, 0), at(1.2, 12), last=6))[1:6]).all()


def test_a_frame_nearly_at_its_time_is_taken_as_it_is():
    assert values(grid(at(0, 0), at(0.195, 7), at(0.409, 9), last=2)) == [0, 7, 9]


def test_what_no_frame_surrounds_is_the_nearest_within_half_a_step():
    one = grid(at(0, 0), at(0.15, 7), last=2)
    assert values(one)[:2] == [0, 7]
    assert np.isnan(values(one)[2])


def test_a_joint_that_one_frame_lacks_is_where_the_other_has_it_if_that_is_near():
    one = grid(at(0.0, 0), at(0.15, 3, missing=[5]), at(0.25, 5), last=1)
    assert one.history()[1, 0, 0] == pytest.approx(4)
    one = grid(at(0.0, 0), at(0.18, 3), at(0.28, 5, missing=[5]), last=1)
    assert one.history()[1, 5, 0] == pytest.approx(3)
    one = grid(at(0.0, 0), at(0.05, 3, missing=[5]), at(0.6, 5), last=1)
    assert np.isnan(one.history()[1, 5]).all()
    assert one.history()[1, 0, 0] == pytest.approx(3 + 2 * 0.15 / 0.55)


def test_frames_may_be_added_in_any_order():
    frames = [at(k / 12, k * 1.0) for k in range(13)]
    mixed = [frames[k] for k in np.random.default_rng(0).permutation(13)]
    np.testing.assert_array_equal(values(grid(*frames, last=5)), values(grid(*mixed, last=5)))


def test_a_history_never_changes_when_more_comes():
    one = Grid(0.0, 5.0, 60)
    kept = []
    for k in range(400):
        one.add(at(k / 5, float(k)))
        one.fill(k)
        kept.append((one.history(), max(k - 59, 0), k))
    for history, first, last in kept:
        assert history[:, 0, 0].tolist() == list(range(first, last + 1))
    with pytest.raises(ValueError, match="read-only"):
        kept[0][0][:] = 0


def test_frames_far_too_often_are_thinned():
    one = Grid(0.0, 5.0, 60)
    for k in range(10_000):
        one.add(at(k * 1e-5, 1.0))
    assert one.coming <= 26


def test_after_a_long_time_without_frames_nothing_old_is_left():
    one = grid(at(0, 1), at(0.2, 1), last=1)
    one.add(at(1000.0, 2))
    one.fill(5000)
    assert len(one.history()) == 60
    assert one.shown(60) == 1
    assert one.lost_at() is None
    assert one.time(one.next - 1) == 1000.0

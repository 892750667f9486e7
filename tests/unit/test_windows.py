import numpy as np
import pytest

from gymspotter.errors import InputError
from gymspotter.windows import (
    Segments,
    cut_segments,
    fit_length,
    join_segments,
    refuse_leak,
    split_by_group,
    window_starts,
)
from tests.unit.test_tracks import a_track


def counting(frames, first=0, **changes):
    """A track whose frame k has k in every coordinate, so that a segment shows which frames it is made of."""
    joints = np.broadcast_to(np.arange(first, first + frames, dtype=np.float32)[:, None, None], (frames, 17, 3)).copy()
    return a_track(frames=frames, joints=joints, **changes)


def frames_of(segments):
    return segments.poses[:, :, 0, 0].astype(int).tolist()


@pytest.mark.parametrize(
    ("frames", "stride", "starts"),
    [(60, 30, [0]), (61, 30, [0, 1]), (120, 60, [0, 60]), (120, 30, [0, 30, 60]), (125, 60, [0, 60, 65]), (9, 30, [0])],
)
def test_windows_cover_everything_to_the_last_frame(frames, stride, starts):
    assert window_starts(frames, 60, stride) == starts


def test_a_short_sequence_is_played_to_and_fro():
    poses = counting(5).joints
    assert fit_length(poses, 12)[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3]
    assert fit_length(counting(60).joints, 60)[:, 0, 0].tolist() == list(range(60))


@pytest.mark.parametrize("frames", [0, 4, 61])
def test_a_sequence_that_fits_no_segment_is_refused(frames):
    with pytest.raises(InputError, match=f"has {frames} frames"):
        fit_length(counting(frames).joints, 60)


def test_segments_go_across_spans_of_one_video():
    spans = [counting(300), counting(300, first=300, span=1, t0=60.0)]
    segments, left_out = cut_segments(spans[::-1], stride=60)
    assert left_out == []
    assert frames_of(segments) == [list(range(k, k + 60)) for k in range(0, 600, 60)]
    assert segments.starts.tolist() == [12.0 * k for k in range(10)]
    crossing, _ = cut_segments(spans, stride=45)
    assert list(range(270, 330)) in frames_of(crossing)


def test_segments_do_not_bridge_a_missing_span():
    segments, _ = cut_segments([counting(300), counting(300, first=600, span=2, t0=120.0)], stride=60)
    assert all(np.diff(row).max() == 1 for row in frames_of(segments))
    assert segments.starts[5] == 120.0


def test_what_shows_nobody_or_is_too_short_is_left_out_with_a_reason():
    empty = counting(60, uri="empty.mp4", video_id="b" * 16)
    empty.joints[:] = np.nan
    segments, left_out = cut_segments([counting(3, uri="short.mp4"), empty, counting(60, video_id="c" * 16)])
    assert len(segments) == 1
    assert len(left_out) == 2
    assert "short.mp4: 3 frames" in left_out[0]
    assert "empty.mp4: a person is seen in only 0 frames" in left_out[1]


def some_segments(groups_per_label, segments_per_group=3):
    labels, groups = [], []
    for label, count in groups_per_label.items():
        for g in range(count):
            labels += [label] * segments_per_group
            groups += [f"{label}-{g}"] * segments_per_group
    n = len(labels)
    return Segments(
        poses=np.zeros((n, 60, 17, 3), np.float32),
        labels=np.array(labels),
        groups=np.array(groups),
        video_ids=np.array(groups),
        starts=np.zeros(n),
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_split_keeps_groups_whole_and_divides_every_exercise(seed):
    segments = some_segments({"squat": 10, "plank": 20, "push-up": 4, "deadlift": 2, "pull up": 1})
    train, test = split_by_group(segments, seed=seed)
    assert len(train) + len(test) == len(segments)
    assert not set(train.groups) & set(test.groups)
    counts = {label: len(set(test.groups[test.labels == label])) for label in np.unique(segments.labels)}
    assert counts == {"squat": 3, "plank": 6, "push-up": 1, "deadlift": 1, "pull up": 0}


def test_a_group_with_several_exercises_stays_whole():
    segments = some_segments({"squat": 10, "plank": 10})
    people = Segments(
        poses=segments.poses,
        labels=segments.labels,
        groups=np.array([name.split("-")[1] for name in segments.groups]),
        video_ids=segments.video_ids,
        starts=segments.starts,
    )
    train, test = split_by_group(people, seed=1)
    assert not set(train.groups) & set(test.groups)
    assert len(set(test.groups)) == 3


def test_the_seed_decides_the_split():
    segments = some_segments({"squat": 10, "plank": 10})
    sides = [tuple(sorted(set(split_by_group(segments, seed=seed)[1].groups))) for seed in (0, 0, 1, 2, 3)]
    assert sides[0] == sides[1]
    assert len(set(sides)) > 1


def test_nothing_to_test_on_is_refused():
    for share in (0.3, 0.6):
        with pytest.raises(InputError, match="add a second video"):
            split_by_group(some_segments({"squat": 1, "plank": 1}), test_share=share)
    with pytest.raises(InputError, match="no segments to split"):
        split_by_group(some_segments({"squat": 1})[np.zeros(3, bool)])


def test_a_leak_is_refused():
    segments = some_segments({"squat": 2})
    with pytest.raises(InputError, match="group 'squat-0' is on the training and on the test side"):
        refuse_leak(segments[np.array([0, 3])], segments[np.array([1])])
    same_video = Segments(
        poses=segments.poses,
        labels=segments.labels,
        groups=np.array([f"g{k}" for k in range(6)]),
        video_ids=segments.video_ids,
        starts=segments.starts,
    )
    with pytest.raises(InputError, match="video 'squat-1'"):
        refuse_leak(same_video[np.array([3])], same_video[np.array([4])])


def test_joining_keeps_the_order():
    segments = some_segments({"squat": 2, "plank": 1})
    joined = join_segments(segments[np.array([0, 1])], segments[np.array([8])])
    assert joined.labels.tolist() == ["squat", "squat", "plank"]

import numpy as np
import pytest

from gymspotter.errors import InputError
from gymspotter.windows import (
    cut_segments,
    fit_length,
    join_segments,
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
    assert segments.ends.tolist() == [12.0 * k for k in range(1, 11)]
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


def test_joining_keeps_the_order():
    first, second = cut_segments([counting(120, label="squat")])[0], cut_segments([counting(60, label="plank")])[0]
    joined = join_segments(first, second)
    assert joined.labels.tolist() == [*first.labels, "plank"]
    assert joined.ends[-1] == 12.0

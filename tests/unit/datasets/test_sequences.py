import numpy as np

from gymspotter.datasets import SkeletonDataset, SkeletonSequence
from gymspotter.datasets.sequences import resample
from gymspotter.skeleton import KINECT20


def test_resampling_keeps_both_ends_and_a_steady_pace():
    steady = np.broadcast_to(np.arange(7, dtype=np.float32)[:, None, None], (7, 20, 3))
    for frames in (3, 7, 60):
        out = resample(steady, frames)
        assert out.dtype == np.float32
        np.testing.assert_allclose(out[:, 0, 0], np.linspace(0, 6, frames), rtol=1e-6)


def test_resampling_a_single_frame_repeats_it():
    assert (resample(np.ones((1, 20, 3), np.float32), 60) == 1).all()


def test_a_missing_frame_is_missing_only_where_it_is_drawn_on():
    poses = np.ones((3, 20, 3), np.float32)
    poses[1] = np.nan
    assert np.isnan(resample(poses, 5)[:, 0, 0]).tolist() == [False, True, True, True, False]
    assert np.isnan(resample(poses, 3)[:, 0, 0]).tolist() == [False, True, False]


def test_segments_say_whose_they_are_and_how_long_they_lasted():
    sequences = tuple(
        SkeletonSequence(
            poses=np.full((15 * (k + 1), 20, 3), k, np.float32), label="wave", subject=str(k), view="1", uri=f"file {k}"
        )
        for k in range(2)
    )
    dataset = SkeletonDataset(
        name="two", layout=KINECT20, classes=("wave",), sequences=sequences, folds=(("1",),), fps=15
    )
    segments = dataset.segments(10)
    assert segments.poses.shape == (2, 10, 20, 3)
    assert segments.groups.tolist() == ["0", "1"]
    assert segments.video_ids.tolist() == ["file 0", "file 1"]
    assert (segments.ends - segments.starts).tolist() == [1.0, 2.0]

from dataclasses import fields, replace

import numpy as np

from gymspotter.tracks import Track, table_to_tracks, track_from_bytes, track_to_bytes, tracks_to_table


def a_track(number=0, frames=60, **changes):
    rng = np.random.default_rng(number)
    joints = rng.normal(size=(frames, 17, 3)).astype(np.float32)
    joints[frames // 2 :, 3] = np.nan
    track = Track(
        video_id=f"{number:016x}",
        span=0,
        uri=f"videos/ünd {number}.mp4",
        label="squat",
        group="anna",
        fps=5.0,
        t0=0.0,
        joints=joints,
        scores=rng.uniform(size=(frames, 17)).astype(np.float32),
        image_xy=rng.uniform(size=(frames, 17, 2)).astype(np.float32),
        layout="blazepose33",
        estimator="blazepose",
        estimator_version="1",
    )
    return replace(track, **changes)


def assert_same(one, other):
    for field in fields(Track):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def test_tracks_come_back_from_a_table_and_from_bytes_as_they_were():
    tracks = [a_track(2, frames=3), a_track(1, label=None), a_track(0, frames=0)]
    back = table_to_tracks(tracks_to_table(tracks))
    for one, other in zip([*back, track_from_bytes(track_to_bytes(tracks[1]))], [*tracks, tracks[1]], strict=True):
        assert_same(one, other)
        assert one.joints.dtype == np.float32


def test_the_share_of_frames_with_a_person():
    scores = np.ones((4, 17), np.float32)
    scores[1] = 0
    assert a_track(scores=scores).seen == 0.75

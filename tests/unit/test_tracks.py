import io
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from gymspotter.errors import InputError
from gymspotter.tracks import (
    Track,
    TrackWriter,
    only_writer,
    quarantined,
    read_index,
    read_quarantine,
    read_tracks,
    write_quarantine,
    write_tracks,
)


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


def parquet(columns):
    buffer = io.BytesIO()
    pd.DataFrame(columns).to_parquet(buffer)
    return buffer.getvalue()


def assert_same(one, other):
    for field in fields(Track):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def test_tracks_come_back_as_they_were_and_in_order(tmp_path):
    tracks = [a_track(2, frames=3), a_track(1, label=None), a_track(0, span=1), a_track(0, frames=0)]
    write_tracks(tracks[:2], tmp_path)
    write_tracks(tracks[2:], tmp_path)
    back = read_tracks(tmp_path)
    for one, other in zip(back, [tracks[3], tracks[2], tracks[1], tracks[0]], strict=True):
        assert_same(one, other)
        assert one.joints.dtype == np.float32


def test_the_store_is_plain_parquet(tmp_path):
    write_tracks([a_track(frames=7)], tmp_path)
    frame = pd.read_parquet(tmp_path / "tracks")
    assert len(frame.joints[0]) == 7
    assert len(frame.joints[0][0]) == 51


def test_a_span_that_stands_twice_is_a_defect(tmp_path):
    write_tracks([a_track()], tmp_path)
    write_tracks([a_track()], tmp_path)
    with pytest.raises(InputError, match="twice"):
        read_tracks(tmp_path)


def test_no_store_and_a_foreign_file_say_so(tmp_path):
    with pytest.raises(InputError, match="gymspotter extract"):
        read_tracks(tmp_path)
    (tmp_path / "tracks").mkdir()
    for content in (b"not parquet", parquet({"joints": ["x"]}), parquet({"video_id": [1]})):
        (tmp_path / "tracks" / "x.parquet").write_bytes(content)
        for read in (read_tracks, read_index):
            with pytest.raises(InputError, match=r"x\.parquet.*cannot be read"):
                read(tmp_path)


def test_the_share_of_frames_with_a_person():
    joints = np.zeros((4, 17, 3), np.float32)
    joints[1] = np.nan
    assert a_track(joints=joints).seen == 0.75


def test_quarantine_comes_back(tmp_path):
    rows = [quarantined("b.mp4", "probe", "VideoError", "why"), quarantined("a.mp4", "pose", "X", "y", span=2)]
    write_quarantine(rows, tmp_path)
    assert read_quarantine(tmp_path) == rows[::-1]
    assert read_quarantine(tmp_path / "nowhere") == []


def test_a_writer_writes_when_it_holds_enough_or_has_for_long_enough(tmp_path):
    now = 0.0
    writer = TrackWriter(tmp_path, per_file=3, seconds=10, clock=lambda: now)
    stored = []
    for number, now in enumerate([1.0, 2.0, 3.0, 4.0, 14.0, 15.0]):  # noqa: B007 - the writer's clock reads `now`
        writer.add(a_track(number, frames=2))
        stored.append(len(read_index(tmp_path)))
    assert stored == [0, 0, 3, 3, 5, 5]
    writer.flush()
    writer.flush()
    assert len(read_tracks(tmp_path)) == len(read_index(tmp_path)) == 6


def test_a_store_has_one_writer(tmp_path):
    with only_writer(tmp_path), pytest.raises(InputError, match="another run"), only_writer(tmp_path):
        pass
    with only_writer(tmp_path):
        pass

import io
import json
from dataclasses import replace

import pandas as pd
import pyarrow.parquet as pq
import pytest

from gymspotter.errors import InputError
from gymspotter.store import (
    Probed,
    StoreWriter,
    clear_quarantine,
    merge_track_files,
    quarantined,
    read_index,
    read_probes,
    read_quarantine,
    read_tracks,
    rename_tracks,
    write_probes,
    write_quarantine,
    write_tracks,
)
from tests.unit.test_tracks import a_track, assert_same


def parquet(columns):
    buffer = io.BytesIO()
    pd.DataFrame(columns).to_parquet(buffer)
    return buffer.getvalue()


def test_tracks_come_back_as_they_were_and_in_order(tmp_path):
    tracks = [a_track(2, frames=3), a_track(1, label=None), a_track(0, span=1), a_track(0, frames=0)]
    write_tracks(tracks[:2], tmp_path)
    write_tracks(tracks[2:], tmp_path)
    back = read_tracks(tmp_path)
    for one, other in zip(back, [tracks[3], tracks[2], tracks[1], tracks[0]], strict=True):
        assert_same(one, other)


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


def test_quarantine_comes_back(tmp_path):
    rows = [quarantined("b.mp4", "probe", "VideoError", "why"), quarantined("a.mp4", "pose", "X", "y", span=2)]
    write_quarantine(rows, tmp_path)
    assert read_quarantine(tmp_path) == rows[::-1]
    assert read_quarantine(tmp_path / "nowhere") == []


def test_a_writer_writes_when_it_holds_enough_or_has_for_long_enough(tmp_path):
    now = 0.0
    writer = StoreWriter(tmp_path, per_file=3, seconds=10, clock=lambda: now)
    stored = []
    for number, now in enumerate([1.0, 2.0, 3.0, 4.0, 14.0, 15.0]):  # noqa: B007 - the writer's clock reads `now`
        writer.add(a_track(number, frames=2))
        stored.append(len(read_index(tmp_path)))
    assert stored == [0, 0, 3, 3, 5, 5]
    writer.add(quarantined("a.mp4", "pose", "X", "y"))
    writer.flush()
    writer.flush()
    assert len(read_tracks(tmp_path)) == len(read_index(tmp_path)) == 6
    assert len(read_quarantine(tmp_path)) == 1


def files(store):
    return sorted(path.name for path in (store / "tracks").iterdir())


def test_renaming_changes_what_the_catalog_says_and_nothing_else(tmp_path):
    write_tracks([a_track(0), a_track(1)], tmp_path)
    rename_tracks(tmp_path, {(a_track(1).video_id, 0): {"uri": "b", "label": None, "group": "bo"}})
    one, other = read_tracks(tmp_path)
    assert_same(one, a_track(0))
    assert_same(other, a_track(1, uri="b", label=None, group="bo"))


def test_small_files_become_one_with_the_same_tracks(tmp_path):
    for number in range(7):
        write_tracks([a_track(number, frames=number)], tmp_path)
    merge_track_files(tmp_path, per_file=6)
    assert [name[:5] for name in files(tmp_path)] == ["part-", "whole"]
    write_tracks([a_track(7, frames=7)], tmp_path)
    merge_track_files(tmp_path, per_file=6)
    assert [name[:12] for name in files(tmp_path)] == ["whole-000001", "whole-000002"]
    for number, track in enumerate(read_tracks(tmp_path)):
        assert_same(track, a_track(number, frames=number))


@pytest.mark.parametrize("removed", range(4))
def test_a_merge_that_was_killed_before_it_removed_the_parts_doubles_nothing(tmp_path, removed):
    for number in range(3):
        write_tracks([a_track(number)], tmp_path)
    parts = {path: path.read_bytes() for path in (tmp_path / "tracks").iterdir()}
    merge_track_files(tmp_path)
    for path in sorted(parts)[removed:]:
        path.write_bytes(parts[path])
    assert len(read_tracks(tmp_path)) == len(read_index(tmp_path)) == 3
    rename_tracks(tmp_path, {(a_track(1).video_id, 0): {"label": "plank"}})
    assert [track.label for track in read_tracks(tmp_path)] == ["squat", "plank", "squat"]
    write_tracks([a_track(3)], tmp_path)
    merge_track_files(tmp_path)
    assert len(files(tmp_path)) == 1
    assert len(read_tracks(tmp_path)) == 4


def test_of_several_probes_of_a_video_the_last_counts_however_many_there_are(tmp_path):
    assert read_probes(tmp_path) == {}
    first = Probed(uri="0", size=1, mtime_ns=1_700_000_000_123_456_789, video_id="a", seconds=1.5)
    for number in range(40):
        changed = replace(first, uri=str(number % 3), size=number)
        write_probes([changed], tmp_path)
    assert read_probes(tmp_path)["0"] == replace(first, size=39)
    assert {uri: row.size for uri, row in read_probes(tmp_path).items()} == {"0": 39, "1": 37, "2": 38}
    assert len(list((tmp_path / "probes").iterdir())) < 20


def test_the_quarantine_is_emptied(tmp_path):
    write_quarantine([quarantined("a.mp4", "pose", "X", "y")], tmp_path)
    clear_quarantine(tmp_path)
    assert read_quarantine(tmp_path) == []


def test_a_merged_file_says_what_it_replaces(tmp_path):
    write_tracks([a_track(0)], tmp_path)
    write_tracks([a_track(1)], tmp_path)
    parts = files(tmp_path)
    merge_track_files(tmp_path)
    (merged,) = files(tmp_path)
    assert json.loads(pq.read_schema(tmp_path / "tracks" / merged).metadata[b"replaces"]) == parts

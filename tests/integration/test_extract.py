"""Extraction on a real Ray: what becomes of good, broken, empty and repeated videos."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from gymspotter.errors import InputError
from gymspotter.extract import ExtractOptions, extract
from gymspotter.lock import only_writer
from gymspotter.skeleton import CANONICAL
from gymspotter.store import read_quarantine, read_tracks, write_tracks
from gymspotter.synth.film import read_truth
from tests.conftest import write_clip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, squat_video):
    root = tmp_path_factory.mktemp("corpus")
    (root / "squats").mkdir()
    shutil.copy(squat_video, root / "squats" / "a good one.mp4")
    shutil.copy(squat_video, root / "squats" / "the same again.mp4")
    (root / "squats" / "empty.mp4").write_bytes(b"")
    (root / "squats" / "text.mp4").write_text("This is no video.")
    data = squat_video.read_bytes()
    (root / "squats" / "cut.mp4").write_bytes(data[: len(data) // 2])
    write_clip(root / "plank" / "nobody, ünïcode.mp4", frames=40)
    return root


@pytest.fixture(scope="module")
def extracted(corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("store")
    return extract(ExtractOptions(videos=str(corpus), out=out, span_seconds=2)), out


def test_inputs_are_tracks_plus_quarantine(extracted):
    result, out = extracted
    # The good one has three spans of two seconds, "nobody" has two of two; four files have none.
    assert (result.videos, result.spans, result.tracks, result.quarantined) == (6, 5, 3, 6)
    tracks, quarantine = read_tracks(out), read_quarantine(out)
    assert len(tracks) == 3
    assert len(quarantine) == 6


def test_each_failure_is_recorded_with_its_reason(extracted):
    rows = {}
    for row in read_quarantine(extracted[1]):
        rows.setdefault(row.uri.rsplit("/", 1)[1], []).append((row.stage, row.error, row.message))
    assert "is empty" in rows["empty.mp4"][0][2]
    assert "cannot be decoded" in rows["text.mp4"][0][2]
    assert "cannot be decoded" in rows["cut.mp4"][0][2]
    assert rows["the same again.mp4"][0][0] == "duplicate"
    assert "a good one.mp4" in rows["the same again.mp4"][0][2]
    assert [row[:2] for row in rows["nobody, ünïcode.mp4"]] == [("pose", "NoPersonError")] * 2


def test_the_spans_of_a_video_make_up_its_grid(extracted, squat_video):
    tracks = read_tracks(extracted[1])
    assert [track.span for track in tracks] == [0, 1, 2]
    assert [track.t0 for track in tracks] == [0.0, 2.0, 4.0]
    assert [len(track.joints) for track in tracks] == [10, 10, 10]
    assert {track.label for track in tracks} == {"squat"}
    assert {track.group for track in tracks} == {tracks[0].video_id}


def test_the_skeleton_is_where_the_athlete_is(extracted, squat_video):
    truth = read_truth(squat_video)
    tracks = read_tracks(extracted[1])
    image_xy = np.concatenate([track.image_xy for track in tracks])
    joints = np.concatenate([track.joints for track in tracks])
    on_grid = slice(None, None, int(truth["fps"] / 5))
    # In the picture within 5% of its size, in space within half a torso, for joints that do not hide each other.
    limbs = [CANONICAL.index(f"{side}_{part}") for side in "lr" for part in ("shoulder", "hip", "knee", "ankle")]
    assert np.nanmedian(np.abs(image_xy - truth["image_xy"][on_grid])[:, limbs]) < 0.05
    torso = np.linalg.norm(truth["joints"][:, CANONICAL.index("thorax")], axis=-1).mean()
    errors = np.linalg.norm(joints - truth["joints"][on_grid], axis=-1)[:, limbs]
    assert np.nanmedian(errors) / torso < 0.5
    assert (joints[:, 0] == 0).all()


def test_a_second_run_estimates_only_what_is_missing(extracted, corpus):
    first, out = extracted
    again = extract(ExtractOptions(videos=str(corpus), out=out, span_seconds=2))
    assert (again.tracks, again.reused, again.quarantined, again.frames) == (3, 3, first.quarantined, 0)
    lost = next((out / "tracks").glob("*.parquet"))
    kept = read_tracks(out)[1:]
    lost.unlink()
    write_tracks(kept, out)
    mended = extract(ExtractOptions(videos=str(corpus), out=out, span_seconds=2))
    assert (mended.tracks, mended.reused, mended.frames) == (3, 2, 10)
    assert [track.span for track in read_tracks(out)] == [0, 1, 2]
    assert len(read_quarantine(out)) == first.quarantined


@pytest.mark.parametrize("changed", [{"span_seconds": 3}, {"span_seconds": 60}, {"span_seconds": 2, "fps": 10}])
def test_tracks_of_other_options_are_not_mixed(extracted, corpus, changed):
    before = read_quarantine(extracted[1])
    with pytest.raises(InputError, match="use the options of that run"):
        extract(ExtractOptions(videos=str(corpus), out=extracted[1], **changed))
    assert read_quarantine(extracted[1]) == before


def test_a_video_that_was_renamed_gets_its_new_label_without_being_looked_at_again(squat_video, tmp_path):
    (tmp_path / "videos" / "plank").mkdir(parents=True)
    video = shutil.copy(squat_video, tmp_path / "videos" / "plank" / "a.mp4")
    (tmp_path / "videos" / "plank" / os.fsdecode(b"\xff.mp4")).write_bytes(b"x")
    out = tmp_path / "store"
    first = extract(ExtractOptions(videos=str(tmp_path / "videos"), out=out))
    assert (first.tracks, first.quarantined) == (1, 1)
    assert "is not UTF-8" in read_quarantine(out)[0].message
    (before,) = read_tracks(out)
    shutil.move(video, (tmp_path / "videos" / "squat.mp4"))
    (tmp_path / "manifest.csv").write_text("uri,label,group\nvideos/squat.mp4,squat,anna\n")
    again = extract(ExtractOptions(videos=str(tmp_path / "manifest.csv"), out=out))
    assert (again.tracks, again.reused, again.frames) == (1, 1, 0)
    (after,) = read_tracks(out)
    assert (before.label, after.label, after.group) == ("plank", "squat", "anna")
    assert after.uri == str(tmp_path / "videos" / "squat.mp4")
    np.testing.assert_array_equal(before.joints, after.joints)


def test_a_second_run_at_the_same_time_is_told_so(corpus, tmp_path):
    with only_writer(tmp_path), pytest.raises(InputError, match="written by another run"):
        extract(ExtractOptions(videos=str(corpus), out=tmp_path))


@pytest.mark.parametrize(
    ("field", "value"), [("estimator", "kinect"), ("actors", 0), ("fps", 0.0), ("span_seconds", 0.5)]
)
def test_a_bad_option_names_its_field(field, value):
    with pytest.raises(InputError, match=field.replace("_", "-")):
        ExtractOptions(videos="x", **{field: value})


@pytest.mark.slow
def test_workers_may_share_a_gpu(squat_video, tmp_path):
    """Ray's book-keeping of GPUs, which needs none: two workers with half of one each, and a third that waits."""
    code = (
        "import ray, sys; ray.init(num_cpus=4, num_gpus=1, include_dashboard=False, object_store_memory=200 * 2**20);"
        "from gymspotter.extract import *; options = dict(videos=sys.argv[1], out=sys.argv[2], span_seconds=1);"
        "extract(ExtractOptions(**options, actors=3, gpus_per_actor=0.5))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, squat_video, tmp_path], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert len(read_tracks(tmp_path)) == 5  # the last second belongs to the span before it


def test_a_share_of_a_gpu_that_is_not_there_is_refused(squat_video, tmp_path):
    with pytest.raises(InputError, match=r"gpus-per-actor is 0\.5, but Ray sees no GPU"):
        extract(ExtractOptions(videos=str(squat_video), out=str(tmp_path), gpus_per_actor=0.5))

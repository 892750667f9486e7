"""Every odd and broken video ends as a track or in quarantine with a reason, and the job goes on."""

import csv
import os

import cv2
import numpy as np
import pytest

from gymspotter.extract import ExtractOptions, extract
from gymspotter.store import read_quarantine, read_tracks
from gymspotter.tracks import Track
from tests.corpus import encode, flipped, make, pictures_of

# What becomes of each: a track, or the reason it gets.
EXPECTED = {
    "truncated": "is damaged or not a video",
    "truncated after its index": "is damaged or not a video",
    "zero bytes": "is empty",
    "text": "is damaged or not a video",
    "only the head": "is damaged or not a video",
    "audio only": "has no picture stream",
    "bare stream": "put it into an mp4",
    "animated WebP": "convert it to mp4",
    "vanished": "does not exist",
    "no permission": "check its permissions",
    **dict.fromkeys(["wrong extension", "unicode", "one frame", "no frame rate", "variable frame rate", "rotated"]),
    **dict.fromkeys(["odd sizes", "4K", "10-bit HEVC", "VP9", "AV1", "GIF", "three hours declared"]),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, squat_video):
    """By what ails the video: its track, or its row in quarantine."""
    root = tmp_path_factory.mktemp("corpus")
    files = make(root, squat_video)
    files["vanished"] = root / "vanished.mp4"
    files["no permission"] = root / "no permission.mp4"
    files["no permission"].write_bytes(b"x")
    files["no permission"].chmod(0)
    with open(root / "manifest.csv", "w", newline="") as file:
        csv.writer(file).writerows([("uri", "label"), *((path.name, "squat") for path in files.values())])
    out = str(root / "store")
    result = extract(ExtractOptions(videos=str(root / "manifest.csv"), out=out))
    assert (result.videos, result.tracks + result.quarantined) == (len(files), len(files))
    rows = {row.uri: row for row in [*read_tracks(out), *read_quarantine(out)]}
    return {name: rows[str(path)] for name, path in files.items()}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_ends_as_a_track_or_in_quarantine(outcomes, name):
    if name == "no permission" and os.geteuid() == 0:
        pytest.skip("root may read everything")
    outcome, reason = outcomes[name], EXPECTED[name]
    if reason is None:
        assert isinstance(outcome, Track), outcome
        assert outcome.seen == 1.0
    else:
        assert reason in outcome.message


def test_times_and_rotation_are_those_that_are_shown(outcomes):
    plain, turned = outcomes["10-bit HEVC"], outcomes["rotated"]
    assert np.abs(turned.image_xy - plain.image_xy).max() < 0.05
    assert len(outcomes["three hours declared"].joints) == 10
    assert len(outcomes["one frame"].joints) == 1
    # 29 gaps of 0.11 seconds on average, and not 30 frames at some rate.
    assert 15 <= len(outcomes["variable frame rate"].joints) <= 18


@pytest.mark.slow
def test_flipped_bits_neither_end_nor_hang_the_job(tmp_path, squat_video):

    small = [cv2.resize(p, (320, 240)) for p in pictures_of(squat_video, seconds=1)]
    good = encode(tmp_path / "good.mkv", small).read_bytes()
    rng = np.random.default_rng(0)
    (tmp_path / "videos").mkdir()
    for k in range(500):
        (tmp_path / "videos" / f"{k:03d}.mkv").write_bytes(flipped(good, rng, bits=int(rng.integers(1, 30))))
    out = str(tmp_path / "store")
    result = extract(ExtractOptions(videos=str(tmp_path / "videos"), out=out, stall_seconds=20))
    assert (result.videos, result.tracks + result.quarantined) == (500, 500)
    assert result.tracks > 50
    assert result.quarantined > 50
    for row in read_quarantine(out):
        assert row.error in ("VideoError", "NoPersonError", "DuplicateVideo"), row
        assert row.message.endswith("."), row

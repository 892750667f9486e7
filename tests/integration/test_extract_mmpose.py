"""Extraction with MMPose on a real Ray, on the CPU: several spans a forward pass, and what the store notes."""

import subprocess
import sys
from pathlib import Path

import pytest

from gymspotter.errors import InputError
from gymspotter.extract import ExtractOptions, extract
from gymspotter.store import read_quarantine, read_tracks
from tests.mmpose_weights import random_weights, small_options


def test_videos_become_tracks_of_mmpose(squat_video, tmp_path):
    weights = random_weights(tmp_path)
    mmpose = small_options(weights)
    out = str(tmp_path / "store")
    options = ExtractOptions(videos=str(squat_video), out=out, estimator="mmpose", mmpose=mmpose, span_seconds=2)
    result = extract(options)
    assert (result.spans, result.tracks) == (3, 3), read_quarantine(out)
    for track in read_tracks(out):
        assert (track.layout, track.estimator, track.joints.shape) == ("h36m17", "mmpose", (10, 17, 3))
        assert "rtmpose-t" in track.estimator_version
    with pytest.raises(InputError, match="use the options of that run"):
        extract(ExtractOptions(videos=str(squat_video), out=out, span_seconds=2))


@pytest.mark.slow
def test_the_command_line_says_what_is_missing(squat_video, tmp_path):
    program = Path(sys.executable).parent / "gymspotter"
    command = [program, "extract", squat_video, "--out", tmp_path / "store"]
    more = ["--estimator", "mmpose", "--mmpose.pose2d-weights", tmp_path / "none.pth"]
    done = subprocess.run([*command, *more], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "mmpose.pose2d-weights" in done.stderr.splitlines()[-1]

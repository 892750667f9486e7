"""The command line as a person types it."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from gymspotter.cli import VERBS, main
from gymspotter.store import read_tracks
from gymspotter.synth.film import read_truth

ROOT = Path(__file__).parents[2]


def gymspotter(*arguments, cwd=None):
    command = [str(Path(sys.executable).parent / "gymspotter"), *map(str, arguments)]
    # MLflow hands the store that another test uses down to child processes.
    env = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, timeout=300)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb, capsys):
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    assert f"usage: gymspotter {verb}" in capsys.readouterr().out


def test_a_job_is_the_verb_of_its_name():
    done = subprocess.run([sys.executable, ROOT / "jobs" / "train.py", "--help"], capture_output=True, text=True)
    assert done.stdout == gymspotter("train", "--help").stdout
    assert {path.stem for path in (ROOT / "jobs").glob("*.py")} <= set(VERBS)


def test_no_verb_and_an_unknown_one_show_the_usage():
    assert gymspotter().returncode == 0
    done = gymspotter("dance")
    assert done.returncode == 2
    assert "'dance' is not a verb" in done.stderr


def test_bad_input_ends_with_one_sentence_and_status_2(tmp_path):
    for arguments in (["extract", "nowhere"], ["train", "nowhere"], ["show", "nowhere.mp4"], ["serve"]):
        done = gymspotter(*arguments, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith(f"gymspotter {arguments[0]}: ")
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_synthetic_videos_come_with_their_truth_and_are_the_same_for_the_same_seed(tmp_path):
    for name in ("a", "b"):
        done = gymspotter(
            "synth", "--out", tmp_path / name, "--per-exercise", 1, "--seconds", 1, "--width", 160, "--height", 120
        )
        assert done.returncode == 0, done.stderr
    videos = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.mp4"))
    assert len(videos) == 22
    for video in videos:
        assert (tmp_path / "a" / video).read_bytes() == (tmp_path / "b" / video).read_bytes()
        truth = read_truth(tmp_path / "a" / video)
        assert truth["exercise"] == video.parts[0]
        assert truth["joints"].shape == (10, 17, 3)
    assert "is not empty" in gymspotter("synth", "--out", tmp_path / "a").stderr


@pytest.mark.slow
def test_synthetic_skeletons_are_those_of_the_videos(tmp_path):
    common = ["--per-exercise", "1", "--seconds", "2", "--seed", "4"]
    assert gymspotter("synth", "--out", tmp_path / "s", "--kind", "skeletons", *common).returncode == 0
    size = ["--width", "64", "--height", "64"]
    assert gymspotter("synth", "--out", tmp_path / "v", *size, *common).returncode == 0
    tracks = {track.label: track for track in read_tracks(tmp_path / "s")}
    assert len(tracks) == 22
    for video in (tmp_path / "v").rglob("*.mp4"):
        truth = read_truth(video)
        error = abs(tracks[truth["exercise"]].joints - truth["joints"][::2]).max()
        assert error < 1e-3  # the truth is rounded to a tenth of a millimetre


def test_show_writes_a_picture(tmp_path, squat_video):
    done = gymspotter("show", squat_video, "--out", tmp_path / "x" / "sheet.png", "--frames", 4)
    assert done.returncode == 0, done.stderr
    assert "100%" in done.stdout
    picture = cv2.imread(str(tmp_path / "x" / "sheet.png"))
    assert picture.shape[:2] == (240, 4 * 320)


def test_weights_says_where_they_are():
    files = [Path(line) for line in gymspotter("weights").stdout.splitlines()]
    assert [file.name for file in files] == ["pose_detection.tflite", "pose_landmark_full.tflite"]
    assert all(file.is_file() for file in files)

"""Extraction under kill -9: of the driver, which is then started again, and of a worker, which Ray starts again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gymspotter.extract import ExtractOptions, extract
from gymspotter.labels import EXERCISES
from gymspotter.synth.generate import Item, SynthOptions, make_video
from gymspotter.tracks import read_quarantine, read_tracks

pytestmark = pytest.mark.slow
VIDEOS = 24


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    options = SynthOptions(out=tmp_path_factory.mktemp("corpus"), seconds=6, width=320, height=240)
    for k in range(VIDEOS):
        make_video(Item(exercise=EXERCISES[k % 22], number=k, seed=11), options)
    return options.out


def start(corpus, out):
    """`gymspotter extract` with one actor, in a session of its own; about twenty seconds of work."""
    command = [str(Path(sys.executable).parent / "gymspotter"), "extract", corpus, "--out", out, "--actors", "1"]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)
    return found


def files(out):
    return list((out / "tracks").glob("*.parquet"))


def workers(process):
    """Process ids of the pose workers of one run, which are in the session of its Ray."""
    listing = subprocess.run(["ps", "-eo", "pid,sess,args"], capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in listing.splitlines()[1:]]
    return [int(pid) for pid, session, args in rows if int(session) == process.pid and "ray::MapWorker" in args]


def assert_complete(out):
    """Each video is there once, as a track or in quarantine."""
    tracks, quarantine = read_tracks(out), read_quarantine(out)  # reading refuses a span that stands twice
    assert len({track.uri for track in tracks} | {row.uri for row in quarantine}) == VIDEOS
    assert len(tracks) + len(quarantine) == VIDEOS
    assert not list(out.rglob("*.tmp"))


def test_a_killed_driver_loses_little_and_a_second_run_does_the_rest(corpus, tmp_path):
    process = start(corpus, tmp_path)
    wait_for(lambda: files(tmp_path))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = len(read_tracks(tmp_path))
    assert 0 < before < VIDEOS
    result = extract(ExtractOptions(videos=str(corpus), out=tmp_path))
    assert result.reused >= before
    assert result.frames == 30 * (result.tracks - result.reused)
    assert_complete(tmp_path)


def test_a_killed_worker_costs_nothing(corpus, tmp_path):
    process = start(corpus, tmp_path)
    try:
        (worker, *_) = wait_for(lambda: workers(process))
        wait_for(lambda: files(tmp_path))
        os.kill(worker, signal.SIGKILL)
        printed, errors = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert f"{VIDEOS} videos: {VIDEOS} spans" in printed
    assert_complete(tmp_path)

"""Extraction under kill -9: of the driver, which is then started again, and of a worker, which Ray starts again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import ray

from gymspotter.extract import ExtractOptions, extract
from gymspotter.labels import EXERCISES
from gymspotter.store import read_quarantine, read_tracks
from gymspotter.synth.generate import Item, SynthOptions, make_video
from gymspotter.workers import PoseWorker

pytestmark = pytest.mark.slow
VIDEOS = 36


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    options = SynthOptions(out=tmp_path_factory.mktemp("corpus"), seconds=6, width=320, height=240)
    for k in range(VIDEOS):
        make_video(Item(exercise=EXERCISES[k % 22], number=k, seed=11), options)
    return options.out


def start(corpus, out, actors=1, address=None):
    """`gymspotter extract` in a session of its own, on its own Ray or that of the address: seconds of work."""
    program = str(Path(sys.executable).parent / "gymspotter")
    return subprocess.Popen(
        [program, "extract", corpus, "--out", out, "--actors", str(actors)],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | ({"RAY_ADDRESS": address} if address else {}),
    )


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


@pytest.fixture
def cluster():
    """A head and two more nodes, a CPU each."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 200 * 2**20})
    for _ in range(2):
        cluster.add_node(num_cpus=1, object_store_memory=100 * 2**20)
    yield cluster
    cluster.shutdown()


def test_a_killed_node_costs_nothing(corpus, tmp_path, cluster):
    process = start(corpus, tmp_path, actors=3, address=cluster.address)
    try:
        wait_for(lambda: files(tmp_path))
        (raylet,) = cluster.list_all_nodes()[-1].all_processes["raylet"]
        raylet.process.kill()
        assert len(read_tracks(tmp_path)) < VIDEOS
        printed, errors = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert f"{VIDEOS} videos: {VIDEOS} spans" in printed
    assert_complete(tmp_path)


class Fragile(PoseWorker):
    """A worker that native code takes down, as it were, over one video."""

    def __call__(self, batch):
        if "deadly" in batch["span"][0]:
            self._attempts = Fatal(self._attempts)
        return super().__call__(batch)


class Fatal:
    def __init__(self, attempts):
        self._attempts = attempts

    def begin(self, key):
        number = self._attempts.begin(key)
        if number <= 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    def end(self, key):
        self._attempts.end(key)


def test_a_video_that_every_worker_dies_over_is_quarantined(corpus, tmp_path, monkeypatch):
    videos = sorted(Path(corpus).rglob("*.mp4"))[:6]
    for video in videos:
        folder = tmp_path / "videos" / video.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / video.name).symlink_to(video)
    deadly = tmp_path / "videos" / videos[2].parent.name / videos[2].name
    deadly.rename(deadly.with_name("deadly.mp4"))
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    monkeypatch.setattr("gymspotter.extract.PoseWorker", Fragile)
    result = extract(ExtractOptions(videos=str(tmp_path / "videos"), out=str(tmp_path / "out"), actors=2))
    assert (result.tracks, result.quarantined) == (5, 1)
    (row,) = read_quarantine(tmp_path / "out")
    assert row.uri.endswith("deadly.mp4")
    assert row.error == "WorkerDied"

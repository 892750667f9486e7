"""Faults during an extraction from and to S3: every span must be in the store once, as an undisturbed run finds it.

The time to recover is until as many workers estimate poses as there are nodes for, where one was lost, and else until
further tracks are in the store, which are written every ten seconds.
"""

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from faulting.activity import Activity
from faulting.nodes import Cluster, Node
from faulting.rows import Row
from faulting.said import surprising
from faulting.services import Services, away
from faulting.surroundings import environment
from gymspotter import storage
from gymspotter.errors import InputError
from gymspotter.labels import EXERCISES
from gymspotter.store import read_index, read_quarantine, read_tracks
from gymspotter.synth.generate import Item, SynthOptions, make_video
from gymspotter.tracks import Track

WORKERS, CPUS = 2, 1
VIDEOS, SECONDS, SPAN_SECONDS = 16, 12.0, 1.0
SPANS = round(VIDEOS * SECONDS / SPAN_SECONDS)
WORKER = "ray::MapWorker(MapBatches(PoseWorker)"  # how a process that estimates poses calls itself
SILENT_STORAGE = 75.0  # longer than the lease on a store
VIDEO_FOLDER = "s3://gym/videos"
WITHOUT = {"mlflow": "extraction does not use MLflow"}
_PROGRESS = re.compile(r"probe: |pose: |.* \d+ +\d+ +[\d.]+%")  # a line now and then, the table in the end


@dataclass(kw_only=True)
class _Extraction(Activity):
    """An extraction under way."""

    store: str

    def done(self) -> int:
        """Spans whose tracks are in the store."""
        try:
            return len(read_index(self.store))
        except InputError:  # a file was merged meanwhile
            return 0

    def workers(self) -> dict[int, Node]:
        """The processes that estimate poses at this moment."""
        return {pid: node for node in self.cluster.nodes for pid in node.pids(WORKER) if pid in node.pids(").submit")}

    def grows(self) -> float:
        """Seconds until further tracks are there."""
        before = self.done()
        return self.job.seconds_until(lambda: self.done() > before)


def run(fault: str, cluster: Cluster, services: Services, folder: Path) -> Row:
    """Begin an extraction, let the fault happen once the first tracks are there, and see what came of it."""
    if fault in WITHOUT:
        return Row(activity="extraction", fault=fault, note=WITHOUT[fault])
    with environment(services.env):
        _upload_videos(folder)
        truth = _undisturbed(cluster, services)
        extraction = _begun(cluster, services)
        return extraction.disturbed(
            name="extraction",
            fault=fault,
            ready=extraction.done,
            inflict=FAULTS[fault],
            compare=lambda: _compared(extraction.store, truth),
            unusual=lambda said: [line for line in surprising(said, truth.lines) if not _PROGRESS.match(line)],
        )


def _begun(cluster: Cluster, services: Services) -> _Extraction:
    store = f"s3://gym/extraction-{time.time_ns()}"
    words = ["extract", VIDEO_FOLDER, "--out", store, "--span-seconds", str(SPAN_SECONDS), "--actors", str(WORKERS)]
    return _Extraction(cluster=cluster, services=services, words=words, store=store)


def _upload_videos(folder: Path) -> None:
    """The same ones for all cells, rendered once."""
    if storage.files(VIDEO_FOLDER, below=True):
        return
    made = SynthOptions(out=folder / "videos", seconds=SECONDS, width=320, height=240)
    items = [Item(exercise=EXERCISES[k % len(EXERCISES)], number=k, seed=11) for k in range(VIDEOS)]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for video in pool.map(partial(make_video, options=made), items):
            place = storage.join(VIDEO_FOLDER, video.parent.name, video.name)
            storage.write_whole(place, video.read_bytes())


@dataclass(frozen=True, kw_only=True)
class _Undisturbed:
    """What a run finds and says to which nothing happens."""

    tracks: list[Track]
    rejected: set[tuple[str, int | None]]
    lines: list[str]


_TRUTH: dict[str, _Undisturbed] = {}


def _undisturbed(cluster: Cluster, services: Services) -> _Undisturbed:
    """One for all cells."""
    if cluster.address not in _TRUTH:
        extraction = _begun(cluster, services)
        lines = extraction.undisturbed()
        _TRUTH[cluster.address] = _Undisturbed(
            tracks=read_tracks(extraction.store), rejected=_rejected(extraction.store), lines=lines
        )
    return _TRUTH[cluster.address]


def _kill_worker(extraction: _Extraction) -> tuple[str, float]:
    pid, node = next(iter(extraction.job.until(extraction.workers).items()))
    before = set(extraction.workers()) - {pid}
    os.kill(pid, signal.SIGKILL)
    took = extraction.job.seconds_until(lambda: set(extraction.workers()) - before - {pid})
    return f"kill -9 of a pose worker on {node.name}", took


def _kill_raylet(extraction: _Extraction) -> tuple[str, float]:
    node = next(iter(extraction.job.until(extraction.workers).values()))
    node.kill_raylet()
    noticed = extraction.job.seconds_until(lambda: not node.alive)
    return f"{node.name} is gone for good, which Ray notices after {noticed:.0f} s", noticed + _others_work(extraction)


def _kill_driver(extraction: _Extraction) -> tuple[str, float]:
    extraction.kill()
    began = time.monotonic()
    before = extraction.done()
    extraction.start()
    extraction.job.seconds_until(lambda: extraction.done() > before)
    return f"begun again at once, by hand; {before} spans were done", time.monotonic() - began


def _cut(extraction: _Extraction) -> tuple[str, float]:
    node = next(iter(extraction.job.until(extraction.workers).values()))
    node.cut()
    noticed = extraction.job.seconds_until(lambda: not node.alive)
    more = _others_work(extraction)
    node.mend()
    return f"{node.name} is given up after {noticed:.0f} s, and connected again then", noticed + more


def _others_work(extraction: _Extraction) -> float:
    """Seconds until another node's worker is at work; none if all is done."""
    here = [node for node in extraction.cluster.nodes if node.alive]
    return extraction.job.seconds_until(
        lambda: extraction.done() >= SPANS or any(node in here for node in extraction.workers().values())
    )


def _fill_store(extraction: _Extraction) -> tuple[str, float]:
    node = next(iter(extraction.job.until(extraction.workers).values()))
    began = time.monotonic()
    node.fill_store()
    filled = time.monotonic() - began
    took = extraction.grows()
    extraction.job.wait()
    node.release()
    return f"the store of {node.name} is full from {filled:.0f} s on until the end", took


def _stop_storage(extraction: _Extraction) -> tuple[str, float]:
    before = extraction.done()
    away(extraction.services.storage, SILENT_STORAGE)
    took = extraction.job.seconds_until(lambda: extraction.done() > before)
    return f"no storage for {SILENT_STORAGE:.0f} s", SILENT_STORAGE + took


FAULTS: dict[str, Callable[[_Extraction], tuple[str, float]]] = {
    "worker": _kill_worker,
    "raylet": _kill_raylet,
    "driver": _kill_driver,
    "cut": _cut,
    "store": _fill_store,
    "storage": _stop_storage,
}


def _compared(store: str, truth: _Undisturbed) -> tuple[int, int, list[str]]:
    """Spans that are missing or other than undisturbed, spans that stand twice, and each in words."""
    wrong = []
    rows = Counter[tuple[str, int]]()
    for file in storage.files(storage.join(store, "tracks")):
        with storage.open_input(file) as source:
            table = pq.ParquetFile(source).read(["video_id", "span"])
            rows.update((row["video_id"], row["span"]) for row in table.to_pylist())
    twice = rows.total() - len(rows)
    if twice:
        return 0, twice, [f"{twice} spans stand twice"]
    found = {(track.video_id, track.span): track for track in read_tracks(store)}
    lost = sum(not _same(track, found.get((track.video_id, track.span))) for track in truth.tracks)
    if lost or len(found) != len(truth.tracks):
        wrong.append(f"{lost} of {len(truth.tracks)} spans are missing or others, {len(found)} are there")
    if others := _rejected(store) ^ truth.rejected:
        wrong.append(f"{len(others)} more or fewer in quarantine, such as {sorted(others, key=str)[0]}")
    if left := [*storage.files(storage.join(store, ".lock")), *_unfinished(store)]:
        wrong.append(f"left over: {left[0]}")
    return lost, twice, wrong


def _rejected(store: str) -> set[tuple[str, int | None]]:
    return {(row.uri, row.span) for row in read_quarantine(store)}


def _unfinished(store: str) -> list[str]:
    return [file for file in storage.files(store, below=True) if file.endswith(".tmp")]


def _same(one: Track, other: Track | None) -> bool:
    return (
        other is not None
        and (one.uri, one.label, one.group) == (other.uri, other.label, other.group)
        and one.joints.shape == other.joints.shape
        and np.allclose(one.joints, other.joints, atol=1e-4, equal_nan=True)
    )

"""The real extraction on a cluster that is not there: many raylets on one machine, an estimator that sleeps.

All of the pipeline runs as it always does (probe, plan, Ray Data, decoder, store); only the time that a GPU would
take is slept. So hundreds of GPUs' worth of messages come from a machine of two cores.
"""

import csv
import logging
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import av
import numpy as np
import ray
from ray.cluster_utils import Cluster

import gymspotter.extract
from gymspotter.extract import ExtractOptions, extract
from gymspotter.spans import GRID_FPS
from gymspotter.store import Quarantined, StoreWriter
from gymspotter.tracks import Track
from gymspotter.video import join_videos
from scaled import cpu, sleeper

HERE = Path(__file__).resolve().parents[1]
MINUTES = 10  # of each video
_SIZE, _KEY_EVERY = 32, 10
# Workers that are started before they are wanted cost memory and give nothing here.
_QUIET = {"RAY_enable_worker_prestart": "0", "RAY_prestart_worker_first_driver": "0"}


@dataclass(frozen=True, kw_only=True)
class Run:
    """A steady stretch of one extraction: from when every worker has had its first span until the first goes without.

    ``spans`` came in ``seconds``; ``cpu_s`` are CPU seconds by kind of process, ``idle`` the share of the machine that
    nobody used; ``whole_s`` is the extraction from beginning to end, with the probes and the start of its workers.
    """

    gpus: int
    spans: int
    seconds: float
    cpu_s: dict[str, float]
    idle: float
    whole_s: float

    @property
    def rate(self) -> float:
        """Spans a second."""
        return self.spans / self.seconds

    @property
    def cpu_ms(self) -> dict[str, float]:
        """CPU milliseconds a span, by kind of process."""
        return {kind: 1000 * used / self.spans for kind, used in self.cpu_s.items()}

    def as_dict(self) -> dict[str, Any]:
        """For a file of JSON."""
        return asdict(self)


def tiny_videos(folder: Path, count: int) -> list[Path]:
    """Videos of ten minutes, 32 x 32 pixels, on the grid already: the cheapest that a real decoder can be given.

    The first minute tells them apart; equal contents would be extracted once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rest = _minute(folder / "rest.mp4", seed=0)
    videos = []
    for k in range(count):
        first = _minute(folder / "first.mp4", seed=1 + k)
        videos.append(folder / f"video-{k:03d}.mp4")
        join_videos([first] + [rest] * (MINUTES - 1), videos[-1])
    (folder / "first.mp4").unlink()
    rest.unlink()
    return videos


def _minute(path: Path, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    tile = rng.integers(0, 255, (_SIZE, _SIZE, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(int(GRID_FPS)))
        stream.width = stream.height = _SIZE
        stream.pix_fmt = "yuv420p"
        stream.options = {"g": str(_KEY_EVERY), "preset": "ultrafast", "bf": "0"}
        for k in range(round(60 * GRID_FPS)):
            picture = np.roll(tile, k, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@contextmanager
def cluster(nodes: int, gpus_per_node: int, folder: Path, service_s: Mapping[str, Sequence[float]]) -> Iterator[None]:
    """Ray, connected to a head and so many nodes, each with logical GPUs; the sleepers are known to all processes."""
    os.environ.update(_QUIET, PYTHONPATH=os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]))
    quiet = {"include_dashboard": False}
    head = {"num_cpus": 0, "object_store_memory": 400 * 2**20, "temp_dir": str(folder), **quiet}
    node = {"num_cpus": 2 * gpus_per_node, "num_gpus": gpus_per_node, "object_store_memory": 80 * 2**20, **quiet}

    def know_sleepers() -> None:
        sleeper.register(service_s)

    many = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(nodes):
            many.add_node(wait=False, **node)
        know_sleepers()
        ray.init(
            address=many.address,
            runtime_env={"worker_process_setup_hook": know_sleepers},
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
        many.wait_for_nodes(timeout=600)
        # All workers are there before the first span, as after the first minutes of a night.
        ray.data.DataContext.get_current().wait_for_min_actors_s = 1800
        yield
    finally:
        ray.shutdown()
        many.shutdown()
        for left in cpu.children():
            with suppress(OSError):
                os.kill(left, signal.SIGKILL)


def run(videos: Sequence[Path], estimator: str, gpus: int, span_seconds: float, store: Path) -> Run:
    """Extract the videos with so many workers, each with a GPU to itself; the store is removed afterwards."""
    manifest = store.with_name(f"{store.name}.csv")
    with manifest.open("w", newline="") as file:
        csv.writer(file).writerows([["uri"], *([str(video)] for video in videos)])
    total = round(len(videos) * MINUTES * 60 / span_seconds)

    class Timed(StoreWriter):
        """The store's writer, which looks at the clock when all workers have had a span, and before one has none."""

        tracks: ClassVar[int] = 0
        moments: ClassVar[list[cpu.Moment]] = []

        def add(self, outcome: Track | Quarantined) -> None:
            super().add(outcome)
            if not isinstance(outcome, Track):
                raise RuntimeError(f"a span was not extracted: {outcome.message}")
            Timed.tracks += 1
            if self.tracks in (gpus, total - gpus):
                self.moments.append(cpu.now())

    options = ExtractOptions(
        videos=str(manifest),
        out=str(store),
        estimator=estimator,
        actors=gpus,
        gpus_per_actor=1,
        span_seconds=span_seconds,
    )
    began = time.perf_counter()
    before, gymspotter.extract.StoreWriter = gymspotter.extract.StoreWriter, Timed  # type: ignore[misc]
    try:
        result = extract(options)
    finally:
        gymspotter.extract.StoreWriter = before  # type: ignore[misc]
    whole = time.perf_counter() - began
    if result.tracks != total:
        raise RuntimeError(f"{total} spans were expected: {result}")
    first, last = Timed.moments
    shutil.rmtree(store)
    manifest.unlink()
    return Run(
        gpus=gpus,
        spans=total - 2 * gpus,
        seconds=last.at - first.at,
        cpu_s=cpu.between(first, last),
        idle=cpu.idle_share(first, last),
        whole_s=whole,
    )

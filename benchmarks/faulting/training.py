"""Faults during a training by two workers on two nodes, a third node to spare, its checkpoints on S3.

In the end MLflow must hold one finished run with every epoch once, with the losses and scores of an undisturbed one,
and one version more than before. The time to recover is until a checkpoint is written that was not there before.
"""

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import mlflow
import numpy as np

from faulting.activity import ON_ITS_WAY, Activity
from faulting.nodes import Cluster, Node
from faulting.rows import Row
from faulting.said import surprising
from faulting.services import Services, away
from faulting.surroundings import environment
from gymspotter import storage
from gymspotter.labels import EXERCISES
from gymspotter.registry import MODEL_NAME
from gymspotter.store import write_tracks
from gymspotter.synth.generate import Item, SynthOptions, make_track

WORKERS, CPUS = 3, 1  # of the cluster
TRAINERS, EPOCHS, PERFORMANCES = 2, 40, 12
WORKER = "ray::RayTrainWorker"  # how a process that trains calls itself
TRACKS = "s3://gym/skeletons"
SILENT_STORAGE, SILENT_MLFLOW = 30.0, 60.0
# A line now and then; and what MLflow says of every version but the first.
_PROGRESS = re.compile("train rnn: |Registered model |.* View run ")


@dataclass(kw_only=True)
class _Training(Activity):
    """A training under way."""

    checkpoints: str
    _seen: set[str] = field(default_factory=set)

    def written(self) -> set[str]:
        """The checkpoints that are there: of one epoch each, and the last two are kept."""
        found = {storage.parent(file) for file in storage.files(self.checkpoints, below=True) if file.endswith(".pt")}
        self._seen |= found
        return found

    def two_epochs_done(self) -> bool:
        """Whether there were two checkpoints at least."""
        self.written()
        return len(self._seen) > 1

    def epochs_go_on(self) -> float:
        """Seconds until there is a checkpoint that was not there before."""
        before = self.written()
        return self.job.seconds_until(lambda: bool(self.written() - before) or self.job.process.poll() == 0)

    def workers(self) -> dict[int, Node]:
        """The processes that train, and on which node."""
        return {pid: node for node in self.cluster.nodes for pid in node.pids(WORKER)}


@dataclass(frozen=True, kw_only=True)
class _Recorded:
    """What MLflow holds of a training."""

    losses: dict[int, list[float]]
    scores: dict[str, float]
    lines: list[str] = field(default_factory=list)  # what the run said


def run(fault: str, cluster: Cluster, services: Services, folder: Path) -> Row:
    """Begin a training, let the fault happen once two epochs are done, and see what came of it."""
    with environment(services.env):
        _make_tracks()
        truth = _undisturbed(cluster, services)
        client = mlflow.MlflowClient(services.tracking.uri)
        before = _runs(client), _versions(client)
        training = _begun(cluster, services)
        return training.disturbed(
            name="training",
            fault=fault,
            ready=training.two_epochs_done,
            inflict=FAULTS[fault],
            compare=lambda: _compared(client, before, truth, training.checkpoints),
            unusual=lambda said: [line for line in surprising(said, truth.lines) if not _PROGRESS.match(line)],
        )


def _begun(cluster: Cluster, services: Services) -> _Training:
    checkpoints = f"s3://gym/checkpoints-{time.time_ns()}"
    words = ["train", TRACKS, "--model", "rnn", "--epochs", str(EPOCHS), "--batch-size", "16"]
    words += ["--workers", str(TRAINERS), "--checkpoints", checkpoints, "--checkpoint-seconds", "0"]
    return _Training(cluster=cluster, services=services, words=words, checkpoints=checkpoints)


def _make_tracks() -> None:
    if storage.files(TRACKS, below=True):
        return
    made = SynthOptions(kind="skeletons", seed=5)
    items = [Item(exercise=name, number=k, seed=5) for name in EXERCISES[:6] for k in range(PERFORMANCES)]
    write_tracks([make_track(item, made) for item in items], TRACKS)


_TRUTH: dict[str, _Recorded] = {}


def _undisturbed(cluster: Cluster, services: Services) -> _Recorded:
    """What a training comes to when nothing happens to it; one for all cells."""
    if cluster.address not in _TRUTH:
        client = mlflow.MlflowClient(services.tracking.uri)
        lines = _begun(cluster, services).undisturbed()
        (run_id,) = _runs(client)
        _TRUTH[cluster.address] = replace(_recorded(client, run_id), lines=lines)
    return _TRUTH[cluster.address]


def _kill_worker(training: _Training) -> tuple[str, float]:
    pid, node = next(iter(training.workers().items()))
    os.kill(pid, signal.SIGKILL)
    time.sleep(ON_ITS_WAY)
    return f"kill -9 of a worker on {node.name}", ON_ITS_WAY + training.epochs_go_on()


def _kill_raylet(training: _Training) -> tuple[str, float]:
    node = next(iter(training.workers().values()))
    began = time.monotonic()
    node.kill_raylet()
    training.job.until(lambda: not node.pids(WORKER))  # until they notice they go on
    gone = time.monotonic() - began + ON_ITS_WAY
    time.sleep(ON_ITS_WAY)
    return f"{node.name} is gone for good, its workers end {gone:.1f} s later", gone + training.epochs_go_on()


def _kill_driver(training: _Training) -> tuple[str, float]:
    training.kill()
    training.start()
    return "begun again at once, by hand", training.epochs_go_on()


def _cut(training: _Training) -> tuple[str, float]:
    node = next(iter(training.workers().values()))
    node.cut()
    noticed = training.job.seconds_until(lambda: not node.alive)
    node.mend()
    more = training.epochs_go_on()
    return f"{node.name} is given up after {noticed:.0f} s, and connected again then", noticed + more


def _fill_store(training: _Training) -> tuple[str, float]:
    node = next(iter(training.workers().values()))
    node.fill_store()
    took = training.epochs_go_on()
    training.job.wait()
    node.release()
    return f"the store of {node.name} is full until the end", took


def _stop_storage(training: _Training) -> tuple[str, float]:
    before = training.written()
    away(training.services.storage, SILENT_STORAGE)
    took = training.job.seconds_until(lambda: bool(training.written() - before))
    return f"no storage for {SILENT_STORAGE:.0f} s", SILENT_STORAGE + took


def _stop_mlflow(training: _Training) -> tuple[str, float]:
    """Over the end of the training: before it MLflow is not asked for anything."""
    training.services.tracking.stop()
    stopped = time.monotonic()
    training.job.seconds_until(
        lambda: not training.written() or training.job.process.poll() is not None
    )  # all is trained
    trained = time.monotonic() - stopped
    time.sleep(SILENT_MLFLOW)
    training.services.tracking.start()
    back = time.monotonic()
    training.job.wait()
    held = back - stopped
    return (
        f"no MLflow from the first epochs until {SILENT_MLFLOW:.0f} s after the last ({trained:.0f} s later), "
        f"{held:.0f} s in all; the run is finished {time.monotonic() - back:.0f} s after it is back",
        time.monotonic() - stopped - trained,
    )


FAULTS: dict[str, Callable[[_Training], tuple[str, float]]] = {
    "worker": _kill_worker,
    "raylet": _kill_raylet,
    "driver": _kill_driver,
    "cut": _cut,
    "store": _fill_store,
    "storage": _stop_storage,
    "mlflow": _stop_mlflow,
}


def _runs(client: mlflow.MlflowClient, status: str = "FINISHED") -> set[str]:
    experiments = [one.experiment_id for one in client.search_experiments()]
    return {run.info.run_id for run in client.search_runs(experiments) if run.info.status == status}


def _versions(client: mlflow.MlflowClient) -> set[str]:
    return {str(one.version) for one in client.search_model_versions(f"name = '{MODEL_NAME}'")}


def _recorded(client: mlflow.MlflowClient, run_id: str) -> _Recorded:
    losses: dict[int, list[float]] = {}
    for metric in client.get_metric_history(run_id, "train_loss"):
        losses.setdefault(metric.step, []).append(metric.value)
    metrics = client.get_run(run_id).data.metrics
    return _Recorded(losses=losses, scores={name: metrics[name] for name in metrics if name.startswith("test_")})


def _compared(
    client: mlflow.MlflowClient, before: tuple[set[str], set[str]], truth: _Recorded, checkpoints: str
) -> tuple[int, int, list[str]]:
    """What is missing or other than undisturbed, and what is there twice: runs, versions, epochs; and in words."""
    lost, twice, wrong = 0, 0, []
    runs, versions = _runs(client) - before[0], _versions(client) - before[1]
    for what, found in (("finished runs", runs), ("versions", versions)):
        if len(found) != 1:
            wrong.append(f"{len(found)} {what}")
            lost, twice = lost + (not found), twice + max(0, len(found) - 1)
    for run_id in runs:
        found = _recorded(client, run_id)
        again = Counter({step: len(losses) - 1 for step, losses in found.losses.items()}).total()
        missing = len(truth.losses.keys() - found.losses.keys())
        if missing or again:
            wrong.append(f"{missing} epochs are missing, {again} there twice")
        lost, twice = lost + missing, twice + again
        pairs = [(truth.losses[step][0], found.losses[step][0]) for step in truth.losses if step in found.losses]
        if not np.allclose(*zip(*pairs, strict=True), rtol=1e-3):
            wrong.append(f"losses differ by up to {max(abs(one / other - 1) for one, other in pairs):.1%}")
            lost += 1
        if any(abs(value - found.scores.get(name, 0)) > 0.02 for name, value in truth.scores.items()):
            wrong.append("scores on the test side differ")
            lost += 1
    if left := storage.files(checkpoints, below=True):
        wrong.append(f"{len(left)} files of checkpoints are left over")
    if stale := _runs(client, "RUNNING"):
        wrong.append(f"{len(stale)} run of a killed driver still counts as running in MLflow")
    return lost, twice, wrong

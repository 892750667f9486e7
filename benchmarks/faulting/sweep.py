"""Faults during a sweep: every trial must be in MLflow once, with what it would have come to without the fault.

The points are drawn at random from a seed and no trial is ended early, so a trial's figures depend on its point alone:
each is fitted once more here, without Ray and MLflow, and compared.
"""

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from faulting.activity import ON_ITS_WAY, Activity
from faulting.nodes import Cluster, Node
from faulting.rows import Row
from faulting.said import plain
from faulting.services import Services, Storage, Tracking, away
from faulting.surroundings import environment, opened
from gymspotter.labelled import read_labelled
from gymspotter.store import write_tracks
from gymspotter.sweeps.options import TuneOptions
from gymspotter.sweeps.record import read_sweep
from gymspotter.sweeps.results import SweepRecord
from gymspotter.sweeps.searching import read_points
from gymspotter.sweeps.space import Point, read_space
from gymspotter.sweeps.trial import Data, run_trial
from gymspotter.synth.generate import Item, SynthOptions, make_track
from gymspotter.tracking import Store
from gymspotter.tune import sides_for

WORKERS, CPUS = 2, 1  # of the cluster: a trial at a time on each node
TRIALS, EPOCHS = 8, 24
EXERCISES, PERFORMANCES = ("squat", "plank", "lateral raise", "push-up", "deadlift", "hip thrust", "pull up"), 16
SPACE = "models: [spotter]\nundersample: [none]\n"
LOSS = "train_loss"
TRIAL = "ray::ImplicitFunc"  # how a process that runs a trial calls itself
_USUAL = re.compile("^(trial|finalist) |View (run|experiment) |RayTrainWorker|TrainController|PlacementGroup|model '")
SILENT_STORAGE, SILENT_MLFLOW = 20.0, 60.0


@dataclass(kw_only=True)
class _Sweep(Activity):
    """A sweep under way on a cluster."""

    folder: Path
    place: str
    store: Store

    def record(self) -> SweepRecord:
        """What MLflow holds of it."""
        return read_sweep(self.store, self.folder.name)

    def trials(self) -> dict[str, tuple[str, int]]:
        """By key, the status of each trial so far, and how many epochs are logged of one under way: asked often."""
        client = self.store.client()
        everywhere = [one.experiment_id for one in client.search_experiments()]
        for one in client.search_runs(everywhere, f"tags.kind = 'sweep' and tags.sweep = '{self.folder.name}'"):
            below = f"tags.kind = 'trial' and tags.mlflow.parentRunId = '{one.info.run_id}'"
            return {
                run.data.tags["key"]: (
                    run.info.status,
                    len(client.get_metric_history(run.info.run_id, LOSS)) if run.info.status == "RUNNING" else EPOCHS,
                )
                for run in client.search_runs([one.info.experiment_id], below)
            }
        return {}

    def running(self) -> dict[str, int]:
        """Of each trial under way, by key, how many epochs are logged."""
        return {key: epochs for key, (status, epochs) in self.trials().items() if status == "RUNNING"}

    def goes_on(self, since: dict[str, int]) -> bool:
        """Whether each trial that was under way has come further, or to its end."""
        now = self.trials()
        return all(key in now and (now[key][0] == "FINISHED" or now[key][1] > was) for key, was in since.items())


def run(fault: str, cluster: Cluster, services: Services, folder: Path) -> Row:
    """Begin a sweep, let the fault happen once a trial is done, and see what came of it."""
    folder.mkdir(parents=True, exist_ok=True)
    tracks = folder / "tracks"
    made = SynthOptions(kind="skeletons", seed=3)
    items = [Item(exercise=exercise, number=k, seed=3) for exercise in EXERCISES for k in range(PERFORMANCES)]
    write_tracks([make_track(item, made) for item in items], tracks)
    (folder / "space.yaml").write_text(SPACE)
    with environment(cluster.env | services.env):
        store = opened(services.tracking.uri)
        place = f"{services.storage.bucket}/sweeps"
        words = [
            *("tune", str(tracks), "--name", folder.name, "--space", str(folder / "space.yaml")),
            *("--search", "random", "--scheduler", "none", "--trials", str(TRIALS), "--epochs", str(EPOCHS)),
            *("--finalists", "1", "--seeds", "1", "--folder", place, "--tracking-uri", store.uri),
        ]
        sweep = _Sweep(cluster=cluster, services=services, words=words, folder=folder, place=place, store=store)
        return sweep.disturbed(
            name="sweep",
            fault=fault,
            ready=lambda: _under_way(sweep.trials()),
            inflict=FAULTS[fault],
            compare=lambda: _compared(sweep),
            unusual=lambda said: [plain(line) for line in said if not _USUAL.search(line)],
        )


def _under_way(trials: dict[str, tuple[str, int]]) -> bool:
    """Whether a trial is done and others, one on each node, have begun and are not about to end."""
    done = sum(status == "FINISHED" for status, _ in trials.values())
    if done > TRIALS - WORKERS:
        raise RuntimeError(f"{done} of {TRIALS} trials are done before any could be disturbed: make them longer.")
    begun = [epochs for status, epochs in trials.values() if status == "RUNNING"]
    return done >= 1 and len(begun) >= WORKERS * CPUS and all(epochs < 0.7 * EPOCHS for epochs in begun)


def _kill_worker(sweep: _Sweep) -> tuple[str, float]:
    node, pid = next((node, pid) for node in sweep.cluster.nodes for pid in node.pids(TRIAL))
    os.kill(pid, signal.SIGKILL)
    return f"kill -9 of a trial's process on {node.name}", _all_go_on(sweep)


def _kill_raylet(sweep: _Sweep) -> tuple[str, float]:
    node = _busy_node(sweep)
    began = time.monotonic()
    node.kill_raylet()
    sweep.job.until(lambda: not node.pids(TRIAL))  # until they notice they go on
    gone = time.monotonic() - began
    return f"{node.name} is gone for good, its trials end {gone:.1f} s later", gone + _all_go_on(sweep)


def _kill_driver(sweep: _Sweep) -> tuple[str, float]:
    since = sweep.running()
    sweep.kill()
    began = time.monotonic()
    sweep.start("--resume")
    sweep.job.seconds_until(lambda: sweep.goes_on(since))
    return "begun again at once with --resume, by hand", time.monotonic() - began


def _cut(sweep: _Sweep) -> tuple[str, float]:
    since, node = sweep.running(), _busy_node(sweep)
    node.cut()
    held = sweep.job.seconds_until(lambda: not node.alive)
    node.mend()  # now, while what ran there may still be at it
    more = sweep.job.seconds_until(lambda: sweep.goes_on(since))
    return f"{node.name} is given up after {held:.0f} s and connected again then", held + more


def _fill_store(sweep: _Sweep) -> tuple[str, float]:
    since, node = sweep.running(), _busy_node(sweep)
    node.fill_store()
    took = sweep.job.seconds_until(lambda: sweep.goes_on(since))
    sweep.job.wait()
    node.release()
    return f"the store of {node.name} is full until the end", took


def _stop_storage(sweep: _Sweep) -> tuple[str, float]:
    return f"no storage for {SILENT_STORAGE:.0f} s", _without(sweep, sweep.services.storage, SILENT_STORAGE)


def _stop_mlflow(sweep: _Sweep) -> tuple[str, float]:
    return f"no MLflow for {SILENT_MLFLOW:.0f} s", _without(sweep, sweep.services.tracking, SILENT_MLFLOW)


def _without(sweep: _Sweep, service: Storage | Tracking, seconds: float) -> float:
    since = sweep.running()
    away(service, seconds)
    return seconds + sweep.job.seconds_until(lambda: sweep.goes_on(since))


FAULTS: dict[str, Callable[[_Sweep], tuple[str, float]]] = {
    "worker": _kill_worker,
    "raylet": _kill_raylet,
    "driver": _kill_driver,
    "cut": _cut,
    "store": _fill_store,
    "storage": _stop_storage,
    "mlflow": _stop_mlflow,
}


def _all_go_on(sweep: _Sweep) -> float:
    """Seconds until all trials that were under way have come further than they were when something was killed."""
    began = time.monotonic()
    time.sleep(ON_ITS_WAY)
    since = sweep.running()
    sweep.job.seconds_until(lambda: sweep.goes_on(since))
    return time.monotonic() - began


def _busy_node(sweep: _Sweep) -> Node:
    return next(node for node in sweep.cluster.nodes if node.pids(TRIAL))


def _compared(sweep: _Sweep) -> tuple[int, int, list[str]]:
    """What is lost and what is there twice, of trials, epochs, finals and versions; and each in words."""
    found = sweep.record()
    client, lost, twice, wrong = sweep.store.client(), 0, 0, []
    points = read_points(f"{sweep.place}/{sweep.folder.name}")
    trials = [one for one in found.runs if one.kind == "trial"]
    good = {one.key: one for one in trials if one.status == "FINISHED"}
    missing = TRIALS - len(good)
    more = len(trials) - len({one.key for one in trials})
    if missing or more or set(points) != set(good):
        wrong.append(f"{len(good)} of {TRIALS} trials finished, {more} twice")
    lost, twice = lost + max(0, missing), twice + more
    for one in found.runs:
        steps = Counter(each.step for each in client.get_metric_history(one.run_id, LOSS))
        gone, again = EPOCHS - len(steps), steps.total() - len(steps)
        if one.kind != "winner" and (gone or again):  # a winner is fitted by Ray Train and logs its end alone
            wrong.append(f"{one.kind} {one.key}: {gone} epochs are missing, {again} there twice")
            lost, twice = lost + max(0, gone), twice + again
    for key, run in good.items():
        alone = _alone(sweep.folder, str(sorted(points[key].items())), tuple(points[key].items()))
        if abs(run.f1 - alone) > 1e-6:
            wrong.append(f"trial {key}: macro F1 {run.f1:.4f}, not {alone:.4f}")
            lost += 1
    winners = [one for one in found.runs if one.kind == "winner"]
    named = [
        one.version
        for one in client.search_model_versions("name = 'gymspotter'")
        if one.run_id in {winner.run_id for winner in winners}
    ]
    if sorted(one.version for one in winners if one.status == "FINISHED") != sorted(str(name) for name in named):
        wrong.append(f"{len(winners)} winners and {len(named)} versions")
        lost, twice = lost + max(0, len(winners) - len(named)), twice + max(0, len(named) - len(winners))
    if not winners or found.status != "FINISHED":
        wrong.append(f"the sweep is {found.status}, with {len(winners)} winners")
        lost += 1
    return lost, twice, wrong


@cache
def _data(folder: Path) -> Data:
    options = TuneOptions(tracks=str(folder / "tracks"), space=folder / "space.yaml")
    labelled = read_labelled(options.tracks, options.also)
    return Data.of(sides_for(options, read_space(folder / "space.yaml"), labelled), labelled.grid_fps)


_F1: dict[str, float] = {}


def _alone(folder: Path, name: str, point: tuple[tuple[str, Any], ...]) -> float:
    """The macro F1 of a point without Ray and MLflow; tracks and points are the same in all cells."""
    if name not in _F1:
        torch.set_num_threads(1)
        made: Point = dict(point)
        fitted = run_trial(made, _data(folder), epochs=EPOCHS, seed=0)
        _F1[name] = fitted.epochs[fitted.best - 1].validation_f1 or 0.0
    return _F1[name]

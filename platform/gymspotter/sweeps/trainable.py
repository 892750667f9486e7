"""What Ray Tune runs in its workers: one trial, or one final, recorded in MLflow and able to go on after a kill.

A trial that is started again, by Tune or by a sweep that is resumed, is known by its key. If its run is finished it is
not trained again: what was recorded is reported once more, so that search and scheduler learn of it. Otherwise it goes
on from its last state, a file of tensors and plain values beside the sweep.
"""

import io
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ray
import ray.exceptions
import torch
from ray import tune

from gymspotter import storage
from gymspotter.assessment import assess
from gymspotter.calibration import calibrate
from gymspotter.fit import Epoch, Fitted, Fitting
from gymspotter.mishaps import UnreachableError
from gymspotter.plots import figures_of
from gymspotter.sweeps.results import VALIDATION
from gymspotter.sweeps.space import Point
from gymspotter.sweeps.trial import Data, run_trial
from gymspotter.tracking import Run, Store, silent

METRIC = VALIDATION
GRID = "config"
_STATE = "state.pt"
# What a configuration holds beside the point in the space.
_BESIDE = ("key", "kind", "seed", "trial")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What all trials of a sweep are told; ``data`` and ``test`` are references into the object store.

    ``interval`` is the epochs between two changes of PBT, 0 without it.
    """

    data: Any
    store: Store
    experiment: str
    parent: str
    tags: dict[str, str]
    folder: str
    epochs: int
    threads: int
    interval: int = 0
    checkpoint_seconds: float = 30.0
    test: Any = None


def config_of(given: dict[str, Any]) -> dict[str, Any]:
    """A trial's configuration, also where it is one of a grid."""
    return given.get(GRID, given)


def point_of(config: dict[str, Any]) -> Point:
    """The point in the space of a trial's configuration."""
    return {name: value for name, value in config.items() if name not in _BESIDE}


def open_run(job: Job, config: dict[str, Any]) -> Run:
    """The trial's run in MLflow, below the sweep's: a new one, or its own from before."""
    point = point_of(config)
    more = {"trial": config["trial"]} if "trial" in config else {}
    cell = f"{point['model']} {point['undersample']}"
    return Run.open(
        job.store,
        experiment=job.experiment,
        name=cell,
        key=config["key"],
        parent=job.parent,
        params={**point, "epochs": job.epochs, "seed": config["seed"]},
        tags={**job.tags, **more, "kind": config["kind"], "cell": cell},
    )


def work(given: dict[str, Any], job: Job) -> None:
    """One trial, from its last state to its end; what it raises is recorded and ends only itself."""
    # Under PBT a trial goes on with another one's configuration, and keeps its own name.
    config = config_of(given) | {"key": tune.get_context().get_trial_name()}
    torch.set_num_threads(job.threads)
    storage.expect(job.folder)
    run = open_run(job, config)
    if run.finished:
        _report_again(run, job)
        return
    try:
        _train(config, job, run)
    except Exception as error:
        if isinstance(error, (UnreachableError, ray.exceptions.RayError)) or silent(error):
            raise  # not the point's fault: Tune starts the trial again
        run.finish("FAILED", error=f"{type(error).__name__}: {error}")
        tune.report({"epoch": job.epochs, METRIC: 0.0, "outcome": 0.0, "failed": True, "run_id": run.run_id})


def _train(config: dict[str, Any], job: Job, run: Run) -> None:
    data: Data = ray.get(job.data)
    kept = _State(storage.join(job.folder, "states", f"{config['key']}.pt"), job)
    began = time.perf_counter() - kept.seconds

    def on_epoch(fitting: Fitting, epoch: Epoch) -> None:
        best = max(each.validation_f1 or 0.0 for each in fitting.epochs)
        seconds = time.perf_counter() - began
        run.log_epoch(epoch, learning_rate=fitting.loop.learning_rate)
        news = {"epoch": epoch.number, METRIC: best, "outcome": best, "seconds": seconds, "run_id": run.run_id}
        kept.report(news, fitting, epoch.number)

    fitted = run_trial(
        point_of(config), data, epochs=job.epochs, seed=config["seed"], on_epoch=on_epoch, state=kept.fitting
    )
    if config["kind"] == "finalist":
        _assess(fitted, data, job, run)
    best_epoch = fitted.epochs[fitted.best - 1]
    run.log(
        {
            METRIC: best_epoch.validation_f1 or 0.0,
            "best_epoch": fitted.best,
            "epochs_run": len(fitted.epochs),
            "seconds": time.perf_counter() - began,
        }
    )
    run.finish("FINISHED")
    kept.remove()


def _assess(fitted: Fitted, data: Data, job: Job, run: Run) -> None:
    """A final's scores on the test side, and its pictures."""
    test = ray.get(job.test)
    calibrate(fitted.classifier, data.validation)
    found = assess(fitted.classifier, test, temperature=fitted.classifier.temperature.item())
    run.log({f"test_{name}": value for name, value in found.summary().items()})
    for name, figure in figures_of(found, fitted.epochs).items():
        run.figure(figure, name)
    run.json(found.scores.per_class, "per_class.json")


def _report_again(run: Run, job: Job) -> None:
    """What a finished run recorded, so that those who search and schedule know of it."""
    epochs = run.epochs()
    failed = run.status == "FAILED"
    outcome = 0.0 if failed else max((epoch.validation_f1 or 0.0 for epoch in epochs), default=0.0)
    best = 0.0
    for epoch in epochs:
        best = max(best, epoch.validation_f1 or 0.0)
        tune.report({"epoch": epoch.number, METRIC: best, "outcome": outcome, "failed": failed, "run_id": run.run_id})
    if failed or not epochs:
        tune.report({"epoch": job.epochs, METRIC: 0.0, "outcome": 0.0, "failed": True, "run_id": run.run_id})


class _State:
    """The state of a trial under way: read once, then written now and then; under PBT it goes through Tune as well."""

    def __init__(self, place: str, job: Job) -> None:
        self.place, self.job = place, job
        self.fitting: dict[str, Any] | None = None
        self.seconds, self._written = 0.0, time.monotonic()
        given = tune.get_checkpoint()
        if given:
            with given.as_directory() as folder:
                self._read(storage.read_bytes(storage.join(folder, _STATE)))
        elif storage.info(place):
            self._read(storage.read_bytes(place))

    def _read(self, content: bytes) -> None:
        state = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
        self.fitting, self.seconds = state["fitting"], state["seconds"]

    def report(self, news: dict[str, Any], fitting: Fitting, epoch: int) -> None:
        """Tell Tune of an epoch, and keep the state where it is time to."""
        changes = bool(self.job.interval) and epoch % self.job.interval == 0
        if not changes and time.monotonic() - self._written < self.job.checkpoint_seconds:
            tune.report(news)
            return
        file = io.BytesIO()
        torch.save({"fitting": fitting.state(), "seconds": news["seconds"]}, file)
        storage.write_whole(self.place, file.getvalue())
        self._written = time.monotonic()
        if changes:
            _with_folder(file.getvalue(), lambda checkpoint: tune.report(news, checkpoint=checkpoint))
        else:
            tune.report(news)

    def remove(self) -> None:
        """It is finished: nothing goes on from here."""
        storage.remove(self.place)


def _with_folder(content: bytes, report: Callable[[Any], None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        storage.write_whole(storage.join(folder, _STATE), content)
        report(tune.Checkpoint.from_directory(folder))

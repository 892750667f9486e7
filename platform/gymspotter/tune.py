"""Sweep: search models, undersampling and hyperparameters with Ray Tune, fit the best again, register the winners.

    gymspotter tune runs/tracks

Three stages. The *search* runs each model and undersampling at its recipe first and then what the searcher proposes;
trials are judged by macro F1 on a validation side of groups of their own. The *finals* fit the best of them with
several seeds. The *winners*, the best of the Transformers and the best of all by mean validation F1, are fitted once
more with Ray Train and registered. The test side is scored in the finals and for the winners, and chooses nothing.

All that is finished is in MLflow. A resumed sweep proposes its points once more: of those that are finished the
searcher and the scheduler are told what was recorded, and those that are not go on from their last state.
"""

import json
import math
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import mlflow
import ray

from gymspotter import registry, storage
from gymspotter.cluster import connect
from gymspotter.distributed import fit_distributed
from gymspotter.errors import InputError
from gymspotter.labelled import LabelledTracks, read_labelled
from gymspotter.lock import only_writer
from gymspotter.splits import Split, leak, spare_validation, split, train_on_more
from gymspotter.sweeps.choosing import Tried, finalists_of, winners_of
from gymspotter.sweeps.options import TuneOptions, refuse_other_sweep
from gymspotter.sweeps.record import read_sweep
from gymspotter.sweeps.results import SweepRun
from gymspotter.sweeps.searching import Suggester, Watch, grid, key_of, proposals, read_points, run_trials, scheduler
from gymspotter.sweeps.space import Point, Space, read_space, settings
from gymspotter.sweeps.trainable import METRIC, Job, open_run
from gymspotter.sweeps.trial import Data, at_stride
from gymspotter.tracking import Run, Store, use_experiment, use_store
from gymspotter.train import EXPERIMENT, conclude, describe, facts_of
from gymspotter.windows import cut_segments

_FILE = "sweep.json"
_SPENT = "search_seconds"
_ATTEMPTS = 3  # what was lost with its node before it had begun is not started again by Tune, so we do


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep that has ended: its run in MLflow, and the registered versions of its winners by what they won."""

    run_id: str
    versions: dict[str, str]


def tune(options: TuneOptions) -> Sweep | None:
    """Search, finals, winners; see the module's docstring.

    Raises:
        InputError: a store or the space cannot be used, nothing can be split, or the sweep cannot be begun or resumed
            under that name.
    """
    space = read_space(options.space) if options.space else Space()
    if options.models:
        space = space.only(options.models)
    if options.print_space:
        print(space)
        return None
    data = read_labelled(options.tracks, options.also).spare(options.held_out)
    sides = sides_for(options, space, data)
    print(describe(sides))
    folder = storage.absolute(storage.join(options.folder, options.name))  # workers run in other folders
    store = use_store(options.tracking_uri)
    connect()
    with only_writer(folder):
        driver = _Driver(options, space, data, sides, folder, store)
        try:
            return driver.run()
        except BaseException as error:
            if not isinstance(error, Exception):  # stopped: the trials under way go first, lest they begin further runs
                ray.shutdown()
            driver.parent.kill()
            raise


def begun(options: TuneOptions) -> bool:
    """Whether a sweep of that name was begun in that folder, whatever came of it."""
    return storage.info(storage.join(options.folder, options.name, _FILE)) is not None


def sides_for(options: TuneOptions, space: Space, data: LabelledTracks) -> Split:
    """The training side cut so finely that every stride of the space can be had of it, the others at the options'."""
    finest = math.gcd(space.finest_stride, options.stride)
    segments, left_out = cut_segments(data.tracks, stride=finest)
    for sentence in left_out:
        print(f"left out: {sentence}")
    sides = split(segments, test_share=options.test_share, seed=options.seed)
    if data.more:
        sides = train_on_more(sides, cut_segments(data.more, stride=finest)[0])
    sides = spare_validation(sides, options.validation_share, options.seed)
    assert sides.validation is not None
    return replace(
        sides,
        validation=at_stride(sides.validation, options.stride, data.grid_fps),
        test=at_stride(sides.test, options.stride, data.grid_fps),
    )


class _Driver:
    """One attempt at a sweep."""

    def __init__(
        self, options: TuneOptions, space: Space, data: LabelledTracks, sides: Split, folder: str, store: Store
    ) -> None:
        self.options, self.space, self.data, self.sides, self.folder, self.store = (
            options, space, data, sides, folder, store,
        )  # fmt: skip
        self.experiment = use_experiment(EXPERIMENT, options.artifacts)
        self.facts = facts_of("", data, sides)
        self.parent = self._begin()
        self.job = Job(
            data=ray.put(Data.of(sides, data.grid_fps)),
            store=store,
            experiment=self.experiment,
            parent=self.parent.run_id,
            tags={"data": self.facts.data, "split": self.facts.split, "commit": self.facts.commit},
            folder=folder,
            epochs=options.epochs,
            threads=max(1, int(options.cpus_per_trial)),
        )

    def run(self) -> Sweep:
        self._search()
        finalists = finalists_of(self._tried(), self.options.finalists)
        winners = winners_of(self._finals(finalists), finalists)
        points = {trial.key: trial.point for trial in finalists}
        served = next(iter(winners))  # the best Transformer; where there is none, the best of all
        versions = {
            ", ".join(won): self._fit_winner(key, points[key], won, challenger=key == served)
            for key, won in winners.items()
        }
        self._end()
        return Sweep(run_id=self.parent.run_id, versions=versions)

    def _begin(self) -> Run:
        """The sweep's own run in MLflow: a new one, or that of the sweep which is resumed."""
        options, place = self.options, storage.join(self.folder, _FILE)
        must_stay = {"space": str(self.space), "data": self.facts.data, "split": self.facts.split}
        recorded = options.recorded() | must_stay
        if storage.info(place) is None:
            if options.resume:
                raise InputError(f"resume: no sweep was begun in {self.folder!r}: leave it out, or name another sweep.")
            key = uuid.uuid4().hex
            storage.write_whole(place, json.dumps({"key": key, "options": recorded}, indent=1).encode())
        else:
            if not options.resume:
                raise InputError(
                    f"name: the sweep {options.name!r} was begun already: go on with --resume, or take another --name."
                )
            then = json.loads(storage.read_bytes(place))
            refuse_other_sweep(recorded, then["options"])
            key = then["key"]
        run = Run.open(
            self.store,
            experiment=self.experiment,
            name=options.name,
            key=key,
            parent=None,
            params={name: value for name, value in options.recorded().items() if value not in (None, "")},
            tags={**must_stay, "commit": self.facts.commit, "kind": "sweep", "sweep": options.name},
        )
        run.text(str(self.space), "space.yaml")
        return run

    def _search(self) -> None:
        """Trials until a budget is spent; those that are recorded as finished are not run again."""
        options = self.options
        for attempt in range(1, _ATTEMPTS + 1):
            points, spent, begun = read_points(self.folder), self._spent(), time.monotonic()
            finished = sum(trial.key in points for trial in self._tried())
            seconds = 60 * options.minutes - spent if options.minutes else None
            if finished >= options.trials or (seconds is not None and seconds <= 0):
                return
            known = {key_of(point) for point in points.values()}
            first = [*points.values(), *(cell for cell in self.space.cells() if key_of(cell) not in known)]
            run_trials(
                replace(self.job, interval=options.grace if options.scheduler == "pbt" else 0),
                Watch(
                    self.job,
                    options.trials,
                    lambda spent=spent, begun=begun: self._spend(spent + time.monotonic() - begun),  # type: ignore[misc]
                    last=attempt == _ATTEMPTS,
                ),
                options,
                **proposals(Suggester(self.space, self.folder, options.seed), options, first[: options.trials]),
                scheduler=scheduler(options, self.space),
                time_budget_s=seconds,
            )
            self._spend(spent + time.monotonic() - begun)

    def _finals(self, finalists: Sequence[Tried]) -> dict[str, list[float]]:
        """Every finalist with every seed; by the finalist's key the validation macro F1 of those that did not fail."""
        configs: list[dict[str, Any]] = [
            {**f.point, "key": f"{f.key}-seed{seed}", "kind": "finalist", "seed": seed, "trial": f.key}
            for f in finalists
            for seed in range(self.options.seed, self.options.seed + self.options.seeds)
        ]
        job = replace(self.job, test=ray.put(self.sides.test))
        record = self._record("finalist")
        for attempt in range(1, _ATTEMPTS + 1):
            left = [config for config in configs if config["key"] not in record]
            if not left:
                break
            watch = Watch(job, len(left), last=attempt == _ATTEMPTS)
            run_trials(job, watch, self.options, param_space=grid(left))
            record = self._record("finalist")
        found: dict[str, list[float]] = {}
        for config in configs:
            run = record.get(config["key"])
            if run and not run.failed:
                found.setdefault(config["trial"], []).append(run.f1)
        return found

    def _record(self, kind: str) -> dict[str, SweepRun]:
        """By key, the runs of that kind which MLflow holds as ended by themselves, by the scheduler or a budget."""
        runs = read_sweep(self.store, self.parent.run_id).runs
        return {run.key: run for run in runs if run.kind == kind and run.status in ("FINISHED", "FAILED")}

    def _tried(self) -> list[Tried]:
        record = self._record("trial")
        return [
            Tried(key=key, point=point, f1=record[key].f1, failed=record[key].failed)
            for key, point in read_points(self.folder).items()
            if key in record
        ]

    def _spent(self) -> float:
        """Seconds of searching, over all attempts."""
        place = storage.join(self.folder, _SPENT)
        return float(storage.read_bytes(place)) if storage.info(place) else 0.0

    def _spend(self, seconds: float) -> None:
        storage.write_whole(storage.join(self.folder, _SPENT), f"{seconds:.1f}".encode())

    def _fit_winner(self, key: str, point: Point, won: Sequence[str], *, challenger: bool) -> str:
        """Train a winner once more with Ray Train and register it; the version."""
        options = self.options
        config = {**point, "key": f"{key}-winner", "kind": "winner", "seed": options.seed, "trial": key}
        run = open_run(self.job, config)
        if "version" in run.tags:  # the last that is written of it, whatever came between
            return run.tags["version"]
        how = settings(point, epochs=options.epochs, seed=options.seed)
        sides = replace(self.sides, train=at_stride(self.sides.train, how.stride, self.data.grid_fps))
        cluster = replace(options.cluster, checkpoints=storage.join(self.folder, "winners"))
        fitted = fit_distributed(
            sides.train, how.fit, cluster, validation=sides.validation, model_config=how.model_config
        )
        aliases = [registry.CHALLENGER] * challenger + ["best"] * ("all models" in won)
        with mlflow.start_run(run_id=run.run_id):
            version, found = conclude(fitted, sides, replace(self.facts, model=how.fit.model), aliases=aliases)
        run.log(
            {
                METRIC: max(epoch.validation_f1 or 0.0 for epoch in fitted.epochs),
                "epochs_run": len(fitted.epochs),
                "seconds": fitted.seconds,
            }
        )
        run.tag("won", ", ".join(won))
        run.tag("version", version)
        run.finish("FINISHED")
        print(f"version {version} ({', '.join(won)}): {how.fit.model}, test macro F1 {found.scores.f1:.3f}")
        return version

    def _end(self) -> None:
        """What the sweep came to, in its own run."""
        trials = list(self._record("trial").values())
        segments = cut_segments(self.data.tracks, stride=self.options.stride)[0]
        random = split(segments, "paper", test_share=self.options.test_share, seed=self.options.seed)
        self.parent.log(
            {
                "trials": len(trials),
                "trials_failed": sum(trial.failed for trial in trials),
                "epochs_spent": sum(trial.epochs_run for trial in trials),
                "epochs_full": len(trials) * self.options.epochs,
                "trial_seconds": sum(trial.seconds for trial in trials),
                "wall_seconds": self._spent(),
                "leak_group": leak(self.sides.train, self.sides.test),
                "leak_random": leak(random.train, random.test),
            }
        )
        self.parent.finish("FINISHED")

"""What a sweep came to, as its report tells it: its runs, the finalists, cost against quality, what mattered."""

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance

from gymspotter.metrics import Spread, spread

Value = bool | int | float | str
LOCAL = "http://127.0.0.1:5000"
"""Where `mlflow ui` shows a store that has no server."""
VALIDATION = "best_validation_macro_f1"
FEWEST = 10
"""Trials below which nothing is said of what mattered."""
_REPEATS = 20


@dataclass(frozen=True, kw_only=True)
class SweepRun:
    """A run below a sweep's: a trial, a final or a winner's last training.

    ``point`` is where in the space it was, ``epochs`` are (number, macro F1 on the validation side), ``metrics`` are
    those that are numbers; ``trial`` is the key of the trial that a final or a winner comes from.
    """

    run_id: str
    key: str
    kind: str
    status: str
    point: dict[str, Value]
    metrics: dict[str, float]
    epochs: tuple[tuple[int, float], ...]
    trial: str = ""
    error: str = ""
    stopped: str = ""
    won: str = ""
    version: str = ""

    @property
    def model(self) -> str:
        """The fusion model."""
        return str(self.point.get("model", "?"))

    @property
    def undersample(self) -> str:
        """The undersampling of the training side."""
        return str(self.point.get("undersample", "?"))

    @property
    def cell(self) -> str:
        """Its model and undersampling, as it is called."""
        return f"{self.model} {self.undersample}"

    @property
    def failed(self) -> bool:
        """Whether it ended with an error, or was killed."""
        return self.status in ("FAILED", "KILLED")

    @property
    def f1(self) -> float:
        """The best macro F1 on the validation side so far, 0..1; NaN before there is one."""
        return self.metrics.get(VALIDATION, max((f1 for _, f1 in self.epochs), default=math.nan))

    @property
    def seconds(self) -> float:
        """How long it took; NaN before it has ended."""
        return self.metrics.get("seconds", math.nan)

    @property
    def epochs_run(self) -> int:
        """Epochs that were spent on it."""
        return int(self.metrics.get("epochs_run", max((number for number, _ in self.epochs), default=0)))


@dataclass(frozen=True, kw_only=True)
class Finalist:
    """A point that was fitted with several seeds: those fits that did not fail, and how many did."""

    key: str
    runs: tuple[SweepRun, ...]
    failed: int
    winner: SweepRun | None = None

    @property
    def first(self) -> SweepRun:
        """One of its fits, for what they have in common."""
        return self.runs[0]

    def spread(self, metric: str) -> Spread | None:
        """Mean and deviation of a metric over the seeds; None where no run has it."""
        values = [run.metrics[metric] for run in self.runs if metric in run.metrics]
        return spread(values) if values else None


@dataclass(frozen=True, kw_only=True)
class SweepRecord:
    """All that MLflow holds of a sweep.

    ``address`` is the web page of its runs up to their ids; ``store`` the tracking URI without credentials; ``others``
    are the ids of older sweeps of the same name.
    """

    name: str
    run_id: str
    address: str
    store: str
    status: str
    begun: str
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]
    space: str
    runs: tuple[SweepRun, ...]
    others: tuple[str, ...] = ()

    @cached_property
    def trials(self) -> tuple[SweepRun, ...]:
        """The search's."""
        return tuple(run for run in self.runs if run.kind == "trial")

    @cached_property
    def winners(self) -> tuple[SweepRun, ...]:
        """The last trainings, of what was registered."""
        return tuple(run for run in self.runs if run.kind == "winner")

    @cached_property
    def finalists(self) -> tuple[Finalist, ...]:
        """Those that went on to the finals, by what they are chosen by: the mean macro F1 on the validation side."""
        finals: dict[str, list[SweepRun]] = {}
        for run in self.runs:
            if run.kind == "finalist":
                finals.setdefault(run.trial or run.cell, []).append(run)
        won = {run.trial: run for run in self.winners}
        found = []
        for key, runs in finals.items():
            ended = tuple(run for run in runs if run.status == "FINISHED")
            if ended:
                failed = sum(run.failed for run in runs)
                found.append(Finalist(key=key, runs=ended, failed=failed, winner=won.get(key)))
        return tuple(sorted(found, key=_validated, reverse=True))

    @property
    def server_command(self) -> str:
        """What shows a store that has no server; none for one that has."""
        served = self.store.startswith(("http://", "https://"))
        return "" if served else f"mlflow ui --backend-store-uri {shlex.quote(self.store)}"

    def finalist(self, model: str, undersample: str) -> Finalist | None:
        """The best finalist of a model and an undersampling."""
        cells = ((f.first.model, f.first.undersample) for f in self.finalists)
        return next((f for f, cell in zip(self.finalists, cells, strict=True) if cell == (model, undersample)), None)


def _validated(finalist: Finalist) -> float:
    reached = finalist.spread(VALIDATION)
    return reached.mean if reached else -1.0


def searched(trials: Sequence[SweepRun]) -> list[str]:
    """The parameters that differ between trials and that every model has; model and undersampling first."""
    names = dict.fromkeys(["model", "undersample", *sorted({name for trial in trials for name in trial.point})])
    common = (name for name in names if "." not in name)
    return [name for name in common if len({str(t.point[name]) for t in trials if name in t.point}) > 1]


def scored(trials: Sequence[SweepRun]) -> list[SweepRun]:
    """Those that reached a macro F1 and did not fail, worst first."""
    return sorted((t for t in trials if not math.isnan(t.f1) and not t.failed), key=lambda trial: trial.f1)


def timed(trials: Sequence[SweepRun]) -> list[SweepRun]:
    """Those of `scored` whose time is known."""
    return [trial for trial in scored(trials) if trial.seconds > 0]


def front(trials: Sequence[SweepRun]) -> list[SweepRun]:
    """The trials that no other one beats in both seconds and macro F1 (the Pareto front), cheapest first."""
    found: list[SweepRun] = []
    for trial in sorted(timed(trials), key=lambda trial: (trial.seconds, -trial.f1)):
        if not found or trial.f1 > found[-1].f1:
            found.append(trial)
    return found


@dataclass(frozen=True, kw_only=True)
class Importance:
    """How much a forest that predicts the F1 of trials loses of its R2 when one parameter's values are shuffled.

    ``drop`` has the mean and the deviation over repeats, by parameter, largest first; ``r2`` is how well the forest
    predicts trials that it was not grown on (out of bag), 1 at best: at 0 or below, the drops mean nothing.
    """

    drop: dict[str, Spread]
    r2: float
    trials: int


def importance(trials: Sequence[SweepRun], seed: int = 0) -> Importance | None:
    """What mattered (permutation importance, Breiman 2001); None with too few trials, or where nothing differs."""
    known, names = scored(trials), searched(scored(trials))
    f1 = np.array([trial.f1 for trial in known], float)
    if len(known) < FEWEST or not names or not f1.std():
        return None
    columns = np.stack([_encoded([trial.point.get(name) for trial in known]) for name in names], axis=1)
    forest = RandomForestRegressor(300, min_samples_leaf=2, oob_score=True, random_state=seed, n_jobs=1)
    forest.fit(columns, f1)
    found = permutation_importance(forest, columns, f1, n_repeats=_REPEATS, random_state=seed, n_jobs=1)
    drops = {name: spread(list(values)) for name, values in zip(names, found.importances, strict=True)}
    drops = dict(sorted(drops.items(), key=lambda item: -item[1].mean))
    return Importance(drop=drops, r2=float(forest.oob_score_), trials=len(known))


def _encoded(values: Sequence[Value | None]) -> NDArray[np.float64]:
    """Numbers as they are, words by their rank in the alphabet; what a trial does not have is NaN."""
    if not any(isinstance(value, str) for value in values):
        return np.array([np.nan if value is None else float(value) for value in values])
    words = sorted({str(value) for value in values if value is not None})
    return np.array([np.nan if value is None else float(words.index(str(value))) for value in values])

"""What a sweep is asked for."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tyro

from gymspotter.distributed import Workers
from gymspotter.errors import InputError

Search = Literal["tpe", "random"]
Scheduler = Literal["asha", "pbt", "none"]
# A sweep that goes on may be given more time or other means; what it searches must stay.
_MAY_CHANGE = {"resume", "trials", "minutes", "cpus_per_trial", "gpus_per_trial", "parallel", "cluster", "tracking_uri"}


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """Search models, undersampling and hyperparameters; fit the best again with several seeds; register the winners."""

    tracks: Annotated[str, tyro.conf.Positional] = "runs/tracks"
    """Store of labelled tracks, made by `gymspotter extract`: a folder, s3:// or gs://."""
    also: tuple[str, ...] = ()
    """More stores, for the training side only (for example `gymspotter synth --kind skeletons`)."""
    name: str = "sweep"
    """The sweep's name: that of its folder, of its run in MLflow, and for `gymspotter report`."""
    resume: bool = False
    """Go on with the sweep of that name; what is finished is not run again."""
    space: Path | None = None
    """YAML file that overrides parts of the search space; `--print-space` shows the whole of it."""
    print_space: bool = False
    """Print the search space and end."""
    models: tuple[str, ...] = ()
    """Only these models; all of the space by default."""
    search: Search = "tpe"
    """How points are chosen once every model and undersampling was tried at its recipe: Optuna's TPE, or at random."""
    scheduler: Scheduler = "asha"
    """Who ends bad trials early: ASHA; PBT, which lets them go on from better ones; or nobody."""
    trials: int = 63
    """Trial budget."""
    minutes: float = 0.0
    """Time budget of the search, over all attempts; 0 for none. The finals come after it."""
    epochs: int = 30
    """Epochs of a trial that runs to the end, and of the finals."""
    grace: int = 3
    """Epochs that every trial gets; for PBT, epochs between two changes."""
    reduction: int = 4
    """ASHA goes on with one trial in so many at each rung."""
    cpus_per_trial: float = 1.0
    """CPUs of a trial; may be a fraction."""
    gpus_per_trial: float = 0.0
    """GPUs of a trial; 0.1 lets ten trials share one."""
    parallel: int = 0
    """Most trials at once; 0 for as many as there is room for."""
    finalists: int = 0
    """So many of the best trials go on to the finals; 0 for the best of every model and undersampling."""
    seeds: int = 3
    """Seeds of the finals."""
    seed: int = 0
    """Seed of the split, the search and the trials."""
    stride: int = 30
    """Frames from one validation or test segment to the next; trials choose the training side's for themselves."""
    test_share: float = 0.3
    """Part of each exercise's segments, whole groups at a time, that is kept for the end."""
    held_out: float = 0.0
    """Share of the groups, chosen by their names, that is left alone, to compare models of several sweeps there."""
    validation_share: float = 0.2
    """Part of the training side, whole groups at a time, that trials are judged by."""
    cluster: tyro.conf.OmitArgPrefixes[Workers] = field(default_factory=lambda: Workers(workers=1))
    """How the winners' last training is spread over a cluster."""
    folder: str = "runs/sweeps"
    """Where sweeps under way keep their state, reachable by all nodes: a folder, s3:// or gs://."""
    tracking_uri: str | None = None
    """MLflow's store; by default MLFLOW_TRACKING_URI, else sqlite:///mlflow.db."""
    artifacts: Path | None = None
    """Folder for the files of a new MLflow experiment; by default MLflow's own."""

    def __post_init__(self) -> None:
        for name, known in (("search", get_args(Search)), ("scheduler", get_args(Scheduler))):
            if getattr(self, name) not in known:
                raise InputError(f"{name} is {getattr(self, name)!r}: use one of {', '.join(known)}.")
        for name, least in (("trials", 1), ("epochs", 1), ("grace", 1), ("seeds", 1), ("stride", 1), ("reduction", 2)):
            if getattr(self, name) < least:
                raise InputError(f"{name} is {getattr(self, name)}: use {least} or more.")
        for name in ("minutes", "gpus_per_trial", "parallel", "finalists"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"{name.replace('_', '-')} is {getattr(self, name):g}: use 0 or more.")
        if not 0 <= self.held_out < 1:
            raise InputError(f"held-out is {self.held_out:g}: use a share from 0 to less than 1.")
        if not 0 < self.cpus_per_trial < float("inf"):
            raise InputError(f"cpus-per-trial is {self.cpus_per_trial:g}: use more than 0.")
        if not self.name or not all(letter.isalnum() or letter in "-_." for letter in self.name):
            raise InputError(f"name is {self.name!r}: use letters, digits, -, _ and dots.")
        if self.cluster.workers < 1:
            raise InputError("workers is 0: use 1 or more, since the winners are fitted with Ray Train.")

    def recorded(self) -> dict[str, Any]:
        """The options as plain values, as they are kept beside the sweep."""
        return {name: _plain(value) for name, value in asdict(self).items() if name not in ("resume", "print_space")}


def refuse_other_sweep(now: dict[str, Any], then: dict[str, Any]) -> None:
    """A sweep goes on only as what it began as; both are ``TuneOptions.recorded()``, with what else must stay.

    Raises:
        InputError: something that must stay differs.
    """
    for name in sorted({*now, *then} - _MAY_CHANGE):
        if now.get(name) != then.get(name):
            raise InputError(
                f"{name.replace('_', '-')} was {then.get(name)!r} when the sweep began and is {now.get(name)!r}: "
                "resume it as it was, or give the new sweep another name."
            )


def _plain(value: Any) -> Any:
    """As JSON would give it back."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return list(value) if isinstance(value, tuple) else value

"""What a pipeline is asked for, and what its stages are asked for then."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, get_args

import tyro

from gymspotter import storage
from gymspotter.distributed import Workers
from gymspotter.errors import InputError
from gymspotter.extract import ExtractOptions
from gymspotter.promote import PromoteOptions
from gymspotter.sweeps.options import TuneOptions

Stage = Literal["extract", "tune", "evaluate", "gate", "promote"]
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True, kw_only=True)
class PipelineOptions:
    """Extract what is new, search models on all of it, and promote the best if it passes the gate."""

    videos: Annotated[str, tyro.conf.Positional]
    """Folder with one folder per exercise, or a manifest, as for `gymspotter extract`; also s3://, gs://."""
    out: str = "runs/pipeline"
    """Where tracks, sweeps and the stages' records are kept, reachable by all nodes: a folder, s3:// or gs://."""
    also: tuple[str, ...] = ()
    """More stores of tracks, for the training side only."""
    estimator: str = ExtractOptions.estimator
    """Pose estimator: blazepose (CPU), or mmpose (GPU or CPU)."""
    actors: int | None = None
    """Worker processes of the extraction; by default one per CPU that is up at the start: say it where nodes
    come with the work."""
    gpus_per_actor: float = 0.0
    """Share of a GPU that each of them gets."""
    map: dict[str, str] = field(default_factory=dict)
    """More spellings of exercises: --map "kniebeuge" "squat"."""
    held_out: float = 0.15
    """Share of the groups (people, sessions, videos), chosen by their names, that no sweep ever learns from: there the
    gate compares. 0 leaves it what neither model happens to have seen."""
    space: Path | None = None
    """YAML file that overrides parts of the sweep's search space."""
    models: tuple[str, ...] = ()
    """Only these models; all of the space by default."""
    trials: int = TuneOptions.trials
    """Trial budget of the sweep."""
    minutes: float = 0.0
    """Time budget of the search; 0 for none."""
    epochs: int = TuneOptions.epochs
    """Epochs of a trial that runs to the end, and of the finals."""
    finalists: int = 0
    """So many of the best trials go on to the finals; 0 for the best of every model and undersampling."""
    seeds: int = TuneOptions.seeds
    """Seeds of the finals."""
    seed: int = 0
    """Seed of the split, the search and the trials."""
    cpus_per_trial: float = 1.0
    """CPUs of a trial; may be a fraction."""
    gpus_per_trial: float = 0.0
    """GPUs of a trial; 0.1 lets ten trials share one."""
    cluster: tyro.conf.OmitArgPrefixes[Workers] = field(default_factory=lambda: Workers(workers=1))
    """How the winners' last training is spread over a cluster."""
    policy: Path | None = None
    """YAML file with what may not get worse; see docs/registry.md for the default."""
    until: Stage = "promote"
    """The last stage to run."""
    again: Literal["", "extract", "tune", "evaluate", "gate", "promote"] = ""
    """Run this stage and those after it, even if nothing has changed."""
    tracking_uri: str | None = None
    """MLflow's store; by default MLFLOW_TRACKING_URI, else sqlite:///mlflow.db."""
    artifacts: Path | None = None
    """Folder for the files of a new MLflow experiment; by default MLflow's own."""

    def __post_init__(self) -> None:
        if self.until not in STAGES:
            raise InputError(f"until is {self.until!r}: use one of {', '.join(STAGES)}.")
        if self.again and self.again not in STAGES:
            raise InputError(f"again is {self.again!r}: use one of {', '.join(STAGES)}.")
        self.extraction, self.sweep("check")  # what they refuse is refused before anything runs

    @property
    def tracks(self) -> str:
        """The store of tracks."""
        return storage.join(self.out, "tracks")

    @property
    def extraction(self) -> ExtractOptions:
        """The options of the stage extract."""
        return ExtractOptions(
            videos=self.videos,
            out=self.tracks,
            estimator=self.estimator,
            actors=self.actors,
            gpus_per_actor=self.gpus_per_actor,
            map=self.map,
        )

    def sweep(self, name: str) -> TuneOptions:
        """The options of the stage tune, for a sweep of that name."""
        return TuneOptions(
            tracks=self.tracks,
            also=self.also,
            name=name,
            space=self.space,
            models=self.models,
            trials=self.trials,
            minutes=self.minutes,
            epochs=self.epochs,
            finalists=self.finalists,
            seeds=self.seeds,
            seed=self.seed,
            held_out=self.held_out,
            cpus_per_trial=self.cpus_per_trial,
            gpus_per_trial=self.gpus_per_trial,
            cluster=self.cluster,
            folder=storage.join(self.out, "sweeps"),
            tracking_uri=self.tracking_uri,
            artifacts=self.artifacts,
        )

    @property
    def judged(self) -> PromoteOptions:
        """The options of the stages gate and promote."""
        return PromoteOptions(tracks=self.tracks, policy=self.policy, tracking_uri=self.tracking_uri)

"""Train a fusion model on extracted tracks, record the run in MLflow, register the model.

    gymspotter train runs/tracks

The test side of a group-wise split is scored once, after the last epoch; nothing is chosen by it.
"""

import hashlib
import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated

import mlflow
import numpy as np
import tyro
from tqdm import tqdm

from gymspotter import registry
from gymspotter.errors import InputError
from gymspotter.fit import FitConfig, Fitted, evaluate, fit
from gymspotter.labels import EXERCISES
from gymspotter.metrics import Scores
from gymspotter.plots import confusion_figure, loss_figure
from gymspotter.store import read_tracks
from gymspotter.tracks import Track
from gymspotter.windows import SEGMENT_FRAMES, Segments, cut_segments, join_segments, refuse_leak, split_by_group

EXPERIMENT = "gymspotter"


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Train a fusion model and register it."""

    tracks: Annotated[str, tyro.conf.Positional] = "runs/tracks"
    """Store of labelled tracks, made by `gymspotter extract`: a folder, s3:// or gs://."""
    also: tuple[str, ...] = ()
    """More stores, for the training side only (for example `gymspotter synth --kind skeletons`)."""
    fit: tyro.conf.OmitArgPrefixes[FitConfig] = field(default_factory=FitConfig)
    """How the model is trained."""
    stride: int = SEGMENT_FRAMES // 2
    """Frames from one segment of a video to the next; less than 60 means that they overlap."""
    test_share: float = 0.3
    """Part of each exercise's segments that is kept for the test, whole groups at a time."""
    tracking_uri: str | None = None
    """MLflow's store; by default MLFLOW_TRACKING_URI, else sqlite:///mlflow.db."""
    artifacts: Path | None = None
    """Folder for the files of a new MLflow experiment; by default MLflow's own."""
    alias: str = registry.CHALLENGER
    """Alias to point at the new version. The first version of all becomes the champion as well."""

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise InputError(f"stride is {self.stride}: use at least 1.")
        if self.alias.isdigit() or self.alias.lower() == "latest" or not re.fullmatch(r"[\w-]+", self.alias):
            raise InputError(f"alias is {self.alias!r}: use letters, digits, - and _, but no number and not latest.")


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """The registered version and what it reached on the test side."""

    version: str
    run_id: str
    scores: Scores
    train: Segments
    test: Segments
    fitted: Fitted


def train(options: TrainOptions) -> TrainResult:
    """Split, fit, score and register; see the module's docstring.

    Raises:
        InputError: a store cannot be used, or there is nothing to train or to test on.
    """
    tracks = read_tracks(options.tracks)
    labelled = [track for track in tracks if track.label]
    if not labelled:
        raise InputError(f"tracks {options.tracks!r} has no labels: extract from one folder per exercise.")
    more = [track for store in options.also for track in read_tracks(store)]
    for track in more:
        if not track.label:
            raise InputError(f"also: the track of {track.uri!r} has no label: extract it from a folder per exercise.")
    if len(grids := sorted({track.fps for track in [*labelled, *more]})) > 1:
        raise InputError(f"tracks are on grids of {grids[0]:g} and {grids[-1]:g} frames/s: extract them on one.")
    segments, left_out = cut_segments(labelled, stride=options.stride)
    for sentence in left_out:
        print(f"left out: {sentence}")
    train_side, test_side = split_by_group(segments, test_share=options.test_share, seed=options.fit.seed)
    if more:
        train_side = join_segments(train_side, cut_segments(more, stride=options.stride)[0])
        refuse_leak(train_side, test_side)
    print(
        f"{len(train_side)} segments of {len(np.unique(train_side.groups))} groups to train on, "
        f"{len(test_side)} of {len(np.unique(test_side.groups))} to test on"
    )

    registry.use_store(options.tracking_uri)
    registry.use_experiment(EXPERIMENT, options.artifacts)
    with mlflow.start_run() as run:
        mlflow.log_params(
            asdict(options.fit)
            | {
                "stride": options.stride,
                "test_share": options.test_share,
                "segments_train": len(train_side),
                "segments_test": len(test_side),
            }
        )
        facts = registry.ModelFacts(
            model=options.fit.model,
            classes=list(EXERCISES),
            frames=SEGMENT_FRAMES,
            grid_fps=labelled[0].fps,
            data=fingerprint([*labelled, *more]),
            split=f"group, test share {options.test_share:g}, seed {options.fit.seed}",
            commit=registry.git_commit(),
        )
        mlflow.set_tags({"data": facts.data, "split": facts.split, "commit": facts.commit})
        with tqdm(total=options.fit.epochs, desc=f"train {options.fit.model}", unit="epoch", disable=None) as bar:

            def on_epoch(epoch: int, loss: float) -> None:
                bar.update()
                bar.set_postfix(loss=f"{loss:.3f}")

            fitted = fit(train_side, options.fit, on_epoch=on_epoch)
        scores = evaluate(fitted.classifier, test_side)
        for epoch, loss in enumerate(fitted.losses, start=1):
            mlflow.log_metric("train_loss", loss, step=epoch)
        mlflow.log_metrics({f"test_{name}": value for name, value in scores.summary().items()})
        mlflow.log_metric("fit_seconds", fitted.seconds)
        mlflow.log_figure(confusion_figure(scores.confusion, EXERCISES), "confusion_matrix.png")
        mlflow.log_figure(loss_figure(fitted.losses), "train_loss.png")
        mlflow.log_dict(scores.per_class, "per_class.json")
        version = registry.register(fitted.classifier, replace(facts, scores=scores.summary()), aliases=[options.alias])
    print(
        f"version {version} of {registry.MODEL_NAME}: " + ", ".join(f"{k} {v:.3f}" for k, v in scores.summary().items())
    )
    return TrainResult(
        version=version, run_id=run.info.run_id, scores=scores, train=train_side, test=test_side, fitted=fitted
    )


def fingerprint(tracks: list[Track]) -> str:
    """16 hex digits that change with the tracks trained on: videos, spans, labels, estimators."""
    rows = sorted((t.video_id, t.span, t.label or "", t.estimator, t.estimator_version, t.fps) for t in tracks)
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]

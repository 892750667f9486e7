"""Train a fusion model on extracted tracks, record the run in MLflow, register the model.

    gymspotter train runs/tracks

The test side is scored once, at the end; nothing is chosen by it. Groups of the training side that are set apart to
validate on choose the best epoch, may end the training early (`--patience`), and calibrate the probabilities.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import mlflow
import numpy as np
import tyro

from gymspotter import registry, tracking
from gymspotter.assessment import Assessment, assess
from gymspotter.calibration import calibrate
from gymspotter.distributed import Workers, fit_distributed
from gymspotter.drift import Reference
from gymspotter.errors import InputError
from gymspotter.fit import Epoch, Fitted, fit
from gymspotter.labelled import LabelledTracks, read_labelled
from gymspotter.labels import EXERCISES
from gymspotter.loop import FitConfig
from gymspotter.metrics import Scores
from gymspotter.plots import figures_of
from gymspotter.provenance import git_commit
from gymspotter.recipes import recipe
from gymspotter.report_card import report_card
from gymspotter.splits import PROTOCOLS, Protocol, Split, folds, leak, spare_validation, split, train_on_more
from gymspotter.tally import Progress
from gymspotter.windows import SEGMENT_FRAMES, Segments, cut_segments

EXPERIMENT = "gymspotter"
_VALIDATION_SHARE = 0.15


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Train a fusion model and register it."""

    tracks: Annotated[str, tyro.conf.Positional] = "runs/tracks"
    """Store of labelled tracks, made by `gymspotter extract`: a folder, s3:// or gs://."""
    also: tuple[str, ...] = ()
    """More stores, for the training side only (for example `gymspotter synth --kind skeletons`)."""
    fit: tyro.conf.OmitArgPrefixes[FitConfig] = field(default_factory=FitConfig)
    """How the model is trained: by default as `recipes` says for it."""
    cluster: tyro.conf.OmitArgPrefixes[Workers] = field(default_factory=Workers)
    """How the training is spread over a cluster."""
    stride: int = SEGMENT_FRAMES // 2
    """Frames from one segment of a video to the next; less than 60 means that they overlap."""
    protocol: Protocol = "group"
    """Who is tested: whole groups, one fold of groups, or random segments as in the paper, which leaks."""
    test_share: float = 0.3
    """Part of each exercise's segments that is kept for the test; not for folds."""
    folds: int = 5
    """Protocol folds: into how many folds the groups are divided."""
    fold: int = 1
    """Protocol folds: which of them is tested, from 1 on."""
    validation_share: float | None = None
    """Part of the training side, whole groups at a time, to choose the best epoch and calibrate by; 0 for none. By
    default 0.15, and 0 under the paper's protocol."""
    tracking_uri: str | None = None
    """MLflow's store; by default MLFLOW_TRACKING_URI, else sqlite:///mlflow.db."""
    artifacts: Path | None = None
    """Folder for the files of a new MLflow experiment; by default MLflow's own."""
    alias: str = registry.CHALLENGER
    """Alias to point at the new version. The first version of all becomes the champion as well."""

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise InputError(f"stride is {self.stride}: use at least 1.")
        if self.protocol not in PROTOCOLS:
            raise InputError(f"protocol is {self.protocol!r}: use one of {', '.join(PROTOCOLS)}.")
        if not 1 <= self.fold <= self.folds:
            raise InputError(f"fold is {self.fold}: use 1 to {self.folds}, the number of folds.")
        if self.fit.patience and not self.spared:
            raise InputError(f"patience is {self.fit.patience}: set a validation-share, or use 0.")
        if self.alias.isdigit() or self.alias.lower() == "latest" or not re.fullmatch(r"[\w-]+", self.alias):
            raise InputError(f"alias is {self.alias!r}: use letters, digits, - and _, but no number and not latest.")

    @property
    def spared(self) -> float:
        """The validation share that holds."""
        default = 0.0 if self.protocol == "paper" else _VALIDATION_SHARE
        return default if self.validation_share is None else self.validation_share

    @classmethod
    def defaults_for(cls, arguments: Sequence[str]) -> "TrainOptions":
        """The defaults of a command line: the recipe of the ``--model`` that it names."""
        words = [word for argument in arguments for word in argument.split("=", 1)]
        model = words[words.index("--model") + 1 :][:1] if "--model" in words else []
        return cls(fit=recipe(model[0])) if model else cls()


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """The registered version and what it reached on the test side."""

    version: str
    run_id: str
    assessment: Assessment
    train: Segments
    test: Segments
    fitted: Fitted

    @property
    def scores(self) -> Scores:
        """Of the test side's exercises."""
        return self.assessment.scores


def train(options: TrainOptions) -> TrainResult:
    """Split, fit, score and register; see the module's docstring.

    Raises:
        InputError: a store cannot be used, or there is nothing to train or to test on.
    """
    data = read_labelled(options.tracks, options.also)
    segments, left_out = cut_segments(data.tracks, stride=options.stride)
    for sentence in left_out:
        print(f"left out: {sentence}")
    sides = split_for(options, segments)
    if data.more:
        sides = train_on_more(sides, cut_segments(data.more, stride=options.stride)[0])
    if options.spared:
        try:
            sides = spare_validation(sides, options.spared, options.fit.seed)
        except InputError as error:
            if options.validation_share is not None:
                raise
            print(f"not calibrated, and the last epoch is taken: {error}")
    print(describe(sides))

    tracking.use_store(options.tracking_uri)
    tracking.use_experiment(EXPERIMENT, options.artifacts)
    with tracking.new_run() as run:
        mlflow.log_params(
            _flat(asdict(options.fit))
            | {
                "stride": options.stride,
                "protocol": sides.protocol,
                "test_share": options.test_share,
                "validation_share": options.spared,
                "segments_train": len(sides.train),
                "segments_validation": 0 if sides.validation is None else len(sides.validation),
                "segments_test": len(sides.test),
            }
        )
        facts = facts_of(options.fit.model, data, sides)
        mlflow.set_tags({"data": facts.data, "split": facts.split, "commit": facts.commit})
        with Progress(f"train {options.fit.model}", total=options.fit.epochs, unit="epoch") as progress:

            def on_epoch(epoch: Epoch) -> None:
                validated = "" if epoch.validation_f1 is None else f", validation_f1 {epoch.validation_f1:.3f}"
                progress.step(f"loss {epoch.loss:.3f}{validated}")

            train_it = partial(fit_distributed, workers=options.cluster) if options.cluster.workers else fit
            fitted = train_it(sides.train, options.fit, validation=sides.validation, on_epoch=on_epoch)
        version, found = conclude(fitted, sides, facts, aliases=[options.alias])
    print(
        f"version {version} of {registry.MODEL_NAME}: " + ", ".join(f"{k} {v:.3f}" for k, v in found.summary().items())
    )
    return TrainResult(
        version=version, run_id=run.info.run_id, assessment=found, train=sides.train, test=sides.test, fitted=fitted
    )


def facts_of(model: str, data: LabelledTracks, sides: Split) -> registry.ModelFacts:
    """What a model that is trained on these sides will say of itself."""
    known = sum(len(side) for side in (sides.train, sides.validation, sides.test) if side is not None)
    return registry.ModelFacts(
        model=model,
        classes=list(EXERCISES),
        frames=SEGMENT_FRAMES,
        grid_fps=data.grid_fps,
        data=data.fingerprint,
        split=f"{sides.protocol}, {len(sides.test)} of {known} segments tested, seed {sides.seed}, {sides.fingerprint}",
        commit=git_commit(),
    )


def conclude(
    fitted: Fitted, sides: Split, facts: registry.ModelFacts, *, aliases: Sequence[str]
) -> tuple[str, Assessment]:
    """Calibrate a fitted classifier, score it on the test side, log both to MLflow's active run, register it.

    Returns:
        The registered version, and what it reached.
    """
    calibration = calibrate(fitted.classifier, sides.validation) if sides.validation is not None else None
    found = assess(fitted.classifier, sides.test, temperature=fitted.classifier.temperature.item())
    tracking.await_store()
    for epoch in fitted.epochs:
        mlflow.log_metrics(tracking.metrics_of(epoch), step=epoch.number)
    mlflow.log_metrics({f"test_{name}": value for name, value in found.summary().items()})
    mlflow.log_metrics(
        {"fit_seconds": fitted.seconds, "best_epoch": fitted.best, "leak": leak(sides.train, sides.test)}
    )
    if calibration:
        mlflow.log_metrics({f"calibration_{name}": value for name, value in calibration.summary().items()})
    for name, figure in figures_of(found, fitted.epochs).items():
        mlflow.log_figure(figure, name)
    mlflow.log_dict(found.scores.per_class, "per_class.json")
    registry.log_trained_on(sides.train, sides.validation)
    facts = replace(
        facts,
        scores=found.summary(),
        reference=Reference.of(sides.train.poses).as_dict(),
        report=report_card(found, sides),
    )
    version = registry.register(fitted.classifier, facts, aliases=aliases)
    return version, found


def split_for(options: TrainOptions, segments: Segments) -> Split:
    """The training and the test side that the options ask for; the seed is that of the fit."""
    if options.protocol == "folds":
        return folds(segments, options.folds, seed=options.fit.seed)[options.fold - 1]
    return split(segments, options.protocol, test_share=options.test_share, seed=options.fit.seed)


def describe(sides: Split) -> str:
    """How large the sides are, in a sentence; one more names a leak."""
    counted = [
        f"{len(side)} segments of {len(np.unique(side.groups))} groups to {verb}"
        for side, verb in ((sides.train, "train on"), (sides.validation, "validate on"), (sides.test, "test on"))
        if side is not None
    ]
    share = leak(sides.train, sides.test)
    warning = f"; {share:.0%} of the tested segments overlap with one that is trained on: this leaks" if share else ""
    return ", ".join(counted) + warning


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    """Nested configurations under dotted names, as MLflow's parameters are flat."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": one for inner, one in value.items()}
        else:
            flat[name] = value
    return flat

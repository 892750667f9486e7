"""A real benchmark: all seven models on whole skeleton sequences of people they have never seen, over five seeds.

    python benchmarks/utd_mhad.py [--quick] [--json FILE] [--data PATH] [--format NAME] [--models A,B] [--seeds 0,1]
    python benchmarks/utd_mhad.py --select

Each sequence is resampled to 60 frames and is one segment; people (or views) are divided as the dataset's authors do.
The six models of the paper are trained by its recipe, spotter by its own; its peer in the same run is the paper's
Transformer, once more by spotter's recipe too. The last epoch is scored. With --select nothing is tested: variants of
spotter's recipe are compared on the training side alone, leaving out one of its people at a time.

Each finished training is noted in --runs, and an interrupted run goes on from there; at its end the file is removed.
"""

import argparse
import hashlib
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

# One thread a process: small nets gain nothing from a second, and figures do not depend on the number of cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
import torch.nn.functional as F
from common import Claim, Options, report

from gymspotter.augment import AugmentConfig
from gymspotter.datasets import LOADERS, SkeletonDataset, load
from gymspotter.errors import InputError
from gymspotter.fit import class_indices, fit, predict
from gymspotter.loop import FitConfig
from gymspotter.metrics import score, spread
from gymspotter.models import MODELS
from gymspotter.models.spotter import SpotterConfig
from gymspotter.recipes import sequence_recipe
from gymspotter.splits import refuse_leak

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data" / "utd-mhad-skeleton.zip"
BY_SPOTTERS_RECIPE = "transformer by spotter's recipe"
GOALS = {"transformer": 88.0, BY_SPOTTERS_RECIPE: 88.0, "spotter": 97.5}  # % accuracy on UTD-MHAD
QUICK_EPOCHS = 8
SELECTION_EPOCHS = 40


@dataclass(frozen=True, kw_only=True)
class Job:
    """One model to train: once for each entry of ``folds``, which lists the groups that are left out and predicted.

    ``groups`` are those there are for this job; on a selection they are the training side's.
    """

    name: str
    config: FitConfig
    model_config: Any
    groups: tuple[str, ...]
    folds: tuple[tuple[str, ...], ...]

    def key(self, data: str) -> str:
        """What the outcome depends on, in 16 hex digits."""
        return hashlib.sha256(repr((self, data, torch.__version__)).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job went: %, mean cross-entropy, number of parameters, seconds of training (of all folds)."""

    name: str
    seed: int
    accuracy: float
    f1: float
    loss: float
    parameters: int
    seconds: float


def main() -> None:
    given = _options()
    if given.data is None and not DATA.exists():
        print(f"{DATA} is not there: give UTD-MHAD's skeletons with --data; nothing was measured.")
        return
    try:
        dataset = load(given.format, given.data or DATA)
        dataset.check_folds()
        outcomes = _run(_selection(dataset, given) if given.select else _jobs(dataset, given), dataset, given)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    if given.select:
        _print_selection(outcomes)
    else:
        report(
            given.format.replace("-", "_"),
            _claims(outcomes, given),
            Options(quick=given.quick, json=given.json),
            packages=("torch", "numpy", "scipy", "scikit-learn"),
        )
    given.runs.unlink()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="end within two minutes on two cores")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the claims")
    parser.add_argument("--data", type=Path, metavar="PATH", help="the dataset's folder, zip or file")
    parser.add_argument("--format", choices=sorted(LOADERS), default="utd-mhad", help="which dataset it is")
    parser.add_argument("--models", type=_words, default=[*MODELS, BY_SPOTTERS_RECIPE], help="separated by commas")
    parser.add_argument("--seeds", type=_numbers, help="separated by commas; by default 0,1,2,3,4, or 0 with --select")
    parser.add_argument("--select", action="store_true", help="compare recipes on the training side alone")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="trainings at a time")
    parser.add_argument("--runs", type=Path, metavar="FILE", help="where finished trainings are noted")
    given = parser.parse_args()
    given.seeds = given.seeds or ([0] if given.quick or given.select else [0, 1, 2, 3, 4])
    given.runs = given.runs or ROOT / "runs" / f"{given.format}{'-selection' * given.select}.jsonl"
    return given


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def _jobs(dataset: SkeletonDataset, given: argparse.Namespace) -> list[Job]:
    """Every model with every seed."""
    groups = dataset.groups
    jobs = []
    for name in given.models:
        for seed in given.seeds:
            if name == BY_SPOTTERS_RECIPE:
                config = replace(sequence_recipe("spotter", seed=seed, sided=dataset.sided), model="transformer")
            else:
                config = sequence_recipe(name, seed=seed, sided=dataset.sided)
            if given.quick:
                config = replace(config, epochs=QUICK_EPOCHS)
            folds = dataset.folds[:1] if given.quick else dataset.folds
            jobs.append(Job(name=name, config=config, model_config=None, groups=groups, folds=folds))
    return jobs


def _selection(dataset: SkeletonDataset, given: argparse.Namespace) -> list[Job]:
    """Variants of the recipes on the first fold's training side, each of its groups left out in turn.

    Of the paper's recipe nothing is varied but what the paper does not state: the batch size, and the facing.
    """
    paper = sequence_recipe("transformer")
    spotter = sequence_recipe("spotter", sided=dataset.sided)
    spotter = replace(spotter, epochs=SELECTION_EPOCHS)
    varied = spotter.augment or AugmentConfig()
    variants: dict[str, tuple[FitConfig, Any]] = {
        **{f"transformer, batch of {size}": (replace(paper, batch_size=size), None) for size in (64, 16)},
        "transformer, facing aligned": (replace(paper, align_facing=True), None),
        BY_SPOTTERS_RECIPE: (replace(spotter, model="transformer", epochs=100), None),
        "spotter": (spotter, None),
        "spotter, no augmentation": (replace(spotter, augment=None), None),
        "spotter, mirror images": (replace(spotter, augment=replace(varied, mirror=0.5)), None),
        "spotter, warped pace 0.3": (replace(spotter, augment=replace(varied, warp=0.3)), None),
        "spotter, lost joints 0.03": (replace(spotter, augment=replace(varied, lose=0.03)), None),
        "spotter, facing aligned": (replace(spotter, align_facing=True), None),
        "spotter, mixup 0.3": (replace(spotter, mixup=0.3), None),
        "spotter, moving average 0.99": (replace(spotter, ema=0.99), None),
        "spotter, a token a frame": (spotter, SpotterConfig(frames_a_token=1)),
        "spotter, 100 epochs, not 40": (replace(spotter, epochs=100), None),
    }
    groups = tuple(sorted(set(dataset.groups) - set(dataset.folds[0])))
    if len(groups) < 2:
        raise InputError(f"{dataset.name} has a single {dataset.group_by} to train on: none can be left out.")
    return [
        Job(
            name=name,
            config=replace(config, seed=seed, epochs=1 if given.quick else config.epochs),
            model_config=model_config,
            groups=groups,
            folds=tuple((group,) for group in groups),
        )
        for name, (config, model_config) in variants.items()
        for seed in given.seeds
    ]


def _run(jobs: list[Job], dataset: SkeletonDataset, given: argparse.Namespace) -> list[Outcome]:
    """All outcomes in the jobs' order; those of an earlier, interrupted run are not made again."""
    segments = dataset.segments()
    data = hashlib.sha256(segments.poses.tobytes() + repr(segments.labels.tolist()).encode()).hexdigest()
    keys = [job.key(data) for job in jobs]
    given.runs.parent.mkdir(parents=True, exist_ok=True)
    given.runs.touch()
    lines = map(json.loads, given.runs.read_text(encoding="utf-8").splitlines())
    done = {line["key"]: Outcome(**line["outcome"]) for line in lines}
    with ProcessPoolExecutor(given.workers, get_context("spawn"), _start, (dataset,)) as pool:
        waiting = {pool.submit(_train, job): key for job, key in zip(jobs, keys, strict=True) if key not in done}
        for future in as_completed(waiting):
            outcome = done[waiting[future]] = future.result()
            with given.runs.open("a", encoding="utf-8") as notes:
                notes.write(json.dumps({"key": waiting[future], "outcome": asdict(outcome)}) + "\n")
            print(
                f"{outcome.name}, seed {outcome.seed}: accuracy {outcome.accuracy:.2f} %, macro F1 {outcome.f1:.2f} %, "
                f"{outcome.seconds:.0f} s",
                flush=True,
            )
    return [done[key] for key in keys]


_dataset: list[SkeletonDataset] = []


def _start(dataset: SkeletonDataset) -> None:
    """Keep the dataset in a worker process."""
    _dataset.append(dataset)


def _train(job: Job) -> Outcome:
    """Train once a fold and score the predictions of all folds together."""
    dataset = _dataset[0]
    segments = dataset.segments()
    segments = segments[np.isin(segments.groups, job.groups)]
    probabilities, truth, seconds, parameters = [], [], 0.0, 0
    for fold in job.folds:
        out = np.isin(segments.groups, fold)
        refuse_leak(segments[~out], segments[out])
        fitted = fit(
            segments[~out],
            job.config,
            classes=dataset.classes,
            layout=dataset.layout,
            model_config=job.model_config,
        )
        probabilities.append(predict(fitted.classifier, segments.poses[out]))
        truth.append(class_indices(segments.labels[out], dataset.classes))
        seconds += fitted.seconds
        parameters = sum(p.numel() for p in fitted.classifier.fusion.parameters())
    expected, given = np.concatenate(truth), np.concatenate(probabilities)
    scores = score(expected, given.argmax(axis=1), dataset.classes)
    return Outcome(
        name=job.name,
        seed=job.config.seed,
        accuracy=100 * scores.accuracy,
        f1=100 * scores.f1,
        loss=float(F.nll_loss(torch.from_numpy(given).clamp(min=1e-12).log(), torch.from_numpy(expected))),
        parameters=parameters,
        seconds=seconds,
    )


def _claims(outcomes: list[Outcome], given: argparse.Namespace) -> list[Claim]:
    goals = GOALS if given.format == "utd-mhad" and not given.quick else {}
    claims, means = [], {}
    for name in given.models:
        runs = [outcome for outcome in outcomes if outcome.name == name]
        accuracies, f1s = [o.accuracy for o in runs], [o.f1 for o in runs]
        means[name] = spread(accuracies).mean
        claims += [
            Claim(
                claim=f"{name}: mean accuracy",
                value=means[name],
                unit="%",
                goal=goals.get(name),
                runs=_short(accuracies),
            ),
            Claim(claim=f"{name}: mean macro F1", value=spread(f1s).mean, unit="%", runs=_short(f1s)),
        ]
        if len(runs) > 1:
            claims += [
                Claim(claim=f"{name}: deviation of accuracy over seeds", value=spread(accuracies).deviation, unit="%"),
                Claim(claim=f"{name}: deviation of macro F1 over seeds", value=spread(f1s).deviation, unit="%"),
            ]
    if {"spotter", "transformer"} <= set(means):
        more = means["spotter"] - means["transformer"]
        claims.append(Claim(claim="spotter: accuracy above the paper's Transformer", value=more, unit="% points"))
    return claims


def _short(runs: list[float]) -> list[float]:
    return [round(value, 2) for value in runs]


def _print_selection(outcomes: list[Outcome]) -> None:
    print("\n| variant | accuracy | macro F1 | cross-entropy | parameters |\n|---|---:|---:|---:|---:|")
    for name in dict.fromkeys(outcome.name for outcome in outcomes):
        runs = [outcome for outcome in outcomes if outcome.name == name]
        accuracy, f1, loss = (float(np.mean([getattr(o, key) for o in runs])) for key in ("accuracy", "f1", "loss"))
        print(f"| {name} | {accuracy:.2f} | {f1:.2f} | {loss:.3f} | {runs[0].parameters:,} |")


if __name__ == "__main__":
    main()

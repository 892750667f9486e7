"""From synthetic to real: trained on the synthetic gym alone, which exercise does a stranger do in a real clip?

    python benchmarks/synthetic_to_real.py --clips FOLDER [--quick] [--json FILE] [--seeds 0,1,2] [--variants A,B]
    python benchmarks/synthetic_to_real.py --fit-errors --watched 40

FOLDER has a folder of clips for each exercise; where it has a SOURCES.csv, its columns ``file`` and ``kind`` tell real
people from drawn figures. Clips are extracted into --tracks, where a later run finds them. A clip's answer is the
exercise with the highest mean probability over its segments; a clip in which nobody is found is answered wrongly.
The peer in the same run is the paper's Transformer by the paper's recipe on exact skeletons.

With --fit-errors nothing is trained: performances are rendered, looked at by BlazePose, and its error model is fitted
to what it saw; the file in the package is written anew.
"""

import argparse
import csv
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

# One thread a process: small nets gain nothing from a second, and figures do not depend on the number of cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import torch
from common import Claim, Options, report

import gymspotter.synth
from gymspotter.catalog import read_catalog
from gymspotter.errors import InputError
from gymspotter.extract import ExtractOptions, extract
from gymspotter.fit import fit, predict
from gymspotter.labels import EXERCISES
from gymspotter.loop import FitConfig
from gymspotter.models.spotter import SpotterConfig
from gymspotter.pose.blazepose import BlazePose
from gymspotter.recipes import recipe
from gymspotter.store import StoreWriter, read_index, read_tracks
from gymspotter.synth.generate import SynthOptions, make_track, plan
from gymspotter.synth.seen import fit_errors
from gymspotter.synth.watch import Shot, watch
from gymspotter.tracks import Track
from gymspotter.windows import Segments, cut_segments, join_segments

ROOT = Path(__file__).parents[1]
CLIPS = ROOT.parent / "shared" / "data" / "gym-clips"
GOAL = 60.0  # % of the clips of real people
SEED = 0  # of what is rendered; one more, of the skeletons; that of a training is its own
PEER = "paper's Transformer on exact skeletons"
OURS = "spotter on skeletons with BlazePose's errors and on what BlazePose saw"
# A fifth of spotter's arithmetic: a training is a matter of minutes on one core.
SMALL = SpotterConfig(width=64, layers=2)
RECIPE = recipe("spotter")


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A real clip: its exercise, whether a real person does it, its segments [S, T, J, 3] (none: nobody is found)."""

    name: str
    exercise: str
    person: bool
    poses: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What is trained, on what: ``data`` makes the training side from the command line."""

    config: FitConfig
    model: Any = None
    data: Callable[[argparse.Namespace], Segments]


def main() -> None:
    given = _options()
    if given.fit_errors:
        _fit_errors(given)
        return
    if not given.clips.is_dir():
        print(f"{given.clips} is not there: name a folder of real clips with --clips; nothing was measured.")
        return
    try:
        clips = _clips(given)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    claims: list[Claim] = []
    for name in given.variants:
        claims += _measure(name, clips, given)
    report("synthetic_to_real", claims, Options(quick=given.quick, json=given.json), packages=("torch", "numpy"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="end within two minutes on two cores")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the claims")
    parser.add_argument("--clips", type=Path, default=CLIPS, metavar="FOLDER", help="the real clips")
    parser.add_argument("--tracks", metavar="STORE", help="where their skeletons are, or are to be written")
    parser.add_argument("--seeds", type=lambda text: [int(word) for word in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--variants", type=lambda text: text.split(","), default=[OURS, PEER], help="by commas")
    parser.add_argument("--per-exercise", type=int, default=100, help="synthetic skeletons of each exercise")
    parser.add_argument("--watched", type=int, default=20, help="rendered performances of each exercise, where used")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes that render and look")
    parser.add_argument("--fit-errors", action="store_true", help="fit the model of BlazePose's errors anew")
    given = parser.parse_args()
    if unknown := [name for name in given.variants if name not in VARIANTS]:
        parser.error(f"variant {unknown[0]!r} is not known: use {', '.join(VARIANTS)}")
    given.tracks = given.tracks or str(ROOT / "runs" / f"synthetic_to_real{'-quick' * given.quick}")
    if given.quick:
        given.seeds, given.per_exercise, given.watched = given.seeds[:1], 20, 1
    return given


def _clips(given: argparse.Namespace) -> list[Clip]:
    """All clips, or on a quick run every fourth, extracted."""
    entries = read_catalog(str(given.clips))[:: 4 if given.quick else 1]
    videos = Path(given.tracks).with_suffix(".csv")
    videos.parent.mkdir(parents=True, exist_ok=True)
    with videos.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("uri", "label"), *((Path(e.uri).resolve(), e.label) for e in entries)])
    extract(ExtractOptions(videos=str(videos), out=given.tracks))
    seen: dict[Path, list[Track]] = {}
    for track in read_tracks(given.tracks):
        seen.setdefault(Path(track.uri).resolve(), []).append(track)
    kinds = _kinds(given.clips)
    return [
        Clip(
            name=path.name,
            exercise=entry.label or "",
            person=kinds.get(f"{path.parent.name}/{path.name}", "real person") == "real person",
            poses=cut_segments(seen.get(path, []))[0].poses,
        )
        for entry in entries
        for path in [Path(entry.uri).resolve()]
    ]


def _kinds(clips: Path) -> dict[str, str]:
    sources = clips / "SOURCES.csv"
    if not sources.exists():
        return {}
    with sources.open(newline="", encoding="utf-8") as file:
        return {row["file"]: row["kind"] for row in csv.DictReader(file)}


def _measure(name: str, clips: list[Clip], given: argparse.Namespace) -> list[Claim]:
    """Train a variant with every seed and let it name the clips."""
    variant = VARIANTS[name]
    train = variant.data(given)
    epochs = 4 if given.quick else variant.config.epochs
    torch.set_num_threads(1)
    ranks = []
    for seed in given.seeds:
        fitted = fit(train, replace(variant.config, seed=seed, epochs=epochs), model_config=variant.model)
        ranks.append(np.array(_ranks(fitted.classifier, clips)))
        wrong = [clip.name for clip, rank in zip(clips, ranks[-1], strict=True) if rank]
        print(f"{name}, seed {seed}, {fitted.seconds:.0f} s; wrong: {', '.join(wrong)}", file=sys.stderr, flush=True)
    claims = []
    for kind, person in (("real people", True), ("figures", False)):
        of = np.array([clip.person == person for clip in clips])
        for top in (1, 3) if of.any() else ():
            runs = [float(100 * (ranks[k][of] < top).mean()) for k in range(len(ranks))]
            goal = GOAL if name == OURS and person and top == 1 and not given.quick else None
            claims.append(_mean(f"{name}: top-{top} on {of.sum()} clips of {kind}", runs, goal))
    if name == OURS:
        for exercise in EXERCISES:
            of = np.array([clip.exercise == exercise for clip in clips])
            for top in (1, 3) if of.any() else ():
                runs = [float(100 * (ranks[k][of] < top).mean()) for k in range(len(ranks))]
                claims.append(_mean(f"{exercise}: top-{top} on its {of.sum()} clips", runs))
    return claims


def _ranks(classifier: torch.nn.Module, clips: list[Clip]) -> list[int]:
    """For each clip how many exercises have a higher mean probability than the right one; all, where nobody is seen."""
    out = []
    for clip in clips:
        if not len(clip.poses):
            out.append(len(EXERCISES))
            continue
        shares = predict(classifier, clip.poses).mean(axis=0)
        out.append(int((shares > shares[EXERCISES.index(clip.exercise)]).sum()))
    return out


def _mean(claim: str, runs: list[float], goal: float | None = None) -> Claim:
    """A claim about all seeds, whose mean counts."""
    return Claim(claim=claim, value=float(np.mean(runs)), unit="%", goal=goal, runs=[round(run, 1) for run in runs])


def _skeletons(given: argparse.Namespace, *, noise: float, per_exercise: int | None = None) -> Segments:
    """Synthetic skeletons, exact or with BlazePose's errors."""
    options = SynthOptions(
        kind="skeletons", per_exercise=per_exercise or given.per_exercise, noise=noise, fps=5, seed=SEED + 1
    )
    return cut_segments([make_track(item, options) for item in plan(options)])[0]


def _watched(given: argparse.Namespace) -> Segments:
    """Rendered performances as BlazePose saw them."""
    return cut_segments(_watched_tracks(given))[0]


def _both(given: argparse.Namespace) -> Segments:
    """Both, with what was seen twice: it is rarer, and nearer to what is asked."""
    seen = _watched(given)
    return join_segments(_skeletons(given, noise=1.0), seen, seen)


def _watched_tracks(given: argparse.Namespace) -> list[Track]:
    """``--watched`` of each exercise, from the store where they are kept; those that it lacks are rendered."""
    tasks = [(exercise, number) for number in range(given.watched) for exercise in EXERCISES]
    names = [Shot.sample(*task, seed=SEED).name for task in tasks]
    store = f"{given.tracks}-watched"
    there = {row["group"] for row in read_index(store).values()}
    missing = [task for task, name in zip(tasks, names, strict=True) if name not in there]
    writer = StoreWriter(store)
    with ProcessPoolExecutor(given.workers, mp_context=get_context("spawn")) as pool:
        for track in pool.map(_watch, missing, chunksize=4):
            writer.add(track)
    writer.flush()
    return [track for track in read_tracks(store) if track.group in set(names)]


_estimators: list[BlazePose] = []


def _watch(task: tuple[str, int]) -> Track:
    cv2.setNumThreads(1)
    if not _estimators:
        _estimators.append(BlazePose.load())
    return watch(Shot.sample(*task, seed=SEED), _estimators[0])


def _fit_errors(given: argparse.Namespace) -> None:
    seen = {track.group: track.joints for track in _watched_tracks(given)}
    shots = [Shot.sample(e, number, seed=SEED) for number in range(given.watched) for e in EXERCISES]
    model = fit_errors([shot.exact for shot in shots], [seen[shot.name] for shot in shots])
    path = Path(gymspotter.synth.__file__).with_name("blazepose_errors.npz")
    with path.open("wb") as file:
        model.save(file)
    print(f"{path}: fitted to {len(shots)} recordings")


VARIANTS: dict[str, Variant] = {
    PEER: Variant(config=recipe("transformer"), data=lambda given: _skeletons(given, noise=0.0, per_exercise=40)),
    "spotter on exact skeletons": Variant(config=RECIPE, model=SMALL, data=lambda given: _skeletons(given, noise=0.0)),
    "spotter on skeletons with BlazePose's errors": Variant(
        config=RECIPE, model=SMALL, data=lambda given: _skeletons(given, noise=1.0)
    ),
    "spotter on what BlazePose saw": Variant(config=RECIPE, model=SMALL, data=_watched),
    OURS: Variant(config=RECIPE, model=SMALL, data=_both),
}

if __name__ == "__main__":
    main()

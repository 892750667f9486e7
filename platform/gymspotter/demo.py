"""The whole path in one command: videos -> skeletons -> a trained, registered model -> a served answer -> a report.

    gymspotter demo                      # videos of the synthetic gym
    gymspotter demo --videos FOLDER      # one folder per exercise, of one's own

Every stage is the one that `gymspotter synth`, `extract`, `train` and `serve` run. What is posted to the service are
videos of the test side, which the model never saw.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from gymspotter.client import Served, post_videos
from gymspotter.demo_report import write_report
from gymspotter.errors import InputError
from gymspotter.extract import ExtractOptions, ExtractResult, extract
from gymspotter.labels import EXERCISES
from gymspotter.loop import FitConfig
from gymspotter.recipes import recipe
from gymspotter.store import read_quarantine, read_tracks
from gymspotter.synth.generate import SynthOptions, synthesise
from gymspotter.tracks import Track
from gymspotter.train import TrainOptions, TrainResult, train
from gymspotter.video import join_videos
from serve.run import ServeOptions, start, stop


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """Run the whole path: videos, skeletons, training, registry, service, report."""

    videos: str | None = None
    """Your own videos (a folder per exercise, or a manifest) instead of the synthetic gym's."""
    map: dict[str, str] = field(default_factory=dict)
    """More spellings of exercises in your videos: --map "kniebeuge" "squat"."""
    out: Path = Path("runs/demo")
    """Folder for everything the demo makes; what an earlier demo left there is removed."""
    per_exercise: int = 6
    """Synthetic videos of each exercise; about 30% of them are kept for the test."""
    skeletons: int = 60
    """Synthetic skeleton tracks of each exercise to train on beside those of the videos; 0 for none."""
    seconds: float = 12.0
    """Length of a synthetic video."""
    model: str = "spotter"
    """Fusion model, trained by its own recipe."""
    epochs: int | None = None
    """Passes over the training side; by default as the recipe says."""
    post: int = 22
    """At most so many test videos are posted to the service."""
    seed: int = 0
    """Seed of the data, the split and the training."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What ``runs/demo/summary.json`` holds; ``seconds`` are per stage."""

    videos: int
    spans: int
    tracks: int
    quarantined: int
    segments: int
    accuracy: float
    macro_f1: float
    served: int
    served_correct: int
    model_version: str
    seconds: dict[str, float] = field(default_factory=dict)


def demo(options: DemoOptions) -> Summary:
    """Run it; prints a table of the answers, writes ``summary.json`` and ``report.html``, and leaves nothing running.

    Raises:
        InputError: the videos cannot be used, or the cluster serves already.
    """
    _refuse_cluster_that_serves()
    _clear(options.out)
    clock = _Clock()
    try:
        videos = options.videos or str(options.out / "videos")
        if options.videos is None:
            with clock("render"):
                synthesise(
                    SynthOptions(
                        out=videos,
                        per_exercise=options.per_exercise,
                        seconds=options.seconds,
                        seed=options.seed,
                    )
                )
        more: tuple[Path, ...] = ()
        if options.skeletons:
            more = (options.out / "skeletons",)
            with clock("skeletons"):
                synthesise(
                    SynthOptions(
                        out=str(more[0]),
                        kind="skeletons",
                        per_exercise=options.skeletons,
                        noise=1.0,
                        seed=options.seed + 1,  # other athletes than those in the videos
                    )
                )
        store = options.out / "tracks"
        with clock("extract"):
            extracted = extract(ExtractOptions(videos=videos, out=str(store), map=options.map))
        with clock("train"):
            uri = f"sqlite:///{(options.out / 'mlflow.db').resolve()}"
            trained = train(
                TrainOptions(
                    tracks=str(store),
                    also=tuple(str(folder) for folder in more),
                    fit=_recipe(options),
                    tracking_uri=uri,
                    artifacts=options.out / "mlartifacts",
                )
            )
        tracks = read_tracks(store)
        with clock("serve"):
            url = start(ServeOptions(port=0, tracking_uri=uri))
            print(f"the service answers at {url}")
        with clock("post"):
            posted = _test_videos(tracks, trained, options.post)
            served = post_videos(url, posted)
            workout = _post_workout(url, posted[:: max(1, len(posted) // 4)][:4], options.out / "workout.mp4")
    finally:
        with clock("stop"):
            stop()
    summary = _summary(extracted, trained, served, clock.seconds)
    print_table(served)
    (options.out / "summary.json").write_text(json.dumps(asdict(summary), indent=2) + "\n")
    report = write_report(
        options.out / "report.html",
        summary=asdict(summary),
        trained=trained,
        tracks=tracks,
        quarantine=read_quarantine(store),
        served=served,
        workout=workout,
    )
    print(
        f"test side: accuracy {summary.accuracy:.1%}, macro F1 {summary.macro_f1:.1%}; served {summary.served} videos "
        f"that were never trained on, {summary.served_correct} right; {sum(clock.seconds.values()):.0f} s in all"
    )
    print(f"report: {report.resolve()}")
    return summary


def _recipe(options: DemoOptions) -> FitConfig:
    config = recipe(options.model, seed=options.seed)
    return config if options.epochs is None else replace(config, epochs=options.epochs)


def _post_workout(url: str, tracks: list[Track], path: Path) -> tuple[Served, list[tuple[float, str]]] | None:
    """Several of the posted videos in a row, as one: the service's timeline should tell them apart.

    Only videos of one size and codec can be joined, which those of the synthetic gym are; otherwise there is none.

    Returns:
        The answer, and when (seconds) which exercise begins.
    """
    try:
        starts = join_videos([Path(track.uri) for track in tracks], path)
    except InputError:
        return None
    exercises = [track.label or "" for track in tracks]
    served = post_videos(url, [replace(tracks[0], uri=str(path), label=" + ".join(exercises))])[0]
    return (served, list(zip(starts, exercises, strict=True))) if "segments" in served.answer else None


def print_table(served: list[Served]) -> None:
    """True and predicted exercise, probability and milliseconds of each posted video."""
    print(f"\n{'':2}{'true':22}{'predicted':22}{'probability':>11}{'ms':>8}")
    for row in served:
        mark = "  " if row.predicted == row.exercise else "x "
        print(f"{mark}{row.exercise:22}{row.predicted[:60]:22}{row.probability:>11.2f}{row.milliseconds:>8.0f}")
    print()


def _test_videos(tracks: list[Track], trained: TrainResult, most: int) -> list[Track]:
    """The first track of each test video: one of every exercise first, then second ones, and so on."""
    tested = set(trained.test.video_ids.tolist())
    turns: dict[str, int] = {}
    ordered = []
    for track in tracks:
        if track.video_id in tested and track.span == 0 and track.label:
            ordered.append((turns.get(track.label, 0), EXERCISES.index(track.label), track))
            turns[track.label] = turns.get(track.label, 0) + 1
    ordered.sort(key=lambda entry: entry[:2])
    return [track for _, _, track in ordered[:most]]


def _summary(
    extracted: ExtractResult, trained: TrainResult, served: list[Served], seconds: dict[str, float]
) -> Summary:
    return Summary(
        videos=extracted.videos,
        spans=extracted.spans,
        tracks=extracted.tracks,
        quarantined=extracted.quarantined,
        segments=len(trained.train) + len(trained.test),
        accuracy=trained.scores.accuracy,
        macro_f1=trained.scores.f1,
        served=len(served),
        served_correct=sum(row.predicted == row.exercise for row in served),
        model_version=trained.version,
        seconds={name: round(value, 1) for name, value in seconds.items()},
    )


_MADE_HERE = (
    "videos", "skeletons", "tracks", "mlartifacts", "mlflow.db", "workout.mp4", "summary.json", "report.html",
)  # fmt: skip


def _refuse_cluster_that_serves() -> None:
    """The demo's service would take the place of the one that is there, and be taken down at the end."""
    if not os.environ.get("RAY_ADDRESS"):
        return
    from ray import serve

    from gymspotter.cluster import connect

    connect()
    names = ", ".join(serve.status().applications)
    if names:
        raise InputError(f"RAY_ADDRESS names a cluster that serves already ({names}): run the demo on another.")


def _clear(out: Path) -> None:
    """Remove what an earlier demo made in ``out``, and nothing else."""
    if out.exists() and not out.is_dir():
        raise InputError(f"out {str(out)!r} is a file: name a folder.")
    out.mkdir(parents=True, exist_ok=True)
    for name in _MADE_HERE:
        made = out / name
        if made.is_dir():
            shutil.rmtree(made)
        else:
            made.unlink(missing_ok=True)


class _Clock:
    """Seconds per stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = time.perf_counter() - started

"""Make a synthetic data set: rendered videos with their truth beside them, or a store of exact skeleton tracks.

    gymspotter synth --out runs/videos --per-exercise 5
    gymspotter synth --out runs/skeletons --kind skeletons --paper-sizes

Performance number i of an exercise is the same movement, athlete and camera in both kinds, whatever else is made.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from gymspotter import __version__, storage
from gymspotter.catalog import MANIFEST
from gymspotter.errors import InputError
from gymspotter.labels import EXERCISES, PAPER_CLASS_SIZES
from gymspotter.skeleton import CANONICAL
from gymspotter.spans import GRID_FPS
from gymspotter.store import write_tracks
from gymspotter.synth.camera import Camera, sample_camera
from gymspotter.synth.film import film, truth, write_truth
from gymspotter.synth.look import sample_look
from gymspotter.synth.others import OTHERS
from gymspotter.synth.perform import MOTIONS, perform
from gymspotter.synth.scene import Performance
from gymspotter.synth.seen import blazepose_errors
from gymspotter.tracks import Track
from gymspotter.unknown import NONE
from gymspotter.video import grid_times

_TRACKS_PER_FILE = 2048
_MOVEMENTS = tuple(MOTIONS)  # exercises first, in their order


@dataclass(frozen=True, kw_only=True)
class SynthOptions:
    """Make labelled synthetic data: all 22 exercises, one athlete and camera a performance."""

    out: str = "runs/synth"
    """Folder to write: a folder per exercise with videos, or a store of tracks (also s3://, gs://)."""
    kind: Literal["videos", "skeletons"] = "videos"
    """Rendered H.264 videos with ground truth beside them, or exact skeleton tracks (thousands a minute)."""
    per_exercise: int = 5
    """Performances of each exercise."""
    others: int = 0
    """Performances of each of the movements that are none of the exercises (rest, walking, talking, warming up ...)."""
    close: float = 0.0
    """Videos only: share of close-ups, in which feet, hands or head may be out of the picture."""
    paper_sizes: bool = False
    """As many performances of each exercise as Table 1 of the paper has segments (12,358), instead of per-exercise."""
    seconds: float = 12.0
    """Length of a performance."""
    fps: float = 10.0
    """Frames a second of a video; skeletons are on the sampling grid of 5."""
    width: int = 640
    """Width of a video."""
    height: int = 480
    """Height of a video."""
    noise: float = 0.0
    """Skeletons only: errors like BlazePose's, from 0 (exact) to 1 (as large as its own)."""
    seed: int = 0
    """Everything is drawn from it; the same seed gives the same data on any machine."""

    def __post_init__(self) -> None:
        for name, least in (
            ("per_exercise", 1),
            ("others", 0),
            ("seconds", 1),
            ("fps", 1),
            ("width", 64),
            ("height", 64),
        ):
            if getattr(self, name) < least:
                raise InputError(f"{name.replace('_', '-')} is {getattr(self, name):g}: use at least {least}.")
        if self.width % 2 or self.height % 2:
            raise InputError(f"width x height is {self.width} x {self.height}: H.264 needs even numbers.")
        if self.fps % GRID_FPS:
            raise InputError(f"fps is {self.fps:g}: use a multiple of {GRID_FPS:g}, the sampling grid.")
        if self.kind == "videos" and not storage.is_local(self.out):
            raise InputError(f"out is {self.out!r}: videos are rendered to local disk, name a folder there.")
        if not 0 <= self.close <= 1:
            raise InputError(f"close is {self.close:g}: use 0 to 1.")
        if self.noise < 0:
            raise InputError(f"noise is {self.noise:g}: use 0 or more.")


@dataclass(frozen=True, kw_only=True)
class Item:
    """Performance number ``number`` of an exercise (or of one of synth.others.OTHERS), under one seed."""

    exercise: str
    number: int
    seed: int

    @property
    def name(self) -> str:
        """A file name without spaces, and the group: every performance has an athlete of its own."""
        return f"{self.exercise.replace(' ', '-')}-s{self.seed}-{self.number:04d}"

    @property
    def label(self) -> str:
        """The exercise, or what all other movements are labelled."""
        return self.exercise if self.exercise in EXERCISES else NONE

    def rng(self, purpose: int) -> np.random.Generator:
        """A generator of its own for each purpose, so that none depends on how much another drew."""
        return np.random.default_rng([self.seed, _MOVEMENTS.index(self.exercise), self.number, purpose])


def synthesise(options: SynthOptions) -> int:
    """Write the data set; returns the number of performances.

    Raises:
        InputError: the folder has something in it already.
    """
    if storage.files(options.out, below=True):
        raise InputError(f"out {str(options.out)!r} is not empty: remove it or name a new folder.")
    items = list(plan(options))
    make = _videos if options.kind == "videos" else _skeletons
    with tqdm(total=len(items), desc=f"synth {options.kind}", disable=None) as bar:
        for _ in make(items, options):
            bar.update()
    print(f"{len(items)} performances ({options.kind}) in {options.out}")
    return len(items)


def plan(options: SynthOptions) -> Iterator[Item]:
    """What is to be made, exercise by exercise and then movement by movement."""
    for exercise in EXERCISES:
        count = PAPER_CLASS_SIZES[exercise] if options.paper_sizes else options.per_exercise
        for number in range(count):
            yield Item(exercise=exercise, number=number, seed=options.seed)
    for movement in OTHERS:
        for number in range(options.others):
            yield Item(exercise=movement, number=number, seed=options.seed)


def stage(item: Item, options: SynthOptions) -> tuple[Performance, Camera]:
    """The performance and the camera of one item."""
    performance = perform(item.exercise, item.rng(0), seconds=options.seconds, fps=options.fps)
    return performance, sample_camera(performance, item.rng(1), close=options.close)


def make_video(item: Item, options: SynthOptions) -> Path:
    """Render one item to ``out/<label>/<name>.mp4``, with its truth beside it."""
    performance, camera = stage(item, options)
    path = storage.local(options.out) / item.label / f"{item.name}.mp4"
    film(performance, camera, sample_look(item.rng(2)), path, width=options.width, height=options.height)
    write_truth(path, truth(performance, camera, options.width, options.height), seed=item.seed)
    return path


def make_track(item: Item, options: SynthOptions) -> Track:
    """The exact canonical track of one item on the sampling grid, or one with errors like an estimator's."""
    performance, camera = stage(item, options)
    facts = truth(performance, camera, options.width, options.height)
    on_grid = np.round(grid_times(0, options.seconds, GRID_FPS) * options.fps).astype(int)
    joints = facts["joints"][on_grid]
    if options.noise:
        joints = blazepose_errors().seen(joints, item.rng(3), level=options.noise)
    uri = f"synth:{item.name}"
    return Track(
        video_id=hashlib.sha256(uri.encode()).hexdigest()[:16],
        span=0,
        uri=uri,
        label=item.label,
        group=item.name,
        fps=GRID_FPS,
        t0=0.0,
        joints=joints,
        scores=np.isfinite(joints).all(axis=-1).astype(np.float32),
        image_xy=facts["image_xy"][on_grid],
        layout=CANONICAL.name,
        estimator="synthetic gym",
        estimator_version=__version__,
    )


def _skeletons(items: list[Item], options: SynthOptions) -> Iterator[None]:
    for start in range(0, len(items), _TRACKS_PER_FILE):
        tracks = []
        for item in items[start : start + _TRACKS_PER_FILE]:
            tracks.append(make_track(item, options))
            yield
        write_tracks(tracks, options.out)


def _videos(items: list[Item], options: SynthOptions) -> Iterator[None]:
    """Rendered by Ray tasks, one video each: on every CPU of this machine or of the cluster.

    A manifest names the group of each, so that a video and the skeletons of the same performance are known for one.
    """
    import ray

    from gymspotter.cluster import connect

    connect()

    @ray.remote
    def render_one(item: Item) -> str:
        import cv2

        cv2.setNumThreads(1)
        return str(make_video(item, options))

    rows = [f"{item.label}/{item.name}.mp4,{item.label},{item.name}" for item in items]
    manifest = "\n".join(["uri,label,group", *rows]) + "\n"
    storage.write_whole(storage.join(options.out, MANIFEST), manifest.encode())
    pending = [render_one.remote(item) for item in items]
    while pending:
        done, pending = ray.wait(pending)
        ray.get(done)
        yield

"""The synthetic gym: how fast it makes skeletons and videos, and whether BlazePose finds the athletes it draws.

    python benchmarks/synth.py [--quick] [--json FILE]

A joint's error is its distance to the truth in 3D, both with the mid-hip as origin and without any alignment, as a
share of the truth's torso (mid-hip to mid-shoulders); the hip itself, which is right by definition, does not count.
Videos are encoded, decoded at 5 frames a second and tracked as in extraction.
"""

import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

# One thread a process: a process a core is faster than threads that wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
from common import Claim, Options, measured, options, report, seconds
from numpy.typing import NDArray

from gymspotter.labels import EXERCISES
from gymspotter.pose import estimate
from gymspotter.pose.blazepose import BlazePose
from gymspotter.pose.weights import blazepose_files
from gymspotter.skeleton import BLAZEPOSE33, CANONICAL, root_at_hip, to_canonical
from gymspotter.synth.camera import sample_camera
from gymspotter.synth.film import film, truth
from gymspotter.synth.look import sample_look
from gymspotter.synth.perform import exact_track, perform
from gymspotter.video import frames_at, grid_times

LYING = ("bench press", "decline bench press", "hip thrust", "incline bench press", "leg raises", "plank", "push-up")
FOUND_STANDING, FOUND_LYING = 0.95, 0.85
SEGMENTS_PER_MINUTE = 2000
FILM_FPS, GRID_FPS = 10, 5
SEED = 2024


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One video: the share of frames with a person, and the mean joint error of those, as it is and at best scale."""

    exercise: str
    found: float
    error: float
    error_scaled: float
    by_joint: NDArray[np.float64]


def main() -> None:
    given = options(__doc__ or "")
    cv2.setNumThreads(1)
    claims = [_segments(given), _frames(given)]
    videos, length = (2, 6) if given.quick else (8, 12)
    tasks = [(exercise, video, length) for exercise in EXERCISES for video in range(videos)]
    blazepose_files()  # fetched once, not by every process
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        trials = list(pool.map(_trial, tasks, chunksize=2))
    report(
        "synth", claims + _claims(trials), given, packages=("numpy", "opencv-python-headless", "av", "ai-edge-litert")
    )


def _segments(given: Options) -> Claim:
    """Exact skeleton segments of 12 s at 5 frames a second, with motion, camera and axes, a minute of one core."""
    count = len(EXERCISES) * (1 if given.quick else 4)

    def work() -> None:
        for k in range(count):
            rng = np.random.default_rng((SEED, k))
            exact_track(perform(EXERCISES[k % len(EXERCISES)], rng, seconds=12, fps=GRID_FPS), rng)

    runs = [60 * count / s for s in seconds(work, runs=5, clock=time.process_time)]
    return measured("exact skeleton segments a minute of one core", runs, "segments/min", goal=SEGMENTS_PER_MINUTE)


def _frames(given: Options) -> Claim:
    """Video frames of 640x480, rendered and encoded, with everything that happens once a video.

    A second of a core's work counts, not of the clock: the neighbours of a shared machine do not matter.
    """
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        for k in range(5 if given.quick else 11):
            rng = np.random.default_rng((SEED, k))
            performance = perform(EXERCISES[(7 * k) % len(EXERCISES)], rng, seconds=12, fps=FILM_FPS)
            camera, look = sample_camera(performance, rng), sample_look(rng)
            start = time.process_time()
            film(performance, camera, look, Path(folder) / f"{k}.mp4")
            rates.append(12 * FILM_FPS / (time.process_time() - start))
    return measured("video frames (640x480 H.264) a second of one core", rates[1:], "frames/s")


_estimators: list[BlazePose] = []


def _trial(task: tuple[str, int, int]) -> Trial:
    """Film one set and look at it with BlazePose."""
    cv2.setNumThreads(1)
    if not _estimators:
        _estimators.append(BlazePose.load())
    exercise, video, length = task
    rng = np.random.default_rng((SEED, EXERCISES.index(exercise), video))
    performance = perform(exercise, rng, seconds=length, fps=FILM_FPS)
    camera, look = sample_camera(performance, rng), sample_look(rng)
    with tempfile.TemporaryDirectory() as folder:
        path = film(performance, camera, look, Path(folder) / "video.mp4")
        poses = estimate(_estimators[0], frames_at(path, grid_times(0, length, GRID_FPS)))
    expected = truth(performance, camera, 640, 480)["joints"][:: FILM_FPS // GRID_FPS][poses.seen]
    joints, _ = to_canonical(poses.joints[poses.seen], poses.scores[poses.seen], BLAZEPOSE33)
    joints = root_at_hip(joints)
    torso = np.linalg.norm(expected[:, CANONICAL.index("thorax")], axis=-1)[:, None]
    scale = (joints * expected).sum(axis=(1, 2)) / np.maximum((joints**2).sum(axis=(1, 2)), 1e-9)
    plain = np.linalg.norm(joints - expected, axis=-1)[:, 1:] / torso
    scaled = np.linalg.norm(joints * scale[:, None, None] - expected, axis=-1)[:, 1:] / torso
    seen = bool(poses.seen.any())
    return Trial(
        exercise=exercise,
        found=float(poses.seen.mean()),
        error=float(plain.mean()) if seen else float("nan"),
        error_scaled=float(scaled.mean()) if seen else float("nan"),
        by_joint=plain.mean(axis=0) if seen else np.full(len(CANONICAL.joints) - 1, np.nan),
    )


def _claims(trials: list[Trial]) -> list[Claim]:
    claims = []
    for exercise in EXERCISES:
        goal = FOUND_LYING if exercise in LYING else FOUND_STANDING
        runs = [t.found for t in trials if t.exercise == exercise]
        claims.append(_mean(f"{exercise}: frames in which BlazePose finds a person", runs, "share", goal))
    for exercise in EXERCISES:
        runs = [t.error for t in trials if t.exercise == exercise]
        claims.append(_mean(f"{exercise}: mean joint error of BlazePose", runs, "torso lengths"))
    claims.append(_mean("all: mean joint error of BlazePose", [t.error for t in trials], "torso lengths"))
    scaled = [t.error_scaled for t in trials]
    claims.append(_mean("all: mean joint error of BlazePose at each frame's best scale", scaled, "torso lengths"))
    return claims


def _mean(claim: str, runs: list[float], unit: str, goal: float | None = None) -> Claim:
    """A claim about all videos: not their median, so that one bad video shows."""
    return Claim(claim=claim, value=float(np.nanmean(runs)), unit=unit, goal=goal, runs=[round(r, 4) for r in runs])


if __name__ == "__main__":
    main()

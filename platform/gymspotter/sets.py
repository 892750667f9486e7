"""The sets of a video: which exercise was done from when to when, and how often.

Segments overlap, so several of them say what each moment shows; they vote. What then stays the same for a while is a
set, and its repetitions are counted in the joints.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gymspotter.classify import LabelledSegment
from gymspotter.repetitions import Repetition, count, is_counted
from gymspotter.skeleton import Floats
from gymspotter.tracks import Track
from gymspotter.unknown import THRESHOLD


@dataclass(frozen=True, kw_only=True)
class ExerciseSet:
    """One exercise from ``start`` to ``end``, in seconds of the video, and its mean probability over that time.

    ``repetitions`` is None for an exercise that is held and not repeated, such as the plank.
    """

    exercise: str
    start: float
    end: float
    probability: float
    repetitions: tuple[Repetition, ...] | None


@dataclass(frozen=True, kw_only=True)
class _Run:
    exercise: str
    start: float
    end: float
    probability: float


def find_sets(segments: Sequence[LabelledSegment], tracks: Sequence[Track]) -> list[ExerciseSet]:
    """The sets of one video, in order.

    Args:
        segments: those of the video; a segment that shows none of the exercises makes no set. They should hold the
            guesses of all exercises, since what a segment does not guess it gives no vote.
        tracks: the video's tracks, in which repetitions are counted.
    """
    found: list[ExerciseSet] = []
    for run in _runs(segments):
        repetitions = None
        if is_counted(run.exercise):
            joints_TJC, fps, t0 = _joints(tracks, run.start, run.end)
            repetitions = tuple(count(run.exercise, joints_TJC, fps, t0)) if len(joints_TJC) else ()
        found.append(
            ExerciseSet(
                exercise=run.exercise,
                start=run.start,
                end=run.end,
                probability=run.probability,
                repetitions=repetitions,
            )
        )
    return found


def _runs(segments: Sequence[LabelledSegment]) -> list[_Run]:
    """Times of one exercise: between any two neighbouring borders of segments those that cover the time vote."""
    # Rounded, because one border may be computed in two ways that differ in the last digit.
    borders = sorted({round(time, 6) for segment in segments for time in (segment.start, segment.end)})
    runs: list[_Run] = []
    for start, end in pairwise(borders):
        middle = (start + end) / 2
        vote = _vote([segment for segment in segments if segment.start <= middle < segment.end])
        if vote is None:
            continue
        exercise, probability = vote
        if runs and runs[-1].exercise == exercise and runs[-1].end == start:
            before = runs.pop()
            weights = (before.end - before.start, end - start)
            probability = float(np.average((before.probability, probability), weights=weights))
            start = before.start
        runs.append(_Run(exercise=exercise, start=start, end=end, probability=probability))
    return runs


def _vote(covering: Sequence[LabelledSegment]) -> tuple[str, float] | None:
    """What segments that cover the same time show together, and its probability; None if no exercise."""
    if not covering or np.mean([segment.unknown for segment in covering]) > THRESHOLD:
        return None
    known = [segment for segment in covering if segment.known]  # one at least, as the mean is low enough
    sums: dict[str, float] = {}
    for segment in known:
        for guess in segment.guesses:
            sums[guess.exercise] = sums.get(guess.exercise, 0.0) + guess.probability
    exercise = max(sums, key=lambda name: sums[name])
    return exercise, sums[exercise] / len(known)


def _joints(tracks: Sequence[Track], start: float, end: float) -> tuple[Floats, float, float]:
    """The joints of all frames from ``start`` to ``end`` (NaN where no track is), their rate, the first's time."""
    fps = tracks[0].fps
    first, last = (round(time * fps) for time in (start, end))
    joints = np.full((last - first, *tracks[0].joints.shape[1:]), np.nan, np.float32)
    for track in tracks:
        at = round(track.t0 * fps) - first
        a, b = max(at, 0), min(at + len(track.joints), len(joints))
        if a < b:
            joints[a:b] = track.joints[a - at : b - at]
    return joints, fps, first / fps

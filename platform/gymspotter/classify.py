"""Name the exercise: probabilities over segments, and the timeline of a whole track."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gymspotter.fit import predict
from gymspotter.skeleton import Floats
from gymspotter.tracks import Track
from gymspotter.windows import SEGMENT_FRAMES, cut_segments


@dataclass(frozen=True, kw_only=True)
class Guess:
    """One exercise with its probability."""

    exercise: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class LabelledSegment:
    """What one segment [start, end) seconds of a video shows: the best guesses, best first."""

    start: float
    end: float
    guesses: tuple[Guess, ...]


def classify(module: torch.nn.Module, poses: Floats, classes: Sequence[str], top: int = 3) -> list[tuple[Guess, ...]]:
    """The ``top`` guesses for each of the segments ``poses`` [S, T, J, 3], best first."""
    if not len(poses):
        return []
    probabilities_SK = predict(module, poses)
    order_SK = np.argsort(-probabilities_SK, axis=1, kind="stable")[:, :top]
    return [
        tuple(Guess(exercise=classes[k], probability=float(row[k])) for k in order)
        for row, order in zip(probabilities_SK, order_SK, strict=True)
    ]


def timeline(
    module: torch.nn.Module,
    tracks: Sequence[Track],
    classes: Sequence[str],
    *,
    stride: int = SEGMENT_FRAMES // 2,
    top: int = 3,
) -> list[LabelledSegment]:
    """The labelled segments of one video's tracks, in order; empty where nobody can be seen long enough."""
    segments, _ = cut_segments(tracks, stride=stride)
    fps, end = tracks[0].fps, max(track.t0 + len(track.joints) / track.fps for track in tracks)
    return [
        LabelledSegment(start=float(start), end=float(min(start + SEGMENT_FRAMES / fps, end)), guesses=guesses)
        for start, guesses in zip(segments.starts, classify(module, segments.poses, classes, top), strict=True)
    ]

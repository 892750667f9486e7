"""Name the exercise: probabilities over segments, and the timeline of a whole track.

Shapes: S segments, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gymspotter.calibration import logits
from gymspotter.fit import predict
from gymspotter.skeleton import Floats
from gymspotter.tracks import Track
from gymspotter.unknown import THRESHOLD, unknown
from gymspotter.windows import SEGMENT_FRAMES, Segments, cut_segments

Probabilities = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class Guess:
    """One exercise with its probability."""

    exercise: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class LabelledSegment:
    """What one segment [start, end) seconds of a video shows: the best guesses, best first.

    ``unknown``, in 0..1, says how surely it shows none of the exercises (`unknown.py`).
    """

    start: float
    end: float
    guesses: tuple[Guess, ...]
    unknown: float = 0.0

    @property
    def known(self) -> bool:
        """Whether it shows one of the exercises at all."""
        return self.unknown <= THRESHOLD


def guesses(probabilities_SK: Probabilities, classes: Sequence[str], top: int = 3) -> list[tuple[Guess, ...]]:
    """The ``top`` guesses for each segment, best first."""
    order_SK = np.argsort(-probabilities_SK, axis=1, kind="stable")[:, :top]
    return [
        tuple(Guess(exercise=classes[k], probability=float(row[k])) for k in order)
        for row, order in zip(probabilities_SK, order_SK, strict=True)
    ]


def label(
    segments: Segments,
    probabilities_SK: Probabilities,
    unknown_S: Probabilities,
    classes: Sequence[str],
    top: int = 3,
) -> list[LabelledSegment]:
    """The segments of one video with what a model says of each, in order."""
    named = guesses(probabilities_SK, classes, top)
    return [
        LabelledSegment(start=float(start), end=float(end), guesses=best, unknown=float(none))
        for start, end, best, none in zip(segments.starts, segments.ends, named, unknown_S, strict=True)
    ]


def classify(module: torch.nn.Module, poses: Floats, classes: Sequence[str], top: int = 3) -> list[tuple[Guess, ...]]:
    """The ``top`` guesses for each of the segments ``poses`` [S, T, J, 3], best first."""
    return guesses(predict(module, poses), classes, top) if len(poses) else []


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
    if not len(segments):
        return []
    logits_SK = logits(module, segments.poses)
    probabilities_SK = torch.from_numpy(logits_SK).softmax(dim=-1).numpy()
    return label(segments, probabilities_SK, unknown(logits_SK), classes, top)

"""Probabilities that mean what they say: temperature scaling, and how far confidence and accuracy lie apart.

Guo et al. 2017 ("On calibration of modern neural networks"): all logits are divided by one number, found on segments
that were neither trained on nor are tested. It changes no answer, only how sure it is.

Shapes: S segments, K classes.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gymspotter.errors import InputError
from gymspotter.fit import class_indices
from gymspotter.labels import EXERCISES
from gymspotter.models import Classifier
from gymspotter.skeleton import Floats
from gymspotter.unknown import NONE, RECALL, knownness, passing
from gymspotter.windows import Segments

BINS = 15  # as in Guo et al.
# A few segments that are all right call for a temperature of 0; nobody should be as sure as that.
_TEMPERATURES = (0.05, 20.0)
# The segment at the threshold itself passes, whichever way its float32 logits are rounded.
_HAIR = 1e-4


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Segments in equal bins of confidence, the probability of the answer.

    ``confidence`` and ``accuracy`` [bins] are the means of each bin (NaN where it is empty) and ``count`` how many
    segments are in it; bin b of n holds confidences in (b / n, (b + 1) / n].
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    count: NDArray[np.int64]

    @property
    def error(self) -> float:
        """Expected calibration error in 0..1: the mean gap between confidence and accuracy over all segments."""
        gaps = np.nan_to_num(np.abs(self.accuracy - self.confidence))
        return float((gaps * self.count).sum() / self.count.sum())


def reliability(probabilities_SK: NDArray[np.floating], targets_S: NDArray[np.int64], bins: int = BINS) -> Reliability:
    """How often answers given with some confidence are right.

    Raises:
        InputError: there are no segments.
    """
    _check(targets_S)
    confidence, right = probabilities_SK.max(axis=1), probabilities_SK.argmax(axis=1) == targets_S
    inside = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(inside, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(inside, values, minlength=bins) / count for values in (confidence, right)]
    return Reliability(confidence=means[0], accuracy=means[1], count=count)


def fit_temperature(logits_SK: NDArray[np.floating], targets_S: NDArray[np.int64]) -> float:
    """The temperature with the least negative log-likelihood, between 0.05 and 20.

    That loss is convex in 1 / temperature, so its slope is bisected.

    Raises:
        InputError: there are no segments.
    """
    _check(targets_S)
    logits_SK = logits_SK.astype(np.float64)
    of_target = logits_SK[np.arange(len(targets_S)), targets_S]

    def too_sure(temperature: float) -> bool:
        expected = (softmax(logits_SK / temperature) * logits_SK).sum(axis=1)
        return bool(expected.mean() > of_target.mean())

    low, high = map(math.log, _TEMPERATURES)
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if too_sure(math.exp(middle)) else (low, middle)
    return math.exp((low + high) / 2)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What `calibrate` found on how many ``segments``: the classifier's temperature and level.

    ``loss`` (mean negative log-likelihood) and ``error`` (expected calibration error) are those of the calibration
    segments, before and after.
    """

    segments: int
    temperature: float
    level: float
    loss_before: float
    loss_after: float
    error_before: float
    error_after: float

    def summary(self) -> dict[str, float]:
        """All of it, for a run's metrics or a model's facts."""
        return asdict(self)


def calibrate(
    classifier: Classifier, side: Segments, classes: Sequence[str] = EXERCISES, *, recall: float = RECALL
) -> Calibration:
    """Set the classifier's temperature, and its level so that ``recall`` of the segments pass as known.

    Args:
        classifier: it is changed in place.
        side: segments that share no group with the training side; those labelled NONE are left out.
        classes: those of the classifier.
        recall: share of them whose `unknown` is to be at most 0.5.

    Raises:
        InputError: no segment is left, or one has a label that is not in ``classes``.
    """
    side = side[side.labels != NONE]
    targets = class_indices(side.labels, classes)
    _check(targets)
    classifier.temperature.fill_(1.0)
    classifier.level.fill_(0.0)
    raw = logits(classifier, side.poses)
    temperature = fit_temperature(raw, targets)
    level = _HAIR - passing(knownness(raw / temperature), recall)
    classifier.temperature.fill_(temperature)
    classifier.level.fill_(level)
    before, after = softmax(raw), softmax(raw / temperature)
    return Calibration(
        segments=len(side),
        temperature=temperature,
        level=level,
        loss_before=_loss(before, targets),
        loss_after=_loss(after, targets),
        error_before=reliability(before, targets).error,
        error_after=reliability(after, targets).error,
    )


@torch.inference_mode()
def logits(classifier: torch.nn.Module, poses: Floats, batch_size: int = 256) -> Floats:
    """What the classifier gives for raw poses [S, T, J, 3]: [S, K]."""
    parts = [classifier(torch.from_numpy(poses[i : i + batch_size])) for i in range(0, len(poses), batch_size)]
    return np.asarray(torch.cat(parts).numpy())


def softmax(logits_SK: NDArray[np.floating]) -> NDArray[np.floating]:
    """Probabilities [S, K]."""
    shifted = np.exp(logits_SK - logits_SK.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _loss(probabilities_SK: NDArray[np.floating], targets_S: NDArray[np.int64]) -> float:
    likelihood = probabilities_SK[np.arange(len(targets_S)), targets_S]
    return float(-np.log(np.maximum(likelihood, 1e-30)).mean())


def _check(targets_S: NDArray[np.int64]) -> None:
    if not len(targets_S):
        raise InputError("the calibration side has no labelled segments: raise calibration-share, or add videos.")

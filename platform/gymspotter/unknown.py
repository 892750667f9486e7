"""Is it one of the exercises at all? A score for "none of these" that is a function of a classifier's logits.

A further class stands beside the K exercises whose logit is always 0. Its probability, 1 / (1 + sum of e^logit), is
`unknown`; up to its form this is the energy score of Liu et al. 2020 ("Energy-based out-of-distribution detection").
Adding a number to all K logits changes no probability among the exercises and moves `unknown`, so the exported model
holds its own threshold: `calibration.calibrate` shifts the logits until `unknown` is at most 0.5 for 95% of the
calibration segments that do show an exercise. The score means most for a model that was trained on NONE as well
(outlier exposure; Hendrycks et al. 2019), whose logits are differences to that class.

Shapes: S segments, K classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The label of segments that show none of the exercises: rest, walking, talking, other movements.
NONE = "none of these"
# A segment whose `unknown` is greater shows none of the exercises.
THRESHOLD = 0.5
# Of known segments, this share is to pass the threshold.
RECALL = 0.95


def knownness(logits_SK: NDArray[np.floating]) -> NDArray[np.float64]:
    """[S]: log of the sum of e^logit, the more the likelier that it is an exercise; minus Liu et al.'s free energy."""
    return np.logaddexp.reduce(logits_SK.astype(np.float64), axis=1)


def unknown(logits_SK: NDArray[np.floating]) -> NDArray[np.float64]:
    """[S] in 0..1: how surely a segment shows none of the exercises; compare it with THRESHOLD."""
    return np.exp(-np.logaddexp(0.0, knownness(logits_SK)))


def passing(known_S: NDArray[np.floating], recall: float = RECALL) -> float:
    """The highest threshold that at least ``recall`` of the scores of known segments reach."""
    return float(np.quantile(known_S, 1 - recall, method="lower"))


@dataclass(frozen=True, kw_only=True)
class Detection:
    """How well a score tells known from unknown segments, both in 0..1.

    ``auroc`` is the probability that a known segment scores more than an unknown one (0.5 is chance);
    ``false_positives`` the share of unknown segments that reach what 95% of the known ones reach (less is better).
    """

    auroc: float
    false_positives: float


def detection(known_S: NDArray[np.floating], unknown_S: NDArray[np.floating], recall: float = RECALL) -> Detection:
    """Judge a score that is higher for known segments."""
    ordered = np.sort(unknown_S)
    below, up_to = (np.searchsorted(ordered, known_S, side) for side in ("left", "right"))
    return Detection(
        auroc=float((below + up_to).mean() / (2 * len(ordered))),  # a tie is half a win
        false_positives=float((unknown_S >= passing(known_S, recall)).mean()),
    )

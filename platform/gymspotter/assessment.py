"""All that is asked of a classifier on segments it never saw: its scores, its honesty, and what it makes of strangers.

Shapes: S segments, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from gymspotter.calibration import Reliability, logits, reliability, softmax
from gymspotter.fit import class_indices
from gymspotter.labels import EXERCISES
from gymspotter.metrics import Scores, score
from gymspotter.unknown import NONE, THRESHOLD, Detection, detection, knownness, unknown
from gymspotter.windows import Segments


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """What `assess` found; everything is a share in 0..1.

    ``scores`` and ``reliability`` are of the segments that show one of the classes, ``uncalibrated`` is the reliability
    without the temperature. ``passed`` is the share of them that is taken for known; ``detection`` tells known from
    unknown segments, where there are some.
    """

    scores: Scores
    reliability: Reliability
    uncalibrated: Reliability
    passed: float
    detection: Detection | None

    @property
    def diagrams(self) -> dict[str, Reliability]:
        """For `plots.reliability_figure`."""
        return {"before calibration": self.uncalibrated, "after calibration": self.reliability}

    def summary(self) -> dict[str, float]:
        """One number for each."""
        found = self.scores.summary() | {"calibration_error": self.reliability.error, "known_passed": self.passed}
        if self.detection:
            found |= {"unknown_auroc": self.detection.auroc, "unknown_passed_at_95": self.detection.false_positives}
        return found


def assess(
    classifier: torch.nn.Module, test: Segments, classes: Sequence[str] = EXERCISES, *, temperature: float = 1.0
) -> Assessment:
    """Let a classifier, whose logits were divided by ``temperature``, answer the test side.

    Segments labelled NONE show none of the classes.

    Raises:
        InputError: a label is neither among the classes nor NONE.
    """
    answers = logits(classifier, test.poses)
    known = test.labels != NONE
    targets, probabilities = class_indices(test.labels[known], classes), softmax(answers[known])
    told_apart = (
        detection(knownness(answers[known]), knownness(answers[~known])) if 0 < known.sum() < len(test) else None
    )
    return Assessment(
        scores=score(targets, probabilities.argmax(axis=1), classes),
        reliability=reliability(probabilities, targets),
        uncalibrated=reliability(softmax(temperature * answers[known]), targets),
        passed=float((unknown(answers[known]) <= THRESHOLD).mean()),
        detection=told_apart,
    )

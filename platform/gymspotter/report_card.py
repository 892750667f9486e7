"""What a model says of its own making, for people to look at: how it did on the test side, and how much each side held.

It is registered with the model, so that a service can show it without the training's data. Plain numbers and lists.
"""

from typing import Any

import numpy as np

from gymspotter.assessment import Assessment
from gymspotter.calibration import Reliability
from gymspotter.splits import Split
from gymspotter.windows import Segments


def report_card(found: Assessment, sides: Split) -> dict[str, Any]:
    """The report of a model that was trained on ``sides`` and assessed on the test side.

    Its fields: ``confusion`` (true classes in rows) and ``per_class`` of `metrics.Scores`; ``reliability`` after and
    ``uncalibrated`` before calibration; ``train``, ``validation`` (None if there was none) and ``test``, how many
    segments, videos and groups each held, and segments by exercise.
    """
    classes = list(found.scores.per_class)
    return {
        "confusion": found.scores.confusion.tolist(),
        "per_class": found.scores.per_class,
        "reliability": _reliability(found.reliability),
        "uncalibrated": _reliability(found.uncalibrated),
        "train": _side(sides.train, classes),
        "validation": None if sides.validation is None else _side(sides.validation, classes),
        "test": _side(sides.test, classes),
    }


def _reliability(found: Reliability) -> dict[str, Any]:
    """The expected calibration error, and the bins that hold segments: the others have no means."""
    bins = len(found.count)
    return {
        "error": found.error,
        "bins": [
            {
                "low": k / bins,
                "high": (k + 1) / bins,
                "confidence": float(found.confidence[k]),
                "accuracy": float(found.accuracy[k]),
                "count": int(found.count[k]),
            }
            for k in np.flatnonzero(found.count).tolist()
        ],
    }


def _side(side: Segments, classes: list[str]) -> dict[str, Any]:
    """Segments that show none of the classes are among ``segments`` only."""
    return {
        "segments": len(side),
        "videos": len(np.unique(side.video_ids)),
        "groups": len(np.unique(side.groups)),
        "per_class": {name: int((side.labels == name).sum()) for name in classes},
    }

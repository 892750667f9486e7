"""How good a classifier is: accuracy, macro precision, recall and F1, the confusion matrix, per class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Shares in 0..1. Macro means are over the classes that occur; one that is never predicted has precision 0.

    ``confusion`` [K, K] counts true classes in rows and predicted ones in columns; ``per_class`` has for each class its
    precision, recall, F1 and support.
    """

    accuracy: float
    precision: float
    recall: float
    f1: float
    confusion: NDArray[np.int64]
    per_class: dict[str, dict[str, float]]

    def summary(self) -> dict[str, float]:
        """The four numbers of the paper's tables."""
        return {
            "accuracy": self.accuracy,
            "macro_precision": self.precision,
            "macro_recall": self.recall,
            "macro_f1": self.f1,
        }


def score(truth: NDArray[np.int64], predicted: NDArray[np.int64], classes: Sequence[str]) -> Scores:
    """Scores of ``predicted`` against ``truth``, both [S] indices into ``classes``."""
    all_classes = np.arange(len(classes))
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, predicted, labels=all_classes, zero_division=0
    )
    there = support > 0
    return Scores(
        accuracy=float((truth == predicted).mean()),
        precision=float(precision[there].mean()),
        recall=float(recall[there].mean()),
        f1=float(f1[there].mean()),
        confusion=confusion_matrix(truth, predicted, labels=all_classes),
        per_class={
            name: {
                "precision": float(precision[k]),
                "recall": float(recall[k]),
                "f1": float(f1[k]),
                "support": int(support[k]),
            }
            for k, name in enumerate(classes)
        },
    )


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Mean and sample standard deviation of a score over ``runs`` seeds; one run has no deviation (NaN)."""

    mean: float
    deviation: float
    runs: int


def spread(values: Sequence[float]) -> Spread:
    """The spread of one score over seeds.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("there are no values to take the mean of.")
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return Spread(mean=float(np.mean(values)), deviation=deviation, runs=len(values))

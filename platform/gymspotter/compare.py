"""Is one classifier better than another? Both answer the same test segments, and chance is told from skill.

Segments of one video are no independent witnesses, so whole groups are drawn in the bootstrap. McNemar's test looks at
the segments of which exactly one of the two is right; it takes them as independent and is the more optimistic of both.

Shapes: S segments, G groups, K classes, R resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from gymspotter.errors import InputError
from gymspotter.metrics import Scores, score

Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate and the ends of its confidence interval."""

    value: float
    low: float
    high: float
    confidence: float


@dataclass(frozen=True, kw_only=True)
class ClassChange:
    """One class: how often it occurs, and the recall of either classifier."""

    name: str
    support: int
    champion: float
    challenger: float

    @property
    def change(self) -> float:
        """What the challenger's recall is more."""
        return self.challenger - self.champion


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Challenger against champion on the same segments.

    ``gain`` is the challenger's macro F1 less the champion's. ``only_challenger`` and ``only_champion`` count segments
    of which one alone is right, ``p_value`` is McNemar's for them.
    """

    champion: Scores
    challenger: Scores
    gain: Interval
    only_champion: int
    only_challenger: int
    p_value: float
    classes: tuple[ClassChange, ...]
    segments: int
    groups: int


def compare(
    truth: Indices,
    champion: Indices,
    challenger: Indices,
    *,
    groups: NDArray[np.str_],
    classes: Sequence[str],
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Compare two classifiers' answers.

    Args:
        truth: [S] class indices.
        champion: [S] what the one answered.
        challenger: [S] what the other answered.
        groups: [S] who or what each segment shows; drawn as a whole.
        classes: the K names.
        confidence: of the interval.
        resamples: R, how often groups are drawn anew.
        seed: of the drawing.

    Raises:
        InputError: there are no segments, or not as many answers as segments.
    """
    if not len(truth):
        raise InputError("there are no test segments to compare on: name tracks that neither model was trained on.")
    if not len(truth) == len(champion) == len(challenger) == len(groups):
        raise InputError(
            f"{len(champion)} and {len(challenger)} answers to {len(truth)} segments: let both answer the same ones."
        )
    one, other = score(truth, champion, classes), score(truth, challenger, classes)
    only_champion = int(((champion == truth) & (challenger != truth)).sum())
    only_challenger = int(((challenger == truth) & (champion != truth)).sum())
    return Comparison(
        champion=one,
        challenger=other,
        gain=_gain(truth, champion, challenger, groups, len(classes), confidence, resamples, seed),
        only_champion=only_champion,
        only_challenger=only_challenger,
        p_value=mcnemar(only_champion, only_challenger),
        classes=tuple(
            ClassChange(
                name=name,
                support=int(one.per_class[name]["support"]),
                champion=one.per_class[name]["recall"],
                challenger=other.per_class[name]["recall"],
            )
            for name in classes
            if one.per_class[name]["support"]
        ),
        segments=len(truth),
        groups=len(np.unique(groups)),
    )


def mcnemar(one: int, other: int) -> float:
    """The exact two-sided p-value of McNemar's test (McNemar 1947): are ``one`` and ``other`` tosses of a fair coin?"""
    return float(binomtest(one, one + other, 0.5).pvalue) if one + other else 1.0


def _gain(
    truth: Indices,
    champion: Indices,
    challenger: Indices,
    groups: NDArray[np.str_],
    k: int,
    confidence: float,
    resamples: int,
    seed: int,
) -> Interval:
    """The percentile bootstrap (Efron 1979) of the difference in macro F1, paired, over groups."""
    _, group_of = np.unique(groups, return_inverse=True)
    g = group_of.max() + 1
    weights_RG = np.random.default_rng(seed).multinomial(g, np.full(g, 1 / g), size=resamples)
    everybody = np.ones((1, g), np.int64)
    differences = []
    for weights in (everybody, weights_RG):
        f1 = [macro_f1(weights @ _counts(truth, answers, group_of, g, k), k) for answers in (champion, challenger)]
        differences.append(f1[1] - f1[0])
    tail = (1 - confidence) / 2
    low, high = np.quantile(differences[1], [tail, 1 - tail])
    return Interval(value=float(differences[0][0]), low=float(low), high=float(high), confidence=confidence)


def _counts(truth: Indices, answers: Indices, group_of: Indices, groups: int, k: int) -> Indices:
    """[G, 3K] of each group and class: segments that are of it and called so, that are of it, that are called so."""
    counts = np.zeros((groups, 3 * k), np.int64)
    right = answers == truth
    np.add.at(counts, (group_of[right], truth[right]), 1)
    np.add.at(counts, (group_of, k + truth), 1)
    np.add.at(counts, (group_of, 2 * k + answers), 1)
    return counts


def macro_f1(counts_R3K: Indices, k: int) -> NDArray[np.float64]:
    """[R] macro F1, over the classes that occur in each resample: twice the right ones over true and called ones."""
    right, true, called = (counts_R3K[:, i * k : (i + 1) * k] for i in range(3))
    there = true > 0
    f1 = np.where(there, 2 * right / np.maximum(true + called, 1), 0.0)
    return f1.sum(axis=1) / there.sum(axis=1)

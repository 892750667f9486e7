"""Whose trials go on to a sweep's finals, and who wins them."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from gymspotter.errors import InputError
from gymspotter.sweeps.space import Point

# Of the fusion models, those that attend: the best of them is what is served.
TRANSFORMERS = ("transformer", "spotter")


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A trial that has ended: its key, where in the space it was, and the best macro F1 on the validation side."""

    key: str
    point: Point
    f1: float
    failed: bool = False

    @property
    def cell(self) -> tuple[str, str]:
        """Its model and its undersampling."""
        return str(self.point["model"]), str(self.point["undersample"])


def finalists_of(tried: Sequence[Tried], most: int = 0) -> list[Tried]:
    """The best ``most`` trials, best first, and the best of the Transformers; with 0 the best of every cell.

    Raises:
        InputError: every trial failed.
    """
    ranked = sorted((trial for trial in tried if not trial.failed), key=lambda trial: -trial.f1)
    if not ranked:
        raise InputError("every trial of the sweep failed: look at the errors of its runs in MLflow.")
    if most:
        attending = [trial for trial in ranked if trial.point["model"] in TRANSFORMERS]
        best = ranked[:most]
        return best if {trial.key for trial in attending[:1]} <= {t.key for t in best} else [*best, attending[0]]
    first: dict[tuple[str, str], Tried] = {}
    for trial in ranked:
        first.setdefault(trial.cell, trial)
    return list(first.values())


def winners_of(finals: dict[str, list[float]], finalists: Sequence[Tried]) -> dict[str, list[str]]:
    """Who wins, by the mean validation macro F1 over the seeds; the test side has no say.

    Args:
        finals: of each finalist's key, the F1 of each seed that did not fail.
        finalists: the trials they come from.

    Returns:
        Key to what it has won, "transformers" or "all models" or both; the winner of "transformers" first.

    Raises:
        InputError: every final failed.
    """
    means = {trial.key: fmean(finals[trial.key]) for trial in finalists if finals.get(trial.key)}
    if not means:
        raise InputError("every final of the sweep failed: look at the errors of its runs in MLflow.")
    attending = [t.key for t in finalists if t.key in means and t.point["model"] in TRANSFORMERS]
    won: dict[str, list[str]] = {}
    if attending:
        won.setdefault(max(attending, key=means.__getitem__), []).append("transformers")
    won.setdefault(max(means, key=means.__getitem__), []).append("all models")
    return won

"""Pictures for MLflow and the report (matplotlib, without a display)."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import matplotlib.ticker
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gymspotter.assessment import Assessment
from gymspotter.calibration import Reliability
from gymspotter.fit import Epoch
from gymspotter.labels import EXERCISES

# Readable on white, also for most colour-blind readers (Okabe and Ito 2008).
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#8a8f98"
PALE = "#b3d1e6"

_FEW = 10  # answers whose share of right ones says little


def confusion_figure(confusion: NDArray[np.int64], classes: Sequence[str]) -> Figure:
    """Counts of true (rows) against predicted (columns) classes, coloured by the share of the row."""
    k = len(classes)
    rows = confusion.sum(axis=1, keepdims=True)
    share = np.divide(confusion, rows, out=np.zeros(confusion.shape), where=rows > 0)
    figure = Figure(figsize=(0.42 * k + 3, 0.36 * k + 2.4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(share, cmap=mpl.colormaps["Blues"], vmin=0, vmax=1, aspect="auto")
    for i, j in zip(*np.nonzero(confusion), strict=True):
        dark = share[i, j] > 0.55
        axes.text(j, i, str(confusion[i, j]), ha="center", va="center", fontsize=8, color="white" if dark else "black")
    axes.set_xticks(range(k), classes, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_yticks(range(k), classes, fontsize=8)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_xticks(np.arange(-0.5, k), minor=True)
    axes.set_yticks(np.arange(-0.5, k), minor=True)
    axes.grid(which="minor", color="#e6e8eb", linewidth=0.6)
    axes.tick_params(which="both", length=0)
    return figure


def figures_of(found: Assessment, epochs: Sequence[Epoch]) -> dict[str, Figure]:
    """What a training is kept with, by file name: confusion, reliability, learning curves, the classes."""
    return {
        "confusion_matrix.png": confusion_figure(found.scores.confusion, EXERCISES),
        "reliability.png": reliability_figure(found.diagrams),
        "learning_curves.png": learning_figure(epochs),
        "per_class.png": per_class_figure(found.scores.per_class),
    }


def per_class_figure(per_class: Mapping[str, Mapping[str, float]]) -> Figure:
    """Precision, recall, F1 and the number of segments of each class that occurs, as a table, the worst F1 first."""
    there = sorted((row["f1"], name) for name, row in per_class.items() if row["support"])
    names = [name for _, name in there]
    columns = ("precision", "recall", "f1")
    values = np.array([[per_class[name][column] for column in columns] for name in names]).reshape(-1, len(columns))
    figure = Figure(figsize=(5.6, 0.28 * len(names) + 1.0), layout="constrained")
    axes = figure.subplots()
    axes.imshow(values, cmap=mpl.colormaps["Blues"], vmin=0, vmax=1.4, aspect="auto")
    for i, name in enumerate(names):
        for j, value in enumerate(values[i]):
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=8)
        axes.text(len(columns) - 0.4, i, f"{per_class[name]['support']:.0f}", ha="left", va="center", fontsize=8)
    axes.text(len(columns) - 0.4, -0.9, "segments", ha="left", va="center", fontsize=8)
    axes.set_xticks(range(len(columns)), ("precision", "recall", "F1"), fontsize=8)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def learning_figure(epochs: Sequence[Epoch]) -> Figure:
    """Epoch by epoch the training loss and, where there was a validation side, its loss and macro F1."""
    validated = [epoch for epoch in epochs if epoch.validation_f1 is not None]
    figure = Figure(figsize=(9 if validated else 6, 3), layout="constrained")
    axes = figure.subplots(1, 2 if validated else 1, squeeze=False)[0]
    axes[0].plot([e.number for e in epochs], [e.loss for e in epochs], color=BLUE, label="training")
    axes[0].set_ylabel("loss (cross-entropy)")
    if validated:
        axes[0].plot(
            [e.number for e in validated], [e.validation_loss for e in validated], color=ORANGE, label="validation"
        )
        axes[0].legend(frameon=False)
        axes[1].plot([e.number for e in validated], [e.validation_f1 for e in validated], color=ORANGE)
        axes[1].set_ylabel("macro F1 (validation)")
        axes[1].set_ylim(0, 1)
    axes[0].set_ylim(bottom=0)
    for each in axes:
        each.set_xlabel("epoch")
        each.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
        each.spines[["top", "right"]].set_visible(False)
    return figure


def reliability_figure(diagrams: Mapping[str, Reliability]) -> Figure:
    """A reliability diagram (Guo et al. 2017) for each of ``diagrams``, under its title, side by side.

    A bar is how often answers given with that confidence are right; on the line they are right as often as they claim.
    The strip below says how many answers there are.
    """
    figure = Figure(figsize=(3.9 * len(diagrams), 4.9), layout="constrained")
    rows = figure.subplots(2, len(diagrams), sharex=True, sharey="row", height_ratios=(4, 1), squeeze=False)
    for (title, diagram), above, below in zip(diagrams.items(), *rows, strict=True):
        bins = len(diagram.count)
        middle = (np.arange(bins) + 0.5) / bins
        few = diagram.count < _FEW
        for chosen, colour, label in ((~few, BLUE, "share that is right"), (few, PALE, f"of fewer than {_FEW}")):
            above.bar(middle[chosen], diagram.accuracy[chosen], 0.92 / bins, color=colour, label=label)
        above.plot((0, 1), (0, 1), color="black", linewidth=1, linestyle="--")
        above.plot(
            diagram.confidence,
            diagram.accuracy,
            "o",
            color=ORANGE,
            markersize=4,
            clip_on=False,
            label="mean confidence",
        )
        above.set_title(f"{title}\nexpected calibration error {diagram.error:.1%}", fontsize=10)
        above.set_xlim(0, 1)
        above.set_ylim(0, 1)
        below.bar(middle, diagram.count / diagram.count.sum(), 0.92 / bins, color=GREY)
        below.set_xlabel("confidence")
        for axes in (above, below):
            axes.spines[["top", "right"]].set_visible(False)
    rows[0, 0].set_ylabel("share that is right")
    rows[1, 0].set_ylabel("share of\nanswers")
    figure.legend(
        *rows[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=8
    )
    return figure

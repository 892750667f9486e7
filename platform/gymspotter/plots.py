"""Pictures for MLflow and the report (matplotlib, without a display)."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

# Readable on white, also for most colour-blind readers (Okabe and Ito 2008).
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#8a8f98"


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


def loss_figure(losses: Sequence[float]) -> Figure:
    """The training loss after each epoch."""
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(range(1, len(losses) + 1), losses, color=BLUE)
    axes.set_xlabel("epoch")
    axes.set_ylabel("training loss (cross-entropy)")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    return figure

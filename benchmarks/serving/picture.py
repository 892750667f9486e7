"""The picture of latency against sessions."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

from serving.load import FAST, Held

_COLOURS = ("#0b6e8f", "#c4591b", "#5b5b9f")


def draw(found: Mapping[str, Sequence[Sequence[Held]]], path: Path) -> None:
    """Medians of the runs at each level, for each model: p50 and p99 of label latency."""
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for (name, levels), colour in zip(found.items(), _COLOURS, strict=False):
        sessions = [runs[0].sessions for runs in levels]
        for quantile, style in (("p99", "-o"), ("p50", "--o")):
            latency = [1000 * statistics.median(getattr(run, quantile) for run in runs) for runs in levels]
            axes.plot(sessions, latency, style, color=colour, markersize=4, label=f"{name}, {quantile}")
    axes.axhline(1000 * FAST, color="0.5", linewidth=1)
    axes.annotate("100 ms", (1, 1000 * FAST), xycoords=("axes fraction", "data"), ha="right", va="bottom", color="0.4")
    axes.set_yscale("log")
    axes.set_xlim(left=0)
    axes.set_xlabel("live sessions on one machine of two cores, the load generator on it too")
    axes.set_ylabel("latency of a label, ms")
    axes.grid(visible=True, color="0.9")
    axes.legend(frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)

"""The picture of throughput and of processor time against simulated GPUs."""

from pathlib import Path
from statistics import median

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes

from scaled import figures
from scaled.figures import CRUMBS, MINUTES, REAL_TIME, Claims

_BLUE, _ORANGE = "#0b6e8f", "#c4591b"
_KINDS = (
    ("the driver", "#c4591b"),
    ("Ray's head", "#e0a458"),
    ("raylets", "#d9cfa8"),
    ("workers", "#5b5b9f"),
    ("decoders", "#0b6e8f"),
    ("other", "0.8"),
)


def draw(scaling: Claims, path: Path) -> None:
    """Left: spans a second of minutes; middle: of crumbs; right: what the processors of this machine did."""
    figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(12, 4), layout="constrained")
    _throughput(left, scaling, MINUTES, "spans of a minute, at twice the speed")
    _throughput(middle, scaling, CRUMBS, "spans of 2 s, at twice the speed")
    _processors(right, scaling)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _throughput(axes: Axes, scaling: Claims, series: str, title: str) -> None:
    found = figures.rates(scaling, series)
    gpus = np.array(list(found))
    service = scaling.value(f"{series}: mean service time of a span")
    real = figures.rates(scaling, REAL_TIME) if series == MINUTES else {}
    line, most = np.linspace(1, gpus.max(), 100), max([*gpus, *real])
    axes.plot([1, most], [1 / service, most / service], "--", color="0.6", label="GPUs / service time")
    if len(found) > 2:
        law, _ = figures.usl(scaling, series)
        axes.plot(line, [law(n) for n in line], color=_ORANGE, label="law fitted")
    for n, runs in found.items():
        axes.plot([n] * len(runs), runs, "o", color=_BLUE, markersize=3, alpha=0.5)
    axes.plot(gpus, [median(runs) for runs in found.values()], "o", color=_BLUE, markersize=6, label="medians of runs")
    if real:
        faster = scaling.value(f"{REAL_TIME}: mean service time of a span") / service
        rates = [faster * median(runs) for runs in real.values()]
        label = f"in real time, times {faster:.0f}"
        axes.plot(list(real), rates, "D", color=_BLUE, markerfacecolor="white", markersize=7, label=label)
    _finish(axes, title, "spans a second")


def _processors(axes: Axes, scaling: Claims) -> None:
    gpus = list(figures.rates(scaling, MINUTES))
    where, below = np.arange(len(gpus)), np.zeros(len(gpus))
    for kind, colour in _KINDS:
        cores = np.array([scaling.value(f"{MINUTES}, {n:.0f} simulated GPUs: {kind}") for n in gpus])
        axes.bar(where, cores, bottom=below, color=colour, label=kind, width=0.7)
        below += cores
    axes.axhline(2, color="0.4", linewidth=1)
    axes.annotate("this machine", (0, 2), ha="left", va="bottom", color="0.4", xytext=(-0.4, 2.02))
    axes.set_xticks(where, [f"{n:.0f}" for n in gpus])
    _finish(axes, "spans of a minute: who works", "cores in use")
    axes.set_ylim(0, 2.4)


def _finish(axes: Axes, title: str, what: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("simulated GPUs")
    axes.set_ylabel(what)
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, axis="y", color="0.92")
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)

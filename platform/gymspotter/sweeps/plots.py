"""Pictures of a sweep: where its trials were in the space, what mattered, what they cost, how they learned."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import matplotlib.ticker
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from gymspotter.plots import BLUE, GREEN, GREY, ORANGE
from gymspotter.sweeps.results import Importance, SweepRun, Value, front, scored, searched, timed

_COLOURS = (BLUE, ORANGE, GREEN, "#cc79a7", "#56b4e9", "#e69f00", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_FEW = 6  # so many values or fewer of a number are all named on its axis
_WIDE = 15  # an axis that spans this factor or more is logarithmic
_F1 = "macro F1 (validation)"


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis of the parallel coordinates: where each trial is (0..1, NaN if it is not on it), and its labels."""

    name: str
    at: NDArray[np.float64]
    ticks: dict[float, str]


def axis_of(name: str, values: Sequence[Value | None], *, linear: bool = False) -> Axis:
    """An axis for a parameter: each value named where they are few or words, else a scale, logarithmic if wide."""
    known = [value for value in values if value is not None]
    numbers = [float(value) for value in known if not isinstance(value, str)]
    if len(numbers) < len(known) or len(set(known)) <= _FEW:
        names = sorted(set(known), key=lambda v: (isinstance(v, str), v if isinstance(v, str) else float(v)))
        where = {value: (k + 0.5) / len(names) for k, value in enumerate(names)}
        at = np.array([np.nan if value is None else where[value] for value in values])
        return Axis(name=name, at=at, ticks={place: _short(value) for value, place in where.items()})
    low, high = min(numbers), max(numbers)
    log = not linear and low > 0 and high / low >= _WIDE
    if log:
        powers = [m * 10.0**p for p in range(-12, 13) for m in (1, 3)]
        labelled = [low, *(power for power in powers if 1.3 * low < power < high / 1.3), high]
    else:
        labelled = list(np.linspace(low, high, 4))

    def place(value: float) -> float:
        if log:
            return float(np.log(value / low) / np.log(high / low))
        return (value - low) / (high - low)

    at = np.array([np.nan if value is None else place(float(value)) for value in values])
    return Axis(name=f"{name}\n(log)" if log else name, at=at, ticks={place(one): _short(one) for one in labelled})


def coordinates_figure(trials: Sequence[SweepRun]) -> Figure:
    """Every trial that reached a macro F1 as a line over the parameters that all models have, coloured by that F1.

    Trials that were ended early are thin. On axes of words and few values lines are spread a little.
    """
    known = scored(trials)
    f1 = np.array([trial.f1 for trial in known])
    axes = [axis_of(name, [trial.point.get(name) for trial in known]) for name in searched(known)]
    axes.append(axis_of(_F1.replace(" ", "\n"), [float(value) for value in f1], linear=True))
    shift = np.linspace(-0.3, 0.3, len(known))[np.random.default_rng(0).permutation(len(known))]
    spread = [shift / len(axis.ticks) if len(set(axis.at)) <= len(axis.ticks) else 0.0 for axis in axes]
    spread[-1] = 0.0
    heights_NA = np.stack([axis.at + moved for axis, moved in zip(axes, spread, strict=True)], axis=1)
    figure = Figure(figsize=(min(max(7, 1.25 * len(axes) + 1), 12.8), 4.6), layout="constrained")
    plot = figure.subplots()
    lines = LineCollection(
        [np.stack([np.arange(len(axes)), heights], axis=1) for heights in heights_NA],
        cmap="viridis_r",
        norm=Normalize(f1.min(), f1.max()),
        array=f1,
        linewidths=[0.8 if trial.stopped else 1.6 for trial in known],
        alpha=0.85,
    )
    plot.add_collection(lines)
    for k, axis in enumerate(axes):
        plot.axvline(k, color="black", linewidth=0.8)
        for height, text in axis.ticks.items():
            plot.annotate(
                text, (k, height), (3, 0), textcoords="offset points", va="center", fontsize=8,
                bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.6},
            )  # fmt: skip
    plot.set_xlim(-0.1, len(axes) - 0.45)
    plot.set_ylim(-0.04, 1.04)
    plot.set_xticks(range(len(axes)), [axis.name.replace("_", "\n") for axis in axes], fontsize=9)
    plot.set_yticks([])
    plot.tick_params(length=0)
    plot.spines[:].set_visible(False)
    figure.colorbar(lines, ax=plot, label=_F1, fraction=0.03, pad=0.01)
    return figure


def importance_figure(found: Importance) -> Figure:
    """The drop of R2 by parameter, largest on top, with one deviation over the repeats."""
    figure = Figure(figsize=(6.4, 0.34 * len(found.drop) + 1), layout="constrained")
    axes = figure.subplots()
    names = list(found.drop)[::-1]
    drops = [found.drop[name] for name in names]
    axes.barh(names, [d.mean for d in drops], xerr=[d.deviation for d in drops], color=BLUE, ecolor=GREY, capsize=2)
    axes.set_xlabel("R² that is lost when its values are shuffled")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure


def cost_figure(trials: Sequence[SweepRun]) -> Figure:
    """Seconds (log) against macro F1 of every trial that has both; the line is the Pareto front."""
    known = timed(trials)
    models = list(dict.fromkeys(sorted(trial.model for trial in known)))
    variants = list(dict.fromkeys(sorted(trial.undersample for trial in known)))
    figure = Figure(figsize=(8.2, 4.4), layout="constrained")
    axes = figure.subplots()
    for trial in known:
        colour = _COLOURS[models.index(trial.model) % len(_COLOURS)]
        marker = _MARKERS[variants.index(trial.undersample) % len(_MARKERS)]
        face = "none" if trial.stopped else colour
        axes.plot(trial.seconds, trial.f1, marker, color=colour, markerfacecolor=face, markersize=6)
    best = front(known)
    axes.plot(
        [t.seconds for t in best], [t.f1 for t in best], color=GREY, linewidth=1.2, drawstyle="steps-post", zorder=0
    )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(mpl.ticker.NullFormatter())
    axes.set_xlabel("trial-seconds (log)")
    axes.set_ylabel(_F1)
    axes.grid(color="#e6e8eb", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    dots = [Line2D([], [], marker="o", linestyle="", color=_COLOURS[k % 7], label=m) for k, m in enumerate(models)]
    shapes = [Line2D([], [], marker=_MARKERS[k % 7], linestyle="", color=GREY, label=v) for k, v in enumerate(variants)]
    more = [
        Line2D([], [], marker="o", linestyle="", color=GREY, markerfacecolor="none", label="ended early"),
        Line2D([], [], color=GREY, label="Pareto front"),
    ]
    figure.legend(handles=[*dots, *shapes, *more], loc="outside right upper", frameon=False, fontsize=8)
    return figure


def curves_figure(trials: Sequence[SweepRun]) -> Figure:
    """Macro F1 on the validation side by epoch: a picture for each model, a line for each trial.

    A dot is where a trial was ended early, a cross where it failed; in grey are the other models' trials.
    """
    known = [trial for trial in trials if trial.epochs]
    models = sorted({trial.model for trial in known})
    variants = sorted({trial.undersample for trial in known})
    columns = min(4, len(models))
    rows = -(-len(models) // columns)
    figure = Figure(figsize=(2.6 * columns + 0.6, 2.1 * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for place, (axes, model) in enumerate(zip(grid, models, strict=False)):
        for trial in known:
            numbers, f1 = zip(*trial.epochs, strict=True)
            if trial.model != model:
                axes.plot(numbers, f1, color="#e6e8eb", linewidth=0.6, zorder=0)
                continue
            colour = _COLOURS[variants.index(trial.undersample) % len(_COLOURS)]
            axes.plot(numbers, f1, color=colour, linewidth=1.1, alpha=0.8)
            if trial.stopped or trial.failed or len(f1) == 1:
                axes.plot(numbers[-1], f1[-1], "x" if trial.failed else ".", color=colour, markersize=5)
        axes.set_title(model, fontsize=9)
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True, nbins=5))
        axes.spines[["top", "right"]].set_visible(False)
        if place + columns >= len(models):  # nothing is shown below it
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("epoch", fontsize=9)
        if place % columns == 0:
            axes.set_ylabel(_F1, fontsize=9)
    for axes in grid[len(models) :]:
        axes.set_visible(False)
    lines = [Line2D([], [], color=_COLOURS[k % 7], label=v) for k, v in enumerate(variants)]
    figure.legend(handles=lines, loc="outside upper right", ncols=len(lines), frameon=False, fontsize=8)
    return figure


def _short(value: Value) -> str:
    return f"{value:.2g}" if isinstance(value, float) and value != round(value) else f"{value}"

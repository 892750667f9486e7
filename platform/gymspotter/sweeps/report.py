"""A sweep's report: one HTML file that needs nothing else, made of what MLflow holds.

gymspotter report sweep
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from gymspotter import storage
from gymspotter.errors import InputError
from gymspotter.page import Markup, facts, link, page, plot, tag
from gymspotter.sweeps.plots import coordinates_figure, cost_figure, curves_figure, importance_figure
from gymspotter.sweeps.record import read_sweep
from gymspotter.sweeps.results import FEWEST, SweepRecord, SweepRun, importance, scored, searched, timed
from gymspotter.sweeps.tables import (
    NONE,
    all_runs,
    failed_runs,
    front_table,
    leaderboard,
    leak_table,
    options_table,
    paper_table,
)
from gymspotter.tracking import use_store

_STYLE = "body { max-width: 1240px } td b { display: block; font-size: .87rem }"


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Write what a sweep came to as one HTML page: leaderboard, the paper's tables, what mattered, cost, leak."""

    sweep: Annotated[str, tyro.conf.Positional] = "sweep"
    """The sweep's name, or the id of its run in MLflow; of several of one name it is the latest."""
    tracking_uri: str | None = None
    """MLflow's store; by default MLFLOW_TRACKING_URI, else sqlite:///mlflow.db."""
    out: str = ""
    """The page, also s3://, gs://; by default the sweep's name with .html, in the current folder."""


def report(options: ReportOptions) -> str:
    """Write the page, say where it is, and return that.

    Raises:
        InputError: there is no such sweep, the store cannot be used, or the page cannot be written there.
    """
    record = read_sweep(use_store(options.tracking_uri, existing=True), options.sweep)
    name = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in record.name)
    out = storage.absolute(options.out or f"{name}.html")
    try:
        storage.write_whole(out, page(f"Sweep {record.name}", _parts(record), style=_STYLE).encode())
    except InputError as error:
        raise InputError(f"out: {error}") from error
    for sentence in _notes(record):
        print(sentence)
    if command := record.server_command:
        print(f"its links work while this runs: {command}")
    print(f"report: {out}")
    return out


def _parts(record: SweepRecord) -> list[object]:
    found = scored(record.trials)
    return [
        tag("h1", f"Sweep {record.name}"),
        tag("p", f"Begun {record.begun}. ", link("Its run in MLflow", record.address + record.run_id), "."),
        *(tag("p", tag("b", sentence)) for sentence in _notes(record)),
        _figures(record),
        tag("h2", "What was searched"),
        options_table(record),
        tag("h2", "Leaderboard"),
        leaderboard(record),
        tag("h2", "The paper's Table 2: without undersampling"),
        paper_table(record, "none"),
        tag("h2", "The paper's Table 3: half of the plank segments left out"),
        paper_table(record, "plank-half"),
        tag("h2", "Where the trials were"),
        _coordinates(found),
        tag("h2", "What mattered"),
        _importance(record.trials),
        tag("h2", "Cost against quality"),
        _cost(record.trials),
        front_table(record) if timed(record.trials) else "",
        tag("h2", "Learning curves"),
        _curves(record.trials),
        tag("h2", "Leak"),
        leak_table(record),
        tag("h2", "Failed trials"),
        failed_runs(record),
        tag("h2", "All runs"),
        all_runs(record),
    ]


def _notes(record: SweepRecord) -> list[str]:
    """What a reader must know before all else."""
    notes = []
    if record.others:
        notes.append(
            f"{len(record.others) + 1} sweeps are called {record.name}; this is the latest. "
            f"The ids of the others: {', '.join(record.others)}."
        )
    if record.status != "FINISHED":
        notes.append("The sweep has not ended: it is under way or was killed. This is what is recorded so far.")
    return notes


def _figures(record: SweepRecord) -> Markup:
    metrics, trials = record.metrics, record.trials
    spent = metrics.get("epochs_spent", sum(trial.epochs_run for trial in trials))
    full = metrics.get("epochs_full", 0)
    seconds = metrics.get("trial_seconds", sum(trial.seconds for trial in timed(trials)))
    values = {
        "trials": f"{metrics.get('trials', len(trials)):.0f}",
        "of them failed": f"{metrics.get('trials_failed', sum(trial.failed for trial in trials)):.0f}",
        "ended early": sum(bool(trial.stopped) for trial in trials),
        "epochs spent": f"{spent:.0f} of {full:.0f}" if full else f"{spent:.0f}",
        "trial-seconds": f"{seconds:,.0f}",
        "seconds on the clock": f"{metrics['wall_seconds']:,.0f}" if "wall_seconds" in metrics else NONE,
        "finalists": len(record.finalists),
    }
    if found := scored(trials):
        values["best validation F1"] = f"{found[-1].f1:.1%}"
    return facts(values)


def _coordinates(found: Sequence[SweepRun]) -> Markup:
    if len(found) < 2 or not searched(found):
        return tag("p", "There is nothing to compare yet: it takes two trials that differ and reached a macro F1.")
    return plot(
        coordinates_figure(found),
        f"{len(found)} trials as lines over their parameters, coloured by macro F1 on the validation side",
        "A line is a trial, coloured by its macro F1; thin ones were ended early, with what they had reached. What "
        "only some models have (width, heads, layers) is left out.",
    )


def _importance(trials: Sequence[SweepRun]) -> Markup:
    found = importance(trials)
    if found is None:
        return tag("p", f"That cannot be said: it takes {FEWEST} trials or more that differ in what they reached.")
    if not found.r2 > 0:
        return tag(
            "p",
            f"That cannot be said: a random forest of the {found.trials} trials does not predict those that it has not "
            f"seen (out-of-bag R² {found.r2:.2f}), so what it makes much of would mean nothing.",
        )
    top = ", ".join(name for name, drop in list(found.drop.items())[:3] if drop.mean > 0)
    return plot(
        importance_figure(found),
        f"Importance of the parameters as bars; the largest: {top}",
        f"Of this sweep's {found.trials} trials only, and no law: what a random forest that predicts their macro F1 "
        "loses when one parameter's values are shuffled (permutation importance, mean ± deviation over repeats). The "
        f"forest's R² is {found.r2:.2f} on trials that it has not seen (out of bag; 1 would be perfect). Trials that "
        "were ended early count with what they had reached.",
    )


def _cost(trials: Sequence[SweepRun]) -> Markup:
    if not timed(trials):
        return tag("p", "No trial has ended yet.")
    return plot(
        cost_figure(trials),
        "Trial-seconds against macro F1 on the validation side, with the Pareto front",
        "The line is the Pareto front: nothing in the sweep is both cheaper and better than the trials on it.",
    )


def _curves(trials: Sequence[SweepRun]) -> Markup:
    if not any(trial.epochs for trial in trials):
        return tag("p", "No epoch is recorded yet.")
    return plot(
        curves_figure(trials),
        "Macro F1 on the validation side by epoch, for each model and trial",
        "A dot is where a trial was ended early, a cross where it failed; in grey are the trials of the other models.",
    )

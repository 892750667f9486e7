"""The tables of a sweep's report: leaderboard, the paper's tables beside ours, what failed, all runs."""

import math

from gymspotter.metrics import Spread
from gymspotter.models import MODELS
from gymspotter.page import Markup, link, table, tag
from gymspotter.paper import METRICS, TABLES, percent
from gymspotter.sweeps.results import LOCAL, VALIDATION, Finalist, SweepRecord, SweepRun, front

NONE = "–"
# Of each of the paper's metrics, what a final records.
_TEST = {
    "recall": "test_macro_recall",
    "precision": "test_macro_precision",
    "f1": "test_macro_f1",
    "accuracy": "test_accuracy",
}


def options_table(record: SweepRecord) -> Markup:
    """Budget, data, split, commit and device; all options and the space are folded."""
    budget = ("trials", "minutes", "epochs", "grace", "reduction", "search", "scheduler", "seeds", "seed")
    given = ", ".join(f"{name} {record.params[name]}" for name in budget if name in record.params)
    tags = {name: text for name, text in record.tags.items() if name not in ("kind", "sweep", "key", "space")}
    order = [name for name in ("data", "split", "commit", "device") if name in tags]
    rows: list[tuple[object, object]] = [("budget", given or NONE)]
    rows += [(name, tags[name]) for name in (*order, *sorted(set(tags) - set(order)))]
    folded = [tag("details", tag("summary", "All options"), table(("option", "value"), sorted(record.params.items())))]
    if record.space:
        folded.append(tag("details", tag("summary", "The space"), tag("pre", record.space)))
    return Markup(table(("what", "as recorded"), rows) + "".join(folded))


def leaderboard(record: SweepRecord) -> Markup:
    """The finalists, best first by what they are chosen by; winners stand out."""
    if not record.finalists:
        return tag("p", "There are no finalists yet: the search comes first, then the best go on with several seeds.")
    head = (
        "model, undersampling", "validation F1", "test macro F1", "test accuracy", "calibration error",
        "seconds of a fit", "seeds", "parameters",
    )  # fmt: skip
    note = (
        "In percent, mean ± deviation over the seeds, in the order of macro F1 on the validation side, by which "
        "winners are chosen; the test side has no say in it. A winner was trained once more, and that was registered."
    )
    marked = [number for number, finalist in enumerate(record.finalists) if finalist.winner]
    rows = [_place(record, finalist) for finalist in record.finalists]
    return Markup(table(head, rows, numbers=range(1, 7), marked=marked) + tag("p", note, class_="quiet"))


def _place(record: SweepRecord, finalist: Finalist) -> list[object]:
    """A finalist's row of the leaderboard."""
    first, winner, seconds = finalist.first, finalist.winner, finalist.spread("seconds")
    name = _linked(record, first)
    if winner:
        version = link(f"version {winner.version}", record.address + winner.run_id)
        reached = winner.metrics.get("test_macro_f1", math.nan)
        name = Markup(name + tag("b", f" won {winner.won}: ", version, f" (test macro F1 {reached:.1%})"))
    return [
        name,
        _percent(finalist.spread(VALIDATION)),
        _percent(finalist.spread("test_macro_f1")),
        _percent(finalist.spread("test_accuracy")),
        _percent(finalist.spread("test_calibration_error")),
        f"{seconds.mean:.1f}" if seconds else NONE,
        f"{len(finalist.runs)}" + (f" ({finalist.failed} failed)" if finalist.failed else ""),
        _parameters(first),
    ]


def paper_table(record: SweepRecord, undersample: str) -> Markup:
    """Our finals of one undersampling beside the paper's row, in its columns."""
    paper = TABLES[undersample]
    head = ["model", *(name for metric in METRICS for name in (metric.replace("f1", "F1"), "paper"))]
    rows: list[list[object]] = []
    for model in (*paper, *(model for model in MODELS if model not in paper)):
        finalist, row = record.finalist(model, undersample), paper.get(model)
        cells: list[object] = [model]
        for metric in METRICS:
            cells.append(_percent(finalist.spread(_TEST[metric])) if finalist else "not a finalist")
            cells.append(f"{getattr(row, metric):.2f}" if row else NONE)
        rows.append(cells)
    note = (
        "In percent; recall, precision and F1 are macro means; ours as mean ± deviation over the seeds of the best "
        "finalist. The paper's figures are of its own videos, divided at random: another task, "
        "so the two do not compare by their height."
    )
    return Markup(table(head, rows, numbers=range(1, len(head))) + tag("p", note, class_="quiet"))


def front_table(record: SweepRecord) -> Markup:
    """The trials that none beats in both seconds and macro F1, cheapest first."""
    rows = [
        (_linked(record, t), f"{t.seconds:.1f}", f"{t.f1:.1%}", t.epochs_run, _parameters(t))
        for t in front(record.trials)
    ]
    return table(("on the front", "seconds", "validation F1", "epochs", "parameters"), rows, numbers=(1, 2, 3))


def leak_table(record: SweepRecord) -> Markup:
    """How much of the test side was trained on, by the way it is divided off."""
    ways = {"leak_group": "whole groups on one side (this sweep)", "leak_random": "segments at random (the paper)"}
    if not any(name in record.metrics for name in ways):
        return tag("p", "Not measured yet: that is done when the sweep ends.")
    rows = [(way, f"{record.metrics[name]:.1%}") for name, way in ways.items() if name in record.metrics]
    note = (
        "A test segment leaks where it shows an instant that a training segment of the same video shows too: what a "
        "model reaches on it is in part memory."
    )
    shown = table(("how the test side is divided off", "test segments that leak"), rows, numbers=(1,))
    return Markup(shown + tag("p", note, class_="quiet"))


def failed_runs(record: SweepRecord) -> Markup:
    """What ended with an error or was killed, and the error."""
    failed = [run for run in record.runs if run.failed]
    if not failed:
        return tag("p", "None.")
    rows = [
        (_linked(record, run), run.kind, run.error or run.status, run.epochs_run, _parameters(run)) for run in failed
    ]
    return table(("run", "kind", "error", "epochs", "parameters"), rows, numbers=(3,))


def all_runs(record: SweepRecord) -> Markup:
    """Every run with a link to it, and how to make the links work."""
    if not record.runs:
        return tag("p", "None yet.")
    rows = [
        (
            _linked(record, run),
            run.kind,
            f"ended {run.stopped}" if run.stopped else run.status.lower(),
            NONE if math.isnan(run.f1) else f"{run.f1:.1%}",
            run.epochs_run,
            NONE if math.isnan(run.seconds) else f"{run.seconds:.1f}",
            _parameters(run),
        )
        for run in sorted(record.runs, key=lambda run: (run.kind, run.model, run.undersample))
    ]
    head = ("run", "kind", "state", "validation F1", "epochs", "seconds", "parameters")
    command = record.server_command
    how = tag("p", f"The links lead to {LOCAL} and work while this runs: ", tag("code", command)) if command else ""
    body = table(head, rows, numbers=(3, 4, 5))
    return Markup(how + tag("details", tag("summary", f"{len(rows)} runs"), body))


def _linked(record: SweepRecord, run: SweepRun) -> Markup:
    return link(run.cell, record.address + run.run_id)


def _parameters(run: SweepRun) -> Markup:
    return tag("span", _point(run), class_="long")


def _point(run: SweepRun) -> str:
    """Its parameters but model and undersampling; a model's own without the model's name."""
    names = (name for name in sorted(run.point, key=lambda n: ("." in n, n)) if name not in ("model", "undersample"))
    return ", ".join(f"{name.removeprefix(f'{run.model}.')} {_short(run.point[name])}" for name in names)


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _percent(spread: Spread | None) -> str:
    return NONE if spread is None or math.isnan(spread.mean) else percent(spread)

"""The tables and the picture of docs/scaling.md, made anew from the figures; prose is written by hand."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from scaled import figures, model, picture
from scaled.figures import CRUMBS, MINUTES, MODELS, REAL_TIME, Claims, Fitted
from scaled.model import Assumed, Prices

SIZES = (10, 100, 1000)
SESSIONS = (1_000, 100_000, 1_000_000)
HOURS = 1e6
TRIALS, SEGMENTS, EPOCHS = 1000, 10_000, 100
_ASSUMED, _PRICES = Assumed(), Prices()
_KINDS = ("the driver", "workers", "decoders", "raylets", "Ray's head", "other")


def write(doc: Path, results: Path) -> None:
    """Refresh the page and its picture."""
    text = doc.read_text(encoding="utf-8")
    for name, table in TABLES.items():
        text = between(text, name, table(results))
    doc.write_text(text, encoding="utf-8")
    picture.draw(Claims(results, "scaling"), doc.parent / "images" / "scaling.png")


def between(text: str, name: str, table: str) -> str:
    """The text with what stands between the markers of that name replaced.

    Raises:
        ValueError: they do not stand there once each.
    """
    begin, end = f"<!-- scaling: {name} -->", f"<!-- scaling: end of {name} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"the page must have {begin} and {end}, once each.")
    before, rest = text.split(begin)
    return f"{before}{begin}\n\n{table}\n\n{end}{rest.split(end)[1]}"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown; all but the first column is aligned to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def simulated(results: Path) -> str:
    """The runs, by number of simulated GPUs."""
    scaling = Claims(results, "scaling")
    rows = []
    for series in (MINUTES, REAL_TIME, CRUMBS):
        shares = scaling.matching(rf"{series}, (\d+) simulated GPUs: of GPUs / service time")
        for gpus, runs in figures.rates(scaling, series).items():
            what = f"{series}, {gpus:.0f} simulated GPUs"
            share = f"{median(shares[gpus]):.0%}"
            if len(runs) > 1:
                share += f" ({min(shares[gpus]):.0%} to {max(shares[gpus]):.0%})"
            ours = sum(scaling.value(f"{what}: {kind}") for kind in _KINDS)
            idle = scaling.value(f"{what}: idle processors of this machine")
            driver = scaling.value(f"{what}: the driver")
            cells = (f"{median(runs):.2f}", share, f"{driver:.2f}", f"{ours:.2f}", f"{idle:.0%}", len(runs))
            rows.append((series, f"{gpus:.0f}", *cells))
    head = ("spans", "GPUs", "spans/s", "of the ideal", "driver, cores", "all of it, cores", "machine idle", "runs")
    return table(head, rows)


def coefficients(results: Path) -> str:
    """What is fitted, with its spread."""
    scaling = Claims(results, "scaling")
    rows = []
    for series, most in ((MINUTES, 16), (MINUTES, 32), (CRUMBS, 32)):
        if len(figures.rates(scaling, series)) > 2:
            _, spread = figures.usl(scaling, series, most)
            names = {"one": ("λ, spans/s of one worker", ".3g"), "serial": ("σ", ".2g"), "crosstalk": ("κ", ".2g")}
            what = f"{series}, up to {most} GPUs"
            rows += [(f"{what}: {text}", *_spread(spread[name], form)) for name, (text, form) in names.items()]
    for series in (MINUTES, CRUMBS):
        idle, each = figures.driver(scaling, series)
        rows.append((f"{series}: d, ms of the driver a span", f"{1000 * each:.1f}", "one line through all runs"))
        rows.append((f"{series}: the driver while nothing comes, cores", f"{idle:.3f}", "the same line"))
    for name in MODELS:
        curve, held = figures.latency(results, name)
        rows.append((f"{name}: a, ms", f"{curve.idle:.2g}", ""))
        rows.append((f"{name}: w, ms", f"{curve.wait:.3g}", ""))
        rows.append((f"{name}: m, sessions a replica could hold for ever", f"{curve.most:.0f}", ""))
        rows.append((f"{name}: sessions within 100 ms", *_spread(held, ".0f")))
    return table(("coefficient", "value", "single rounds"), rows)


def prices(_: Path) -> str:
    """What is assumed of prices and machines."""
    rows = [(text, f"{value:g}") for kind in (Prices, Assumed) for _, value, text in model.explained(kind)]
    return table(("assumed", "value"), rows)


def extraction(results: Path) -> str:
    """10, 100 and 1,000 GPUs, and as many cores of BlazePose."""
    pose = figures.pose(results)
    rows = []
    for name, of in (("MMPose, GPUs", model.extract_on_gpus), ("BlazePose, cores", model.extract_on_cores)):
        for size in (1, *SIZES):
            found = of(size, pose, _ASSUMED, _PRICES)
            rows.append(
                (
                    f"{name}: {size:,}",
                    _round(found.unbounded),
                    _round(found.one_job),
                    "the cores" if name.startswith("Blaze") and "cores" in found.limit else found.limit,
                    f"{found.jobs:,}",
                    _wall(HOURS / found.unbounded),
                    f"{HOURS * found.hour_cost:,.0f} $",
                    f"{HOURS * found.hour_cost * _PRICES.spot:,.0f} $",
                    _round(found.requests_s),
                )
            )
    head = ("", "hours/hour", "in one job", "its limit", "jobs", "10⁶ hours take", "cost", "on spot", "reads/s")
    return table(head, rows)


def sweeps(results: Path) -> str:
    """A sweep of 1,000 trials."""
    found = figures.sweeping(results)
    rows = []
    for nodes in (1, *SIZES):
        sweep = model.sweep(nodes, TRIALS, SEGMENTS, EPOCHS, found, _ASSUMED, _PRICES)
        waves = TRIALS / sweep.slots
        rows.append(
            (
                f"{nodes:,}",
                f"{sweep.slots:,}",
                _wall(sweep.hours),
                _wall(sweep.longest_hours),
                f"{sweep.busy:.0%}",
                f"{waves:.2g}",
                f"{sweep.cost:,.2f} $",
            )
        )
    head = ("nodes", "slots", "ends after at most", "longest trial alone", "slots busy", "trials a slot", "cost")
    return table(head, rows)


def serving(results: Path) -> str:
    """Live sessions."""
    rows = []
    for name in MODELS:
        live = figures.live(results, name)
        for sessions in SESSIONS:
            found = model.serve(sessions, live, _ASSUMED, _PRICES)
            rows.append(
                (
                    f"{name}: {sessions:,}",
                    f"{found.replicas:,}",
                    f"{found.cores_cost:,.2f} $",
                    f"{found.egress_cost:,.2f} $",
                    f"{1000 * (found.cores_cost + found.egress_cost) / sessions:.3f} $",
                    f"{found.pictures_cost:,.0f} $",
                    f"{found.keepers:,}",
                    f"{found.copies_gbit:.2g}",
                    f"{found.in_gbit:.2g}",
                )
            )
    head = (
        "sessions",
        "replicas",
        "cores, an hour",
        "egress, an hour",
        "1,000 sessions, an hour",
        "if pictures were sent: more, an hour",
        "keepers' memory",
        "copies, Gbit/s",
        "joints in, Gbit/s",
    )
    return table(head, rows)


def sensitivity(results: Path) -> str:
    """What the answer for 100 GPUs hangs on: each assumption halved and doubled."""
    pose, rows = figures.pose(results), []
    for name in ("cores_per_gpu", "gpu_tflops", "node_gbit", "gb_hour"):
        value = getattr(_ASSUMED, name)
        cells = []
        for factor in (0.5, 1, 2):
            assumed = replace(_ASSUMED, **{name: type(value)(value * factor)})
            cells.append(_round(model.extract_on_gpus(100, pose, assumed, _PRICES).unbounded))
        rows.append((name, *cells))
    return table(("hours/hour of 100 GPUs", "half", "as assumed", "double"), rows)


TABLES: dict[str, Callable[[Path], str]] = {
    "simulated": simulated,
    "coefficients": coefficients,
    "prices": prices,
    "extraction": extraction,
    "sensitivity": sensitivity,
    "sweeps": sweeps,
    "serving": serving,
}


def _spread(found: Fitted, form: str) -> tuple[str, str]:
    spread = "one round" if found.low == found.high else f"{found.low:{form}} to {found.high:{form}}"
    return f"{found.value:{form}}", spread


def _round(value: float) -> str:
    """Two digits."""
    return f"{float(f'{value:.2g}'):,.0f}" if value >= 10 else f"{value:.2g}"


def _wall(hours: float) -> str:
    """A time on the clock."""
    if hours >= 72:
        return f"{hours / 24:,.0f} days"
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.0f} min"

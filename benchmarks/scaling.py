"""How far it scales: the real extraction on a simulated cluster, and a model on paper fitted to all that was measured.

    python benchmarks/scaling.py [--quick] [--json FILE] [--runs FILE] [--nodes N] [--write-doc]

The simulation (`scaled.simulation`) runs the real pipeline with an estimator that sleeps for service times measured
here; finished runs are kept in the file ``--runs``, so an interrupted benchmark goes on from there. ``--write-doc``
measures nothing: it writes the tables and the picture of docs/scaling.md from the figures under benchmarks/results/.
"""

import argparse
import itertools
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from common import Claim, Options, measured, parser, report
from journal import Journal
from scaled import figures, page, service, sessions, simulation
from scaled.figures import CRUMBS, MINUTES, REAL_TIME

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
DOC = HERE.parent / "docs" / "scaling.md"
GPUS_A_NODE = 2


@dataclass(frozen=True, kw_only=True)
class Series:
    """Runs that differ in the number of workers.

    ``service_s``: mean seconds that a span takes, decoding included; ``spans``: how many each worker gets, about.
    """

    name: str
    span_seconds: float
    service_s: float
    gpus: tuple[int, ...]
    spans: int


def series(span_s: float) -> list[Series]:
    """What is run: spans as they are, at twice the speed; large numbers of workers at their own speed, too; and far
    too short spans, which show where it bends.

    ``span_s``: seconds BlazePose needs for a span of a minute on one core, as measured.
    """
    return [
        Series(name=MINUTES, span_seconds=60.0, service_s=span_s / 2, gpus=(16, 1, 32, 4, 8, 2), spans=10),
        Series(name=CRUMBS, span_seconds=2.0, service_s=span_s / 60, gpus=(4, 32, 16), spans=75),
        Series(name=REAL_TIME, span_seconds=60.0, service_s=span_s, gpus=(32, 48), spans=10),
    ]


def main() -> None:
    command = parser(__doc__ or "")
    command.add_argument("--runs", type=Path, metavar="FILE", help="finished runs are kept here, and not run again")
    command.add_argument("--nodes", type=int, default=24, help="simulated nodes (of 2 GPUs each)")
    command.add_argument("--rounds", type=int, default=3, help="how often each size is run")
    command.add_argument("--write-doc", action="store_true", help="only write docs/scaling.md from the figures")
    given = command.parse_args()
    if given.write_doc:
        page.write(DOC, RESULTS)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the cluster ends with us
    with tempfile.TemporaryDirectory(prefix="gs") as folder:
        found = _simulated(Path(folder), given)
    report("scaling", _claims(found), Options(quick=given.quick, json=given.json), packages=("ray", "av", "numpy"))


def _simulated(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """The service times, what a live session costs, and the runs as ``{series: {gpus: [run, ...]}}``."""
    journal = Journal(given.runs or folder / "runs.jsonl")
    shares = journal.once("service", lambda: service.relative_times(folder / "rendered", clips=2 if given.quick else 8))
    plans = series(figures.span_seconds(RESULTS))
    rounds, nodes = given.rounds, given.nodes
    if given.quick:
        plans = [replace(plans[1], gpus=(2,), spans=150)]
        rounds, nodes = 1, 1
    todo = [(plan, gpus, k) for k, plan in itertools.product(range(rounds), plans) for gpus in plan.gpus]
    missing = [each for each in todo if _key(*each) not in journal.values]
    if missing:
        videos = simulation.tiny_videos(folder / "videos", max(gpus for _, gpus, _ in missing))
        times = {plan.name: [plan.service_s * share for share in shares] for plan in plans}
        with simulation.cluster(nodes, GPUS_A_NODE, folder / "ray", times):
            for plan, gpus, k in missing:
                journal.once(_key(plan, gpus, k), lambda p=plan, g=gpus: _run(p, g, videos, folder))  # type: ignore[misc]
    found: dict[str, Any] = {
        "service": shares,
        "service_s": {plan.name: plan.service_s for plan in plans},
        "session": sessions.measure(),
    }
    for plan, gpus, k in todo:
        found.setdefault(plan.name, {}).setdefault(gpus, []).append(journal.values[_key(plan, gpus, k)])
    return found


def _run(plan: Series, gpus: int, videos: Sequence[Path], folder: Path) -> dict[str, Any]:
    each = simulation.MINUTES * 60 / plan.span_seconds  # spans of a video
    some = videos[: max(1, round(gpus * plan.spans / each))]
    run = simulation.run(some, plan.name, gpus, plan.span_seconds, folder / "store")
    print(f"{plan.name}, {gpus} GPUs: {run.rate:.2f} spans/s of {gpus / plan.service_s:.2f}", flush=True)
    return run.as_dict()


def _key(plan: Series, gpus: int, k: int) -> str:
    return f"{plan.name} {gpus} {k}"


def _claims(found: dict[str, Any]) -> list[Claim]:
    """All that was simulated and measured here, as claims; the model reads them again."""
    claims = [measured("a span's service time over the mean, drawn from", found["service"], "x")]
    for name in (MINUTES, REAL_TIME, CRUMBS):
        runs = {gpus: found[name][gpus] for gpus in sorted(found.get(name, {}))}
        if runs:
            claims.append(Claim(claim=f"{name}: mean service time of a span", value=found["service_s"][name], unit="s"))
        for gpus, some in runs.items():
            what = f"{name}, {gpus} simulated GPUs"
            rates = [run["spans"] / run["seconds"] for run in some]
            ideal = gpus / found["service_s"][name]
            claims += [
                measured(f"{what}: spans a second", rates, "spans/s"),
                measured(f"{what}: of GPUs / service time", [rate / ideal for rate in rates], "x"),
                measured(f"{what}: idle processors of this machine", [run["idle"] for run in some], "share"),
            ]
            for kind in ("driver", "workers", "decoders", "raylets", "Ray's head", "other"):
                cores = [run["cpu_s"].get(kind, 0.0) / run["seconds"] for run in some]
                label = "the driver" if kind == "driver" else kind
                claims.append(measured(f"{what}: {label}", cores, "cores"))
    for name, unit in (("copy", "bytes"), ("sent", "bytes/s"), ("told", "bytes/s")):
        label = {"copy": "its copy", "sent": "joints sent", "told": "events told"}[name]
        claims.append(Claim(claim=f"a live session: {label}", value=found["session"][name], unit=unit))
    return claims


if __name__ == "__main__":
    main()

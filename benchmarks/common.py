"""What all benchmarks share: options, timing, and how a claim is written down.

Each benchmark is run as ``python benchmarks/<name>.py [--quick] [--json FILE]``; it prints a table and writes
``{"benchmark", "device", "versions", "claims": [{"claim", "value", "goal", "unit", "runs", "holds"}]}``.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A number that was measured, and the one it was hoped to reach.

    ``value`` is the median of ``runs`` (or the only run); ``goal`` is None where the number is only reported, and
    ``better`` says on which side of the goal it should lie.
    """

    claim: str
    value: float
    unit: str
    goal: float | None = None
    better: Literal["more", "less"] = "more"
    runs: list[float] = field(default_factory=list)

    @property
    def holds(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.better == "more" else self.value <= self.goal


@dataclass(frozen=True)
class Options:
    """The command line of every benchmark."""

    quick: bool
    json: Path | None


def parser(description: str) -> argparse.ArgumentParser:
    """The command line of every benchmark, to which one may add its own options."""
    out = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    out.add_argument("--quick", action="store_true", help="end within two minutes on two cores")
    out.add_argument("--json", type=Path, metavar="FILE", help="where to write the claims")
    return out


def options(description: str, argv: Sequence[str] | None = None) -> Options:
    """Read the command line."""
    given = parser(description).parse_args(argv)
    return Options(quick=given.quick, json=given.json)


def seconds(
    work: Callable[[], object], *, runs: int, warm_up: int = 1, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """How long ``work`` takes, ``runs`` times over, after ``warm_up`` runs that do not count.

    ``time.process_time`` as the clock counts this process' own work alone, on all its cores.
    """
    for _ in range(warm_up):
        work()
    out = []
    for _ in range(runs):
        start = clock()
        work()
        out.append(clock() - start)
    return out


def measured(claim: str, runs: Sequence[float], unit: str, **goal: object) -> Claim:
    """A claim whose value is the median of its runs; further arguments are those of `Claim`."""
    return Claim(claim=claim, value=statistics.median(runs), unit=unit, runs=list(runs), **goal)  # type: ignore[arg-type]


def device() -> str:
    """The machine in words: its processor, its cores that may be used, and its GPU if torch sees one."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        name = models[0] if models else name
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores{_gpu()}"


def _gpu() -> str:
    try:
        import torch
    except ImportError:
        return ""
    return f", {torch.cuda.get_device_name(0)}" if torch.cuda.is_available() else ""


def versions(*packages: str) -> dict[str, str]:
    """The versions of Python, gymspotter and ``packages``."""
    return {"python": platform.python_version(), **{p: metadata.version(p) for p in ("gymspotter", *packages)}}


def report(benchmark: str, claims: Sequence[Claim], given: Options, *, packages: Sequence[str] = ()) -> None:
    """Print the claims as a table and write them to ``--json``."""
    rows = [("claim", "value", "goal", "")]
    for c in claims:
        goal = "" if c.goal is None else f"{'>=' if c.better == 'more' else '<='} {c.goal:g}"
        rows.append((c.claim, f"{c.value:.4g} {c.unit}", goal, {None: "", True: "holds", False: "MISSED"}[c.holds]))
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        out = {
            "benchmark": benchmark,
            "device": device(),
            "versions": versions(*packages),
            "claims": [{k: v for k, v in asdict(c).items() if k != "better"} | {"holds": c.holds} for c in claims],
        }
        given.json.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")

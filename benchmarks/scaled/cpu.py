"""Who uses this machine's processors: CPU seconds of the simulation's processes, by what they are. Linux only."""

import os
import time
from collections import Counter
from dataclasses import dataclass

from processes import cpu_seconds, family, machine_seconds, title

# Part of a command line, and what such a process is; the first that fits counts.
_KINDS = (
    ("gymspotter.decoder", "decoders"),
    ("ray::MapWorker", "workers"),
    ("gcs_server", "Ray's head"),
    ("raylet/raylet", "raylets"),
)


@dataclass(frozen=True)
class Moment:
    """CPU seconds used so far: ``of`` each process by (kind, process id), of the whole machine ``idle`` and all."""

    at: float
    of: dict[tuple[str, int], float]
    idle: float
    all: float


def now() -> Moment:
    """What this process and all below it have used."""
    used = {(_kind(pid), pid): cpu_seconds([pid]) for pid, _ in family(os.getpid())}
    return Moment(time.perf_counter(), used, *machine_seconds())


def children() -> list[int]:
    """The process ids of all below this process."""
    return [pid for pid, _ in family(os.getpid()) if pid != os.getpid()]


def _kind(pid: int) -> str:
    command = title(pid)
    return "driver" if pid == os.getpid() else next((kind for part, kind in _KINDS if part in command), "other")


def between(before: Moment, after: Moment) -> dict[str, float]:
    """CPU seconds by kind, of the processes that were there at both moments."""
    out = Counter[str]()
    for (kind, pid), used in after.of.items():
        out[kind] += used - before.of.get((kind, pid), used)
    return dict(out)


def idle_share(before: Moment, after: Moment) -> float:
    """The share of the machine's processors that nobody used, from 0 to 1."""
    return (after.idle - before.idle) / max(after.all - before.all, 1e-9)

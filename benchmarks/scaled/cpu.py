"""Who uses this machine's processors: CPU seconds of the simulation's processes, by what they are. Linux only."""

import os
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# Part of a command line, and what such a process is; the first that fits counts.
_KINDS = (
    ("gymspotter.decoder", "decoders"),
    ("ray::MapWorker", "workers"),
    ("gcs_server", "Ray's head"),
    ("raylet/raylet", "raylets"),
)
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Moment:
    """CPU seconds used so far: ``of`` each process by (kind, process id), of the whole machine ``idle`` and all."""

    at: float
    of: dict[tuple[str, int], float]
    idle: float
    all: float


def now() -> Moment:
    """What this process and all below it have used."""
    used = {}
    for pid, seconds in _family().items():
        with suppress(OSError):  # it has ended
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
            kind = next((kind for part, kind in _KINDS if part in command), "other")
            used["driver" if pid == os.getpid() else kind, pid] = seconds
    machine = [int(word) * _TICK_S for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return Moment(time.perf_counter(), used, machine[3] + machine[4], sum(machine))


def children() -> list[int]:
    """The process ids of all below this process."""
    return [pid for pid in _family() if pid != os.getpid()]


def _family() -> dict[int, float]:
    """CPU seconds of this process and all below it, by process id."""
    parents, seconds = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                words = (folder / "stat").read_text().rsplit(")", 1)[1].split()
                parents[int(folder.name)] = int(words[1])
                seconds[int(folder.name)] = (int(words[11]) + int(words[12])) * _TICK_S
    family, news = set(), {os.getpid()}
    while news:
        family |= news
        news = {pid for pid, parent in parents.items() if parent in news}
    return {pid: seconds[pid] for pid in family if pid in seconds}


def between(before: Moment, after: Moment) -> dict[str, float]:
    """CPU seconds by kind, of the processes that were there at both moments."""
    out = Counter[str]()
    for (kind, pid), used in after.of.items():
        out[kind] += used - before.of.get((kind, pid), used)
    return dict(out)


def idle_share(before: Moment, after: Moment) -> float:
    """The share of the machine's processors that nobody used, from 0 to 1."""
    return (after.idle - before.idle) / max(after.all - before.all, 1e-9)

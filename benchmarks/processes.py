"""Processes that a benchmark starts, which are ended in any case with all that they have started; and what they use."""

import atexit
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

PATIENCE = 240.0  # seconds for a server to start on a machine that does other things as well
_FAREWELL = 30.0  # seconds for it to end on its own

Value = TypeVar("Value")
Known = set[tuple[int, str]]  # ids and when each was started: an id alone may have been given away again


class NotComeAboutError(SystemExit):
    """What was waited for of a process did not come about: says so, with the last lines that it wrote."""


class Child:
    """A process in a session of its own; what it writes is in the file ``log``."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.words = list(words)
        self._file = tempfile.NamedTemporaryFile(prefix="gymspotter-", suffix=".log")  # noqa: SIM115
        self.log = Path(self._file.name)
        self.process = subprocess.Popen(
            self.words,
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
        self.pid = self.process.pid
        self._known: Known = set()
        atexit.register(self.end)

    def until(self, look: Callable[[], Value], patience: float = PATIENCE) -> Value:
        """What ``look`` returns once that is true.

        Raises:
            NotComeAboutError: the process ended before, or it took too long. Unhandled, that ends the benchmark.
        """
        end = time.monotonic() + patience
        while True:
            ended = self.process.poll() is not None
            if found := look():
                return found
            if ended or time.monotonic() > end:
                how = f"ended with {self.process.returncode}" if ended else f"was not ready in {patience:.0f} s"
                last = "\n".join(self.lines()[-30:])
                raise NotComeAboutError(f"{' '.join(self.words[:3])} ... {how}; the last that it said:\n{last}")
            time.sleep(0.1)

    def lines(self) -> list[str]:
        """What it has written so far."""
        return self.log.read_text(errors="replace").splitlines()

    def word_after(self, text: str) -> str:
        """The word that follows ``text`` in what the process has written; "" if it is not there yet."""
        rest = self.log.read_text(errors="replace").partition(text)[2]
        return rest.split()[0] if rest.strip() and "\n" in rest else ""

    def end(self) -> None:
        """Interrupt it, wait a while, then end for good whatever is left of it and of what it started."""
        atexit.unregister(self.end)
        self._known |= family(self.pid)
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_FAREWELL)
        self._known |= family(self.pid)
        for pid, began in self._known:
            if _began(pid) == began:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self._file.close()


@contextmanager
def running(words: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[Child]:
    """A process for the length of the block."""
    child = Child(words, environment)
    try:
        yield child
    finally:
        child.end()


def family(pid: int) -> Known:
    """A process and all below it."""
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            below.setdefault(int(fields[1]), []).append(int(entry.name))
    found, left = set(), [pid]
    while left:
        one = left.pop()
        found.add((one, _began(one)))
        left += below.get(one, [])
    return found


def is_alive(pid: int) -> bool:
    """Whether anything is left of a process but its exit status: its sockets are open until its last thread ends."""
    fields = _stat(pid)
    if not fields or fields[0] not in "ZX":
        return bool(fields)
    try:
        return len(list(Path(f"/proc/{pid}/task").iterdir())) > 1
    except OSError:
        return False


def title(pid: int) -> str:
    """The command line of a process; "" if there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ").strip()
    except OSError:
        return ""


def resident_mb(pids: Sequence[int]) -> float:
    """Resident memory of processes together, in MiB; what they share counts for each."""
    pages = 0
    for pid in pids:
        with suppress(OSError):
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def machine_seconds() -> tuple[float, float]:
    """Processor seconds of this machine since it started: idle ones, and all."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    seconds = [int(field) / os.sysconf("SC_CLK_TCK") for field in fields]
    return seconds[3] + seconds[4], sum(seconds)


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU time that processes have used so far."""
    ticks = sum(int(fields[11]) + int(fields[12]) for pid in pids if (fields := _stat(pid)))
    return ticks / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port of this machine that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _began(pid: int) -> str:
    fields = _stat(pid)
    return fields[19] if fields else ""

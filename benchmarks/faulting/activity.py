"""A verb of gymspotter at work on a cluster, and what comes of it when a fault happens in the middle."""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from processes import Child

from faulting.nodes import Cluster
from faulting.rows import Row
from faulting.said import shown
from faulting.services import Services

_PATIENCE = 900.0  # seconds for what should come about, on a machine that does other things as well
ON_ITS_WAY = 1.0  # seconds in which what a killed process has sent away gets there
_PROGRAM = str(Path(sys.executable).with_name("gymspotter"))

Found = TypeVar("Found")


class Job(Child):
    """``gymspotter WORDS``: the process is the driver, its workers are the cluster's."""

    def until(self, look: Callable[[], Found], patience: float = _PATIENCE) -> Found:
        """See `Child.until`."""
        return super().until(look, patience)

    def seconds_until(self, look: Callable[[], object]) -> float:
        """Seconds until ``look`` is true."""
        began = time.monotonic()
        self.until(look)
        return time.monotonic() - began

    def wait(self) -> int:
        """Its exit status, once it has ended."""
        self.until(lambda: self.process.poll() is not None)
        return self.process.returncode

    def kill(self) -> None:
        """SIGKILL for the driver, and nothing else."""
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait()


@dataclass(kw_only=True)
class Activity:
    """A job under way on a cluster; one that was killed may be begun again.

    ``words`` are those of its command line.
    """

    cluster: Cluster
    services: Services
    words: Sequence[str]
    job: Job = field(init=False)
    _said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start()

    def start(self, *more: str) -> None:
        """Begin, or go on."""
        self.job = Job([_PROGRAM, *self.words, *more], self.cluster.env | self.services.env)

    def kill(self) -> None:
        """SIGKILL for the driver; what it has said is kept."""
        self.job.kill()
        self._said += self.job.lines()
        self.job.end()

    def lines(self) -> list[str]:
        """All that it has said so far."""
        return self._said + self.job.lines()

    def undisturbed(self) -> list[str]:
        """Let it end by itself; what it said.

        Raises:
            RuntimeError: it failed.
        """
        try:
            if self.job.wait():
                raise RuntimeError("\n".join(["without any fault it failed:", *self.lines()[-20:]]))
            return self.lines()
        finally:
            self.job.end()

    def disturbed(
        self,
        *,
        name: str,
        fault: str,
        ready: Callable[[], object],
        inflict: Callable[[Any], tuple[str, float]],
        compare: Callable[[], tuple[int, int, list[str]]],
        unusual: Callable[[list[str]], list[str]],
    ) -> Row:
        """Let a fault happen once it is ``ready``, wait for its end, and see what came of it.

        Args:
            name: of the activity, and ``fault`` that of the fault.
            ready: whether it is in the middle of its work.
            inflict: does it to this activity; returns what it was in words, and the seconds until work went on.
            compare: what is lost and what is there twice in the end, and each in words.
            unusual: of the lines that came after the fault began, those that are because of it.
        """
        try:
            began = time.monotonic()
            self.job.until(ready)
            before = len(self.lines())
            note, recover = inflict(self)
            rc = self.job.wait()
            seconds = time.monotonic() - began
            lost, twice, wrong = compare()
            said = unusual(self.lines()[before:])
        finally:
            self.job.end()
        return Row(
            activity=name,
            fault=fault,
            seen=shown(said) + shown(said[-3:] if rc else []),
            lost=lost,
            twice=twice,
            recover_s=recover,
            rc=rc,
            note="; ".join([note, *wrong, f"{seconds:.0f} s in all"]),
        )

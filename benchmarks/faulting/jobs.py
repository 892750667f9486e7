"""A verb of gymspotter as a job on the cluster: its driver is a process of its own here, whose words are kept."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

PATIENCE = 900.0  # seconds for what should come about, on a machine that does other things as well
_PROGRAM = str(Path(sys.executable).with_name("gymspotter"))
_SCHEMES = ("RAY_", "MLFLOW_", "AWS_")  # of variables that may name other clusters and servers

Found = TypeVar("Found")


class Job:
    """``gymspotter WORDS`` in a session of its own."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it with this environment, which says where the cluster, storage and MLflow are."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(_SCHEMES)}
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [_PROGRAM, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            env=ours | dict(environment),
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    def until(self, look: Callable[[], Found], patience: float = PATIENCE) -> Found:
        """What ``look`` returns once that is true.

        Raises:
            RuntimeError: the job ended before, or it took too long; with the last lines that it said.
        """
        end = time.monotonic() + patience
        while not (found := look()):
            ended = self.process.poll() is not None
            if (ended and not (found := look())) or time.monotonic() > end:
                raise RuntimeError(self._trouble("ended too soon" if ended else "waits"))
            time.sleep(0.1)
        return found

    def wait(self, patience: float = PATIENCE) -> int:
        """Its exit status; a job that does not end is killed, and a RuntimeError."""
        try:
            code = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(self._trouble("did not end")) from None
        self._reader.join(10)
        return code

    def kill(self) -> None:
        """SIGKILL for the driver, and nothing else."""
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _trouble(self, what: str) -> str:
        last = "\n".join(self.lines[-25:])
        return f"the job {what} (status {self.process.poll()}); the last that it said:\n{last}"

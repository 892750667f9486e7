"""The service as users start it, `gymspotter serve` with Ray Serve, which can be killed and started again."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx

GYMSPOTTER = str(Path(sys.executable).with_name("gymspotter"))
_START_S = 240.0
_REPLICA = "ray::ServeReplica:gymspotter:Gymspotter"  # how they call themselves
_RAY_ADDRESS = Path("/tmp/ray/ray_current_cluster")


class RayService:
    """Starts when told to, on the same port each time; what it prints is in ``log``."""

    def __init__(self, store: str, folder: Path, *words: str) -> None:
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "serve.log"
        self._command = [GYMSPOTTER, "serve", "--port", str(self.port), "--tracking-uri", store, *words]
        self._process: subprocess.Popen[bytes] | None = None
        self._started: set[int] = set()

    def start(self) -> None:
        """Returns once it is ready to answer."""
        # Without whatever cluster this shell knows: it must be one that may be killed.
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        end = time.monotonic() + _START_S
        while not self.is_ready():
            assert self._process.poll() is None, f"the service ended:\n{self._last_words()}"
            assert time.monotonic() < end, f"the service was not ready in {_START_S:g} s:\n{self._last_words()}"
            time.sleep(0.5)

    def is_ready(self) -> bool:
        """Whether a model is loaded."""
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz", timeout=10).status_code == 200
        return False

    def kill(self) -> None:
        """Kill -9 all its processes at once, as a power failure does."""
        assert self._process is not None
        self._started = _family(self._process.pid)
        for pid in self._started:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        _forget_dead_cluster()

    def kill_replicas(self) -> None:
        """Kill -9 the replicas that hold sessions; Ray Serve starts others."""
        assert self._process is not None
        killed = [pid for pid in _family(self._process.pid) if _title(pid).startswith(_REPLICA)]
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        assert killed, "no replica was found"

    def stop(self) -> None:
        """As Ctrl-C does, and for good whatever is left."""
        if self._process is None:
            return
        self._started |= _family(self._process.pid)
        self._process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(60)
        if self._process.poll() is None:
            self.kill()
        _forget_dead_cluster()

    def _last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])


def _family(pid: int) -> set[int]:
    """A process and all below it."""
    below: dict[int, list[int]] = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError, ValueError):
            fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            below.setdefault(int(fields[1]), []).append(int(entry))
    found, left = set(), [pid]
    while left:
        found.add(one := left.pop())
        left += below.get(one, [])
    return found


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


def _forget_dead_cluster() -> None:
    """Ray notes the address of the last cluster that was started; one that is dead would be looked for by others."""
    with suppress(OSError):
        host, _, port = _RAY_ADDRESS.read_text().strip().rpartition(":")
        if not port.isdigit():
            return
        with socket.socket() as probe:
            probe.settimeout(2)
            if probe.connect_ex((host, int(port))) != 0:
                _RAY_ADDRESS.unlink()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

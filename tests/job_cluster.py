"""A Ray cluster of one node as `ray start --head` makes it, with a token, and what is done to it by `ray job ...`.

The node's environment names the storage and the tracking server, as on a real node; who submits knows the dashboard's
address and the token, and no more.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.mlflow_picture import free_port, wait_until

ROOT = Path(__file__).parents[1]
RAY = str(Path(sys.executable).parent / "ray")
_TOKEN = "RAY_AUTH_TOKEN_PATH"
# What a submitter must not need: it may come from the shell that runs the tests.
_NODES_ALONE = ("RAY_", "AWS_", "MLFLOW_", "GYMSPOTTER_", "PYTHONPATH", "PYTHONUNBUFFERED")
# Actors of Ray Data, one of each for the whole cluster: they outlive the job that came first.
_RAYS_OWN = ("ray::_StatsActor", "ray::_AutoscalingCoordinatorActor", "ray::ActorLocationTracker")


@dataclass
class Submission:
    """A `ray job submit` under way, and when each line of its output came."""

    cluster: "JobCluster"
    name: str
    process: subprocess.Popen[str]
    lines: list[tuple[float, str]] = field(default_factory=list)

    def until(self, text: str, seconds: float = 300) -> float:
        """Read on until a line has the text in it; when that came."""
        end = time.monotonic() + seconds
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), line))
            if text in line:
                return self.lines[-1][0]
            assert time.monotonic() < end, f"no {text!r} in time:\n{self.log}"
        raise AssertionError(f"no {text!r} in:\n{self.log}")

    def ended(self, seconds: float = 600) -> int:
        """Read all that is left; the exit status of `ray job submit`."""
        assert self.process.stdout
        self.lines += [(time.monotonic(), line) for line in self.process.stdout]
        return self.process.wait(timeout=seconds)

    def succeeded(self) -> str:
        """The log of a job that must succeed."""
        status = self.ended()
        assert status == 0, self.log
        return self.log

    @property
    def log(self) -> str:
        """All that came so far."""
        return "".join(line for _, line in self.lines)

    def info(self) -> dict[str, Any]:
        """What the job server knows of it: status, driver_exit_code (the verb's own), message ..."""
        return self.cluster.get(f"/api/jobs/{self.name}")


@dataclass(frozen=True)
class JobCluster:
    """Where it is, and what a submitter's environment holds."""

    address: str
    temp_dir: Path
    environment: Mapping[str, str]

    def submit(self, *words: str, checkout: Path = ROOT, no_wait: bool = False, **environment: str) -> Submission:
        """`ray job submit --working-dir . --runtime-env cluster/runtime_env.yaml -- python WORDS` from a checkout."""
        name = f"test_{secrets.token_hex(6)}"
        command = [RAY, "job", "submit", "--submission-id", name, *(["--no-wait"] if no_wait else [])]
        command += ["--working-dir", ".", "--runtime-env", "cluster/runtime_env.yaml", "--", "python", *words]
        process = subprocess.Popen(
            command,
            cwd=checkout,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return Submission(self, name, process)

    def ray(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Any other command, `ray job stop NAME` for one."""
        return subprocess.run(
            [RAY, *words],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def answers(self) -> bool:
        """Whether it takes jobs by now."""
        with suppress(OSError):
            return bool(self.get("/api/version")) and self.get("/nodes?view=summary")["result"]
        return False

    def get(self, path: str) -> Any:
        """An answer of the dashboard."""
        token = Path(self.environment[_TOKEN]).read_text().strip()
        request = urllib.request.Request(self.address + path, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def processes_of(self, name: str) -> list[str]:
        """The job's processes that are there: the driver, what it started, and Ray's workers that work for it."""
        number = next((job["job_id"] for job in self.get("/api/jobs/") if job["submission_id"] == name), None)
        return [
            shown
            for _, shown, said in _processes()
            if (any(name in word for word in said.values()) or (number and said.get("RAY_JOB_ID") == number))
            and said.get(_TOKEN) == self.environment[_TOKEN]
            and "job submit" not in shown
            and not shown.startswith(_RAYS_OWN)
        ]

    def wait_for_the_end_of(self, name: str, seconds: float = 120) -> None:
        """Until none of its processes is there."""
        end = time.monotonic() + seconds
        while left := self.processes_of(name):
            assert time.monotonic() < end, f"of {name} there are still {left}"
            time.sleep(0.5)


@contextmanager
def job_cluster(folder: Path, cpus: int = 4, **environment: str) -> Iterator[JobCluster]:
    """`ray start --head` until the block ends, its nodes with that environment; the token is kept in the folder."""
    token = folder / "auth_token"
    token.write_text(secrets.token_hex(32))
    token.chmod(0o600)
    bare = {name: value for name, value in os.environ.items() if not name.startswith(_NODES_ALONE)}
    known = {"RAY_AUTH_MODE": "token", _TOKEN: str(token), "RAY_USAGE_STATS_ENABLED": "0"}
    known["RAY_memory_monitor_refresh_ms"] = "0"  # the machine's memory may be full of what others do
    known["PATH"] = f"{Path(RAY).parent}:{os.environ['PATH']}"  # a job's `python` is the one that has its packages
    dashboard = f"http://127.0.0.1:{free_port()}"
    # Not in pytest's folder, whose path is too long for a socket.
    with tempfile.TemporaryDirectory(prefix="job-", ignore_cleanup_errors=True) as temp:
        command = [RAY, "start", "--head", "--block", f"--temp-dir={temp}", f"--num-cpus={cpus}"]
        command += ["--include-dashboard=true", f"--dashboard-port={dashboard.rpartition(':')[2]}"]
        command += [f"--port={free_port()}", "--object-store-memory=400000000"]
        command += [f"--dashboard-agent-{kind}-port={free_port()}" for kind in ("listen", "grpc")]
        log = folder / "start.log"
        with log.open("w") as out:
            node = subprocess.Popen(
                command, cwd=temp, env=bare | known | environment, stdout=out, stderr=out, start_new_session=True
            )
        # Unbuffered, since `ray job submit` does not flush what it prints: in a pipe the log would come in blocks.
        submitter = {"RAY_API_SERVER_ADDRESS": dashboard, "PYTHONUNBUFFERED": "1"}
        cluster = JobCluster(dashboard, Path(temp), bare | known | submitter)
        try:
            wait_until(lambda: node.poll() is not None or cluster.answers(), 300)
            assert node.poll() is None, log.read_text()
            yield cluster
        finally:
            _end(node, cluster)


def _end(node: subprocess.Popen[bytes], cluster: JobCluster) -> None:
    """The node and all that knows its token, workers and submitters: in order, then by force."""
    os.killpg(node.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        node.wait(10)
    with suppress(ProcessLookupError):
        os.killpg(node.pid, signal.SIGKILL)
    for number, _, said in _processes():
        if said.get(_TOKEN) == cluster.environment[_TOKEN]:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
    node.wait()


def _processes() -> Iterator[tuple[int, str, dict[str, str]]]:
    """Number, command and environment of each process of this machine that may be looked at."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is somebody else's
            said = [
                (folder / name).read_bytes().decode(errors="replace").split("\0") for name in ("cmdline", "environ")
            ]
            known = dict(word.split("=", 1) for word in said[1] if "=" in word)
            yield int(folder.name), " ".join(said[0]).strip(), known

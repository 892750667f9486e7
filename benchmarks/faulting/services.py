"""What a cluster needs beside Ray, and can be taken away from it: a storage like S3, and MLflow's server."""

import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

import httpx
from processes import Child, free_port
from pyarrow import fs

_KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
_CHUNK = 1 << 16


class Storage:
    """moto's S3 server behind a gate: stopped, its port refuses connections; what it holds stays."""

    bucket = "s3://gym"

    def __init__(self, host: str) -> None:
        port = free_port()
        self._child = Child([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)])
        self._child.until(lambda: _answers("127.0.0.1", port))
        self._gate = Gate(host, port)
        self.url = f"http://{host}:{self._gate.port}"
        system = fs.S3FileSystem(
            access_key=_KEYS["AWS_ACCESS_KEY_ID"],
            secret_key=_KEYS["AWS_SECRET_ACCESS_KEY"],
            endpoint_override=self.url,
            allow_bucket_creation=True,
        )
        system.create_dir("gym")
        self.env = {**_KEYS, "AWS_ENDPOINT_URL": self.url}

    def stop(self) -> None:
        """Refuse all, and break off what is under way."""
        self._gate.close()

    def start(self) -> None:
        """Answer again."""
        self._gate.open()

    def end(self) -> None:
        """For good."""
        self._gate.close()
        self._child.end()


class Tracking:
    """`mlflow server` on a SQLite file: stopped, its processes are gone."""

    def __init__(self, host: str, folder: Path) -> None:
        self._folder, self._host, self._port = folder, host, free_port()
        self._child: Child | None = None
        self.uri = f"http://{host}:{self._port}"
        self.env = {"MLFLOW_TRACKING_URI": self.uri}
        folder.mkdir(parents=True, exist_ok=True)
        self.start()

    def stop(self) -> None:
        """SIGKILL for the server and all that it has started."""
        if self._child:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.end()
            self._child = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        words = ["server", "--host", self._host, "--port", str(self._port), "--workers", "1"]
        words += ["--backend-store-uri", f"sqlite:///{self._folder}/mlflow.db"]
        words += ["--artifacts-destination", str(self._folder / "files")]
        self._child = Child([str(Path(sys.executable).with_name("mlflow")), *words], {"MLFLOW_TRACKING_URI": ""})
        self._child.until(self._answers)

    def _answers(self) -> bool:
        """Whether it answers soon: its first answers take long, for it makes its tables."""
        try:
            asked = {"max_results": 1}
            return httpx.post(
                f"{self.uri}/api/2.0/mlflow/experiments/search", json=asked, timeout=3, trust_env=False
            ).is_success
        except httpx.HTTPError:
            return False

    def end(self) -> None:
        """For good."""
        self.stop()


def away(service: Storage | Tracking, seconds: float) -> None:
    """Stop it, and start it again after so long."""
    service.stop()
    time.sleep(seconds)
    service.start()


class Services:
    """Both of them, at an address that the nodes of a cluster reach; ``env`` names them."""

    def __init__(self, host: str, folder: Path) -> None:
        self._host, self._folder = host, folder

    def __enter__(self) -> Self:
        self.storage = Storage(self._host)
        try:
            self.tracking = Tracking(self._host, self._folder / "mlflow")
        except BaseException:
            self.storage.end()
            raise
        self.env = self.storage.env | self.tracking.env
        return self

    def __exit__(self, *_: object) -> None:
        self.tracking.end()
        self.storage.end()

    def restore(self) -> None:
        """Both answer."""
        self.storage.start()
        if self.tracking._child is None:
            self.tracking.start()


class Gate:
    """A port of ``host`` that leads to one of 127.0.0.1, or refuses. It is open at first."""

    def __init__(self, host: str, behind: int) -> None:
        self._host, self._behind = host, behind
        self.port = 0
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self.open()

    def open(self) -> None:
        """Take connections."""
        if self._listener is None:
            self._listener = socket.create_server((self._host, self.port), backlog=128)
            self.port = self._listener.getsockname()[1]
            _thread(lambda listener=self._listener: self._listen(listener))  # type: ignore[misc]

    def close(self) -> None:
        """Refuse connections, and break those off that are open."""
        listener, self._listener = self._listener, None
        for one in ({listener} if listener else set()) | set(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # wakes who waits for it; closing does not
        if listener:
            listener.close()

    def _listen(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            _thread(lambda near=near: self._carry(near))  # type: ignore[misc]

    def _carry(self, near: socket.socket) -> None:
        with suppress(OSError), near, socket.create_connection(("127.0.0.1", self._behind)) as far:
            both = {near: far, far: near}
            self._open |= set(both)
            try:
                if self._listener is not None:  # else it was closed meanwhile
                    _carry(both)
            finally:
                self._open -= set(both)


def _carry(ways: dict[socket.socket, socket.socket]) -> None:
    """Hand on what comes, until one side ends."""
    with selectors.DefaultSelector() as ready:
        for one in ways:
            ready.register(one, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                data = key.fileobj.recv(_CHUNK)  # type: ignore[union-attr]
                if not data:
                    return
                ways[key.fileobj].sendall(data)  # type: ignore[index]


def _thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()


def _answers(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((host, port)) == 0

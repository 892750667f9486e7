"""Start the application on this machine: ``gymspotter serve``."""

import signal
import socket
import threading
from dataclasses import dataclass

import ray
from ray import serve

from gymspotter.cluster import connect
from gymspotter.errors import InputError
from gymspotter.registry import CHAMPION, load
from gymspotter.tracking import use_store
from serve.app import AppSettings, build

APPLICATION = "gymspotter"


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Serve the champion over HTTP until interrupted."""

    host: str = "127.0.0.1"
    """Address to listen on; only this machine by default."""
    port: int = 8000
    """Port; 0 takes a free one."""
    model: str = CHAMPION
    """Alias or version of the registered model."""
    tracking_uri: str | None = None
    """MLflow's store; by default MLFLOW_TRACKING_URI, else sqlite:///mlflow.db."""

    def __post_init__(self) -> None:
        if not 0 <= self.port < 65536:
            raise InputError(f"port is {self.port}: use 1 to 65535, or 0 for a free one.")


def start(options: ServeOptions) -> str:
    """Start Serve and the application; returns its URL once it answers.

    Raises:
        InputError: the model is not in the registry.
    """
    uri = use_store(options.tracking_uri).uri
    load(options.model)  # here too, because a replica that fails to load is started again and again
    connect()
    port = options.port or free_port(options.host)
    serve.start(http_options={"host": options.host, "port": port})
    serve.run(build(AppSettings(model=options.model, tracking_uri=uri)), name=APPLICATION, route_prefix="/")
    return f"http://{options.host}:{port}"


def serve_until_stopped(options: ServeOptions) -> None:
    """Serve until SIGINT or SIGTERM, then shut down."""
    url = start(options)
    print(f"gymspotter answers at {url} (documentation at {url}/docs); Ctrl-C ends it.", flush=True)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    # With a timeout, because a signal that reaches one of Ray's threads does not wake the main thread from a wait.
    while not stopped.wait(0.5):
        pass
    stop()


def stop() -> None:
    """Take the application down, and Ray with it where it runs for us alone; on a cluster other applications go on."""
    if ray.is_initialized():
        serve.delete(APPLICATION)
        ray.shutdown()


def free_port(host: str) -> int:
    """A port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])

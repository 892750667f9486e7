"""Start the application on this machine: ``gymspotter serve``."""

import os
import signal
import socket
import threading
from dataclasses import dataclass

from gymspotter.errors import InputError
from serve import throughput
from serve.settings import AppSettings

APPLICATION = "gymspotter"
_OF_A_LOCAL_RAY = {
    # Ray's workers give way to every other process (nice 15), as a training should; a label that is late is of no use.
    "RAY_worker_niceness": "0",
    # A proxy that is not ready within 5 s is ended, and the start with it; a busy machine takes longer.
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
}


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Serve the champion over HTTP and WebSocket until interrupted."""

    host: str = "127.0.0.1"
    """Address to listen on; only this machine by default. Others need tokens."""
    port: int = 8000
    """Port; 0 takes a free one."""
    model: str = AppSettings.model_fields["model"].default
    """Alias or version of the registered model; an alias is followed."""
    tracking_uri: str | None = None
    """MLflow's store; by default MLFLOW_TRACKING_URI, else sqlite:///mlflow.db."""
    mlflow_url: str | None = None
    """Where browsers find MLflow, for the page's link; by default the store, if it is a server."""
    tokens: str | None = None
    """File of the tokens that may ask (see `gymspotter token`); by default this machine may, and nobody else."""
    origins: tuple[str, ...] = ()
    """Web pages of other hosts that may ask, as https://app.example.com."""
    video_uris: tuple[str, ...] = ()
    """Prefixes of the URIs that POST /v1/classify/video may be sent: a folder, s3://bucket/videos."""
    replicas: int = 1
    """Copies of the service; each holds the model and its own sessions."""
    throughput: bool = False
    """HAProxy in front instead of Ray Serve's proxy: many more sessions (docs/serving.md)."""
    poll_seconds: float = AppSettings.model_fields["poll_seconds"].default
    """How often the alias is looked up."""
    shadow: float = 0.0
    """Share of the segments that the challenger answers too; how far it agrees is logged to MLflow."""
    json_logs: bool = False
    """Logs as a line of JSON each."""

    def __post_init__(self) -> None:
        if not 0 <= self.port < 65536:
            raise InputError(f"port is {self.port}: use 1 to 65535, or 0 for a free one.")
        if self.replicas < 1:
            raise InputError(f"replicas is {self.replicas}: use at least 1.")
        if self.poll_seconds <= 0:
            raise InputError(f"poll-seconds is {self.poll_seconds:g}: use more than 0.")
        if not 0 <= self.shadow <= 1:
            raise InputError(f"shadow is {self.shadow:g}: use a share from 0 to 1.")

    def settings(self, tracking_uri: str) -> AppSettings:
        """The application's arguments."""
        return AppSettings(
            model=self.model,
            tracking_uri=tracking_uri,
            mlflow_url=self.mlflow_url,
            tokens=self.tokens,
            origins=self.origins,
            video_uris=self.video_uris,
            poll_seconds=self.poll_seconds,
            shadow=self.shadow,
        )


def start(options: ServeOptions) -> str:
    """Start Serve and the application; returns its URL once it answers.

    Raises:
        InputError: the model is not in the registry, or it would listen to strangers without tokens.
    """
    if options.throughput and not throughput.switched_on():
        raise InputError("throughput is read when Ray starts: set the variables of docs/serving.md before.")
    # After the check, because Ray Serve reads its environment when it is imported.
    from ray import serve

    from gymspotter.cluster import connect
    from gymspotter.registry import load
    from gymspotter.tracking import use_store
    from serve.access.guard import check_listening, check_origins
    from serve.access.tokens import Tokens
    from serve.app import application

    check_origins(options.origins)
    check_listening(options.host, Tokens.load(options.tokens))
    uri = use_store(options.tracking_uri).uri
    load(options.model)  # here too, because a replica that fails to load is started again and again
    for name, value in _OF_A_LOCAL_RAY.items():
        os.environ.setdefault(name, value)
    connect()
    port = options.port or free_port(options.host)
    serve.start(http_options={"host": options.host, "port": port})
    serve.run(
        application(options.settings(uri), replicas=options.replicas),
        name=APPLICATION,
        route_prefix="/",
        logging_config={"encoding": "JSON"} if options.json_logs else None,
    )
    return f"http://{options.host}:{port}"


def serve_until_stopped(options: ServeOptions) -> None:
    """Serve until SIGINT or SIGTERM, then shut down."""
    if options.throughput:
        throughput.restart_with_it()
    url = start(options)
    print(f"gymspotter answers at {url} (documentation at {url}/docs); Ctrl-C ends it.", flush=True)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    # With a timeout, because a signal that reaches one of Ray's threads does not wake the main thread from a wait.
    while not stopped.wait(0.5):
        pass
    stop()
    throughput.tidy_up()


def stop() -> None:
    """Take the application down, and Ray with it where it runs for us alone; on a cluster other applications go on.

    Serve itself goes with the last of them: it would keep the port that was asked for from whoever comes next.
    """
    import ray
    from ray import serve

    if ray.is_initialized():
        serve.delete(APPLICATION)
        if not serve.status().applications:
            serve.shutdown()
        ray.shutdown()


def free_port(host: str) -> int:
    """A port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])

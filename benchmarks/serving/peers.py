"""The servers beside which ours is measured: `mlflow models serve`, and the bare one of serving/bare.py."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from gymspotter.registry import MODEL_NAME
from serving.processes import free_port, running

BARE = Path(__file__).with_name("bare.py")


@contextmanager
def mlflow_server(tracking_uri: str, version: str) -> Iterator[str]:
    """MLflow's own server of a registered version, in this environment: its URL."""
    port = free_port()
    words = ["models", "serve", "-m", f"models:/{MODEL_NAME}/{version}", "--env-manager", "local", "-p", str(port)]
    scripts = Path(sys.executable).parent  # on the path, as in an activated environment: it looks for uvicorn there
    environment = {
        "MLFLOW_TRACKING_URI": tracking_uri,
        "MLFLOW_REGISTRY_URI": tracking_uri,
        "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    with running([str(scripts / "mlflow"), *words], environment) as child:
        url = f"http://127.0.0.1:{port}"
        child.until(lambda: _answers(f"{url}/ping"))
        yield url


@contextmanager
def bare_server(tracking_uri: str, version: str) -> Iterator[str]:
    """FastAPI, uvicorn and torch, and nothing else: its URL."""
    port = free_port()
    with running([sys.executable, str(BARE), str(port), tracking_uri, version]) as child:
        url = f"http://127.0.0.1:{port}"
        child.until(lambda: _answers(f"{url}/docs"))
        yield url


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False

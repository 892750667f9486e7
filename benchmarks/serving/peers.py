"""The servers beside which ours is measured: `mlflow models serve`, and the bare one of serving/bare.py."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from processes import free_port, running

from gymspotter.registry import MODEL_NAME

BARE = Path(__file__).with_name("bare.py")


@contextmanager
def both(tracking_uri: str, version: str) -> Iterator[tuple[str, str]]:
    """The URLs of the bare server and of MLflow's own server of a registered version, which start at the same time."""
    bare, mlflow = free_port(), free_port()
    words = ["models", "serve", "-m", f"models:/{MODEL_NAME}/{version}", "--env-manager", "local", "-p", str(mlflow)]
    scripts = Path(sys.executable).parent  # on the path, as in an activated environment: it looks for uvicorn there
    environment = {
        "MLFLOW_TRACKING_URI": tracking_uri,
        "MLFLOW_REGISTRY_URI": tracking_uri,
        "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    with (
        running([sys.executable, str(BARE), str(bare), tracking_uri, version]) as one,
        running([str(scripts / "mlflow"), *words], environment) as other,
    ):
        one.until(lambda: _answers(f"http://127.0.0.1:{bare}/docs"))
        other.until(lambda: _answers(f"http://127.0.0.1:{mlflow}/ping"))
        yield f"http://127.0.0.1:{bare}", f"http://127.0.0.1:{mlflow}"


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False

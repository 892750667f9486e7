"""What a run comes from beside its data: the commit of the code, the versions, and the machine."""

import os
import platform
import subprocess
import sys
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import torch


@lru_cache
def environment() -> dict[str, str]:
    """What this process computes with: versions, operating system and device, as tags."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{_cpu()}, {os.cpu_count()} cores"
    versions = {name: version(name) for name in ("torch", "ray", "mlflow")}
    return {"python": platform.python_version(), **versions, "platform": platform.platform(), "device": device}


def git_commit(folder: Path | None = None) -> str:
    """The commit of the checkout this code runs from, marked "+" when it has changes; "" outside a checkout."""
    here = folder or Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+"], cwd=here, capture_output=True, text=True
        )
    except FileNotFoundError:
        return ""
    return commit.stdout.strip()


def _cpu() -> str:
    """The processor's name, where the system tells it."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()

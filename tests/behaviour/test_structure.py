"""What the structure promises: a core without Ray and MLflow, and a source root that is no package."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = [
    "skeleton", "labels", "storage", "container", "video", "decoder", "catalog", "spans", "tracks", "store", "lock",
    "windows", "transform", "models", "fit", "metrics",
    "classify", "overlay", "plots", "workers", "tally", "show", "pose.blazepose", "synth.generate",
]  # fmt: skip


@pytest.mark.parametrize("module", CORE)
def test_the_core_imports_without_ray_and_mlflow(module):
    code = (
        "import sys; sys.modules.update(ray=None, mlflow=None, fastapi=None);"
        f"import importlib; importlib.import_module('gymspotter.{module}')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_platform_is_a_source_root_and_not_a_package():
    assert not (ROOT / "platform" / "__init__.py").exists()
    code = "import platform, sys; assert platform.python_version(); import gymspotter"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)

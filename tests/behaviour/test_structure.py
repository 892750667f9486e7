"""What the structure promises: a core without Ray and MLflow, and a source root that is no package."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHELLS = {
    "aliases",
    "cluster",
    "demo",
    "demo_report",
    "distributed",
    "extract",
    "gate",
    "pipeline",
    "pipeline_options",
    "progress",
    "promote",
    "promote_page",
    "registry",
    "sweeps.searching",
    "streamed",
    "sweeps.options",
    "sweeps.record",
    "sweeps.report",
    "tracking",
    "train",
    "sweeps.trainable",
    "tune",
}
PACKAGE = ROOT / "platform" / "gymspotter"
MODULES = [".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in sorted(PACKAGE.rglob("*.py"))]
CORE = [module for module in MODULES if module not in SHELLS and not module.endswith("__init__")]


def test_the_core_imports_without_ray_and_mlflow():
    code = (
        "import sys; sys.modules.update(ray=None, mlflow=None, fastapi=None); import importlib;"
        "[importlib.import_module(f'gymspotter.{module}') for module in sys.argv[1:]]"
    )
    done = subprocess.run([sys.executable, "-c", code, *CORE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_replicas_that_run_no_model_load_neither_torch_nor_mlflow():
    code = (
        "import sys; sys.modules.update(torch=None, mlflow=None, sklearn=None, matplotlib=None);"
        "import serve.estimators, serve.streams.keeper"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_platform_is_a_source_root_and_not_a_package():
    assert not (ROOT / "platform" / "__init__.py").exists()
    code = "import platform, sys; assert platform.python_version(); import gymspotter"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)

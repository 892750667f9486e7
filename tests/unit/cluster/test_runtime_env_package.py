"""What `ray job submit --working-dir .` uploads, by Ray's own packaging: small, whole, and new after a change."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ray._private.runtime_env.context import RuntimeEnvContext
from ray._private.runtime_env.packaging import create_package, get_uri_for_directory
from ray._private.runtime_env.working_dir import set_pythonpath_in_context
from ray.runtime_env import RuntimeEnv

from tests.unit.cluster.cluster_files import ROOT, load

MOST_BYTES = 5_000_000
ENVIRONMENT = load("runtime_env.yaml")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The package of this working tree, as it is now, unpacked; with its size."""
    folder = tmp_path_factory.mktemp("package")
    create_package(str(ROOT), folder / "package.zip", include_gitignore=True, excludes=ENVIRONMENT.get("excludes", []))
    size = (folder / "package.zip").stat().st_size
    with zipfile.ZipFile(folder / "package.zip") as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked", size


def test_it_is_small(package):
    assert package[1] < MOST_BYTES


def test_all_that_a_job_needs_is_in_it(package):
    tracked = subprocess.run(
        ["git", "ls-files", "platform", "serve", "jobs"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    needed = [name for name in tracked if (ROOT / name).is_file() and not name.startswith("serve/web/vendor/")]
    assert len(needed) > 200
    assert [name for name in needed if not (package[0] / name).is_file()] == []
    assert sorted(path.name for path in (ROOT / "jobs").glob("*.py")) == sorted(
        path.name for path in (package[0] / "jobs").glob("*.py")
    )


def test_what_a_job_does_not_need_is_not(package):
    names = {path.name for path in package[0].iterdir()}
    assert not names & {
        ".git",
        ".venv",
        "tests",
        "docs",
        "benchmarks",
        "runs",
        "mlruns",
        "mlflow.db",
        "site",
        "node_modules",
    }
    suffixes = {path.suffix for path in package[0].rglob("*") if path.is_file()}
    assert not suffixes & {".mp4", ".parquet", ".pt2", ".pyc", ".db"}
    assert not [path for path in package[0].rglob("*") if path.name in {".env", "aws.env", "tokens.yaml"}]
    assert not (package[0] / "serve" / "web" / "vendor").exists()


def test_it_is_ray_that_reads_the_file():
    assert RuntimeEnv(**ENVIRONMENT).to_dict() == ENVIRONMENT


def paths_of_a_worker(folder):
    """PYTHONPATH as Ray makes it for a worker that has the package in ``folder``."""
    context = RuntimeEnvContext(env_vars=dict(ENVIRONMENT["env_vars"]))
    set_pythonpath_in_context(str(folder), context)
    return context.env_vars["PYTHONPATH"]


def test_the_uploaded_code_is_what_runs(package, monkeypatch):
    """Not the image's: both packages come from the upload, and the standard library's `platform` stays what it is."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    folder = package[0]
    script = "import gymspotter, serve, platform; print(gymspotter.__file__, serve.__file__, platform.python_version())"
    environment = os.environ | {"PYTHONPATH": paths_of_a_worker(folder)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    ours, served, version = done.stdout.split()
    # The source root is relative: workers start in the unpacked folder.
    assert Path(folder, ours).resolve() == folder / "platform" / "gymspotter" / "__init__.py"
    assert Path(served) == folder / "serve" / "__init__.py"
    assert version == sys.version.split()[0]


def test_a_job_starts_from_the_package(package):
    environment = os.environ | {"PYTHONPATH": paths_of_a_worker(package[0])}
    command = [sys.executable, "jobs/synth.py", "--help"]
    done = subprocess.run(
        command, cwd=package[0], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def uri(folder):
    return get_uri_for_directory(str(folder), include_gitignore=True, excludes=ENVIRONMENT.get("excludes", []))


@pytest.fixture
def checkout(tmp_path):
    """A small copy with the repository's own lists of what is left out."""
    folder = tmp_path / "checkout"
    for name in (
        ".gitignore",
        ".rayignore",
        "jobs",
        "serve/app.py",
        "platform/gymspotter/extract.py",
        "cluster/runtime_env.yaml",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    return folder


@pytest.mark.parametrize(
    "name", ["platform/gymspotter/extract.py", "jobs/tune.py", "serve/app.py", "cluster/runtime_env.yaml"]
)
def test_a_changed_file_is_another_package(checkout, name):
    """A pattern that leaves out too much once gave one hash for all versions, and old code ran (ray#53635)."""
    before = uri(checkout)
    assert uri(checkout) == before
    (checkout / name).write_text((checkout / name).read_text() + "\n# changed\n")
    assert uri(checkout) != before


def test_a_new_file_is_another_package_and_one_that_is_left_out_is_not(checkout):
    names = ("runs/tracks/a.parquet", "tests/test_a.py", ".venv/bin/python", "platform/gymspotter/__pycache__/a.pyc")
    for name in names:  # a folder by itself counts, whatever it is called
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
    before = uri(checkout)
    for name in names:
        (checkout / name).write_text("x")
    assert uri(checkout) == before
    (checkout / "platform" / "gymspotter" / "new.py").write_text("")
    assert uri(checkout) != before

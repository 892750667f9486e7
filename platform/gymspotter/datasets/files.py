"""The files of a dataset, in a folder or in a zip that stays packed, and what is in a .mat."""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.io import loadmat

from gymspotter.errors import InputError


@dataclass(frozen=True, kw_only=True)
class File:
    """A file whose name matched, and what is in it."""

    uri: str
    match: re.Match[str]
    content: bytes


def matching_files(path: Path, name: str, wanted: str, *, lone: str | None = None) -> Iterator[File]:
    """The files whose whole name matches the expression ``name`` (in upper or lower case), in order of their paths.

    Args:
        path: a folder, which is searched to the bottom, a zip file, which is not unpacked, or one such file itself.
        name: a regular expression.
        wanted: what the files are, in words, for the message.
        lone: the expression for a ``path`` that is the file itself, where a dataset is one file of whatever name.

    Raises:
        InputError: the path does not exist, the zip is broken, or nothing in it matches.
    """
    expression = re.compile(name, re.IGNORECASE)
    if path.is_dir():
        found = _in_folder(path, expression)
    elif not path.is_file():
        raise InputError(f"{path} does not exist: give the dataset's folder or zip file.")
    elif zipfile.is_zipfile(path) or path.suffix.lower() == ".zip":
        found = _in_zip(path, expression)
    else:
        expression = re.compile(lone or name, re.IGNORECASE)
        found = ((str(file), file.read_bytes()) for file in [path] if expression.fullmatch(file.name))
    count = 0
    for uri, content in found:
        if match := expression.fullmatch(Path(uri).name):
            count += 1
            yield File(uri=uri, match=match, content=content)
    if not count:
        raise InputError(f"{path} holds no {wanted}: give the dataset's folder or zip file.")


def _in_folder(path: Path, expression: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    for file in sorted(path.rglob("*")):
        if expression.fullmatch(file.name) and file.is_file():
            yield str(file), file.read_bytes()


def _in_zip(path: Path, expression: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(path) as packed:
            for entry in sorted(packed.namelist()):
                if expression.fullmatch(Path(entry).name):
                    yield f"{path}/{entry}", packed.read(entry)
    # Encrypted, of an unknown method, or damaged in one of several ways.
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be unpacked ({error}): download it again.") from error


def read_mat(uri: str, content: bytes) -> dict[str, Any]:
    """The variables of a .mat file; reading runs nothing that is in it.

    Raises:
        InputError: it is no .mat file, is cut short, or is of version 7.3.
    """
    try:
        found = loadmat(io.BytesIO(content))
    except NotImplementedError as error:
        raise InputError(f"{uri} is a .mat file of version 7.3: save it with -v7.") from error
    except Exception as error:  # a broken file makes scipy raise nearly anything
        raise InputError(f"{uri} cannot be read as a .mat file ({error}): download it again.") from error
    return {key: value for key, value in found.items() if not key.startswith("__")}

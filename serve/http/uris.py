"""Videos that the service fetches by itself: only from below the prefixes that its settings allow.

A prefix is an absolute path, or a file://, s3:// or gs:// URI. What is asked for must lie below it, at a slash, after
links and percent signs are resolved; a server (``?endpoint_override=``) or a user may be named by the prefix alone.
"""

import os
import posixpath
import re
from collections.abc import Sequence
from pathlib import Path

from starlette.exceptions import HTTPException

from gymspotter import storage
from gymspotter.errors import InputError
from gymspotter.mishaps import plain_errors

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_CHUNK = 2**20
_LONGEST = 2000


def allowed_place(uri: str, prefixes: Sequence[str]) -> str:
    """The place in storage that ``uri`` names.

    Raises:
        HTTPException: none of ``prefixes`` allows it (403).
        InputError: it is nothing that could be fetched.
    """
    if not prefixes:
        raise HTTPException(403, "uri is not read by this service: upload the video, or allow places in video_uris.")
    if not 0 < len(uri) <= _LONGEST or not uri.isprintable():
        raise InputError(f"uri is empty, longer than {_LONGEST} characters or unprintable: send a path or a URI.")
    match = _SCHEME.match(uri)
    scheme = match[1].lower() if match else "file"
    if scheme not in ("file", "s3", "gs") or (match and not uri[match.end() :].startswith("//")):
        raise InputError(f"uri begins with {scheme[:20]!r}: use a path, file://, s3:// or gs://, or upload the video.")
    for prefix in prefixes:
        place = _local(uri, prefix) if scheme == "file" else _remote(uri, prefix)
        if place is not None:
            return place
    raise HTTPException(403, f"uri {uri[:100]!r} is not allowed: this service reads only what is below its video_uris.")


def _local(uri: str, prefix: str) -> str | None:
    path = storage.local(uri)
    # What is relative would depend on where the service was started; "file://host/..." is.
    if not storage.is_local(prefix) or not path.is_absolute() or "\0" in str(path):
        return None
    path, root = (Path(os.path.realpath(place)) for place in (path, storage.local(prefix)))
    return str(path) if path == root or root in path.parents else None


def _remote(uri: str, prefix: str) -> str | None:
    """By its text: a bucket knows no links, and a "?" that is no option is part of a key."""
    root, question, options = prefix.partition("?")
    root = root.rstrip("/")
    scheme, _, path = uri.partition("://")
    uri = f"{scheme.lower()}://{path}"
    if "?" in path or posixpath.normpath(f"/{path}") != f"/{path}":  # "..", ".", "//"
        return None
    return f"{uri}{question}{options}" if uri == root or uri.startswith(f"{root}/") else None


def fetch(uri: str, place: str, target: Path, limit: int) -> None:
    """Copy a file from storage to ``target``, piece by piece.

    Raises:
        InputError: it is not there or cannot be read; the sentence calls it ``uri``, as the client does.
        HTTPException: it has more than ``limit`` bytes (413).
    """
    try:
        found = storage.info(place)
        if found is None:
            raise InputError(f"uri {place!r} does not exist: check the path.")
        if found.is_folder or (storage.is_local(place) and not storage.local(place).is_file()):
            raise InputError(f"uri {place!r} is not a file: name one.")
        left = limit
        with plain_errors(place, "read"), storage.open_input(place) as file, target.open("wb") as out:
            while chunk := file.read(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    break
                out.write(chunk)
    except InputError as error:
        raise InputError(str(error).replace(repr(place), repr(uri[:200]))) from error
    if left < 0:
        raise HTTPException(413, f"uri {uri[:100]!r} is larger than {limit / 2**20:.0f} MiB: send a shorter video.")

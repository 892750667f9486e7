"""Bytes by path or URI: local disk, S3 and Google Cloud Storage in one way (pyarrow's file systems).

A place is a local path or one of

    file:///data/a%20clip.mp4
    s3://bucket/folder/a clip.mp4        the key as it is, nothing is percent-encoded
    gs://bucket/folder/a clip.mp4        gs://anonymous@bucket/... needs no credentials

Credentials come from where the SDKs look for them (AWS_*, ~/.aws, GOOGLE_APPLICATION_CREDENTIALS). A server of one's
own is named by AWS_ENDPOINT_URL (S3), or in the URI by ``?endpoint_override=host:9000&scheme=http`` (both; ``region=``
for S3).
Places are strings and are put together by `join`: a `pathlib.Path` would make "s3:/" of "s3://".

A server that has answered before and then does not is waited for, two minutes for each call. One that never answered
is not: its address may be wrong.
"""

import datetime as dt
import functools
import hashlib
import io
import os
import posixpath
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import parse_qs, unquote

import pyarrow as pa
from pyarrow import fs

from gymspotter import mishaps
from gymspotter.errors import InputError
from gymspotter.mishaps import plain_errors, waiting_for
from gymspotter.ranges import RangeReader

_OPTIONS = "endpoint_override|scheme|region"
# A key may have a "?" in it, so only what reads like our options is taken for a query.
_URI = re.compile(rf"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<path>.*?)(?P<query>\?(?:{_OPTIONS})=[^?]*)?", re.DOTALL)
# A server that is silent for this long is given up, after three tries.
_CONNECT_S, _ANSWER_S = 5, 10
# One request for some seconds of a usual video; players read a few kB at a time.
_BUFFER_BYTES = 4 << 20


@dataclass(frozen=True, kw_only=True)
class Info:
    """Size in bytes and time of the last change (ns since 1970, 0 if the store does not tell) of a file or folder."""

    size: int
    mtime_ns: int
    is_folder: bool


def is_local(place: str | Path) -> bool:
    """Whether it is on a file system of this machine."""
    match = _URI.fullmatch(str(place))
    return match is None or match["scheme"].lower() == "file"


def local(place: str | Path) -> Path:
    """The path of a local place."""
    match = _URI.fullmatch(str(place))
    return Path(unquote(match["path"])) if match else Path(place)


def join(folder: str | Path, *parts: str) -> str:
    """The place of that name in a folder; "../" goes up, a query stays at the end. An absolute part counts alone."""
    if parts and (_URI.fullmatch(parts[-1]) or parts[-1].startswith("/")):
        return join(parts[-1])
    if is_local(folder):
        return str(local(folder).joinpath(*parts))
    scheme, path, query = _split(folder)
    return f"{scheme}://{posixpath.normpath(posixpath.join(path, *parts))}{query}"


def parent(place: str | Path) -> str:
    """The folder a place is in."""
    return str(local(place).parent) if is_local(place) else join(place, "..")


def absolute(place: str | Path) -> str:
    """The place for processes that run in other folders: a local one with its whole path."""
    return str(local(place).resolve()) if is_local(place) else str(place)


def relative(place: str, folder: str) -> str:
    """Where a place is in a folder, as a path with slashes."""
    if is_local(place):
        return local(place).relative_to(local(folder)).as_posix()
    return posixpath.relpath(_split(place)[1], _split(folder)[1])


def name(place: str | Path) -> str:
    """The last part of a place."""
    return local(place).name if is_local(place) else posixpath.basename(_split(place)[1])


def filesystem(uri: str) -> tuple[fs.FileSystem, str]:
    """pyarrow's file system of an s3:// or gs:// URI, and the path in it.

    Raises:
        InputError: it is no such URI, its bucket does not exist or its server cannot be reached.
    """
    scheme, path, query = _split(uri)
    user, _, bucket = path.split("/", 1)[0].rpartition("@")
    users = ("", "anonymous") if scheme == "gs" else ("",)  # no secrets: a store notes the URIs of its videos
    if scheme not in ("s3", "gs") or user not in users or not bucket:
        raise InputError(f"{uri!r} is no place for files: write a path, s3://bucket/folder or gs://bucket/folder.")
    options = {key: values[-1] for key, values in parse_qs(query[1:]).items()}
    endpoint = options.get("endpoint_override")
    with plain_errors(uri, "used"):
        if scheme == "gs":
            system = _gs(user == "anonymous", options.get("scheme"), endpoint)
        else:
            system = _s3(bucket, options.get("region"), options.get("scheme"), endpoint or _own_server())
    return system, path.removeprefix(f"{user}@").rstrip("/")


@functools.cache
def _s3(bucket: str, region: str | None, scheme: str | None, endpoint: str | None) -> fs.FileSystem:
    # Not FileSystem.from_uri: a server that does not answer holds that up for minutes.
    if region is None:
        ours = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        region = ours if endpoint else fs.resolve_s3_region(bucket)
    return fs.S3FileSystem(
        region=region,
        scheme=scheme,
        endpoint_override=endpoint,
        connect_timeout=_CONNECT_S,
        request_timeout=_ANSWER_S,
        allow_delayed_open=True,  # an object of a few MB is one request, and never half there
    )


@functools.cache
def _gs(anonymous: bool, scheme: str | None, endpoint: str | None) -> fs.FileSystem:
    limit = dt.timedelta(seconds=3 * _ANSWER_S)
    return fs.GcsFileSystem(anonymous=anonymous, scheme=scheme, endpoint_override=endpoint, retry_time_limit=limit)


def _server(place: str | Path) -> tuple[str, str] | None:
    """Which server a place is on; None for this machine's disks."""
    if is_local(place):
        return None
    scheme, _, query = _split(place)
    return scheme, query or _own_server() or ""


def _own_server() -> str | None:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


patiently = waiting_for(_server)
"""Decorates a call whose first argument is a place: where its server has answered before, it is waited for."""


def expect(place: str | Path) -> None:
    """Wait for the server of a place from the first call on, if it is not there: another process has reached it."""
    mishaps.answered.add(_server(place))


def answers(place: str | Path) -> bool:
    """Whether this process has been answered by the server of a place, or need not ask one."""
    server = _server(place)
    return server is None or server in mishaps.answered


@patiently
def info(place: str | Path) -> Info | None:
    """What is there, or None if nothing is.

    Raises:
        InputError: it may not be looked at, or its server cannot be reached.
    """
    with plain_errors(place, "read"):
        if is_local(place):
            try:
                stat = local(place).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
            return Info(size=stat.st_size, mtime_ns=stat.st_mtime_ns, is_folder=local(place).is_dir())
        system, path = filesystem(str(place))
        found = system.get_file_info(path)
        if found.type == fs.FileType.NotFound:
            return None
        is_folder = found.type == fs.FileType.Directory
        return Info(size=found.size or 0, mtime_ns=found.mtime_ns or 0, is_folder=is_folder)


@patiently
def files(folder: str | Path, *, below: bool = False) -> list[str]:
    """The files in a folder, sorted, or also those in all folders below; none if there is no such folder.

    What is hidden (a name that begins with a dot, or is below a folder of such a name) is left out.

    Raises:
        InputError: there is no such bucket, it may not be listed, or its server cannot be reached.
    """
    with plain_errors(folder, "listed"):
        if is_local(folder):
            root = local(folder)
            found = [*root.glob("*"), *(root.glob("*/**/*") if below else ())]
            names = [str(path.relative_to(root)) for path in found if not path.is_dir()]
        else:
            system, path = filesystem(str(folder))
            rows = system.get_file_info(fs.FileSelector(path, recursive=below, allow_not_found=True))
            if not rows and system.get_file_info(path.split("/")[0]).type == fs.FileType.NotFound:
                raise OSError("NO_SUCH_BUCKET")
            names = [row.path[len(path) + 1 :] for row in rows if row.type == fs.FileType.File]
    return sorted(join(folder, name) for name in names if not any(part.startswith(".") for part in name.split("/")))


@patiently
def open_input(place: str | Path, *, buffer_bytes: int = _BUFFER_BYTES) -> BinaryIO:
    """A file to read and seek in; of a remote one, at least ``buffer_bytes`` are fetched at a time.

    A server that goes while a file is read is waited for, as by all calls here.

    Raises:
        InputError: it does not exist, may not be read, or its server cannot be reached; of a remote file also later,
            while it is read. What goes wrong with a local one then is an OSError.
    """
    with plain_errors(place, "read"):
        if is_local(place):
            return open(local(place), "rb")
        system, path = filesystem(str(place))
        return io.BufferedReader(_ranges(place, system.open_input_file(path)), buffer_size=buffer_bytes)


def _ranges(place: str | Path, file: pa.NativeFile) -> RangeReader:
    @patiently
    def read(place: str | Path, start: int, count: int) -> bytes:
        with plain_errors(place, "read"):
            return cast(bytes, file.read_at(count, start))

    return RangeReader(file.size(), functools.partial(read, place), file.close)


@patiently
def read_bytes(place: str | Path) -> bytes:
    """All of a file.

    Raises:
        InputError: as `open_input`.
    """
    with plain_errors(place, "read"), open_input(place) as file:
        return file.read()


@patiently
def sha256(place: str | Path) -> str:
    """The SHA-256 of a file's content, as 64 hex digits.

    Raises:
        InputError: as `open_input`.
    """
    with plain_errors(place, "read"), open_input(place) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


@patiently
def write_whole(place: str | Path, data: bytes | pa.Buffer) -> None:
    """Write a file, new or in place of another; it appears whole or not at all, whenever the process is killed.

    Of an upload of many MB that was cut off, S3 keeps the invisible parts: let a rule of the bucket abort such uploads.

    Raises:
        InputError: it may not be written, there is no such bucket, or its server cannot be reached.
    """
    with plain_errors(place, "written"):
        if is_local(place):
            path = local(place)
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_name(f".{path.name}.tmp")
            try:
                unfinished.write_bytes(data)
                os.replace(unfinished, path)
            finally:
                unfinished.unlink(missing_ok=True)
        else:
            # Closing is what publishes, even after an error; so all is there in one piece before the file is opened.
            system, path_in = filesystem(str(place))
            with system.open_output_stream(path_in) as out:
                out.write(data)


@patiently
def remove(place: str | Path) -> None:
    """Remove a file, if it is there.

    Raises:
        InputError: it may not be removed, or its server cannot be reached.
    """
    with plain_errors(place, "removed"):
        try:
            if is_local(place):
                local(place).unlink()
            else:
                system, path = filesystem(str(place))
                system.delete_file(path)
        except FileNotFoundError:
            pass


def remove_folder(place: str | Path) -> None:
    """Remove a folder with all files below it, if it is there.

    Raises:
        InputError: one may not be removed, or its server cannot be reached.
    """
    for file in files(place, below=True):
        remove(file)
    if is_local(place):
        shutil.rmtree(local(place), ignore_errors=True)  # what is left are folders


def _split(uri: str | Path) -> tuple[str, str, str]:
    """Scheme, bucket with path, and query with its "?", of a URI."""
    match = _URI.fullmatch(str(uri))
    return (match["scheme"].lower(), match["path"], match["query"] or "") if match else ("", str(uri), "")

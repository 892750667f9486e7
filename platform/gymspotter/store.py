"""The skeleton store: tracks, and beside them the quarantine of inputs that yielded none and what probes found.

A store is a folder, on local disk, S3 or Google Cloud Storage (see `storage`), with ``tracks/*.parquet``,
``quarantine/*.parquet`` and ``probes/*.parquet``, zstd-compressed. Each file appears whole or not at all, and only one
run at a time writes (see `lock`).
"""

import datetime as dt
import itertools
import json
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gymspotter import storage
from gymspotter.errors import InputError
from gymspotter.lock import check_writer
from gymspotter.mishaps import mishap
from gymspotter.tracks import TRACK_SCHEMA, Track, table_to_tracks, tracks_to_table

# What a catalog says of a video, and may say otherwise tomorrow.
_RENAMEABLE = ("uri", "label", "group")
_INDEX_SCHEMA = pa.schema([TRACK_SCHEMA.field(name) for name in ("video_id", "span", *_RENAMEABLE)])
# The metadata of a merged file: names of the files whose tracks are in it. They count no more, even while still there.
_REPLACES = b"replaces"
_PROBE_FILES = 32
# Files at the same time; an object store takes tens of milliseconds for each.
_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class Quarantined:
    """An input that yielded no track: where (``stage``: probe, duplicate or pose), what kind of error, and why."""

    uri: str
    span: int | None
    stage: str
    error: str
    message: str
    time: str


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What a probe found of a video, good for as long as its size (bytes) and time of change (ns) stay the same."""

    uri: str
    size: int
    mtime_ns: int
    video_id: str
    seconds: float


_QUARANTINE_SCHEMA = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("span", pa.int32()),
        *(pa.field(name, pa.string(), nullable=False) for name in ("stage", "error", "message", "time")),
    ]
)
_PROBE_SCHEMA = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("mtime_ns", pa.int64(), nullable=False),
        pa.field("video_id", pa.string(), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),
    ]
)


def quarantined(uri: str, stage: str, error: str, message: str, span: int | None = None) -> Quarantined:
    """A quarantine row of now (UTC, ISO 8601)."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return Quarantined(uri=uri, span=span, stage=stage, error=error, message=message, time=now)


def write_tracks(tracks: Sequence[Track], store: str | Path) -> None:
    """Add tracks to a store as one file, which appears whole or not at all."""
    _write(tracks_to_table(tracks), store, f"tracks/part-{uuid.uuid4().hex}.parquet")


class StoreWriter:
    """Adds tracks and quarantine rows to a store a file at a time: when enough are held, or for long enough.

    A run that is killed loses no more than what it held, and never leaves part of a file.
    """

    def __init__(
        self,
        store: str | Path,
        *,
        per_file: int = 256,
        seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._per_file, self._seconds, self._clock = store, per_file, seconds, clock
        self._held: list[Track | Quarantined] = []
        self._since = clock()

    def add(self, outcome: Track | Quarantined) -> None:
        """Take one; it is in the store after the next file is written."""
        self._held.append(outcome)
        if len(self._held) >= self._per_file or self._clock() - self._since >= self._seconds:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        tracks = [outcome for outcome in self._held if isinstance(outcome, Track)]
        rows = [outcome for outcome in self._held if isinstance(outcome, Quarantined)]
        if tracks:
            write_tracks(tracks, self._store)
        if rows:
            write_quarantine(rows, self._store)
        self._held, self._since = [], self._clock()


def read_tracks(store: str | Path) -> list[Track]:
    """All tracks of a store, sorted by (video_id, span).

    Raises:
        InputError: there is no store there, a file in it is not one of ours, or a (video_id, span) stands twice.
    """
    tables = _track_tables(store, TRACK_SCHEMA)
    if not tables:
        raise InputError(f"tracks {str(store)!r} is not a store with tracks in it: run `gymspotter extract` first.")
    tracks = [track for table in tables.values() for track in table_to_tracks(table)]
    tracks.sort(key=lambda track: (track.video_id, track.span))
    for one, other in itertools.pairwise(tracks):
        if (one.video_id, one.span) == (other.video_id, other.span):
            raise InputError(f"tracks {str(store)!r} holds span {one.span} of {one.uri!r} twice: extract afresh.")
    return tracks


def read_index(store: str | Path) -> dict[tuple[str, int], dict[str, Any]]:
    """What a store has, without the skeletons: by (video_id, span) the uri, label and group of each track."""
    rows = [row for table in _track_tables(store, _INDEX_SCHEMA).values() for row in table.to_pylist()]
    return {(row["video_id"], row["span"]): {name: row[name] for name in _RENAMEABLE} for row in rows}


def rename_tracks(store: str | Path, names: Mapping[tuple[str, int], dict[str, Any]]) -> None:
    """Give tracks another uri, label and group, by (video_id, span); the skeletons stay as they are."""
    for file, index in _track_tables(store, _INDEX_SCHEMA).items() if names else ():
        if any((row["video_id"], row["span"]) in names for row in index.to_pylist()):
            table = _read(file, TRACK_SCHEMA)
            tracks = table_to_tracks(table)
            renamed = tracks_to_table(replace(t, **names.get((t.video_id, t.span), {})) for t in tracks)
            _write(renamed.replace_schema_metadata(table.schema.metadata), store, f"tracks/{storage.name(file)}")


def merge_track_files(store: str | Path, *, per_file: int = 512) -> None:
    """Merge the many small files that runs leave behind into files of at least so many tracks.

    It may be killed at any moment. That the merged file appears is the one step that counts: it names the files whose
    tracks it has, and from then on they are overlooked wherever tracks are read, until they are removed, here or by
    the next call. Whoever reads at the very moment they are removed may be told that a file does not exist.
    """
    tables = _track_tables(store, _INDEX_SCHEMA)
    _remove([file for file in _files(store, "tracks") if file not in tables], store)
    small = [file for file, table in tables.items() if table.num_rows < per_file // 2]
    # A merged file sorts behind all that it replaces: a listing that comes in pages while files are merged and removed
    # then misses none.
    numbers = itertools.count(_last_number(tables) + 1)
    group: list[str] = []
    for file in small:
        group.append(file)
        enough = sum(tables[member].num_rows for member in group) >= per_file
        if len(group) > 1 and (enough or file == small[-1]):
            parts = _read_all(group, TRACK_SCHEMA).values()
            merged = pa.concat_tables([part.replace_schema_metadata() for part in parts])
            replaces = json.dumps([storage.name(member) for member in group])
            _write(
                merged.replace_schema_metadata({_REPLACES: replaces}),
                store,
                f"tracks/whole-{next(numbers):06d}-{uuid.uuid4().hex}.parquet",
            )
            _remove(group, store)
            group = []


def write_quarantine(rows: Sequence[Quarantined], store: str | Path) -> None:
    """Add quarantine rows to a store as one file."""
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=_QUARANTINE_SCHEMA)
    _write(table, store, f"quarantine/part-{uuid.uuid4().hex}.parquet")


def read_quarantine(store: str | Path) -> list[Quarantined]:
    """All quarantine rows of a store (none if it has none), sorted by uri."""
    tables = _read_all(_files(store, "quarantine"), _QUARANTINE_SCHEMA)
    rows = [Quarantined(**row) for table in tables.values() for row in table.to_pylist()]
    return sorted(rows, key=lambda row: (row.uri, row.span or 0))


def clear_quarantine(store: str | Path) -> None:
    """Empty the quarantine: what is in it is about to be tried again."""
    _remove(_files(store, "quarantine"), store)


def write_probes(rows: Iterable[Probed], store: str | Path) -> None:
    """Add what probes found as one file; of several rows of a uri the last one written counts."""
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=_PROBE_SCHEMA)
    before = _files(store, "probes")
    number = _last_number(before) + 1
    if len(before) >= _PROBE_FILES:  # all in one, behind those that it replaces
        known = read_probes(store) | {row["uri"]: Probed(**row) for row in table.to_pylist()}
        table = pa.Table.from_pylist([asdict(row) for row in known.values()], schema=_PROBE_SCHEMA)
    _write(table, store, f"probes/whole-{number:06d}.parquet")
    if len(before) >= _PROBE_FILES:
        _remove(before, store)


def read_probes(store: str | Path) -> dict[str, Probed]:
    """What earlier runs found, by uri."""
    tables = _read_all(_files(store, "probes"), _PROBE_SCHEMA)
    return {row["uri"]: Probed(**row) for table in tables.values() for row in table.to_pylist()}


def _track_tables(store: str | Path, schema: pa.Schema) -> dict[str, pa.Table]:
    """The columns of ``schema`` of each file with tracks, less the files that another replaces."""
    tables = _read_all(_files(store, "tracks"), schema)
    replaced = {
        name for table in tables.values() for name in json.loads((table.schema.metadata or {}).get(_REPLACES, b"[]"))
    }
    return {file: table for file, table in tables.items() if storage.name(file) not in replaced}


def _files(store: str | Path, kind: str) -> list[str]:
    return [file for file in storage.files(storage.join(store, kind)) if storage.name(file).endswith(".parquet")]


def _last_number(files: Iterable[str]) -> int:
    """The highest of the numbers in names like whole-000007-..., or 0."""
    numbers = [re.match(r"whole-(\d+)", storage.name(file)) for file in files]
    return max((int(number[1]) for number in numbers if number), default=0)


def _read_all(files: Sequence[str], schema: pa.Schema) -> dict[str, pa.Table]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(files, pool.map(lambda file: _read(file, schema), files), strict=True))


def _read(file: str, schema: pa.Schema) -> pa.Table:
    """The columns of ``schema``; InputError if the file is not one of ours."""
    with storage.open_input(file, buffer_bytes=1 << 16) as source:
        try:
            table = pq.ParquetFile(source, pre_buffer=True).read(schema.names)
            if not table.schema.equals(schema):
                raise pa.ArrowInvalid("its columns are not those of a store")
        except (pa.ArrowException, OSError) as error:
            if plain := mishap(error):
                raise InputError(f"store file {file!r} cannot be read: {plain}.") from error
            reason = (str(error).splitlines() or ["damaged"])[0].rstrip(".")
            raise InputError(f"store file {file!r} cannot be read ({reason}): remove it and extract again.") from error
    return table


def _write(table: pa.Table, store: str | Path, name: str) -> None:
    check_writer(store)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    storage.write_whole(storage.join(store, name), sink.getvalue())


def _remove(files: Sequence[str], store: str | Path) -> None:
    check_writer(store)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(storage.remove, files))

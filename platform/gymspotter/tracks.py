"""The skeleton store: one Parquet row per track, and beside it the quarantine of inputs that yielded none.

A store is a folder with ``tracks/*.parquet`` and ``quarantine/*.parquet``, zstd-compressed, readable by anything that
reads Parquet: per-frame values are lists with one fixed-size, flattened entry per frame (51 = 17 joints x 3).
"""

import datetime as dt
import fcntl
import itertools
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gymspotter.errors import InputError
from gymspotter.skeleton import CANONICAL, Floats

_J = len(CANONICAL.joints)
# Shape of one frame of each per-frame column.
_PER_FRAME = {"joints": (_J, 3), "scores": (_J,), "image_xy": (_J, 2)}


@dataclass(frozen=True, kw_only=True)
class Track:
    """One athlete over one span of a video, on the sampling grid.

    ``video_id`` is the first 16 hex digits of the content's SHA-256, ``span`` the number of the span in the video,
    ``t0`` the time of its first frame in seconds, ``fps`` the grid. ``joints`` [n, 17, 3] are canonical (metres,
    camera-aligned, hip at the origin, NaN where not seen), ``scores`` [n, 17], ``image_xy`` [n, 17, 2] in shares of
    the picture. ``layout`` is the estimator's native layout, from which they were made.
    """

    video_id: str
    span: int
    uri: str
    label: str | None
    group: str
    fps: float
    t0: float
    joints: Floats
    scores: Floats
    image_xy: Floats
    layout: str
    estimator: str
    estimator_version: str

    @property
    def seen(self) -> float:
        """The share of frames in which a person was found."""
        return float(np.isfinite(self.joints[:, :, 0]).any(axis=1).mean())


@dataclass(frozen=True, kw_only=True)
class Quarantined:
    """An input that yielded no track: where (``stage``: probe, duplicate or pose), what kind of error, and why."""

    uri: str
    span: int | None
    stage: str
    error: str
    message: str
    time: str


def quarantined(uri: str, stage: str, error: str, message: str, span: int | None = None) -> Quarantined:
    """A quarantine row of now (UTC, ISO 8601)."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return Quarantined(uri=uri, span=span, stage=stage, error=error, message=message, time=now)


_TRACK_SCHEMA = pa.schema(
    [
        pa.field("video_id", pa.string(), nullable=False),
        pa.field("span", pa.int32(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("group", pa.string(), nullable=False),
        pa.field("fps", pa.float64(), nullable=False),
        pa.field("t0", pa.float64(), nullable=False),
        *(
            pa.field(name, pa.list_(pa.list_(pa.float32(), int(np.prod(shape)))), nullable=False)
            for name, shape in _PER_FRAME.items()
        ),
        pa.field("layout", pa.string(), nullable=False),
        pa.field("estimator", pa.string(), nullable=False),
        pa.field("estimator_version", pa.string(), nullable=False),
    ]
)
_QUARANTINE_SCHEMA = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("span", pa.int32()),
        *(pa.field(name, pa.string(), nullable=False) for name in ("stage", "error", "message", "time")),
    ]
)


def write_tracks(tracks: Sequence[Track], store: str | Path) -> None:
    """Add tracks to a store as one file, which appears whole or not at all."""
    _write(tracks_to_table(tracks), Path(store) / "tracks")


class TrackWriter:
    """Adds tracks to a store a file at a time: when enough are held, or for long enough, and at `flush`.

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
        self._held: list[Track] = []
        self._since = clock()

    def add(self, track: Track) -> None:
        """Take a track; it is in the store after the next file is written."""
        self._held.append(track)
        if len(self._held) >= self._per_file or self._clock() - self._since >= self._seconds:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            write_tracks(self._held, self._store)
        self._held, self._since = [], self._clock()


@contextmanager
def only_writer(store: str | Path) -> Iterator[None]:
    """Hold a store for writing; the operating system lets go of it when the process ends, however it ends.

    Raises:
        InputError: another process holds it.
    """
    folder = Path(store)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"out {str(store)!r} is being written by another run: wait for it to end, or name another folder."
            ) from None
        yield


def read_index(store: str | Path) -> dict[tuple[str, int], dict[str, Any]]:
    """What a store has, without the skeletons: by (video_id, span) the uri, label and group of each track."""
    schema = pa.schema([_TRACK_SCHEMA.field(name) for name in ("video_id", "span", *_RENAMEABLE)])
    rows = [row for file in _track_files(store) for row in _read(file, schema).to_pylist()]
    return {(row["video_id"], row["span"]): {name: row[name] for name in _RENAMEABLE} for row in rows}


def rename_tracks(store: str | Path, names: Mapping[tuple[str, int], dict[str, Any]]) -> None:
    """Give tracks another uri, label and group, by (video_id, span); the skeletons stay as they are."""
    for file in _track_files(store):
        tracks = table_to_tracks(_read(file, _TRACK_SCHEMA))
        if any((track.video_id, track.span) in names for track in tracks):
            renamed = [replace(track, **names.get((track.video_id, track.span), {})) for track in tracks]
            _write(tracks_to_table(renamed), file.parent, file.stem)


def clear_quarantine(store: str | Path) -> None:
    """Empty the quarantine: what is in it is about to be tried again."""
    for file in (Path(store) / "quarantine").glob("*.parquet"):
        file.unlink()


def write_quarantine(rows: Sequence[Quarantined], store: str | Path) -> None:
    """Add quarantine rows to a store as one file."""
    _write(pa.Table.from_pylist([asdict(row) for row in rows], schema=_QUARANTINE_SCHEMA), Path(store) / "quarantine")


def read_tracks(store: str | Path) -> list[Track]:
    """All tracks of a store, sorted by (video_id, span).

    Raises:
        InputError: there is no store there, a file in it is not one of ours, or a (video_id, span) stands twice.
    """
    files = _track_files(store)
    if not files:
        raise InputError(f"tracks {str(store)!r} is not a store with tracks in it: run `gymspotter extract` first.")
    tracks = [track for file in files for track in table_to_tracks(_read(file, _TRACK_SCHEMA))]
    tracks.sort(key=lambda track: (track.video_id, track.span))
    for one, other in itertools.pairwise(tracks):
        if (one.video_id, one.span) == (other.video_id, other.span):
            raise InputError(f"tracks {str(store)!r} holds span {one.span} of {one.uri!r} twice: extract afresh.")
    return tracks


def read_quarantine(store: str | Path) -> list[Quarantined]:
    """All quarantine rows of a store (none if it has none), sorted by uri."""
    files = sorted((Path(store) / "quarantine").glob("*.parquet"))
    rows = [Quarantined(**row) for file in files for row in _read(file, _QUARANTINE_SCHEMA).to_pylist()]
    return sorted(rows, key=lambda row: (row.uri, row.span or 0))


def tracks_to_table(tracks: Iterable[Track]) -> pa.Table:
    """Tracks as Arrow rows of the store's schema."""
    tracks = list(tracks)
    columns = {}
    for field in fields(Track):
        values = [getattr(track, field.name) for track in tracks]
        if field.name in _PER_FRAME:
            width = int(np.prod(_PER_FRAME[field.name]))
            offsets = np.cumsum([0, *(len(value) for value in values)], dtype=np.int32)
            flat = np.concatenate([value.reshape(-1) for value in values]) if values else np.empty(0)
            entries = pa.FixedSizeListArray.from_arrays(pa.array(flat.astype(np.float32)), width)
            columns[field.name] = pa.ListArray.from_arrays(offsets, entries)
        else:
            columns[field.name] = pa.array(values, _TRACK_SCHEMA.field(field.name).type)
    return pa.table(columns, schema=_TRACK_SCHEMA)


def table_to_tracks(table: pa.Table) -> list[Track]:
    """The inverse of `tracks_to_table`."""
    scalars = table.select([name for name in _TRACK_SCHEMA.names if name not in _PER_FRAME]).to_pylist()
    arrays = {}
    for name, shape in _PER_FRAME.items():
        arrays[name] = [
            chunk[i].values.flatten().to_numpy(zero_copy_only=False).reshape(-1, *shape)
            for chunk in table.column(name).chunks
            for i in range(len(chunk))
        ]
    return [Track(**row, **{name: arrays[name][i] for name in _PER_FRAME}) for i, row in enumerate(scalars)]


# What a catalog says of a video, and may say otherwise tomorrow.
_RENAMEABLE = ("uri", "label", "group")


def _track_files(store: str | Path) -> list[Path]:
    return sorted((Path(store) / "tracks").glob("*.parquet"))


def _read(file: Path, schema: pa.Schema) -> pa.Table:
    """The columns of ``schema``; InputError if the file is not one of ours."""
    try:
        table = pq.read_table(file, columns=schema.names)
        if not table.schema.equals(schema):
            raise pa.ArrowInvalid("its columns are not those of a store")
    except (pa.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or ["damaged"])[0].rstrip(".")
        raise InputError(f"store file {str(file)!r} cannot be read ({reason}): remove it and extract again.") from error
    return table


def _write(table: pa.Table, folder: Path, name: str | None = None) -> None:
    """Write a file, new or in place of the one of that name; it appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    name = name or f"part-{uuid.uuid4().hex}"
    unfinished = folder / f".{name}.tmp"
    pq.write_table(table, unfinished, compression="zstd")
    os.replace(unfinished, folder / f"{name}.parquet")

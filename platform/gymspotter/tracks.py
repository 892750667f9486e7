"""Tracks, and tracks as tables: one row each, readable by anything that reads Arrow or Parquet.

Per-frame values are lists with one fixed-size, flattened entry per frame (51 = 17 joints x 3).
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa

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
        return float((self.scores > 0).any(axis=1).mean())


TRACK_SCHEMA = pa.schema(
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


def tracks_to_table(tracks: Iterable[Track]) -> pa.Table:
    """Tracks as Arrow rows of `TRACK_SCHEMA`."""
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
            columns[field.name] = pa.array(values, TRACK_SCHEMA.field(field.name).type)
    return pa.table(columns, schema=TRACK_SCHEMA)


def table_to_tracks(table: pa.Table) -> list[Track]:
    """The inverse of `tracks_to_table`."""
    scalars = table.select([name for name in TRACK_SCHEMA.names if name not in _PER_FRAME]).to_pylist()
    arrays = {}
    for name, shape in _PER_FRAME.items():
        arrays[name] = [
            chunk[i].values.flatten().to_numpy(zero_copy_only=False).reshape(-1, *shape)
            for chunk in table.column(name).chunks
            for i in range(len(chunk))
        ]
    return [Track(**row, **{name: arrays[name][i] for name in _PER_FRAME}) for i, row in enumerate(scalars)]


def track_to_bytes(track: Track) -> bytes:
    """A track as an Arrow stream, to be sent from one process to another."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, TRACK_SCHEMA) as writer:
        writer.write_table(tracks_to_table([track]))
    return sink.getvalue().to_pybytes()


def track_from_bytes(data: bytes) -> Track:
    """The inverse of `track_to_bytes`."""
    return table_to_tracks(pa.ipc.open_stream(data).read_all())[0]

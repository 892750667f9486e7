"""The bodies of POST /v1/classify, in three formats: JSON, an array (.npy), a table (Arrow IPC stream).

What a client sent is checked here in full; nothing of it is unpickled or decompressed, and nothing is allocated before
its size is known.

Shapes: N frames of all segments in a row, J joints of the client's layout, C = 3 coordinates.
"""

import io
import struct
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy
from numpy.typing import NDArray
from pydantic_core import from_json
from starlette.exceptions import HTTPException

from gymspotter.errors import InputError
from gymspotter.labels import EXERCISES
from gymspotter.skeleton import CANONICAL, Floats, Layout, layout
from serve.http.schemas import MAX_FPS, MAX_SEGMENTS, MIN_FPS

JSON, NPY, ARROW = "application/json", "application/x-npy", "application/vnd.apache.arrow.stream"
# Python's lists are many times larger than their text.
MAX_JSON_BYTES = 16 * 2**20
# No joint of a person is further than this from the origin; more is another unit, or noise that overflows.
_FURTHEST_M = 100.0
_SEE = "see /docs for an example"


@dataclass(frozen=True, kw_only=True)
class Question:
    """Segments as they were sent: ``joints_NJC`` has the frames of all of them, ``lengths`` says how many are whose."""

    joints_NJC: Floats
    lengths: list[int]
    layout: Layout
    fps: float
    top: int


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How joints are to be read, as a query says it (None: it does not). What a body says counts more."""

    layout: str | None = None
    fps: float | None = None
    top: int | None = None


def read_question(body: bytes, media_type: str, terms: Terms) -> Question:
    """What a body asks.

    Raises:
        InputError: it cannot be used.
        HTTPException: it cannot even be read (400), or is too large (413).
    """
    return {JSON: _read_json, NPY: _read_npy, ARROW: _read_arrow}[media_type](body, terms)


def read_json_object(body: bytes, fields: set[str]) -> dict[str, Any]:
    """A JSON object with no other fields than ``fields``.

    Raises:
        InputError: it is something else.
        HTTPException: it is not JSON (400), or too large to be read as such (413).
    """
    if len(body) > MAX_JSON_BYTES:
        raise HTTPException(413, f"the body is larger than {MAX_JSON_BYTES >> 20} MiB: send {NPY}, or less at once.")
    try:
        value = from_json(body)
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise HTTPException(400, f"the body is not JSON in UTF-8 ({reason}): send an object.") from error
    if not isinstance(value, dict):
        raise InputError("the body is not a JSON object: send one with segments, and Content-Type application/json.")
    for name in value:
        if name not in fields:
            raise InputError(f"{name[:40]!r} is not a field of this request: remove it; /docs has an example.")
    return value


def _read_json(body: bytes, terms: Terms) -> Question:
    fields = read_json_object(body, {"segments", "layout", "fps", "top"})
    if "segments" not in fields:
        raise InputError("segments is missing: add it; /docs has an example.")
    segments = fields["segments"]
    if not isinstance(segments, list) or not 1 <= len(segments) <= MAX_SEGMENTS:
        raise InputError(f"segments: must be a list of 1 to {MAX_SEGMENTS} segments: {_SEE}.")
    source, fps, top = _terms(fields, terms)
    joints = len(source.joints)
    try:
        # Every level at once, in C: Python code for each of the joints would take as long as the model.
        frames = _level(segments)
        rows = _level(frames, joints)
        flat = _level(rows, 3)
        if not set(map(type, flat)) <= {float, int, type(None)}:
            raise _UnlikeError
        values = np.array(flat, np.float64)  # None becomes NaN
    except (_UnlikeError, OverflowError):
        raise InputError(_culprit(segments, source)) from None
    return _question(values.reshape(-1, joints, 3), [len(segment) for segment in segments], source, fps, top)


class _UnlikeError(Exception):
    """A list does not look like all others."""


def _level(lists: list[Any], length: int | None = None) -> list[Any]:
    """What is in all of ``lists``, in a row."""
    if not set(map(type, lists)) <= {list} or (length is not None and not set(map(len, lists)) <= {length}):
        raise _UnlikeError
    return list(chain.from_iterable(lists))


def _culprit(segments: list[Any], source: Layout) -> str:
    """The sentence about the first thing in ``segments`` that is wrong."""
    joints = len(source.joints)
    for i, segment in enumerate(segments):
        if not isinstance(segment, list):
            return f"segments[{i}]: must be a list of frames: {_SEE}."
        for t, frame in enumerate(segment):
            if not isinstance(frame, list):
                return f"segments[{i}][{t}]: must be a list of joints: {_SEE}."
            for j, joint in enumerate(frame):
                where = f"segments[{i}][{t}][{j}]"
                if not isinstance(joint, list) or len(joint) != 3:
                    return f"{where}: must be a list of three coordinates: {_SEE}."
                for c, value in enumerate(joint):
                    if type(value) not in (float, int, type(None)):
                        return f"{where}[{c}]: must be a number or null: {_SEE}."
                    if value is not None and not -_FURTHEST_M <= value <= _FURTHEST_M and value == value:
                        return _too_far(f"segments[{i}]")
            if len(frame) != joints:
                return _other_joints(f"segments[{i}][{t}]", len(frame), source)
    raise AssertionError("nothing is wrong with the segments")


def _other_joints(where: str, joints: int, source: Layout) -> str:
    return f"{where} has {joints} joints: send the {len(source.joints)} of {source.name}, or name another layout."


def _too_far(where: str) -> str:
    return f"{where} has a coordinate beyond {_FURTHEST_M:g} m: send metres, and null or NaN for what was not seen."


def _terms(said: dict[str, Any], terms: Terms) -> tuple[Layout, float, int]:
    """Layout, frames a second and guesses: as the body says, else as the query says, else by default."""
    name = said.get("layout", terms.layout or CANONICAL.name)
    fps = said.get("fps", 5.0 if terms.fps is None else terms.fps)
    top = said.get("top", 3 if terms.top is None else terms.top)
    if not isinstance(name, str):
        raise InputError(f"layout: must be the name of a layout: {_SEE}.")
    if type(fps) not in (float, int) or not MIN_FPS <= fps <= MAX_FPS:
        raise InputError(f"fps: must be a number from {MIN_FPS:g} to {MAX_FPS:g}: {_SEE}.")
    if type(top) not in (float, int) or not 1 <= top <= len(EXERCISES) or top != int(top):
        raise InputError(f"top: must be a whole number from 1 to {len(EXERCISES)}: {_SEE}.")
    return layout(name[:40]), float(fps), int(top)


def _question(values: NDArray[Any], lengths: list[int], source: Layout, fps: float, top: int) -> Question:
    with np.errstate(invalid="ignore"):
        far_N = (np.abs(values) > _FURTHEST_M).any(axis=(1, 2))
    if far_N.any():
        i = int(np.searchsorted(np.cumsum(lengths), far_N.argmax(), side="right"))
        raise InputError(_too_far(f"segments[{i}]"))
    return Question(joints_NJC=values.astype(np.float32), lengths=lengths, layout=source, fps=fps, top=top)


def _read_npy(body: bytes, terms: Terms) -> Question:
    source, fps, top = _terms({}, terms)
    file = io.BytesIO(body)
    try:
        major, _ = npy.read_magic(file)
        read_header = {1: npy.read_array_header_1_0, 2: npy.read_array_header_2_0}[major]
        shape, fortran, dtype = read_header(file)
    except Exception as error:  # NumPy's reader lets through whatever Python's tokenizer and parser raise
        raise HTTPException(400, "the body is not an array in NumPy's format: write it with numpy.save.") from error
    if dtype.kind != "f" or dtype.itemsize not in (2, 4, 8):
        raise InputError(f"the array is of {str(dtype)[:40]}: send float16, float32 or float64.")
    if len(shape) not in (3, 4) or shape[-1] != 3:
        raise InputError(f"the array has the shape {_shape(shape)}: send (segments, frames, joints, 3).")
    if shape[-2] != len(source.joints):
        raise InputError(_other_joints("the array", shape[-2], source))
    segments, frames = (1, shape[0]) if len(shape) == 3 else (shape[0], shape[1])
    if not 1 <= segments <= MAX_SEGMENTS:
        raise InputError(f"segments: the array has {segments} of them: send 1 to {MAX_SEGMENTS}.")
    expected = segments * frames * len(source.joints) * 3 * dtype.itemsize
    if frames < 1 or len(body) - file.tell() != expected:
        raise InputError(
            f"the array's shape {_shape(shape)} takes {expected} bytes and {len(body) - file.tell()} follow: "
            "send it whole."
        )
    values = np.frombuffer(body, dtype, offset=file.tell()).reshape(shape, order="F" if fortran else "C")
    native = values.astype(dtype.newbyteorder("="), copy=False).reshape(-1, len(source.joints), 3)
    return _question(native, [frames] * segments, source, fps, top)


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(str(n)[:20] for n in shape[:6])}{', ...' if len(shape) > 6 else ''})"


def _read_arrow(body: bytes, terms: Terms) -> Question:
    try:
        _check_messages(body)
        schema = pa.ipc.open_stream(body).schema
        column = schema.get_field_index("poses")
        if column < 0:
            raise InputError("the table has no column poses, or several: send one.")
        said = _metadata(schema.metadata or {})
        source, fps, top = _terms(said, terms)
        width = 3 * len(source.joints)
        kind = schema.field(column).type
        if not _is_poses(kind, width):
            raise InputError(
                f"column poses is of another type: send list<fixed_size_list<float>[{width}]> for the layout "
                f"{source.name}, a list of frames in each row, or name another layout."
            )
        options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=[column])
        table = pa.ipc.open_stream(body, options=options).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, struct.error) as error:
        if isinstance(error, InputError):
            raise
        raise HTTPException(400, "the body is not an Arrow IPC stream: write it with pyarrow.ipc.") from error
    if not 1 <= len(table) <= MAX_SEGMENTS:
        raise InputError(f"segments: the table has {len(table)} rows: send 1 to {MAX_SEGMENTS}.")
    values, lengths = [], []
    for chunk in table.column(0).chunks:
        if chunk.null_count:
            raise InputError("column poses has a row without a value: send a list of frames in each row.")
        frames = chunk.flatten()
        part = frames.values.slice(frames.offset * width, len(frames) * width).to_numpy(zero_copy_only=False)
        part = part.reshape(-1, len(source.joints), 3).astype(np.float64)
        part[frames.is_null().to_numpy(zero_copy_only=False)] = np.nan
        values.append(part)
        lengths += chunk.value_lengths().to_pylist()
    return _question(np.concatenate(values), lengths, source, fps, top)


def _is_poses(kind: pa.DataType, width: int) -> bool:
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return False
    frame = kind.value_type
    return bool(
        pa.types.is_fixed_size_list(frame) and frame.list_size == width and pa.types.is_floating(frame.value_type)
    )


def _metadata(metadata: dict[bytes, bytes]) -> dict[str, Any]:
    """``layout``, ``fps`` and ``top`` as a table's schema says them."""
    said: dict[str, Any] = {}
    for name, convert in (("layout", str), ("fps", float), ("top", float)):
        if (raw := metadata.get(name.encode())) is not None:
            try:
                said[name] = convert(raw[:40].decode())
            except ValueError as error:
                raise InputError(f"{name}: the table's metadata say {raw[:40]!r}: {_SEE}.") from error
    return said


# Of Arrow's flatbuffers: where Message keeps its header, and RecordBatch its compression.
_HEADER, _COMPRESSION = 2, 3


def _check_messages(body: bytes) -> None:
    """Refuse compressed batches, which can hold any number of bytes, and all but a schema and its batches."""
    for message in pa.ipc.MessageReader.open_stream(body):
        if message.type not in ("schema", "record batch"):
            raise InputError("the table holds a dictionary: send plain columns.")
        if message.type == "record batch":
            data = message.metadata
            header = _field(data, struct.unpack_from("<I", data, 0)[0], _HEADER)
            batch = header + struct.unpack_from("<I", data, header)[0]
            if _field(data, batch, _COMPRESSION):
                raise InputError("the table is compressed: write it without compression.")


def _field(data: pa.Buffer, table: int, number: int) -> int:
    """Where a flatbuffer's table keeps its field of that number; 0 if it has none."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    size = struct.unpack_from("<H", data, vtable)[0]
    at = 4 + 2 * number
    offset = struct.unpack_from("<H", data, vtable + at)[0] if at < size else 0
    return table + offset if offset else 0

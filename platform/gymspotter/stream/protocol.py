"""What a client sends on a stream: read it, and write it. Version 1 of the protocol of docs/streaming.md.

Whatever is odd about a message raises InputError, and nothing else is ever raised: these bytes come from strangers.

Shapes: N frames of a message, J joints of the client's layout, C = 3 coordinates.
"""

import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gymspotter.errors import InputError
from gymspotter.skeleton import LAYOUTS, Floats, Layout
from gymspotter.stream.events import Limits
from gymspotter.stream.fields import as_object, counted, number, only, secret, shown, whole

PROTOCOL = 1
JPEG = "jpeg"  # stands where a layout does: pictures are sent, and the server estimates the pose
# An athlete further from the origin than this is not in front of a camera; it is what pixels or millimetres look like.
MAX_METRES = 100.0
# Seconds since 1970 are 1.8e9, milliseconds 1.8e12.
MAX_SECONDS = 1e11
_HEADER = struct.Struct("<BBH")
_TIME = struct.Struct("<d")
_JOINTS_KIND, _PICTURE_KIND, _WITH_SCORES = 1, 2, 1
_NAN = float("nan")


@dataclass(frozen=True, kw_only=True)
class Hello:
    """The first message: what the client will send and wants back.

    ``layout`` is a registered one or "jpeg", ``fps`` the nominal frame rate, ``hop`` the seconds between labels,
    ``top`` the number of guesses in each; ``resume`` the secret of the session to go on with, ``seen`` the last seq
    the client saw; ``poses`` asks for what the estimator sees in each picture.
    """

    layout: str
    protocol: int = PROTOCOL
    fps: float = 5.0
    hop: float = 1.0
    top: int = 3
    token: str | None = None
    resume: str | None = None
    seen: int | None = None
    poses: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Frames:
    """Frames of one message in the client's layout: metres, NaN where a joint or the person was not seen."""

    times_N: NDArray[np.float64]
    joints_NJC: Floats
    scores_NJ: Floats


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One JPEG, not decoded yet."""

    t: float
    jpeg: bytes


@dataclass(frozen=True, kw_only=True)
class Bye:
    """The client has done."""


def read_hello(text: str | bytes) -> Hello:
    """The first message of a connection.

    Raises:
        InputError: it is not a hello of this protocol; the message names the field.
    """
    message = as_object(text)
    if message.get("type") != "hello":
        raise InputError('the first message is no hello: send {"type": "hello", "protocol": 1, "layout": ...} first.')
    protocol = message.get("protocol")
    if type(protocol) is not int or protocol != PROTOCOL:
        raise InputError(f"protocol is {shown(protocol)}: this server speaks {PROTOCOL}.")
    only(message, "type", "protocol", "layout", "fps", "hop", "top", "token", "resume", "seen", "poses")
    layout = message.get("layout")
    if not isinstance(layout, str) or layout not in (*LAYOUTS, JPEG):
        raise InputError(f"layout is {shown(layout)}: use one of {', '.join(LAYOUTS)} or {JPEG}.")
    poses = message.get("poses", False)
    if type(poses) is not bool:
        raise InputError(f"poses is {shown(poses)}: use true or false.")
    if poses and layout != JPEG:
        raise InputError(f"poses is true, but layout is {layout!r}: poses come back only for {JPEG}.")
    return Hello(
        layout=layout,
        fps=number(message, "fps", 0.5, 120, Hello.fps),
        hop=number(message, "hop", 0.2, 5, Hello.hop),
        top=whole(message, "top", 1, 100) or Hello.top,
        token=secret(message, "token"),
        resume=secret(message, "resume"),
        seen=whole(message, "seen", 0, 2**53),
        poses=poses,
    )


def write_hello(hello: Hello) -> str:
    """The inverse of `read_hello`; what is None is left out."""
    return json.dumps({"type": "hello"} | {key: value for key, value in vars(hello).items() if value is not None})


def read_message(data: str | bytes, layout: Layout | None, limits: Limits) -> Frames | Picture | Bye:
    """Any message after the hello.

    Args:
        data: a text or a binary message.
        layout: the layout of the hello; None where it was "jpeg".
        limits: those of the welcome.

    Raises:
        InputError: the message cannot be used; the session can go on without it.
    """
    if len(data) > limits.message_bytes:
        raise InputError(f"the message has {len(data)} bytes: send at most {limits.message_bytes} at once.")
    if not isinstance(data, str):
        return _read_binary(bytes(data), layout, limits)
    message = as_object(data)
    kind = message.get("type")
    if kind == "bye":
        only(message, "type")
        return Bye()
    if kind != "frames":
        raise InputError(f"type is {shown(kind)}: after the hello come frames and bye.")
    if layout is None:
        raise InputError(f"the message has joints, but the hello said layout {JPEG!r}: send pictures.")
    only(message, "type", "t", "joints", "scores")
    times = _times(message.get("t"), limits)
    joints = message.get("joints")
    if type(joints) is not list or len(joints) != len(times):
        raise InputError(f"joints is {counted(joints)}: send a list with one frame for each of the {len(times)} t.")
    # numpy would take "1.5", true and false for numbers. Each key has two quotes and "frames" has two; more belong to a
    # text, and without one true is what it says.
    if data.count('"') != 2 * len(message) + 2 or "true" in data or "false" in data:
        raise InputError("the message has a text, true or false in place of a number.")
    joints_NJC = _joints(joints, layout, holes="null" in data)
    scores = message.get("scores")
    shape = joints_NJC.shape[:2]
    scores_NJ = None if scores is None else _array(scores, "scores", shape, f"one list of {shape[1]} for each frame")
    return _checked(times, joints_NJC, scores_NJ)


def write_frames(times: ArrayLike, joints: ArrayLike, scores: ArrayLike | None = None) -> bytes:
    """A binary message of joints [N, J, 3] in metres, NaN where not seen, and their scores [N, J] if there are any.

    Raises:
        InputError: the shapes do not fit together.
    """
    times_N, joints_NJC = np.asarray(times, "<f8"), np.asarray(joints, "<f4")
    n = len(times_N) if times_N.ndim == 1 else -1
    if not 1 <= n < 2**16 or joints_NJC.ndim != 3 or joints_NJC.shape[::2] != (n, 3):
        raise InputError(f"times {times_N.shape} and joints {joints_NJC.shape} are not N and N x J x 3 (N to 65,535).")
    parts = [_HEADER.pack(_JOINTS_KIND, 0 if scores is None else _WITH_SCORES, n)]
    parts += [times_N.tobytes(), joints_NJC.tobytes()]
    if scores is not None:
        scores_NJ = np.asarray(scores, "<f4")
        if scores_NJ.shape != joints_NJC.shape[:2]:
            raise InputError(f"scores {scores_NJ.shape} are not {joints_NJC.shape[:2]}, one a joint.")
        parts.append(scores_NJ.tobytes())
    return b"".join(parts)


def write_picture(t: float, jpeg: bytes) -> bytes:
    """A binary message of one JPEG taken at ``t`` seconds."""
    return _HEADER.pack(_PICTURE_KIND, 0, 1) + _TIME.pack(t) + jpeg


def _read_binary(data: bytes, layout: Layout | None, limits: Limits) -> Frames | Picture:
    if len(data) < _HEADER.size:
        raise InputError(f"the binary message has {len(data)} bytes: its header alone has {_HEADER.size}.")
    kind, flags, n = _HEADER.unpack_from(data)
    if kind not in (_JOINTS_KIND, _PICTURE_KIND):
        raise InputError(f"the binary message is of kind {kind}: use 1 for joints or 2 for a picture.")
    if kind == _PICTURE_KIND:
        return _picture(data, flags, n, layout)
    if layout is None:
        raise InputError(f"the message has joints, but the hello said layout {JPEG!r}: send pictures.")
    if flags & ~_WITH_SCORES:
        raise InputError(f"flags of the binary message are {flags}: only bit 0 (scores follow) is defined.")
    _check_count(n, limits)
    joints = n * len(layout.joints)
    size = _HEADER.size + 8 * n + 12 * joints + (4 * joints if flags else 0)
    if len(data) != size:
        raise InputError(
            f"the binary message has {len(data)} bytes: {n} frames of {len(layout.joints)} joints "
            f"{'with' if flags else 'without'} scores have {size}."
        )
    at = _HEADER.size
    times_N = np.frombuffer(data, "<f8", n, at).astype(np.float64)  # a copy: it is not aligned here
    if not (np.abs(times_N) <= MAX_SECONDS).all():
        raise InputError(_ODD_TIME)
    at += 8 * n
    joints_NJC = np.frombuffer(data, "<f4", 3 * joints, at).reshape(n, -1, 3)
    scores_NJ = np.frombuffer(data, "<f4", joints, at + 12 * joints).reshape(n, -1) if flags else None
    return _checked(times_N, joints_NJC, scores_NJ)


def _picture(data: bytes, flags: int, n: int, layout: Layout | None) -> Picture:
    if layout is not None:
        raise InputError(f"the message is a picture, but the hello said layout {layout.name!r}: send joints.")
    start = _HEADER.size + _TIME.size
    if flags or n != 1 or len(data) <= start:
        raise InputError("the picture's header is not 2, 0, 1 and a time, with the JPEG after it.")
    (t,) = _TIME.unpack_from(data, _HEADER.size)
    if not abs(t) <= MAX_SECONDS:
        raise InputError(_ODD_TIME)
    return Picture(t=t, jpeg=data[start:])


_ODD_TIME = f"t is not finite or beyond {MAX_SECONDS:g}: send seconds of one clock."


def _checked(times_N: NDArray[np.float64], joints_NJC: NDArray[Any], scores_NJ: NDArray[Any] | None) -> Frames:
    """Numbers in range; scores where none were sent: 1 for each joint that was."""
    if (np.abs(joints_NJC) > MAX_METRES).any():
        raise InputError(f"joints has a coordinate beyond {MAX_METRES:g} m: send metres, not pixels or millimetres.")
    joints_NJC = joints_NJC.astype(np.float32, copy=False)
    if scores_NJ is None:
        scores_NJ = (joints_NJC[..., 0] == joints_NJC[..., 0]).astype(np.float32)
    elif not ((scores_NJ >= 0) & (scores_NJ <= 1)).all():
        raise InputError("scores has a value that is not in 0 to 1.")
    return Frames(times_N=times_N, joints_NJC=joints_NJC, scores_NJ=scores_NJ.astype(np.float32, copy=False))


def _times(values: Any, limits: Limits) -> NDArray[np.float64]:
    if type(values) is not list:
        raise InputError(f"t is {counted(values)}: send a list with the time of each frame in seconds.")
    _check_count(len(values), limits)
    for value in values:
        if type(value) not in (float, int):
            raise InputError(f"t has {shown(value)}: send seconds as numbers.")
        if not -MAX_SECONDS <= value <= MAX_SECONDS:
            raise InputError(_ODD_TIME)
    return np.array(values, np.float64)


def _check_count(n: int, limits: Limits) -> None:
    if not 1 <= n <= limits.frames_per_message:
        raise InputError(f"the message has {n} frames: send 1 to {limits.frames_per_message} at once.")


def _joints(frames: list[Any], layout: Layout, *, holes: bool) -> NDArray[np.float64]:
    """Nested lists as [N, J, 3]; ``holes``: there may be null for a joint or a whole frame."""
    n_joints = len(layout.joints)
    if holes:
        nowhere = [_NAN] * 3
        nobody = [nowhere] * n_joints
        frames = [
            nobody
            if frame is None
            else [nowhere if joint is None else joint for joint in frame]
            if type(frame) is list
            else frame
            for frame in frames
        ]
    text = f"{n_joints} joints [x, y, z] or null for each frame of layout {layout.name!r}"
    joints_NJC = _array(frames, "joints", (len(frames), n_joints, 3), text)
    if holes:
        missing_NJ = np.isnan(joints_NJC).sum(axis=-1)
        if ((missing_NJ > 0) & (missing_NJ < 3)).any():
            raise InputError("joints has null for a coordinate: send null for the whole joint.")
    return joints_NJC


def _array(values: Any, name: str, shape: tuple[int, ...], expected: str) -> NDArray[np.float64]:
    """Nested lists of numbers as an array of that shape."""
    try:
        array = np.array(values, np.float64)
    except (ValueError, OverflowError, RecursionError, TypeError):  # lists of different lengths, objects, huge numbers
        array = None
    if array is None or array.shape != shape:
        raise InputError(f"{name} is not {expected}, all of them numbers.")
    return array

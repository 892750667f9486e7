"""Frames on their way to the service: what a caller hands in, as one thing each, and as messages.

Shapes: N frames, J joints of the session's layout, C = 3 coordinates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gymspotter.errors import InputError
from gymspotter.skeleton import Floats, Layout
from gymspotter.stream.protocol import write_frames, write_picture


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One frame: a skeleton, ``joints`` [J, 3] with ``scores`` [J] or None, or a picture, ``jpeg``."""

    t: float
    joints: Floats | None = None
    scores: Floats | None = None
    jpeg: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes it takes in a message, about."""
        if self.jpeg is not None:
            return len(self.jpeg) + 12
        assert self.joints is not None
        return 8 + self.joints.nbytes + (self.scores.nbytes if self.scores is not None else 0)


def as_frames(layout: Layout, t: Any, joints: Any, scores: Any) -> list[Sent]:
    """The arguments of `AsyncLiveSession.send` as frames.

    Raises:
        InputError: the shapes are not those of the layout, or a time is not finite.
    """
    times_N = np.atleast_1d(np.asarray(t, np.float64))
    if times_N.ndim != 1 or not np.isfinite(times_N).all():
        raise InputError("t has a value that is not finite, or too many axes: give seconds, one for each frame.")
    shape = (len(times_N), len(layout.joints))
    joints_NJC = np.full((*shape, 3), np.nan, np.float32) if joints is None else np.array(joints, np.float32)
    joints_NJC = joints_NJC[None] if joints_NJC.ndim == 2 else joints_NJC
    if joints_NJC.shape != (*shape, 3):
        raise InputError(f"joints has shape {joints_NJC.shape}: send {(*shape, 3)}, the joints of {layout.name}.")
    if scores is None:
        return [Sent(t=float(t), joints=frame) for t, frame in zip(times_N, joints_NJC, strict=True)]
    scores_NJ = np.array(scores, np.float32)
    scores_NJ = scores_NJ[None] if scores_NJ.ndim == 1 else scores_NJ
    if scores_NJ.shape != shape:
        raise InputError(f"scores has shape {scores_NJ.shape}: send {shape}, one for each joint.")
    rows = zip(times_N, joints_NJC, scores_NJ, strict=True)
    return [Sent(t=float(t), joints=frame, scores=row) for t, frame, row in rows]


def message(frames: Sequence[Sent]) -> bytes:
    """The binary message of what `Outbox.take` gave."""
    first = frames[0]
    if first.jpeg is not None:
        return write_picture(first.t, first.jpeg)
    times = np.array([frame.t for frame in frames], np.float64)
    joints = np.stack([frame.joints for frame in frames if frame.joints is not None])
    scores = [frame.scores for frame in frames if frame.scores is not None]
    return write_frames(times, joints, np.stack(scores) if scores else None)

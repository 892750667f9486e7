"""Frames at irregular times, resampled to the fixed grid on which the model was trained.

Shapes: T grid frames, J = 17 joints, C = 3 coordinates.
"""

from bisect import bisect
from typing import Any, NamedTuple

import numpy as np

from gymspotter.pose.gaps import BRIDGED_S
from gymspotter.skeleton import CANONICAL, Floats

# A frame so near a grid time is taken for it: what a video's own frames may be off when it is sampled.
SNAP_S = 0.01
# Frames closer together than this (250 a second) say the same; also what bounds the memory of a second.
_CLOSEST_S = 0.004
_SHAPE = (len(CANONICAL.joints), 3)


class Seen(NamedTuple):
    """One frame that shows a person; ``whole``: with all joints."""

    t: float
    joints_JC: Floats
    whole: bool


class Grid:
    """Frames to come, and the last ``frames`` grid frames: number k is at ``t0`` + k / fps.

    Grid frames are made when `fill` asks for them and never change; between two frames less than ``longest_s`` apart
    they are interpolated, and where that cannot be they are NaN.
    """

    def __init__(self, t0: float, fps: float, frames: int) -> None:
        self.t0, self.fps, self.frames = t0, fps, frames
        self.next = 0  # the number of the first grid frame not made yet
        # So far apart may two frames be that what lies between is guessed: as `gaps.bridge` fills up to 4 frames of 5 a
        # second, and the frames beside them are a step further apart than those are many.
        self.longest_s = BRIDGED_S + 1 / fps - SNAP_S
        self._capacity = frames + max(frames // 3, 1)
        self._rows_TJC = np.empty((self._capacity, *_SHAPE), np.float32)
        self._shown = bytearray()  # for each row 1 if it shows a person
        self._coming: list[Seen] = []  # by time; all later than the last grid frame made
        self._left: Seen | None = None  # the last one before them

    def time(self, number: int) -> float:
        """When a grid frame is."""
        return self.t0 + number / self.fps

    def number(self, t: float) -> int:
        """The last grid frame up to ``t``."""
        return int((t + SNAP_S - self.t0) * self.fps // 1)

    @property
    def made_until(self) -> float:
        """A frame up to this time comes too late."""
        return self.time(self.next - 1) + SNAP_S if self.next else float("-inf")

    def add(self, frame: Seen) -> None:
        """A frame that shows a person, later than `made_until`; they may come in any order."""
        coming = self._coming
        at = len(coming)
        if coming and frame.t < coming[-1].t:
            at = bisect(coming, frame.t, key=_time_of)
            if coming[at].t - frame.t < _CLOSEST_S:
                return
        if at and frame.t - coming[at - 1].t < _CLOSEST_S:
            return
        coming.insert(at, frame)

    def fill(self, last: int) -> None:
        """Make all grid frames up to number ``last`` from the frames there are by now."""
        if last - self.next >= self.frames:  # nobody will ever look at those between
            self._rows_TJC, self._shown = np.empty_like(self._rows_TJC), bytearray()
            self.next = last - self.frames + 1
        coming, i = self._coming, 0
        for number in range(self.next, last + 1):
            t = self.time(number)
            while i < len(coming) and coming[i].t <= t + SNAP_S:
                self._left = coming[i]
                i += 1
            self._append(self._between(self._left, coming[i] if i < len(coming) else None, t))
        del coming[:i]
        self.next = max(self.next, last + 1)

    def _between(self, left: Seen | None, right: Seen | None, t: float) -> Floats | None:
        """Joints at ``t`` from the last frame up to it and the first one after it."""
        if left is not None and t - left.t <= SNAP_S:
            return left.joints_JC
        near = 0.5 / self.fps
        if left is not None and right is not None and right.t - left.t < self.longest_s:
            share = np.float32((t - left.t) / (right.t - left.t))
            joints_JC = left.joints_JC + share * (right.joints_JC - left.joints_JC)
            if not (left.whole and right.whole):  # a joint that one of them lacks is where the other has it, if near
                nearest = left if share < 0.5 else right
                if abs(nearest.t - t) <= near:
                    joints_JC = np.where(np.isnan(joints_JC), nearest.joints_JC, joints_JC)
            return joints_JC
        if left is not None and t - left.t <= near:
            return left.joints_JC
        return right.joints_JC if right is not None and right.t - t <= near else None

    def _append(self, joints_JC: Floats | None) -> None:
        size = len(self._shown)
        if size == self._capacity:
            # A new array: windows still look at the old one.
            rows_TJC = np.empty_like(self._rows_TJC)
            rows_TJC[: self.frames] = self._rows_TJC[size - self.frames :]
            self._rows_TJC, self._shown = rows_TJC, self._shown[size - self.frames :]
            size = self.frames
        self._rows_TJC[size] = np.nan if joints_JC is None else joints_JC
        self._shown.append(joints_JC is not None)

    def history(self) -> Floats:
        """The last grid frames made, at most ``frames``: a view that never changes."""
        size = len(self._shown)
        rows_TJC = self._rows_TJC[max(size - self.frames, 0) : size]
        rows_TJC.flags.writeable = False
        return rows_TJC

    def shown(self, last: int) -> int:
        """How many of the ``last`` grid frames show a person."""
        return self._shown.count(1, max(len(self._shown) - last, 0))

    def lost_at(self) -> float | None:
        """When a person was last seen, not counting one who has only just come; None if not in the history."""
        before = len(self._shown.rstrip(b"\1"))
        number = self._shown.rfind(1, max(len(self._shown) - self.frames, 0), before)
        return self.time(self.next - len(self._shown) + number) if number >= 0 else None

    @property
    def oldest(self) -> float:
        """When the first grid frame of the history is."""
        return self.time(self.next - min(len(self._shown), self.frames))

    @property
    def coming(self) -> int:
        """How many frames wait for the grid to reach them."""
        return len(self._coming)

    def rest(self) -> int:
        """The number of the last grid frame that the frames to come reach."""
        return max(self.next - 1, self.number(self._coming[-1].t)) if self._coming else self.next - 1

    def snapshot(self) -> dict[str, Any]:
        """All state as plain values and arrays."""
        held = [*([self._left] if self._left else []), *self._coming]
        return {
            "t0": self.t0,
            "next": self.next,
            "rows": self.history().copy(),
            "shown": np.array(self._shown[-self.frames :], np.uint8),
            "times": np.array([frame.t for frame in held], np.float64),
            "joints": np.array([frame.joints_JC for frame in held], np.float32).reshape(-1, *_SHAPE),
            "left": self._left is not None,
        }

    @classmethod
    def restore(cls, fps: float, frames: int, snapshot: dict[str, Any]) -> "Grid":
        """The inverse of `snapshot`."""
        grid = cls(snapshot["t0"], fps, frames)
        rows_TJC = snapshot["rows"]
        grid._rows_TJC[: len(rows_TJC)] = rows_TJC
        grid._shown = bytearray(snapshot["shown"].tobytes())
        grid.next = snapshot["next"]
        whole_N = np.isfinite(snapshot["joints"]).all(axis=(1, 2)).tolist()
        held = [
            Seen(t, joints_JC, whole)
            for t, joints_JC, whole in zip(snapshot["times"].tolist(), snapshot["joints"], whole_N, strict=True)
        ]
        if snapshot["left"]:
            grid._left = held.pop(0)
        grid._coming = held
        return grid


def _time_of(frame: Seen) -> float:
    return frame.t

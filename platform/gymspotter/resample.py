"""Joints of any frame rate on a grid of another: linear in time, and no movement is made up where nobody was seen.

Shapes: T frames in, N frames out; whatever follows (joints, coordinates) stays.
"""

import numpy as np

from gymspotter.skeleton import Floats

# Of a frame: k / fps is often a hair beside the grid time that it is meant to be.
_SLACK = 1e-6


def frames_after(frames: int, fps_from: float, fps_to: float) -> int:
    """How many frames `resample` makes of ``frames``: those of the grid from the first frame to the last."""
    return int(np.floor((frames - 1) * fps_to / fps_from + _SLACK)) + 1 if frames else 0


def resample(joints: Floats, fps_from: float, fps_to: float) -> Floats:
    """Joints [T, ...] that were seen ``fps_from`` times a second, as if they had been ``fps_to`` times: [N, ...].

    Frame k of the answer shows the time k / fps_to after the first frame; the last is at or before the last one given.
    A coordinate is on the line between the frames before and after in which it was seen, as long as these are no
    further apart than a step of the coarser of both rates (so a loss that falls between two steps is bridged, and a
    longer one stays); else it is NaN. Nothing is averaged: video is sampled on the grid in the same way.
    """
    if fps_from == fps_to or not len(joints):
        return joints
    last = len(joints) - 1
    at_N = np.arange(frames_after(len(joints), fps_from, fps_to)) * (fps_from / fps_to)
    seen = np.isfinite(joints)
    index = np.arange(len(joints), dtype=np.int32).reshape(-1, *(1,) * (joints.ndim - 1))
    before = np.maximum.accumulate(np.where(seen, index, -1), axis=0)
    after = np.minimum.accumulate(np.where(seen, index, last + 1)[::-1], axis=0)[::-1]
    left = before[np.floor(at_N + _SLACK).astype(np.int64)]
    right = after[np.minimum(np.ceil(at_N - _SLACK), last).astype(np.int64)]
    known = (left >= 0) & (right <= last) & (right - left <= max(1.0, fps_from / fps_to) + _SLACK)
    left, right = np.where(known, left, 0), np.where(known, right, 0)
    weight = (at_N.reshape(-1, *(1,) * (joints.ndim - 1)) - left) / np.maximum(right - left, 1)
    a, b = np.take_along_axis(joints, left, axis=0), np.take_along_axis(joints, right, axis=0)
    return np.where(known, a + (b - a) * np.clip(weight, 0.0, 1.0), np.nan).astype(np.float32)

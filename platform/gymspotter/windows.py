"""Tracks to segments of T frames. A segment is a view of one video at a stride; changing either never extracts again.

Shapes: S segments, T frames, J = 17 joints, C = 3 coordinates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from gymspotter.errors import InputError
from gymspotter.skeleton import Floats
from gymspotter.tracks import Track

SEGMENT_FRAMES = 60
# Less than this cannot show a movement; more is played to and fro until it fills a segment.
MIN_FRAMES = 5


@dataclass(frozen=True, kw_only=True)
class Segments:
    """S segments. ``poses`` [S, T, J, C] float32 with NaN where nobody was seen; the rest has S entries each.

    A segment shows its video from ``starts`` to ``ends``, in seconds; ``labels`` are exercises ("" if not known).
    """

    poses: Floats
    labels: NDArray[np.str_]
    groups: NDArray[np.str_]
    video_ids: NDArray[np.str_]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.poses)

    def __getitem__(self, index: NDArray[np.bool_] | NDArray[np.int64]) -> "Segments":
        return Segments(**{field.name: getattr(self, field.name)[index] for field in fields(Segments)})


def window_starts(frames: int, length: int = SEGMENT_FRAMES, stride: int = SEGMENT_FRAMES) -> list[int]:
    """First frames of the segments that cover ``frames`` frames.

    The last segment ends at the last frame, so that nothing is left out; it overlaps the one before it if it must.
    A sequence shorter than a segment has one, at 0.
    """
    if frames <= length:
        return [0]
    starts = list(range(0, frames - length, stride))
    return [*starts, frames - length]


def fit_length(poses: Floats, length: int = SEGMENT_FRAMES) -> Floats:
    """A sequence [n, J, C] of MIN_FRAMES to ``length`` frames, played to and fro until it has ``length`` frames.

    Turning back keeps the movement smooth and going, where holding the last frame would turn a squat into a plank.

    Raises:
        InputError: it has fewer than MIN_FRAMES frames, or more than ``length``.
    """
    n = len(poses)
    if not MIN_FRAMES <= n <= length:
        raise InputError(f"the sequence has {n} frames: a segment needs {MIN_FRAMES} to {length}.")
    period = np.concatenate([np.arange(n), np.arange(n - 2, 0, -1)])
    return poses[np.resize(period, length)]


def cut_segments(
    tracks: Sequence[Track], *, length: int = SEGMENT_FRAMES, stride: int = SEGMENT_FRAMES // 2
) -> tuple[Segments, list[str]]:
    """All segments of all tracks; spans of one video are joined first, so no segment stops at a span's end.

    Returns:
        The segments, and a sentence for each video that has none (too short, or no person in it).
    """
    poses, labels, groups, video_ids, starts, ends, left_out = [], [], [], [], [], [], []
    ordered = sorted(tracks, key=lambda track: (track.video_id, track.span))
    for video_id, spans in groupby(ordered, key=lambda track: track.video_id):
        run = list(spans)
        for piece in _contiguous(run):
            joints = np.concatenate([track.joints for track in piece])
            if len(joints) < MIN_FRAMES:
                left_out.append(f"{run[0].uri}: {len(joints)} frames are too few for a segment (at least {MIN_FRAMES})")
                continue
            for start in window_starts(len(joints), length, stride):
                window = joints[start : start + length]
                seen = np.isfinite(window).any(axis=(1, 2)).sum()
                if seen < MIN_FRAMES:
                    left_out.append(f"{run[0].uri}: a person is seen in only {seen} frames from frame {start} on")
                    continue
                poses.append(fit_length(window, length))
                labels.append(run[0].label or "")
                groups.append(run[0].group)
                video_ids.append(video_id)
                starts.append(piece[0].t0 + start / piece[0].fps)
                ends.append(starts[-1] + len(window) / piece[0].fps)
    joints_shape = tracks[0].joints.shape[1:] if tracks else (0, 0)
    segments = Segments(
        poses=np.stack(poses) if poses else np.empty((0, length, *joints_shape), np.float32),
        labels=np.array(labels, dtype=np.str_),
        groups=np.array(groups, dtype=np.str_),
        video_ids=np.array(video_ids, dtype=np.str_),
        starts=np.array(starts, dtype=np.float64),
        ends=np.array(ends, dtype=np.float64),
    )
    return segments, left_out


def _contiguous(run: list[Track]) -> list[list[Track]]:
    """The spans of one video, cut where one is missing between two others (it is in quarantine)."""
    pieces = [[run[0]]]
    for before, track in pairwise(run):
        if track.span == before.span + 1:
            pieces[-1].append(track)
        else:
            pieces.append([track])
    return pieces


def join_segments(*parts: Segments) -> Segments:
    """All segments of several sets, in order."""
    return Segments(
        **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Segments)}
    )

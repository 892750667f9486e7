"""From a video to its spans, and from a span to its track: the work of extraction, without Ray."""

import hashlib
from dataclasses import dataclass

import numpy as np

from gymspotter.catalog import Entry
from gymspotter.errors import NoPersonError
from gymspotter.pose import Estimator, estimate
from gymspotter.skeleton import layout, root_at_hip, to_canonical
from gymspotter.tracks import Track
from gymspotter.video import frames_at, grid_times, probe

GRID_FPS = 5.0  # T = 60 frames then span the paper's 12 seconds
SPAN_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Span:
    """The part [t0, t1) seconds of a video, one unit of work: short enough to spread a long video over workers."""

    video_id: str
    span: int
    uri: str
    label: str | None
    group: str
    t0: float
    t1: float
    fps: float


def video_id(path: str) -> str:
    """The first 16 hex digits of the SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def plan_spans(entry: Entry, *, fps: float = GRID_FPS, span_seconds: float = SPAN_SECONDS) -> list[Span]:
    """The spans of one video, in order; a rest of a second or less belongs to the span before it.

    Raises:
        VideoError: the video cannot be used; see `video.probe`.
    """
    seconds = probe(entry.uri).seconds
    identity = video_id(entry.uri)
    starts = np.arange(0, max(seconds - 1.0, 1e-9), span_seconds)
    ends = [*starts[1:], seconds]
    return [
        Span(
            video_id=identity,
            span=number,
            uri=entry.uri,
            label=entry.label,
            group=entry.group or identity,
            t0=float(start),
            t1=float(end),
            fps=fps,
        )
        for number, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


def track_span(span: Span, estimator: Estimator) -> Track:
    """Decode a span's frames on the grid, estimate the athlete's pose in each, convert to the canonical skeleton.

    Raises:
        VideoError: decoding breaks.
        NoPersonError: the estimator sees nobody in any of the frames.
    """
    times = grid_times(span.t0, span.t1, span.fps)
    poses = estimate(estimator, frames_at(span.uri, times))
    if not poses.seen.any():
        raise NoPersonError(
            f"no person was seen in any of the {len(times)} frames of {span.t0:.0f}-{span.t1:.0f} s: "
            "show one athlete whole, from the front or the side."
        )
    native = layout(poses.layout)
    joints, scores = to_canonical(poses.joints, poses.scores, native)
    image_xy, _ = to_canonical(poses.image_xy, poses.scores, native)
    return Track(
        video_id=span.video_id,
        span=span.span,
        uri=span.uri,
        label=span.label,
        group=span.group,
        fps=span.fps,
        t0=float(times[0]),
        joints=root_at_hip(joints),
        scores=scores,
        image_xy=image_xy,
        layout=poses.layout,
        estimator=estimator.name,
        estimator_version=estimator.version,
    )

"""From a video to its spans, and from a span to its track: the work of extraction, without Ray."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gymspotter.catalog import Entry
from gymspotter.errors import NoPersonError
from gymspotter.pose import Estimator, Frame, Poses
from gymspotter.pose.gaps import bridge
from gymspotter.skeleton import layout, root_at_hip, to_canonical
from gymspotter.tracks import Track
from gymspotter.video import frames_at, grid_times

GRID_FPS = 5.0  # T = 60 frames then span the paper's 12 seconds
SPAN_SECONDS = 60.0
# A video and times in, the frames shown then out: `video.frames_at`, or that of a `decoder.Decoder`.
Decode = Callable[[str, NDArray[np.float64]], Iterator[Frame]]


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


def plan_spans(
    entry: Entry, video_id: str, seconds: float, *, fps: float = GRID_FPS, span_seconds: float = SPAN_SECONDS
) -> list[Span]:
    """The spans of a video of that length, in order; a rest of a second or less belongs to the span before it."""
    starts = np.arange(0, max(seconds - 1.0, 1e-9), span_seconds)
    ends = [*starts[1:], seconds]
    return [
        Span(
            video_id=video_id,
            span=number,
            uri=entry.uri,
            label=entry.label,
            group=entry.group or video_id,
            t0=float(start),
            t1=float(end),
            fps=fps,
        )
        for number, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


def watch_span(span: Span, estimator: Estimator, decode: Decode = frames_at) -> Any:
    """Show an estimator the frames of a span on the grid; what it returns is for `finish_span`'s poses.

    Raises:
        VideoError: decoding breaks.
    """
    return estimator.watch(decode(span.uri, grid_times(span.t0, span.t1, span.fps)))


def finish_span(span: Span, poses: Poses, estimator: Estimator) -> Track:
    """The track of a span from the athlete's poses: short losses bridged, on the canonical skeleton.

    Raises:
        NoPersonError: the estimator saw nobody in any of the frames.
    """
    if not poses.seen.any():
        raise NoPersonError(
            f"no person was seen in any of the {len(poses.joints)} frames of {span.t0:.0f}-{span.t1:.0f} s: "
            "show one athlete whole, from the front or the side."
        )
    poses = bridge(poses, span.fps)
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
        t0=float(grid_times(span.t0, span.t1, span.fps)[0]),
        joints=root_at_hip(joints),
        scores=scores,
        image_xy=image_xy,
        layout=poses.layout,
        estimator=estimator.name,
        estimator_version=estimator.version,
    )


def track_span(span: Span, estimator: Estimator, decode: Decode = frames_at) -> Track:
    """Both at once, for one span.

    Raises:
        VideoError: decoding breaks.
        NoPersonError: the estimator saw nobody in any of the frames.
    """
    return finish_span(span, estimator.poses([watch_span(span, estimator, decode)])[0], estimator)

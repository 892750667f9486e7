"""From a video to its tracks; without the model, so that a replica that estimates poses need not load what runs it."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gymspotter.catalog import Entry
from gymspotter.decoder import Decoder
from gymspotter.errors import InputError, NoPersonError
from gymspotter.pose import Estimator, Frame
from gymspotter.spans import plan_spans, track_span
from gymspotter.tracks import Track
from gymspotter.video import frames_at, grid_times, probe

# Videos are always saved under this name: a client's could leave the folder, or tell FFmpeg to open other files.
UPLOAD = "upload"


@dataclass(frozen=True, kw_only=True)
class Skeletonised:
    """The tracks of a video, whose spans without a person have none, and the whole video: seconds, frames sampled, and
    the size of its pictures in pixels, as they are shown.
    """

    tracks: list[Track]
    seconds: float
    frames: int
    width: int
    height: int


def skeletonise(
    video: Path,
    name: str,
    estimator: Estimator,
    *,
    fps: float,
    max_seconds: float = float("inf"),
    tell: Callable[[float], None] = lambda share: None,
    decoder: Decoder | None = None,
) -> Skeletonised:
    """The tracks of an upload (a file called `UPLOAD`), sampled ``fps`` times a second.

    Args:
        video: the file.
        name: what the client calls it, for sentences.
        estimator: whose frames they are to be; used by one thread at a time.
        fps: the model's grid.
        max_seconds: a longer video is refused before anything is decoded.
        tell: called at every frame with the share 0..1 that is done; what it raises ends the work.
        decoder: reads the video in a process of its own, which may crash; without it it is read in this one.

    Raises:
        InputError: it cannot be used, is too long or shows nobody; the sentence calls it ``name``.
    """
    try:
        info = decoder.probe(str(video)) if decoder else probe(video)
        seconds = info.seconds
        if seconds > max_seconds:
            raise InputError(
                f"file {UPLOAD!r} is {_short(seconds)} s long: send at most {max_seconds:g} s, or use "
                "`gymspotter extract`."
            )
        frames = len(grid_times(0.0, seconds, fps))
        done = 0

        def decode(uri: str, times: NDArray[np.float64]) -> Iterator[Frame]:
            nonlocal done
            for frame in (decoder.frames_at if decoder else frames_at)(uri, times):
                tell(done / max(frames, 1))
                done += 1
                yield frame

        tell(0.0)
        tracks = []
        for span in plan_spans(Entry(uri=str(video)), UPLOAD, seconds, fps=fps):
            with suppress(NoPersonError):  # of one span; the next may show somebody
                tracks.append(track_span(span, estimator, decode))
        if not tracks:
            raise NoPersonError(
                f"no person was seen in any of the {frames} frames sampled from file {UPLOAD!r}: show one athlete "
                "whole, from the front or the side."
            )
    except InputError as error:
        raise InputError(str(error).replace(repr(UPLOAD), repr(name))) from error
    return Skeletonised(tracks=tracks, seconds=seconds, frames=frames, width=info.width, height=info.height)


def _short(seconds: float) -> str:
    return f"{seconds:.1f}".removesuffix(".0")

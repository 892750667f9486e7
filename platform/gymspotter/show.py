"""See what the estimator sees: a video with the skeleton drawn on, or a contact sheet of it.

gymspotter show squat.mp4 --out squat.jpg
gymspotter show squat.mp4 --out drawn.mp4 --fps 15
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import av
import cv2
import numpy as np
import tyro

from gymspotter.catalog import Entry
from gymspotter.errors import InputError, NoPersonError
from gymspotter.overlay import Picture, drawn, drawn_frames, sheet
from gymspotter.pose import MMPoseOptions, check_estimator, load_estimator
from gymspotter.spans import GRID_FPS, plan_spans, track_span
from gymspotter.tracks import Track
from gymspotter.video import VideoInfo, probe

_PICTURES, _VIDEOS = (".jpg", ".jpeg", ".png"), (".mp4", ".mov", ".mkv")
_LARGEST_HEIGHT = 720


@dataclass(frozen=True, kw_only=True)
class ShowOptions:
    """Draw the skeletons found in a video, as a video or a contact sheet."""

    video: Annotated[str, tyro.conf.Positional]
    """The video."""
    out: Path = Path("skeletons.jpg")
    """What to write: a contact sheet (.jpg, .png) or a video (.mp4, .mov, .mkv)."""
    frames: int = 12
    """How many frames a contact sheet shows, spread over the video."""
    fps: float = GRID_FPS
    """How many frames a second are looked at."""
    estimator: str = "blazepose"
    """Pose estimator."""
    mmpose: MMPoseOptions = field(default_factory=MMPoseOptions)
    """Settings of the estimator mmpose."""

    def __post_init__(self) -> None:
        check_estimator(self.estimator)
        if self.frames < 1:
            raise InputError(f"frames is {self.frames}: use at least 1.")
        if not 0 < self.fps <= 60:
            raise InputError(f"fps is {self.fps:g}: use more than 0 and at most 60.")
        if self.out.suffix.lower() not in (*_PICTURES, *_VIDEOS):
            raise InputError(f"out is {str(self.out)!r}: name a file that ends in {', '.join(_PICTURES + _VIDEOS)}.")


def show(options: ShowOptions) -> None:
    """Write a video or a contact sheet of one video with the skeleton drawn on.

    Raises:
        InputError: the video cannot be used, or nobody is in it.
    """
    info = probe(options.video)
    estimator = load_estimator(options.estimator, options.mmpose)
    tracks: list[Track] = []
    for span in plan_spans(Entry(uri=options.video), "shown", info.seconds, fps=options.fps):
        try:
            tracks.append(track_span(span, estimator))
        except NoPersonError as error:
            print(error)
    if not tracks:
        raise InputError(f"video {options.video!r} shows nobody: there is no skeleton to draw.")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    if options.out.suffix.lower() in _VIDEOS:
        _write_video(tracks, info, options.out)
    else:
        per_track = max(1, options.frames // len(tracks))
        cells = [picture for track in tracks for picture in drawn_frames(track, per_track)]
        cv2.imwrite(str(options.out), sheet(cells)[..., ::-1])
    seen = np.average([track.seen for track in tracks], weights=[len(track.joints) for track in tracks])
    print(f"{options.out}: a person was seen in {seen:.0%} of the sampled frames")


def _write_video(tracks: list[Track], info: VideoInfo, out: Path) -> None:
    """The tracks' frames one after the other, as H.264."""
    height = min(info.height, _LARGEST_HEIGHT) // 2 * 2
    pictures: Iterable[Picture] = itertools.chain.from_iterable(
        drawn(track, np.arange(len(track.joints)), height) for track in tracks
    )
    with av.open(str(out), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(tracks[0].fps).limit_denominator(1000))
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "20"}
        for k, picture in enumerate(pictures):
            if k == 0:  # yuv420p wants even sides
                stream.height, stream.width = height, picture.shape[1] // 2 * 2
            even = np.ascontiguousarray(picture[: stream.height, : stream.width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        container.mux(stream.encode())

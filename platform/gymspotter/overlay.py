"""Draw a track's skeleton over the frames it was made from: contact sheets of a video or of a whole store.

gymspotter show squat.mp4 --out squat.jpg
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import tyro
from numpy.typing import NDArray

from gymspotter.catalog import Entry
from gymspotter.errors import InputError, NoPersonError
from gymspotter.pose import load_estimator
from gymspotter.skeleton import CANONICAL, Floats
from gymspotter.spans import plan_spans, track_span
from gymspotter.tracks import Track
from gymspotter.video import frames_at

Picture = NDArray[np.uint8]
# RGB: the athlete's left, right and middle.
_CAPTION_PX = 20
_LEFT, _RIGHT, _MIDDLE = (255, 140, 0), (0, 190, 255), (240, 240, 240)


@dataclass(frozen=True, kw_only=True)
class ShowOptions:
    """Draw the skeletons found in a video, as a contact sheet."""

    video: Annotated[Path, tyro.conf.Positional]
    """The video."""
    out: Path = Path("skeletons.jpg")
    """The picture to write (.jpg or .png)."""
    frames: int = 12
    """How many frames to show, spread over the video."""
    estimator: str = "blazepose"
    """Pose estimator."""


def show(options: ShowOptions) -> None:
    """Write a contact sheet of one video with the skeleton drawn on.

    Raises:
        InputError: the video cannot be used, or nobody is in it.
    """
    if options.frames < 1:
        raise InputError(f"frames is {options.frames}: use at least 1.")
    estimator = load_estimator(options.estimator)
    tracks: list[Track] = []
    for span in plan_spans(Entry(uri=str(options.video))):
        try:
            tracks.append(track_span(span, estimator))
        except NoPersonError as error:
            print(error)
    if not tracks:
        raise InputError(f"video {options.video.name!r} shows nobody: there is no skeleton to draw.")
    per_track = max(1, options.frames // len(tracks))
    cells = [picture for track in tracks for picture in drawn_frames(track, per_track)]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(options.out), sheet(cells)[..., ::-1])
    seen = np.average([track.seen for track in tracks], weights=[len(track.joints) for track in tracks])
    print(f"{options.out}: a person was seen in {seen:.0%} of the sampled frames")


def drawn_frames(track: Track, count: int, height: int = 240) -> list[Picture]:
    """``count`` frames spread evenly over a track, scaled to ``height`` pixels, with the skeleton drawn on."""
    chosen = np.unique(np.linspace(0, len(track.joints) - 1, count).round().astype(int))
    pictures = []
    for k, frame in zip(chosen, frames_at(track.uri, track.t0 + chosen / track.fps), strict=True):
        width = max(1, round(frame.shape[1] * height / frame.shape[0]))
        picture = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        draw_skeleton(picture, track.image_xy[k], track.scores[k])
        label = f"{track.t0 + k / track.fps:.1f} s" + ("" if np.isfinite(track.image_xy[k]).any() else "  nobody seen")
        caption(picture, label, top=height - _CAPTION_PX)
        pictures.append(picture)
    return pictures


def draw_skeleton(picture: Picture, image_xy: Floats, scores: Floats) -> None:
    """Draw one canonical skeleton onto ``picture`` in place.

    ``image_xy`` is [17, 2] in shares of the picture, ``scores`` [17]; a bone with a doubtful end is drawn thin.
    """
    height, width = picture.shape[:2]
    points = image_xy * (width, height)
    thick = max(1, round(height / 120))
    for a, b in CANONICAL.bone_indices:
        if np.isfinite(points[[a, b]]).all() and np.abs(points[[a, b]]).max() < 1e5:
            names = CANONICAL.joints[a][:2] + CANONICAL.joints[b][:2]
            colour = _LEFT if "l_" in names else _RIGHT if "r_" in names else _MIDDLE
            sure = min(scores[a], scores[b]) > 0.3
            start, end = (tuple(int(v) for v in points[k].round()) for k in (a, b))
            cv2.line(picture, start, end, colour, thick if sure else 1, cv2.LINE_AA)


def caption(picture: Picture, text: str, top: int = 0) -> None:
    """Write a line of text onto ``picture`` in place, on a darkened strip that begins at row ``top``."""
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
    strip = picture[top : top + _CAPTION_PX, : width + 12]
    strip[:] = strip // 3
    baseline = (6, top + _CAPTION_PX - 6)
    cv2.putText(picture, text, baseline, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)


def sheet(cells: Sequence[Picture], columns: int = 4) -> Picture:
    """Pictures in rows; each column is as wide as its widest picture."""
    if not cells:
        raise InputError("there is no picture to lay out.")
    height, width = max(c.shape[0] for c in cells), max(c.shape[1] for c in cells)
    rows = -(-len(cells) // columns)
    out = np.full((rows * height, min(columns, len(cells)) * width, 3), 24, np.uint8)
    for i, cell in enumerate(cells):
        top, left = i // columns * height, i % columns * width + (width - cell.shape[1]) // 2
        out[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return out

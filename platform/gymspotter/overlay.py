"""Draw a track's skeleton over the frames it was made from, and lay pictures out in a sheet."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from gymspotter.errors import InputError
from gymspotter.skeleton import CANONICAL, Floats
from gymspotter.tracks import Track
from gymspotter.video import frames_at

Picture = NDArray[np.uint8]
# RGB: the athlete's left, right and middle.
_CAPTION_PX = 20
_LEFT, _RIGHT, _MIDDLE = (255, 140, 0), (0, 190, 255), (240, 240, 240)


def drawn_frames(track: Track, count: int, height: int = 240) -> list[Picture]:
    """``count`` frames spread evenly over a track, scaled to ``height`` pixels, with the skeleton drawn on."""
    chosen = np.unique(np.linspace(0, len(track.joints) - 1, count).round().astype(int))
    return list(drawn(track, chosen, height))


def drawn(track: Track, frames: NDArray[np.intp], height: int) -> Iterator[Picture]:
    """The frames of a track with these numbers, scaled to ``height`` pixels, with the skeleton and the time."""
    for k, frame in zip(frames, frames_at(track.uri, track.t0 + frames / track.fps), strict=True):
        width = max(1, round(frame.shape[1] * height / frame.shape[0]))
        picture = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        draw_skeleton(picture, track.image_xy[k], track.scores[k])
        found = "" if track.scores[k].any() else "  nobody seen"
        caption(picture, f"{track.t0 + k / track.fps:.1f} s{found}", top=height - _CAPTION_PX)
        yield picture


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

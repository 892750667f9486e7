"""Where `gymspotter watch` has its pictures from: a video, or a camera."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from gymspotter.errors import InputError
from gymspotter.pose import Frame
from gymspotter.video import frames_at, grid_times, probe

CAMERA = "camera"


def camera_number(source: str) -> int | None:
    """0 for "camera", the number for a number, None for anything else: a video."""
    return 0 if source == CAMERA else int(source) if source.isdecimal() else None


@contextmanager
def pictures(
    source: str, fps: float, clock: Callable[[], float] = time.monotonic
) -> Iterator[Iterator[tuple[float, Frame]]]:
    """Times (seconds from the first) and RGB pictures [H, W, 3] of a source, ``fps`` a second at most.

    A camera's come when they are taken, a video's as fast as they are asked for.

    Raises:
        InputError: there is no such camera, or the video cannot be read.
    """
    number = camera_number(source)
    if number is None:
        times = grid_times(0.0, probe(source).seconds, fps)
        yield zip(times.tolist(), frames_at(source, times), strict=True)
        return
    camera = _opened(number)
    try:
        yield _taken(camera, number, fps, clock)
    finally:
        camera.release()


def _opened(number: int) -> cv2.VideoCapture:
    # OpenCV complains on standard error of each of its ways to open a camera.
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        camera = cv2.VideoCapture(number)
    finally:
        cv2.utils.logging.setLogLevel(level)
    if not camera.isOpened():
        camera.release()
        raise InputError(f"camera {number} cannot be opened: connect one, allow its use, or name a video.")
    return camera


def _taken(
    camera: cv2.VideoCapture, number: int, fps: float, clock: Callable[[], float]
) -> Iterator[tuple[float, Frame]]:
    """Pictures of a camera that gives more than are wanted: those between are taken, and never made pixels of."""
    started, due = clock(), 0.0
    while camera.grab():
        t = clock() - started
        if t < due:
            continue
        good, picture = camera.retrieve()
        if good:
            due = max(due + 1 / fps, t)
            yield t, np.ascontiguousarray(picture[..., ::-1])
    raise InputError(f"camera {number} gives no pictures any more: connect it again.")

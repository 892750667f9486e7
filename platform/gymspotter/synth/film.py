"""Synthetic videos and the truth about them: an H.264 file, and beside it a JSON file with everything that is known.

Shapes: T frames, 17 canonical joints.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import uuid4

import av
import numpy as np

from gymspotter.errors import InputError
from gymspotter.skeleton import CANONICAL
from gymspotter.synth.camera import Camera
from gymspotter.synth.look import Look
from gymspotter.synth.perform import camera_joints
from gymspotter.synth.render import render
from gymspotter.synth.scene import Performance


def film(
    performance: Performance,
    camera: Camera,
    look: Look,
    path: str | os.PathLike[str],
    *,
    width: int = 640,
    height: int = 480,
    quality: int = 26,
    preset: str = "veryfast",
    threads: int = 1,
) -> Path:
    """Render a performance and write it as an H.264 video (an MP4 file).

    Args:
        performance: what happens, at the frame rate of the video.
        camera: from where it is seen.
        look: what it looks like.
        path: where to write it; the file appears when it is complete, and folders are made.
        width: of the picture in pixels, even.
        height: of the picture in pixels, even.
        quality: libx264's constant rate factor; 18 is good, 26 is like a phone's clip, 35 is bad.
        preset: of libx264: how much time it takes to make the file small.
        threads: of the encoder; 0 lets it use every core.

    Returns:
        ``path``.

    Raises:
        InputError: the picture has an odd or no size, or the path does not end in ``.mp4``.
    """
    target = Path(path)
    if width < 16 or height < 16 or width % 2 or height % 2:
        raise InputError(f"size {width}x{height} is not possible: width and height must be even and at least 16.")
    if target.suffix != ".mp4":
        raise InputError(f"path {str(target)!r} must end in .mp4.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with _atomic(target) as partial, av.open(str(partial), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(performance.fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        # Without macroblock trees: with them, libx264's AVX-512 code reads memory it never wrote at some sizes, and the
        # same seed gives another file each time.
        stream.options = {"crf": str(quality), "preset": preset, "x264-params": "mbtree=0"}
        stream.codec_context.thread_count = threads
        for picture in render(performance, camera, look, width, height):
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return target


def truth(performance: Performance, camera: Camera, width: int, height: int) -> dict[str, Any]:
    """What a perfect observer of the video would know.

    Returns:
        ``exercise``, ``fps``, ``repetitions`` (pairs of seconds), ``joints`` [T, 17, 3] in metres on camera axes with
        the mid-hip as origin, ``image_xy`` [T, 17, 2] in 0..1 of the picture (outside of it where the picture ends),
        and how it was filmed: ``camera``, ``width``, ``height``, and the athlete's ``body_height`` in metres.
    """
    pixels, _ = camera.project(performance.joints[:, : len(CANONICAL.joints)], width, height)
    return {
        "exercise": performance.exercise,
        "fps": performance.fps,
        "repetitions": [[float(start), float(end)] for start, end in performance.repetitions],
        "joints": camera_joints(performance, camera),
        "image_xy": pixels / np.array((width, height), np.float32),
        "camera": asdict(camera),
        "width": width,
        "height": height,
        "body_height": performance.build.height,
    }


def truth_path(video: str | os.PathLike[str]) -> Path:
    """Where the truth about a video lies: ``squat.mp4`` has ``squat.mp4.json`` beside it."""
    return Path(f"{os.fspath(video)}.json")


def write_truth(video: str | os.PathLike[str], facts: dict[str, Any], *, seed: int | None = None) -> Path:
    """Write ``facts`` (of ``truth``) beside a video, with the seed it was made from.

    Joints are rounded to a tenth of a millimetre, positions in the picture to a ten-thousandth of its size.
    """
    path = truth_path(video)
    plain = {k: np.round(v.astype(float), 4).tolist() if isinstance(v, np.ndarray) else v for k, v in facts.items()}
    with _atomic(path) as partial:
        partial.write_text(json.dumps({**plain, "seed": seed}, separators=(",", ":")), encoding="utf-8")
    return path


def read_truth(video: str | os.PathLike[str]) -> dict[str, Any]:
    """The truth beside a video, with ``joints`` and ``image_xy`` as float32 arrays.

    Raises:
        InputError: there is none, or it is no such file.
    """
    path = truth_path(video)
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        return {**facts, **{k: np.array(facts[k], np.float32) for k in ("joints", "image_xy")}}
    except FileNotFoundError:
        raise InputError(f"video {os.fspath(video)!r} has no truth beside it: {path} is missing.") from None
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} does not hold the truth about a video: {error}.") from error


@contextmanager
def _atomic(path: Path) -> Iterator[Path]:
    """A place to write a file to, which becomes ``path`` once the block has ended well."""
    partial = path.with_name(f".{path.name}.{uuid4().hex[:8]}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()

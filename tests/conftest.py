"""Shared by all tests: small real videos, made here and now."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from gymspotter.synth.generate import Item, SynthOptions, make_video

ClipMaker = Callable[..., Path]


def write_clip(
    path: Path, *, frames: int = 20, fps: int = 10, width: int = 64, height: int = 48, first: int = 0
) -> Path:
    """A real H.264 clip whose frame k is grey of brightness 10 (first + k), so that a picture tells which it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "10"}
        for k in range(frames):
            picture = np.full((height, width, 3), min(10 * (first + k), 255), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two seconds, 20 frames, 10 frames a second, 64 x 48."""
    return write_clip(tmp_path / "clip.mp4")


@pytest.fixture(scope="session")
def squat_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six rendered seconds of a squat that BlazePose finds, with its truth beside it."""
    options = SynthOptions(out=tmp_path_factory.mktemp("squat"), seconds=6, seed=3)
    return make_video(Item(exercise="squat", number=0, seed=3), options)

"""What Chromium's fake camera sees: an athlete of the synthetic gym, rendered once, with the repetitions known.

Every scene is filmed as people film themselves: from the front left, from 3.5 m, at the height of the hips, the whole
body in the picture. Chromium plays a .y4m file at its own rate from its first frame each time the camera is opened, and
begins again at its end; a test that counts ends before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from gymspotter.synth.camera import Camera
from gymspotter.synth.film import film
from gymspotter.synth.look import sample_look
from gymspotter.synth.perform import perform
from gymspotter.synth.scene import Performance

FPS = 10.0
WIDTH, HEIGHT = 480, 360


@dataclass(frozen=True)
class Scene:
    """One athlete doing one exercise for ``seconds``; ``number`` draws the athlete, the tempo and the clothes."""

    exercise: str
    number: int = 0
    seconds: float = 30.0

    @cached_property
    def performance(self) -> Performance:
        rng = np.random.default_rng(self.number)
        return perform(self.exercise, rng, seconds=self.seconds, fps=FPS)

    def repetitions_by(self, seconds: float) -> int:
        """How many repetitions are over ``seconds`` after the beginning."""
        return sum(end <= seconds for _, end in self.performance.repetitions)

    def film(self, path: Path) -> Path:
        """Write the video, an .mp4 file."""
        joints = self.performance.joints.reshape(-1, 3)
        x, y, z = (float(v) for v in (joints.min(axis=0) + joints.max(axis=0)) / 2)
        camera = Camera(yaw=35.0, pitch=6.0, roll=0.0, distance=3.5, focal=1.2, target=(x, y, z))
        look = sample_look(np.random.default_rng([self.number, 1]))
        return film(self.performance, camera, look, path, width=WIDTH, height=HEIGHT, quality=20)


def pictures(*videos: Path) -> Iterator[NDArray[np.uint8]]:
    """The frames of videos, one video after the other, as planar YUV 4:2:0."""
    for video in videos:
        with av.open(str(video)) as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="yuv420p")


def as_camera(video: Path) -> Path:
    """The file for Chromium's fake camera, beside the video."""
    path = video.with_suffix(".y4m")
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        size, rate = f"W{stream.width} H{stream.height}", Fraction(stream.average_rate or FPS)
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 {size} F{rate.numerator}:{rate.denominator} Ip A1:1 C420jpeg\n".encode())
        for picture in pictures(video):
            file.write(b"FRAME\n" + picture.tobytes())
    return path


def joined(path: Path, *videos: Path) -> Path:
    """One video of several, one after the other."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"crf": "20", "preset": "veryfast"}
        for picture in pictures(*videos):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        container.mux(stream.encode())
    return path

"""An estimator that takes its time and computes nothing: what a GPU does, as the pipeline around it sees it."""

import functools
import os
import random
import time
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from gymspotter.pose import ESTIMATORS, Frame, MMPoseOptions, Poses
from gymspotter.skeleton import CANONICAL

_MOST_FRAMES = 600


class Sleeper:
    """It looks at all frames, then sleeps until the span has taken as long as one that was measured."""

    name, version, layout = "sleeper", "1", CANONICAL.name

    def __init__(self, service_s: Sequence[float]) -> None:
        """``service_s``: seconds a span takes, decoding included; each worker has them in an order of its own."""
        self._service = random.Random(os.getpid()).sample(service_s, len(service_s))
        self._spans = 0
        # Noise, so that a track is as hard to compress as a real one.
        self._joints = np.random.default_rng(0).normal(size=(_MOST_FRAMES, len(CANONICAL.joints), 3)).astype(np.float32)

    def watch(self, frames: Iterable[Frame]) -> int:
        """How many frames there were."""
        began = time.monotonic()
        count = sum(1 for _ in frames)
        service = self._service[self._spans % len(self._service)]
        self._spans += 1
        time.sleep(max(0.0, service - (time.monotonic() - began)))
        return count

    def poses(self, watched: Sequence[int]) -> list[Poses]:
        """The same poses for every span."""
        return [self._poses(frames) for frames in watched]

    def _poses(self, frames: int) -> Poses:
        joints = self._joints[:frames]
        scores = np.ones(joints.shape[:2], np.float32)
        return Poses(joints=joints, scores=scores, image_xy=joints[..., :2], layout=self.layout)


def register(service_s: Mapping[str, Sequence[float]]) -> None:
    """Add a `Sleeper` under each name to the estimators of this process."""

    def load(times: Sequence[float], _: MMPoseOptions) -> Sleeper:
        return Sleeper(times)

    for name, times in service_s.items():
        ESTIMATORS[name] = functools.partial(load, list(times))

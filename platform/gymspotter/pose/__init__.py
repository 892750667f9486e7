"""Pose estimators: one contract, several of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gymspotter.skeleton import Floats


@dataclass(frozen=True, kw_only=True)
class Poses:
    """One athlete over T frames, in the estimator's native layout of J joints; NaN with score 0 where nobody is seen.

    ``joints`` [T, J, 3] metres, camera-aligned axes, origin at the mid-hip; ``scores`` [T, J] in 0..1; ``image_xy``
    [T, J, 2] as a share of the picture's width and height (outside 0..1 when a joint lies outside the picture).
    """

    joints: Floats
    scores: Floats
    image_xy: Floats
    layout: str

    @property
    def seen(self) -> NDArray[np.bool_]:
        """[T] whether a person was found in the frame."""
        return np.asarray(np.isfinite(self.joints).all(axis=(1, 2)))


class Estimator(Protocol):
    """Turns frames into poses. ``name`` and ``version`` are stored with every track it makes."""

    name: str
    version: str
    layout: str

    def estimate(self, frames: Iterable[NDArray[np.uint8]]) -> Poses:
        """The athlete's pose in each of ``frames`` (RGB, [H, W, 3], in time order, consumed one by one).

        Frames belong to one span: what is tracked between them is forgotten at the next call.
        """
        ...


def _blazepose() -> Estimator:
    from gymspotter.pose.blazepose import BlazePose

    return BlazePose.load()


# Loading imports the estimator's own libraries, so nobody pays for one that is not used.
ESTIMATORS: dict[str, Callable[[], Estimator]] = {"blazepose": _blazepose}

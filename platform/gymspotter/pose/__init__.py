"""Pose estimators: one contract, several of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gymspotter.errors import InputError
from gymspotter.skeleton import Floats

# RGB pixels, [H, W, 3].
Frame = NDArray[np.uint8]


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
    """Turns frames into poses, in two steps, so that the pictures of many spans can share a forward pass.

    ``name`` and ``version`` are stored with every track it makes.
    """

    name: str
    version: str
    layout: str

    def watch(self, frames: Iterable[Frame]) -> Any:
        """Look at the frames of one span (in time order, consumed one by one) and keep what `poses` needs of them.

        What is tracked between frames is forgotten at the next call. An error of ``frames`` passes through.
        """
        ...

    def poses(self, watched: Sequence[Any]) -> list[Poses]:
        """The athlete's pose in each frame of each span that `watch` looked at."""
        ...


def estimate(estimator: Estimator, frames: Iterable[Frame]) -> Poses:
    """The athlete's pose in each of ``frames``, which belong to one span."""
    return estimator.poses([estimator.watch(frames)])[0]


def load_estimator(name: str) -> Estimator:
    """The estimator of that name, its weights loaded.

    Raises:
        InputError: there is none of that name, or its weights are not to be had.
    """
    check_estimator(name)
    return _LOADERS[name]()


def check_estimator(name: str) -> None:
    """Raise `InputError` unless there is an estimator of that name."""
    if name not in _LOADERS:
        raise InputError(f"estimator {name!r} is not known: use one of {', '.join(_LOADERS)}.")


def _blazepose() -> Estimator:
    from gymspotter.pose.blazepose import BlazePose

    return BlazePose.load()


# Loading imports the estimator's own libraries, so nobody pays for one that is not used.
_LOADERS: dict[str, Callable[[], Estimator]] = {"blazepose": _blazepose}

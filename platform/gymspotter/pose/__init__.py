"""Pose estimators: one contract, several of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

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


@dataclass(frozen=True, kw_only=True)
class MMPoseOptions:
    """Settings of the estimator mmpose: a net that finds joints in pictures, then one that lifts them to 3D over time.

    A config is one that MMPose ships, by its name, or a path to one (which is Python, and is run).
    """

    pose2d: str = "rtmpose-m_8xb256-420e_body8-256x192"
    """Config of the 2D net: RTMPose with COCO's joints."""
    pose2d_weights: str | None = None
    """Its weights: a path, or a file://, https://, s3:// or gs:// URI; the published ones if left out."""
    pose2d_sha256: str | None = None
    """SHA-256 of the 2D net's weights; a published file's name holds its first 8 digits."""
    lifter: str = "motionbert_dstformer-ft-243frm_8xb32-120e_h36m"
    """Config of the lifter: MotionBERT or VideoPose3D on Human3.6M."""
    lifter_weights: str | None = None
    """Its weights, as of the 2D net."""
    lifter_sha256: str | None = None
    """SHA-256 of the lifter's weights."""
    detect_every: int = 3
    """Of so many frames people are looked for in one; in the others the athlete's box is interpolated."""
    batch: int | None = None
    """Pictures in one forward pass; 64 on a GPU and 8, which fit its cache, on a CPU if left out."""
    device: str = "auto"
    """cpu, cuda, cuda:1; auto is the GPU if there is one."""
    precision: Literal["auto", "full", "half"] = "auto"
    """Of the 2D net; auto is half on a GPU and full on a CPU. Half is bfloat16 on a CPU: faster if it has AMX."""

    def __post_init__(self) -> None:
        if self.detect_every < 1:
            raise InputError(f"mmpose.detect-every is {self.detect_every}: give at least 1.")
        if self.batch is not None and self.batch < 1:
            raise InputError(f"mmpose.batch is {self.batch}: give at least 1.")


def load_estimator(name: str, mmpose: MMPoseOptions = MMPoseOptions()) -> Estimator:  # noqa: B008 - frozen
    """The estimator of that name, its weights loaded; ``mmpose`` is for the one of that name.

    Raises:
        InputError: there is none of that name, it is not installed, or its weights are not to be had.
    """
    check_estimator(name)
    return ESTIMATORS[name](mmpose)


def check_estimator(name: str) -> None:
    """Raise `InputError` unless there is an estimator of that name."""
    if name not in ESTIMATORS:
        raise InputError(f"estimator {name!r} is not known: use one of {', '.join(ESTIMATORS)}.")


def _blazepose(_: MMPoseOptions) -> Estimator:
    from gymspotter.pose.blazepose import BlazePose

    return BlazePose.load()


def _mmpose(options: MMPoseOptions) -> Estimator:
    from gymspotter.pose.mmpose import MMPose

    return MMPose.load(options)


# By name; whoever has one of their own adds it, in the driver and in the workers. Loading imports the estimator's own
# libraries, so nobody pays for one that is not used.
ESTIMATORS: dict[str, Callable[[MMPoseOptions], Estimator]] = {"blazepose": _blazepose, "mmpose": _mmpose}

"""One picture after the other, for a camera that is still running: what `Estimator.watch` does, a frame a call.

What is known of the athlete between two frames is an `Athlete`, plain data that the caller keeps. So one estimator
serves many cameras in turns, and a camera's next frame may go to an estimator in another process.

Shapes: J = 17 canonical joints.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from gymspotter.errors import InputError
from gymspotter.pose import Estimator, Frame, Poses
from gymspotter.pose.athlete import Athlete
from gymspotter.skeleton import Floats, layout, root_at_hip, to_canonical

__all__ = ["Athlete", "LivePose", "Stepping", "check_stepping", "step"]


@dataclass(frozen=True, kw_only=True)
class LivePose:
    """The athlete in one picture, as canonical joints; NaN with score 0 where nobody, or a joint, was not seen.

    ``joints_JC`` [17, 3] metres, camera-aligned axes, origin at the mid-hip; ``scores_J`` [17] in 0..1;
    ``image_xy_J2`` [17, 2] as a share of the picture's width and height.
    """

    joints_JC: Floats
    scores_J: Floats
    image_xy_J2: Floats

    @property
    def seen(self) -> bool:
        """Whether a person was found."""
        return bool((self.scores_J > 0).any())


@runtime_checkable
class Stepping(Protocol):
    """An estimator that can tell the pose in a frame without the frames after it."""

    name: str
    layout: str

    def step(self, frame: Frame, athlete: Athlete | None = None) -> tuple[Athlete, Poses]:
        """The athlete to hand in with the next frame, and the poses of this one (T = 1)."""
        ...


def check_stepping(estimator: Estimator | Stepping) -> Stepping:
    """The estimator, if it can work frame by frame.

    Raises:
        InputError: it needs the frames that come later, as one that lifts joints over time does.
    """
    if not isinstance(estimator, Stepping):
        raise InputError(
            f"estimator {estimator.name!r} needs whole videos and cannot follow a live picture: use blazepose for "
            "streams of pictures."
        )
    return estimator


def step(estimator: Estimator | Stepping, picture: Frame, state: Athlete | None) -> tuple[Athlete, LivePose]:
    """The pose of the athlete in the next picture of one camera.

    Args:
        estimator: may be used by one thread at a time.
        picture: RGB [H, W, 3] of bytes; its size may change.
        state: what the call for the picture before returned; None for the first picture.

    Returns:
        What to hand in with the next picture, and the pose.

    Raises:
        InputError: the estimator cannot work frame by frame, or the picture is not RGB bytes; ``state`` stays good.
    """
    after, poses = check_stepping(estimator).step(picture, state)
    native = layout(poses.layout)
    joints, scores = to_canonical(poses.joints, poses.scores, native)
    image_xy, _ = to_canonical(poses.image_xy, poses.scores, native)
    return after, LivePose(joints_JC=root_at_hip(joints)[0], scores_J=scores[0], image_xy_J2=image_xy[0])

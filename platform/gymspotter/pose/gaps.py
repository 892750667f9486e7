"""Bridge the moments in which the athlete was lost."""

from itertools import pairwise

import numpy as np

from gymspotter.pose import Poses

# A loss that lasts so long or longer stays one: nobody knows what an athlete did for a whole second.
BRIDGED_S = 1.0


def bridge(poses: Poses, fps: float) -> Poses:
    """Fill short losses in a straight line between the frames before and after them; their scores stay 0.

    A run of frames without a person is filled if it is shorter than a second (frames / fps < 1: up to 4 frames of 5 a
    second) and the person is seen on both sides of it. Longer runs, and those at the beginning and the end, stay NaN.

    Args:
        poses: of one span; whoever is found is found whole, as `Poses.seen` says.
        fps: frames a second.
    """
    joints, image_xy = poses.joints.copy(), poses.image_xy.copy()
    seen = np.flatnonzero(poses.seen)
    for before, after in pairwise(seen):
        missing = after - before - 1
        if not missing or missing / fps >= BRIDGED_S:
            continue
        share = (np.arange(1, missing + 1, dtype=np.float32) / (missing + 1))[:, None, None]
        for values in (joints, image_xy):
            values[before + 1 : after] = values[before] + share * (values[after] - values[before])
    return Poses(joints=joints, scores=poses.scores, image_xy=image_xy, layout=poses.layout)

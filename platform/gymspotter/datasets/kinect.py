"""What datasets recorded with the first Kinect share: the axes of its skeletons, and the order of their joints."""

import numpy as np

from gymspotter.skeleton import KINECT20, Floats

# Microsoft's Kinect for Windows SDK 1, enumeration JointType.
SDK_ORDER = (
    "hip_centre", "spine", "shoulder_centre", "head", "l_shoulder", "l_elbow", "l_wrist", "l_hand", "r_shoulder",
    "r_elbow", "r_wrist", "r_hand", "l_hip", "l_knee", "l_ankle", "l_foot", "r_hip", "r_knee", "r_ankle", "r_foot",
)  # fmt: skip


def from_kinect(joints: Floats, order: tuple[str, ...] = KINECT20.joints) -> Floats:
    """Kinect's joints [n, 20, 3], listed in ``order``, as `KINECT20` on our axes; NaN where a joint was not seen.

    Kinect's skeleton space is right-handed: x to the sensor's left, y up, z away from it. Ours is half a turn about z
    from there: one who faces the camera has the left hand on the right of the picture. A joint that lies exactly in the
    sensor was not seen.
    """
    joints = joints[:, [order.index(name) for name in KINECT20.joints]]
    seen = (joints != 0).any(axis=-1, keepdims=True)
    return np.where(seen, joints * np.array([-1, -1, 1]), np.nan).astype(np.float32)

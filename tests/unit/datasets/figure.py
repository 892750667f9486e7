"""A figure that faces the camera with the right hand raised, on our axes, for files in the formats of datasets."""

import numpy as np

# Metres: x right of the picture, y down, z away. Who faces the camera has the left side on the picture's right.
PLACES = {
    "head": (0, -0.6, 2.5), "neck": (0, -0.4, 2.5), "shoulder_centre": (0, -0.4, 2.5), "spine": (0, -0.1, 2.5),
    "hip_centre": (0, 0, 2.5), "l_shoulder": (0.2, -0.4, 2.5), "l_elbow": (0.25, -0.15, 2.5),
    "l_wrist": (0.25, 0.1, 2.45), "l_hand": (0.25, 0.15, 2.4), "r_shoulder": (-0.2, -0.4, 2.5),
    "r_elbow": (-0.3, -0.6, 2.5), "r_wrist": (-0.3, -0.85, 2.45), "r_hand": (-0.3, -0.9, 2.4),
    "l_hip": (0.1, 0.05, 2.5), "l_knee": (0.1, 0.45, 2.5), "l_ankle": (0.1, 0.9, 2.55), "l_foot": (0.1, 0.95, 2.4),
    "r_hip": (-0.1, 0.05, 2.5), "r_knee": (-0.1, 0.45, 2.5), "r_ankle": (-0.1, 0.9, 2.55), "r_foot": (-0.1, 0.95, 2.4),
}  # fmt: skip
# The order of Kinect's SDK, written down here once more: 0 is the hip centre, 3 the head, 11 the right hand.
SDK = (
    "hip_centre", "spine", "shoulder_centre", "head", "l_shoulder", "l_elbow", "l_wrist", "l_hand", "r_shoulder",
    "r_elbow", "r_wrist", "r_hand", "l_hip", "l_knee", "l_ankle", "l_foot", "r_hip", "r_knee", "r_ankle", "r_foot",
)  # fmt: skip


def figure(joints, frames=4):
    """[frames, joints, 3]: the figure walks a centimetre a frame to the right of the picture."""
    standing = np.array([PLACES[joint] for joint in joints])
    return standing + np.arange(frames)[:, None, None] * np.array([0.01, 0, 0])


def as_kinect(poses):
    """On Kinect's axes: x to the left of the picture, y up."""
    return poses * [-1, -1, 1]


def assert_is_figure(sequence, layout, frames=4):
    assert sequence.poses.dtype == np.float32
    np.testing.assert_allclose(sequence.poses, figure(layout.joints, frames), atol=1e-6)

"""Who walks by has bones that keep their length and feet that stay above the floor, and arrives."""

import numpy as np
import pytest

from gymspotter.synth.body import sample_build
from gymspotter.synth.passerby import walk
from gymspotter.synth.scene import BODY_JOINTS

HIP, LEFT_HIP, RIGHT_HIP = (BODY_JOINTS.index(j) for j in ("hip", "l_hip", "r_hip"))
BONES = [("l_hip", "l_knee"), ("l_knee", "l_ankle"), ("r_shoulder", "r_elbow"), ("r_elbow", "r_wrist")]


@pytest.mark.parametrize("end", [(3.0, 1.0), (-2.0, -2.0), (0.0, 2.5), (-1.0, 0.5)])
def test_a_walk(end: tuple[float, float]) -> None:
    start = (-1.0, 0.5)
    build = sample_build(np.random.default_rng(4))
    joints = walk(build, start, end, seconds=4, fps=10).joints
    assert joints.shape == (40, len(BODY_JOINTS), 3)
    for a, b in BONES:
        length = np.linalg.norm(joints[:, BODY_JOINTS.index(a)] - joints[:, BODY_JOINTS.index(b)], axis=-1)
        np.testing.assert_allclose(length, length[0], atol=1e-3)
    assert -0.01 < joints[..., 1].min() < 0.05
    np.testing.assert_allclose(joints[[0, -1], HIP][:, [0, 2]], [start, end], atol=1e-3)
    # The left side is to the left of where the walk goes: up x left = ahead turned by a quarter.
    way, left = np.subtract(end, start), (joints[:, LEFT_HIP] - joints[:, RIGHT_HIP])[:, [0, 2]]
    assert (left @ (way[1], -way[0]) > 0).all() or not way.any()

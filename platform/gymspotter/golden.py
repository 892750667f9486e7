"""Golden answers: what a classifier said of a few fixed segments when it was registered, to be asked again.

The segments are a formula and no file, so that they need not travel: a standing figure whose joints swing by sums of
sines. No random numbers are drawn, since their order differs between versions of numpy.

Shapes: S segments, T frames, J = 17 joints, C = 3 coordinates, K classes.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from gymspotter.skeleton import CANONICAL, Floats

GOLDEN_SEGMENTS = 4
# Another processor, or another runtime, rounds otherwise; another model is further away than this.
TOLERANCE = 1e-3

# A standing figure (metres, x right, y down, z away), in the order of the canonical joints.
_STANDING = (
    (0.00, 0.00, 0.00), (-0.12, 0.00, 0.00), (-0.13, 0.42, 0.01), (-0.14, 0.84, 0.06), (0.12, 0.00, 0.00),
    (0.13, 0.42, 0.01), (0.14, 0.84, 0.06), (0.00, -0.24, 0.01), (0.00, -0.48, 0.02), (0.00, -0.60, -0.06),
    (0.00, -0.66, 0.00), (0.18, -0.46, 0.02), (0.24, -0.20, 0.02), (0.26, 0.05, -0.03), (-0.18, -0.46, 0.02),
    (-0.24, -0.20, 0.02), (-0.26, 0.05, -0.03),
)  # fmt: skip


def golden_poses(frames: int) -> Floats:
    """The fixed segments [S, T, J, C]: one seen whole, three of which parts are not seen (NaN).

    Of the second a wrist is never and a leg not always seen, in the third there are frames without anybody, the fourth
    is another, smaller person from the side, who comes late.
    """
    joints = len(CANONICAL.joints)
    s, t, j, c = np.ogrid[:GOLDEN_SEGMENTS, :frames, :joints, :3]
    swing = 0.12 * np.sin(0.35 * (1 + 0.3 * s) * t + 0.7 * j + 1.9 * c)
    swing = swing + 0.05 * np.sin(0.9 * t + 0.4 * j * (c + 1) + s)
    swing = swing * (j > 0)  # the hip is the origin
    poses = np.asarray(_STANDING)[None, None] + swing
    poses[1, :, 13] = np.nan
    poses[1, frames // 6 : frames // 2, 4:7] = np.nan
    poses[2, frames // 3] = np.nan
    poses[2, -3:] = np.nan
    x, z = poses[3, ..., 0].copy(), poses[3, ..., 2].copy()
    poses[3, ..., 0], poses[3, ..., 2] = 0.7 * z, -0.7 * x
    poses[3, ..., 1] *= 0.7
    poses[3, : frames // 4] = np.nan
    return poses.astype(np.float32)


def golden_answers(logits: Callable[[Floats], NDArray[np.floating]], frames: int) -> list[list[float]]:
    """What a classifier says of the golden segments: S rows of K logits, rounded to what can be compared anyway."""
    return [[round(float(value), 6) for value in row] for row in logits(golden_poses(frames))]


def golden_gap(
    expected: Sequence[Sequence[float]], logits: Callable[[Floats], NDArray[np.floating]], frames: int
) -> float:
    """How far a classifier's answers are at most from the ``expected`` ones; infinite where they are no numbers."""
    try:
        wanted = np.asarray(expected, dtype=np.float64)
    except (TypeError, ValueError):
        return float("inf")
    found = np.asarray(logits(golden_poses(frames)), dtype=np.float64)
    if found.shape != wanted.shape or not np.isfinite(found).all() or not np.isfinite(wanted).all():
        return float("inf")
    return float(np.abs(found - wanted).max(initial=0.0))

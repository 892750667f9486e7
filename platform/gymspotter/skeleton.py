"""Joint layouts as data, and the one way from any of them to the canonical skeleton.

The canonical skeleton has the 17 joints of Human3.6M (Ionescu et al. 2014) in metres on camera-aligned axes: x to the
right of the picture, y down, z away from the camera; its origin is the mid-hip. ``neck`` is Human3.6M's ninth joint,
which estimators place at the nose; ``head`` is the middle of the head, between the ears. A joint that was not seen is
NaN with score 0.

Shapes: T frames, J joints of a layout, C = 3 coordinates.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gymspotter.errors import InputError

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The joints of one skeleton format.

    ``bones`` are pairs of joint names to draw; ``canonical`` says for each canonical joint which joints of this layout
    it is the mean of (a joint that the layout does not have is left out, and becomes NaN). Names that begin with
    ``l_`` and ``r_`` are mirror images of each other.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[str, str], ...]
    canonical: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def index(self, joint: str) -> int:
        """The position of a joint by its name."""
        return self.joints.index(joint)

    @property
    def bone_indices(self) -> list[tuple[int, int]]:
        """``bones`` as pairs of positions."""
        return [(self.index(a), self.index(b)) for a, b in self.bones]

    @property
    def mirror(self) -> list[int]:
        """For each joint the position of its mirror image (itself on the midline)."""
        swap = {"l_": "r_", "r_": "l_"}
        return [self.index(swap[j[:2]] + j[2:] if j[:2] in swap else j) for j in self.joints]


_LIMBS = tuple(
    (f"{side}_{a}", f"{side}_{b}")
    for side in "rl"
    for a, b in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
)
_LIMB_JOINTS = {
    f"{side}_{part}": (f"{side}_{part}",)
    for side in "rl"
    for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
}
_SPINE_FROM_CORNERS = {
    "hip": ("l_hip", "r_hip"),
    "spine": ("l_hip", "r_hip", "l_shoulder", "r_shoulder"),
    "thorax": ("l_shoulder", "r_shoulder"),
}

H36M17 = Layout(
    name="h36m17",
    joints=(
        "hip", "r_hip", "r_knee", "r_ankle", "l_hip", "l_knee", "l_ankle", "spine", "thorax", "neck", "head",
        "l_shoulder", "l_elbow", "l_wrist", "r_shoulder", "r_elbow", "r_wrist",
    ),
    bones=(
        ("hip", "r_hip"), ("hip", "l_hip"), ("hip", "spine"), ("spine", "thorax"), ("thorax", "neck"), ("neck", "head"),
        ("thorax", "l_shoulder"), ("thorax", "r_shoulder"), *_LIMBS,
    ),
)  # fmt: skip
BLAZEPOSE33 = Layout(
    name="blazepose33",
    joints=(
        "nose", "l_eye_inner", "l_eye", "l_eye_outer", "r_eye_inner", "r_eye", "r_eye_outer", "l_ear", "r_ear",
        "l_mouth", "r_mouth", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist", "l_pinky",
        "r_pinky", "l_index", "r_index", "l_thumb", "r_thumb", "l_hip", "r_hip", "l_knee", "r_knee", "l_ankle",
        "r_ankle", "l_heel", "r_heel", "l_toe", "r_toe",
    ),
    bones=(
        *_LIMBS, ("l_shoulder", "r_shoulder"), ("l_hip", "r_hip"), ("l_shoulder", "l_hip"), ("r_shoulder", "r_hip"),
        ("l_ankle", "l_heel"), ("l_heel", "l_toe"), ("r_ankle", "r_heel"), ("r_heel", "r_toe"),
        ("l_wrist", "l_index"), ("r_wrist", "r_index"), ("l_ear", "nose"), ("r_ear", "nose"),
    ),
    canonical=_LIMB_JOINTS | _SPINE_FROM_CORNERS | {"neck": ("nose",), "head": ("l_ear", "r_ear")},
)  # fmt: skip
COCO17 = Layout(
    name="coco17",
    joints=(
        "nose", "l_eye", "r_eye", "l_ear", "r_ear", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist",
        "r_wrist", "l_hip", "r_hip", "l_knee", "r_knee", "l_ankle", "r_ankle",
    ),
    bones=(
        *_LIMBS, ("l_shoulder", "r_shoulder"), ("l_hip", "r_hip"), ("l_shoulder", "l_hip"), ("r_shoulder", "r_hip"),
        ("l_ear", "nose"), ("r_ear", "nose"),
    ),
    canonical=_LIMB_JOINTS | _SPINE_FROM_CORNERS | {"neck": ("nose",), "head": ("l_ear", "r_ear")},
)  # fmt: skip
KINECT20 = Layout(
    name="kinect20",
    joints=(
        "head", "shoulder_centre", "spine", "hip_centre", "l_shoulder", "l_elbow", "l_wrist", "l_hand", "r_shoulder",
        "r_elbow", "r_wrist", "r_hand", "l_hip", "l_knee", "l_ankle", "l_foot", "r_hip", "r_knee", "r_ankle", "r_foot",
    ),
    bones=(
        *_LIMBS, ("hip_centre", "spine"), ("spine", "shoulder_centre"), ("shoulder_centre", "head"),
        ("shoulder_centre", "l_shoulder"), ("shoulder_centre", "r_shoulder"), ("hip_centre", "l_hip"),
        ("hip_centre", "r_hip"), ("l_wrist", "l_hand"), ("r_wrist", "r_hand"), ("l_ankle", "l_foot"),
        ("r_ankle", "r_foot"),
    ),
    # Kinect has no face: the neck lies between the head and the shoulder centre.
    canonical=_LIMB_JOINTS
    | {
        "hip": ("hip_centre",), "spine": ("spine",), "thorax": ("shoulder_centre",), "head": ("head",),
        "neck": ("head", "shoulder_centre"),
    },
)  # fmt: skip
FLORENCE15 = Layout(
    name="florence15",
    joints=(
        "head", "neck", "spine", "l_shoulder", "l_elbow", "l_wrist", "r_shoulder", "r_elbow", "r_wrist", "l_hip",
        "l_knee", "l_ankle", "r_hip", "r_knee", "r_ankle",
    ),
    bones=(
        *_LIMBS, ("spine", "neck"), ("neck", "head"), ("neck", "l_shoulder"), ("neck", "r_shoulder"),
        ("spine", "l_hip"), ("spine", "r_hip"),
    ),
    # Its neck is where Kinect's shoulder centre is.
    canonical=_LIMB_JOINTS
    | {
        "hip": ("l_hip", "r_hip"), "spine": ("spine",), "thorax": ("neck",), "head": ("head",),
        "neck": ("head", "neck"),
    },
)  # fmt: skip
CANONICAL = H36M17
LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (H36M17, BLAZEPOSE33, COCO17, KINECT20, FLORENCE15)}


def layout(name: str) -> Layout:
    """The registered layout of that name.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    if name not in LAYOUTS:
        raise InputError(f"layout {name!r} is not registered: use one of {', '.join(LAYOUTS)}.")
    return LAYOUTS[name]


def to_canonical(values: Floats, scores: Floats, source: Layout) -> tuple[Floats, Floats]:
    """Canonical joints from those of any layout.

    Args:
        values: [T, J, C] coordinates per joint, in 3D or in the picture; NaN where a joint is missing.
        scores: [T, J] in 0..1.
        source: the layout of J.

    Returns:
        [T, 17, C] means of the source joints each canonical joint is made of, NaN if any of them is NaN, and [T, 17]
        the lowest of their scores (0 where the joint is NaN or the source layout lacks it).
    """
    if source.name == CANONICAL.name:
        return values, scores
    n = len(values)
    out = np.full((n, len(CANONICAL.joints), values.shape[-1]), np.nan, np.float32)
    out_scores = np.zeros((n, len(CANONICAL.joints)), np.float32)
    for k, joint in enumerate(CANONICAL.joints):
        parts = [source.index(name) for name in source.canonical.get(joint, ())]
        if parts:
            out[:, k] = values[:, parts].mean(axis=1)
            out_scores[:, k] = scores[:, parts].min(axis=1)
    out_scores[np.isnan(out).any(axis=-1)] = 0
    return out, out_scores


def root_at_hip(joints: Floats) -> Floats:
    """Canonical joints [T, 17, 3] moved so that the mid-hip is the origin (a missing hip leaves the frame NaN)."""
    return joints - joints[:, :1]

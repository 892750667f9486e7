"""Where each bone of a posed body is, and what it carries: a coordinate frame a bone, from the joints alone.

A bone's axes are those of the body that stands upright with hanging limbs (x to the left, y up, z to the front), so a
limb's bone points down its own y axis. How far a limb is twisted about itself, joints do not say: it is turned the
shortest way from the bone before it.

Shapes: T frames, P joints of scene.BODY_JOINTS, V vertices.
"""

import numpy as np
from numpy.typing import NDArray

from gymspotter.synth.body import SIDES, SIGN
from gymspotter.synth.mesh import Floats
from gymspotter.synth.scene import BODY_JOINTS

# The tip of the nose lies under the line between the ears by this angle (see body.py).
NOSE_DROP = float(np.arctan(0.2))
Frame = tuple[NDArray[np.float64], NDArray[np.float64]]


def carry(frame: Frame, points: Floats, normals: Floats) -> tuple[Floats, Floats]:
    """Points and normals [V, 3] on a bone's axes, where the bone is: [T, V, 3] each."""
    origin, axes = frame
    turn = axes.transpose(0, 2, 1).astype(np.float32)
    return points @ turn + origin[:, None].astype(np.float32), normals @ turn


def _unit(v: NDArray[np.float64]) -> NDArray[np.float64]:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


def _axes(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """[T, 3, 3] whose columns are x, y (what is left of it across x) and their cross product."""
    x = _unit(x)
    z = _unit(np.cross(x, y))
    return np.stack((x, np.cross(z, x), z), axis=-1)


def _swung(axes: NDArray[np.float64], up: NDArray[np.float64]) -> NDArray[np.float64]:
    """``axes`` [T, 3, 3] turned the shortest way that brings their y axis onto ``up`` [T, 3]."""
    a, b = axes[:, :, 1], _unit(up)
    v, c = np.cross(a, b), (a * b).sum(axis=-1)[:, None, None]
    cross = np.zeros_like(axes)
    cross[:, (0, 1, 2), (1, 2, 0)] = -v[:, (2, 0, 1)]
    cross[:, (1, 2, 0), (0, 1, 2)] = v[:, (2, 0, 1)]
    return (np.eye(3) + cross + cross @ cross / np.maximum(1 + c, 1e-3)) @ axes


def frames(joints: NDArray[np.float64]) -> dict[str, Frame]:
    """Where each bone is: its origin [T, 3] and its axes [T, 3, 3] as columns."""
    at = {name: joints[:, i] for i, name in enumerate(BODY_JOINTS)}
    pelvis = _axes(at["l_hip"] - at["r_hip"], at["spine"] - at["hip"])
    chest = _axes(at["l_shoulder"] - at["r_shoulder"], at["thorax"] - at["spine"])
    face = _unit(at["neck"] - at["head"])
    # The head's up follows the neck; its front passes over the tip of the nose.
    left = _unit(np.cross(at["head"] - at["thorax"], face))
    up = np.cross(face, left)
    front = np.cos(NOSE_DROP) * face + np.sin(NOSE_DROP) * up
    head = np.stack((left, np.cross(front, left), front), axis=-1)
    out: dict[str, Frame] = {
        "pelvis": (at["hip"], pelvis),
        "chest": (at["thorax"], chest),
        "head": (at["head"], head),
        "neck": (at["thorax"], _swung(chest, at["head"] - at["thorax"])),
    }
    for s in SIDES:
        sign = SIGN[s]
        # A T-pose: bones of the arm grow downwards on their own axes, and here point to the side.
        side = np.stack((sign * chest[:, :, 1], -sign * chest[:, :, 0], chest[:, :, 2]), axis=-1)
        upper = _swung(side, at[f"{s}_shoulder"] - at[f"{s}_elbow"])
        fore = _swung(upper, at[f"{s}_elbow"] - at[f"{s}_wrist"])
        thigh = _swung(pelvis, at[f"{s}_hip"] - at[f"{s}_knee"])
        shank = _swung(thigh, at[f"{s}_knee"] - at[f"{s}_ankle"])
        along = _unit(at[f"{s}_toe"] - at[f"{s}_heel"])
        out[f"{s}_collar"] = (at["thorax"], _swung(side, at["thorax"] - at[f"{s}_shoulder"]))
        out[f"{s}_upper_arm"] = (at[f"{s}_shoulder"], upper)
        out[f"{s}_forearm"] = (at[f"{s}_elbow"], fore)
        out[f"{s}_hand"] = (at[f"{s}_wrist"], _swung(fore, at[f"{s}_wrist"] - at[f"{s}_hand"]))
        out[f"{s}_thigh"] = (at[f"{s}_hip"], thigh)
        out[f"{s}_shank"] = (at[f"{s}_knee"], shank)
        lift = np.cross(np.cross(along, at[f"{s}_ankle"] - at[f"{s}_heel"]), along)
        out[f"{s}_foot"] = (at[f"{s}_heel"], _axes(np.cross(along, lift), along))
    return out

"""A jointed body: its proportions, and where its joints are.

Segment lengths are fractions of stature from Winter, Biomechanics and Motor Control of Human Movement, 4th ed. 2009,
figure 4.1 (after Drillis and Contini 1966); hip and shoulder joint centres lie inside the outer breadths given there.

Bones (keys of ``Build.lengths``, metres): ``lumbar`` hip-spine, ``chest`` spine-thorax, ``neck`` thorax-head (centre),
``face`` head (centre)-nose, and for each side ``pelvis`` hip-hip joint, ``clavicle`` thorax-shoulder, ``upper_arm``,
``forearm``, ``hand`` (wrist to knuckles), ``thigh``, ``shank``, ``ankle`` (its height over the sole), ``foot`` (ankle
to toe tip, along the sole).

Shapes: T frames, P = len(BODY_JOINTS) joints.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gymspotter.synth.geometry import Angle, Vectors, apply, bent_length, frame, pitch, roll, turn, two_bones, unit, vec
from gymspotter.synth.scene import BODY_JOINTS, Build

Side = Literal["l", "r"]
SIDES: tuple[Side, Side] = ("l", "r")
SIGN: dict[Side, float] = {"l": 1.0, "r": -1.0}
# The sole of a shoe lies under the foot's own joints by about this much.
SOLE = 0.02

# Fraction of stature for men and women, and its spread between people of one stature.
_MIDLINE = {
    "lumbar": (0.135, 0.137, 0.05), "chest": (0.153, 0.151, 0.05), "neck": (0.112, 0.112, 0.06),
    "face": (0.068, 0.068, 0.06),
}  # fmt: skip
_PAIRED = {
    "pelvis": (0.055, 0.058, 0.09), "clavicle": (0.110, 0.103, 0.08), "upper_arm": (0.172, 0.171, 0.03),
    "forearm": (0.146, 0.143, 0.03), "hand": (0.052, 0.050, 0.03), "thigh": (0.245, 0.247, 0.03),
    "shank": (0.246, 0.244, 0.03), "ankle": (0.039, 0.038, 0.03), "foot": (0.112, 0.108, 0.03),
}  # fmt: skip


def sample_build(rng: np.random.Generator) -> Build:
    """An adult between 1.50 and 2.00 m tall, of a build somewhere between a typical woman's and a typical man's."""
    manly = float(np.clip(rng.normal(rng.choice((0.15, 0.85)), 0.15), 0, 1))
    height = float(np.clip(rng.normal(1.64 + 0.14 * manly, 0.065), 1.5, 2.0))
    lengths = {}
    # Long arms and long legs come in pairs of bones, so the limbs share a factor.
    limb = {"arm": np.clip(rng.normal(1, 0.03), 0.94, 1.06), "leg": np.clip(rng.normal(1, 0.03), 0.94, 1.06)}
    for bone, (man, woman, spread) in _MIDLINE.items():
        lengths[bone] = _bone(rng, height * (woman + (man - woman) * manly), spread)
    for bone, (man, woman, spread) in _PAIRED.items():
        both = _bone(rng, height * (woman + (man - woman) * manly), spread)
        if bone in ("upper_arm", "forearm", "thigh", "shank"):
            both *= limb["arm" if "arm" in bone else "leg"]
        for side in SIDES:  # healthy people's sides differ by a few millimetres
            lengths[f"{side}_{bone}"] = _bone(rng, both, 0.005)
    heavy = float(np.clip(rng.normal(1.0, 0.14), 0.75, 1.4))
    return Build(
        height=height,
        lengths=lengths,
        girth=heavy,
        chest=float(heavy * (0.94 + 0.12 * manly) * np.clip(rng.normal(1, 0.05), 0.85, 1.15)),
        waist=float(heavy**1.3 * np.clip(rng.normal(1, 0.08), 0.8, 1.25)),
    )


def _bone(rng: np.random.Generator, mean: float, spread: float) -> float:
    return float(mean * np.clip(rng.normal(1, spread), 1 - 2 * spread, 1 + 2 * spread))


@dataclass(frozen=True, kw_only=True)
class Spine:
    """Which way the trunk faces: rotations [T, 3, 3] of pelvis, chest and head from upright and facing forward."""

    pelvis: Vectors
    chest: Vectors
    head: Vectors


def spine(
    lean: Angle,
    *,
    bend: Angle = 0.0,
    twist: Angle = 0.0,
    side: Angle = 0.0,
    nod: Angle = 0.0,
    look: Angle = 0.0,
) -> Spine:
    """A trunk from angles in degrees, each a number or [T].

    Args:
        lean: of the pelvis, forward from the upright.
        bend: how much further forward the chest leans than the pelvis (a rounded back is positive).
        twist: of the chest against the pelvis, to the left.
        side: of the chest against the pelvis; positive raises the left shoulder.
        nod: how much further forward the head leans than the chest.
        look: how far the head turns to the left of the chest.
    """
    pelvis = pitch(lean)
    chest = pitch(np.add(lean, bend)) @ turn(twist) @ roll(side)
    return Spine(pelvis=pelvis, chest=chest, head=chest @ pitch(nod) @ turn(look))


class Figure:
    """A body being posed: trunk first, then arms and legs. ``at`` holds what is placed so far, [T, 3] by joint."""

    def __init__(self, build: Build, hip: Vectors, trunk: Spine, *, shrug: Angle = 0.0, protract: Angle = 0.0) -> None:
        """Place the trunk with the mid-hip at ``hip`` [T, 3].

        ``shrug`` raises the shoulders and ``protract`` brings them forward, in degrees of the collar bones.
        """
        length = build.lengths
        self.build, self.trunk, self.at = build, trunk, {"hip": hip}
        at = self.at
        at["spine"] = hip + apply(trunk.pelvis, (0, length["lumbar"], 0))
        at["thorax"] = at["spine"] + apply(trunk.chest, (0, length["chest"], 0))
        at["head"] = at["thorax"] + apply(trunk.head, length["neck"] * unit(np.array((0, 1, 0.12))))
        at["neck"] = at["head"] + apply(trunk.head, length["face"] * unit(np.array((0, -0.2, 1))))
        for s in SIDES:
            at[f"{s}_hip"] = hip + apply(trunk.pelvis, (SIGN[s] * length[f"{s}_pelvis"], 0, 0))
            collar = apply(roll(SIGN[s] * np.asarray(shrug)) @ turn(-SIGN[s] * np.asarray(protract)), (SIGN[s], 0, 0))
            at[f"{s}_shoulder"] = at["thorax"] + length[f"{s}_clavicle"] * apply(trunk.chest, collar)

    def length(self, bone: str) -> float:
        """A bone's length in metres."""
        return self.build.lengths[bone]

    def on_chest(self, right_up_front: Vectors | tuple[float, float, float]) -> Vectors:
        """The point [T, 3] at an offset (left, up, front) from the thorax, carried along by the chest."""
        return self.at["thorax"] + apply(self.trunk.chest, right_up_front)

    @property
    def shoulders(self) -> Vectors:
        """[T, 3]: the middle between the shoulders."""
        return (self.at["l_shoulder"] + self.at["r_shoulder"]) / 2

    def away(self, origin: Vectors, direction: Vectors, apart: float, elbow: Angle) -> Vectors:
        """How far from ``origin`` along ``direction`` (both [T, 3]) two arms reach that are bent by ``elbow`` degrees.

        The result [T, 3] is the middle between two hands that hold a level bar ``apart`` metres from each other; the
        side that reaches less far decides.
        """
        direction = unit(direction)
        reach = []
        for s in SIDES:
            arm = bent_length(
                self.length(f"{s}_upper_arm"), self.length(f"{s}_forearm") + self.length(f"{s}_hand"), elbow
            )
            off = origin + vec(SIGN[s] * apart / 2, 0, 0) - self.at[f"{s}_shoulder"]
            along = (off * direction).sum(axis=-1)
            reach.append(np.sqrt(np.maximum(along**2 - (off**2).sum(axis=-1) + arm**2, 1e-4)) - along)
        return origin + np.minimum(*reach)[:, None] * direction

    def arm(self, side: Side, hand: Vectors, pole: Vectors, *, palm: Vectors | None = None) -> None:
        """Bring the knuckles to ``hand`` with the elbow towards ``pole``, all [T, 3].

        The wrist is straight unless ``palm`` gives the direction [T, 3] from wrist to knuckles.
        """
        at, s = self.at, side
        upper, fore, knuckles = self.length(f"{s}_upper_arm"), self.length(f"{s}_forearm"), self.length(f"{s}_hand")
        if palm is None:
            elbow, hand = two_bones(at[f"{s}_shoulder"], hand, upper, fore + knuckles, pole)
            wrist = elbow + (hand - elbow) * (fore / (fore + knuckles))
        else:
            palm = unit(palm)
            elbow, wrist = two_bones(at[f"{s}_shoulder"], hand - knuckles * palm, upper, fore, pole)
            hand = wrist + knuckles * palm
        at[f"{s}_elbow"], at[f"{s}_wrist"], at[f"{s}_hand"] = elbow, wrist, hand

    def arm_along(self, side: Side, upper: Vectors, fore: Vectors) -> None:
        """Point the upper arm and the forearm (with a straight wrist) along directions [T, 3]."""
        at, s, fore = self.at, side, unit(fore)
        at[f"{s}_elbow"] = at[f"{s}_shoulder"] + self.length(f"{s}_upper_arm") * unit(upper)
        at[f"{s}_wrist"] = at[f"{s}_elbow"] + self.length(f"{s}_forearm") * fore
        at[f"{s}_hand"] = at[f"{s}_wrist"] + self.length(f"{s}_hand") * fore

    def leg(self, side: Side, ankle: Vectors, pole: Vectors) -> None:
        """Bring the ankle to ``ankle`` with the knee towards ``pole``, all [T, 3]; the foot is placed on its own."""
        at, s = self.at, side
        at[f"{s}_knee"], at[f"{s}_ankle"] = two_bones(
            at[f"{s}_hip"], ankle, self.length(f"{s}_thigh"), self.length(f"{s}_shank"), pole
        )

    def leg_along(self, side: Side, thigh: Vectors, shank: Vectors) -> None:
        """Point the thigh and the shank along directions [T, 3]."""
        at, s = self.at, side
        at[f"{s}_knee"] = at[f"{s}_hip"] + self.length(f"{s}_thigh") * unit(thigh)
        at[f"{s}_ankle"] = at[f"{s}_knee"] + self.length(f"{s}_shank") * unit(shank)

    def foot(self, side: Side, toes: Vectors, up: Vectors) -> None:
        """Put the foot at the placed ankle: its toes point along ``toes`` with the sole across ``up``, [T, 3]."""
        s, axes = side, frame(toes, up)
        forward, upward = axes[:, 0], axes[:, 1]
        down = self.at[f"{s}_ankle"] - self.length(f"{s}_ankle") * upward
        self.at[f"{s}_heel"] = down - 0.36 * self.length(f"{s}_foot") * forward
        self.at[f"{s}_toe"] = down + self.length(f"{s}_foot") * forward

    def foot_on_shank(self, side: Side, point: Angle = 20.0) -> None:
        """A foot in the air: its toes point ``point`` degrees down from a right angle to the shank."""
        s = side
        shank = unit(self.at[f"{s}_ankle"] - self.at[f"{s}_knee"])
        front = np.cross(shank, apply(self.trunk.pelvis, (1, 0, 0)))
        axes = frame(shank, front)
        along, ahead = axes[:, 0], axes[:, 1]
        angle = np.atleast_1d(np.radians(point))[:, None]
        self.foot(s, np.cos(angle) * ahead + np.sin(angle) * along, np.sin(angle) * ahead - np.cos(angle) * along)

    def joints(self, frames: int) -> NDArray[np.float32]:
        """[T, P, 3] of all joints, which must all have been placed."""
        return np.stack([np.broadcast_to(self.at[j], (frames, 3)) for j in BODY_JOINTS], axis=1).astype(np.float32)


def hip_below(build: Build, thorax: Vectors, trunk: Spine) -> Vectors:
    """The mid-hip [T, 3] of a trunk whose thorax is at ``thorax`` [T, 3]."""
    lumbar, chest = build.lengths["lumbar"], build.lengths["chest"]
    return thorax - apply(trunk.pelvis, (0, lumbar, 0)) - apply(trunk.chest, (0, chest, 0))

"""Equipment as capsules and boxes: free weights that follow the hands, benches, cable towers, racks."""

import numpy as np

from gymspotter.synth.body import Side
from gymspotter.synth.geometry import Vectors, X, Y, apply, frame, pitch, unit, vec
from gymspotter.synth.scene import Box, Capsule, Material

PLATE_THICKNESS = 0.05


def rod(a: Vectors, b: Vectors, radius: float = 0.02, material: Material = "steel", *, flat: bool = False) -> Capsule:
    """A rod from ``a`` to ``b``, [T or 1, 3]."""
    ends = np.stack(np.broadcast_arrays(np.atleast_2d(a), np.atleast_2d(b)), axis=1).astype(np.float32)
    return Capsule(ends=ends, radius=radius, material=material, flat_ends=flat)


def box(centre: Vectors, size: tuple[float, float, float], material: Material, turned: Vectors | None = None) -> Box:
    """A cuboid around ``centre`` [T or 1, 3]; ``turned`` [T or 1, 3, 3] are its unit axes as rows (default: level)."""
    axes = np.eye(3)[None] if turned is None else turned
    return Box(
        centre=np.atleast_2d(centre).astype(np.float32), axes=axes.astype(np.float32), size=size, material=material
    )


def slab(
    start: Vectors, end: Vectors, width: float, thickness: float, material: Material, up: Vectors | None = None
) -> Box:
    """A board whose upper face runs from ``start`` to ``end`` [T or 1, 3]; ``up`` is the side it shows (default up)."""
    start, end = np.atleast_2d(start), np.atleast_2d(end)
    axes = frame(end - start, Y if up is None else up)
    centre = (start + end) / 2 - thickness / 2 * axes[:, 1]
    return box(centre, (float(np.linalg.norm((end - start)[0])), thickness, width), material, axes)


def barbell(
    hands: dict[Side, Vectors], *, length: float = 2.0, plate: float = 0.0, offset: float = 0.0
) -> list[Capsule]:
    """A bar through both hands, with a plate of radius ``plate`` (0: none) near each end; ``offset`` shifts it left."""
    middle, along = (hands["l"] + hands["r"]) / 2, unit(hands["l"] - hands["r"])
    middle = middle + offset * along
    parts = [rod(middle - length / 2 * along, middle + length / 2 * along, 0.014)]
    if plate:
        for sign in (-1, 1):
            at = middle + sign * (length / 2 - 0.2) * along
            parts.append(rod(at, at + sign * PLATE_THICKNESS * along, plate, "iron", flat=True))
    return parts


def dumbbell(hand: Vectors, along: Vectors, *, size: float = 0.06) -> list[Capsule]:
    """A dumbbell held in ``hand`` with its handle along ``along``, both [T, 3]; its heads have radius ``size``."""
    along = unit(along)
    parts = [rod(hand - 0.07 * along, hand + 0.07 * along, 0.014)]
    heads = [(hand + sign * 0.07 * along, hand + sign * (0.09 + size) * along) for sign in (-1, 1)]
    return parts + [rod(inner, outer, size, "rubber", flat=True) for inner, outer in heads]


def bench(head: Vectors, tail: Vectors, *, width: float = 0.28) -> list[Box | Capsule]:
    """A padded board from ``head`` to ``tail`` ([1, 3], on its upper face) on two legs."""
    parts: list[Box | Capsule] = [slab(head, tail, width, 0.07, "vinyl")]
    for share in (0.12, 0.88):
        top = head + share * (tail - head) - 0.08 * vec(0, 1, 0)
        if top[0, 1] > 0.06:
            parts.append(rod(top, top * (1, 0, 1) + vec(0, 0.03, 0), 0.03, "frame"))
            parts.append(
                rod(top * (1, 0, 1) + vec(-0.22, 0.03, 0), top * (1, 0, 1) + vec(0.22, 0.03, 0), 0.03, "frame")
            )
    return parts


def backrest(hip: Vectors, angle: float, *, length: float = 0.8, depth: float = 0.0) -> Box:
    """A pad behind a seated back that starts behind ``hip`` [1, 3] and leans back ``angle`` degrees from the upright.

    ``depth`` is how far behind the spine its face lies.
    """
    turned = pitch(-angle)
    bottom = hip + apply(turned, (0, 0.02, -depth))
    return slab(bottom, bottom + apply(turned, (0, length, 0)), 0.3, 0.08, "vinyl", up=apply(turned, (0, 0, 1)))


def seat(front: Vectors, back: Vectors, *, width: float = 0.38) -> list[Box | Capsule]:
    """A seat whose upper face runs from ``front`` to ``back`` ([1, 3]) on one post."""
    middle = (front + back) / 2
    return [
        slab(front, back, width, 0.08, "vinyl"),
        rod(middle - vec(0, 0.1, 0), middle * (1, 0, 1) + vec(0, 0.04, 0), 0.04, "frame"),
        rod(middle * (1, 0, 1) + vec(-0.25, 0.04, 0), middle * (1, 0, 1) + vec(0.25, 0.04, 0), 0.04, "frame"),
    ]


def tower(x: float, z: float, height: float) -> list[Box]:
    """A cable machine's weight stack in its frame, standing at ``x``, ``z``."""
    return [
        box(vec(x, height / 2, z), (0.08, height, 0.08), "frame"),
        box(vec(x, 0.55, z + np.sign(z) * 0.16), (0.3, 1.0, 0.16), "iron"),
    ]


def cable(pulley: Vectors, end: Vectors) -> Capsule:
    """A steel cable from ``pulley`` to ``end``, [T or 1, 3]."""
    return rod(pulley, end, 0.006)


def posts(x: float, z: float, height: float, *, radius: float = 0.035) -> list[Capsule]:
    """Two uprights at +-``x``."""
    return [rod(vec(s * x, 0.02, z), vec(s * x, height, z), radius, "frame") for s in (-1, 1)]


def across(centre: Vectors, length: float, radius: float = 0.016, material: Material = "steel") -> Capsule:
    """A rod along the left-right axis through ``centre`` [T or 1, 3]."""
    return rod(centre - length / 2 * X, centre + length / 2 * X, radius, material)

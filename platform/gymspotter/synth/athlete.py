"""The athlete's surface: skin, hair and clothes on the joints of a performance.

Every body part is a small mesh, modelled once an athlete on axes of its own (x to the left, y up, z to the front of
somebody who stands, metres for 1.75 m of stature) and carried along by the bone it sits on. Only the trunk bends: it
follows pelvis and chest by linear blend skinning. Sizes are by eye, from photographs and a tailor's tables.

Shapes: T frames, P joints of scene.BODY_JOINTS, V vertices.
"""

import numpy as np
from numpy.typing import NDArray

from gymspotter.synth.look import Look
from gymspotter.synth.mesh import Band, Colour, Floats, Mesh, ellipsoid, loft, merge, moved, surface
from gymspotter.synth.rig import NOSE_DROP, carry, frames
from gymspotter.synth.scene import BODY_JOINTS, Performance

SIDES = (("l", 1.0), ("r", -1.0))


class Athlete:
    """One athlete of one look; ``mesh`` is the surface in no particular pose, for its faces, colours and gloss."""

    def __init__(self, performance: Performance, look: Look) -> None:
        self._look, self._build = look, performance.build
        self._size = performance.build.height / 1.75
        self._rest = {
            f"{a} {b}": _distance(performance.joints, a, b)
            for a, b in _MEASURED
        }  # fmt: skip
        rng = np.random.default_rng(look.seed)
        parts = self._parts()
        self._trunk = _crumpled(self._trunk_mesh(), rng)
        self._parts_by_bone = {bone: _crumpled(merge(meshes), rng) for bone, meshes in parts.items()}
        self.mesh = merge([self._trunk, *self._parts_by_bone.values()])

    def surface(self, joints: NDArray[np.float32]) -> tuple[Floats, Floats]:
        """Vertices and unit normals [T, V, 3] in the axes of ``joints`` [T, P, 3]."""
        bones = frames(joints.astype(np.float64))
        points, normals = [], []
        height = float(self._rest["hip spine"] + self._rest["spine thorax"])
        share = self._trunk.points[:, 1] / height
        weight = np.clip((share - 0.12) / 0.6, 0, 1)
        weight = (weight * weight * (3 - 2 * weight))[:, None].astype(np.float32)
        below = carry(bones["pelvis"], self._trunk.points, self._trunk.normals)
        above = carry(bones["chest"], self._trunk.points - np.array((0, height, 0), np.float32), self._trunk.normals)
        points.append(below[0] * (1 - weight) + above[0] * weight)
        normals.append(below[1] * (1 - weight) + above[1] * weight)
        for bone, mesh in self._parts_by_bone.items():
            at, across = carry(bones[bone], mesh.points, mesh.normals)
            points.append(at)
            normals.append(across)
        return np.concatenate(points, axis=1), np.concatenate(normals, axis=1)

    def _trunk_mesh(self) -> Mesh:
        """Hips, waist, chest and shoulders up to the collar, on the pelvis' axes."""
        look, build, k = self._look, self._build, self._size
        chest, waist, girth = k * build.chest, k * build.waist, k * build.girth
        shoulders = self._rest["thorax l_shoulder"] + self._rest["thorax r_shoulder"]
        rows = (
            (0.00, 0.115 * girth, 0.085 * girth, -0.01 * k), (0.08, 0.160 * girth, 0.112 * girth, -0.016 * k),
            (0.17, 0.170 * girth, 0.116 * girth, -0.016 * k), (0.28, 0.160 * girth, 0.108 * girth, -0.006 * k),
            (0.43, 0.138 * waist, 0.101 * waist, 0.006 * k), (0.58, 0.148 * chest, 0.112 * chest, 0.006 * k),
            (0.70, 0.166 * chest, 0.122 * chest, 0.004 * k), (0.81, 0.49 * shoulders, 0.112 * chest, -0.004 * k),
            (0.89, 0.47 * shoulders, 0.088 * chest, -0.012 * k), (0.96, 0.27 * shoulders, 0.068 * k, -0.014 * k),
            (1.00, 0.068 * k, 0.060 * k, -0.008 * k),
        )  # fmt: skip
        cover = look.shirt or look.skin
        cloth = 0.006 * k if look.shirt else 0.0
        bands = [Band(until=0.27, colour=look.trousers, swell=0.008 * k)]
        if look.shirt and look.stripe:
            bands += [Band(until=0.6, colour=cover, swell=cloth), Band(until=0.68, colour=look.stripe, swell=cloth)]
        bands += [Band(until=0.955, colour=cover, swell=cloth), Band(until=1, colour=look.skin)]
        height = self._rest["hip spine"] + self._rest["spine thorax"]
        # From the crotch to the collar; the hip joints are 0.15 of it above the crotch.
        tube = loft(rows, 1.21 * height, bands, sides=26, rings=20, power=2.4, ends=0.5)
        return moved(tube, (0, -0.16 * height, 0), np.eye(3))

    def _parts(self) -> dict[str, list[Mesh]]:
        """All other meshes by the bone that carries them, each on that bone's axes."""
        look, k, girth = self._look, self._size, self._size * self._build.girth**0.8
        skin = look.skin
        neck = loft(
            ((0, 0.066, 0.062, -0.012), (0.4, 0.054, 0.056, -0.004), (1, 0.052, 0.056, 0.004)), 0.15 * k,
            [Band(until=1, colour=skin)], rings=6,
        )  # fmt: skip
        parts: dict[str, list[Mesh]] = {
            "neck": [_scaled(neck, (k * self._build.girth**0.5, 1, k))],
            "head": self._head(),
        }
        for s, sign in SIDES:
            upper, fore = self._rest[f"{s}_shoulder {s}_elbow"], self._rest[f"{s}_elbow {s}_wrist"]
            thigh, shank = self._rest[f"{s}_hip {s}_knee"], self._rest[f"{s}_knee {s}_ankle"]
            palm = self._rest[f"{s}_wrist {s}_hand"]
            sleeves = _covers(look.sleeve, look.shirt or skin, skin, 0.010 * k)
            legs = _covers(look.leg, look.trousers, skin, 0.012 * k, low=look.socks)
            shoulder = look.shirt or skin
            parts[f"{s}_collar"] = [
                ellipsoid((0.006 * sign, -0.58 * self._rest[f"thorax {s}_shoulder"], -0.012 * k),
                          (0.058 * k, 0.125 * k, 0.060 * girth), shoulder, detail=8)
            ]  # fmt: skip
            parts[f"{s}_upper_arm"] = [
                loft(((0, 0.058, 0.060, 0), (0.25, 0.056, 0.058, 0), (0.55, 0.048, 0.050, 0.003), (1, 0.040, 0.040, 0)),
                     -upper / girth, sleeves[0], rings=10, ends=1.0),
            ]  # fmt: skip
            parts[f"{s}_forearm"] = [
                loft(((0, 0.041, 0.041, 0), (0.25, 0.044, 0.046, 0), (0.6, 0.036, 0.037, 0), (1, 0.026, 0.030, 0)),
                     -fore / girth, sleeves[1], rings=9),
            ]  # fmt: skip
            parts[f"{s}_hand"] = [
                loft(((0, 0.025, 0.030, 0), (0.5, 0.024, 0.042, 0), (1, 0.024, 0.043, 0)), -palm / k,
                     [Band(until=1, colour=skin)], rings=5, sides=10, ends=0.8),
                ellipsoid((-0.018 * sign, -palm / k - 0.006, 0), (0.026, 0.030, 0.044), _shade(skin, 0.95), detail=6),
                ellipsoid((-0.012 * sign, -0.6 * palm / k, 0.042), (0.015, 0.035, 0.016), skin, detail=6),
            ]  # fmt: skip
            parts[f"{s}_thigh"] = [
                loft(((0, 0.088, 0.098, -0.006), (0.25, 0.084, 0.090, 0), (0.6, 0.069, 0.072, 0.004),
                      (1, 0.053, 0.056, 0)),
                     -thigh / girth, legs[0], rings=10, sides=16, ends=0.8),
                ellipsoid((0.01 * sign, -0.01, -0.045), (0.088, 0.095, 0.085), look.trousers, detail=8),
            ]  # fmt: skip
            parts[f"{s}_shank"] = [
                loft(((0, 0.051, 0.053, 0), (0.12, 0.048, 0.050, -0.004), (0.32, 0.052, 0.058, -0.014),
                      (0.65, 0.039, 0.042, -0.006), (0.9, 0.031, 0.035, 0), (1, 0.034, 0.038, -0.004)),
                     -shank / girth, legs[1], rings=12, ends=0.7),
            ]  # fmt: skip
            for bone in ("upper_arm", "forearm", "thigh", "shank"):
                parts[f"{s}_{bone}"] = [_scaled(m, (girth, girth, girth)) for m in parts[f"{s}_{bone}"]]
            parts[f"{s}_hand"] = [_scaled(m, (k, k, k)) for m in parts[f"{s}_hand"]]
            parts[f"{s}_foot"] = self._foot(s)
        return parts

    def _foot(self, s: str) -> list[Mesh]:
        """A shoe: on axes whose origin is the heel, with y towards the toes and z up."""
        look, k = self._look, self._size
        length = self._rest[f"{s}_heel {s}_toe"]
        upper = (
            (0, 0.034, 0.040, 0.045),
            (0.3, 0.038, 0.046, 0.044),
            (0.6, 0.045, 0.032, 0.026),
            (1, 0.036, 0.020, 0.012),
        )
        sole = (
            (0, 0.036, 0.014, -0.006),
            (0.4, 0.038, 0.013, -0.006),
            (0.7, 0.049, 0.013, -0.006),
            (1, 0.036, 0.012, -0.004),
        )
        shoe = loft(upper, length / k, [Band(until=1, colour=look.shoes)], rings=9, power=2.2)
        under = loft(sole, length / k, [Band(until=1, colour=look.soles)], rings=8, power=2.6, ends=1.6)
        return [_scaled(m, (k, k, k)) for m in (shoe, under)]

    def _head(self) -> list[Mesh]:
        """Skull, face, ears and hair, on axes whose origin lies between the ears and whose z passes over the nose."""
        look = self._look
        skin, hair = look.skin, look.hair_colour
        nose = self._rest["head neck"] / self._size
        tip_y, tip_z = -np.sin(NOSE_DROP) * nose, np.cos(NOSE_DROP) * nose
        beard = _mix(hair, skin, 0.3) if look.beard else skin
        lips = _mix(skin, (0.62, 0.2, 0.22), 0.45)
        face = [
            ellipsoid((0, 0.045, 0.004), (0.075, 0.100, 0.096), skin, detail=14),
            loft(((0, 0.036, 0.036, 0.052), (0.35, 0.054, 0.056, 0.040), (1, 0.070, 0.080, 0.014)), 0.125,
                 [Band(until=1, colour=beard)], rings=8, sides=18, ends=0.6),
            # Nose: bridge and tip, then the mouth and the chin.
            ellipsoid((0, tip_y + 0.022, tip_z - 0.022), (0.010, 0.034, 0.014), skin, detail=7),
            ellipsoid((0, tip_y, tip_z - 0.014), (0.017, 0.013, 0.014), _shade(skin, 0.95), detail=7),
            ellipsoid((0, tip_y - 0.034, 0.087), (0.025, 0.0085, 0.010), lips, detail=6),
            ellipsoid((0, tip_y - 0.034, 0.0965), (0.021, 0.0014, 0.002), _shade(lips, 0.45), detail=5),
            ellipsoid((0, tip_y - 0.072, 0.074), (0.022, 0.018, 0.018), beard, detail=6),
        ]  # fmt: skip
        face[1] = moved(face[1], (0, -0.088, 0), np.eye(3))
        if look.beard:  # the beard leaves the cheeks free
            face.append(ellipsoid((0, -0.012, 0.034), (0.064, 0.042, 0.061), skin, detail=10))
        for _, sign in SIDES:
            face += [
                ellipsoid((0.031 * sign, 0.021, 0.078), (0.019, 0.012, 0.013), _shade(skin, 0.72), detail=6),
                ellipsoid(
                    (0.032 * sign, 0.020, 0.0835), (0.0145, 0.0075, 0.0095), (0.93, 0.92, 0.90), detail=7, gloss=0.2
                ),
                ellipsoid(
                    (0.032 * sign, 0.020, 0.0895), (0.0065, 0.0068, 0.0045), (0.12, 0.08, 0.06), detail=6, gloss=0.4
                ),
                ellipsoid((0.032 * sign, 0.040, 0.086), (0.020, 0.0045, 0.010), _mix(hair, skin, 0.15), detail=6),
                ellipsoid((0.077 * sign, -0.002, -0.004), (0.010, 0.030, 0.019), _shade(skin, 0.9), detail=7),
            ]
        head = face + self._hair(hair)
        # The joint called neck is the tip of the nose: the head looks along z with it a little below the ears.
        return [_scaled(m, (self._size,) * 3) for m in head]

    def _hair(self, colour: Colour) -> list[Mesh]:
        style = self._look.hair
        if style == "bald":
            return []
        thick = {"short": 0.004, "full": 0.018}.get(style, 0.009)
        hair = [
            ellipsoid(
                (0, 0.060 + thick / 2, -0.014),
                (0.0775 + thick, 0.092 + thick, 0.092 + thick),
                colour,
                detail=12,
                gloss=0.1,
            )
        ]
        if style == "long":
            hair.append(ellipsoid((0, -0.050, -0.055), (0.082, 0.125, 0.050), colour, detail=10, gloss=0.1))
        if style == "bun":
            hair.append(ellipsoid((0, 0.130, -0.085), (0.042, 0.042, 0.042), colour, detail=8, gloss=0.1))
        if style == "tail":
            hair.append(ellipsoid((0, 0.080, -0.115), (0.026, 0.026, 0.030), colour, detail=6, gloss=0.1))
            hair.append(ellipsoid((0, -0.005, -0.125), (0.026, 0.100, 0.022), colour, detail=8, gloss=0.1))
        return hair


_MEASURED = [("hip", "spine"), ("spine", "thorax"), ("head", "neck")]
for _s, _ in SIDES:
    _MEASURED += [("thorax", f"{_s}_shoulder"), (f"{_s}_heel", f"{_s}_toe")]
    _MEASURED += [(f"{_s}_{a}", f"{_s}_{b}") for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "hand"))]
    _MEASURED += [(f"{_s}_{a}", f"{_s}_{b}") for a, b in (("hip", "knee"), ("knee", "ankle"))]


def _distance(joints: NDArray[np.float32], a: str, b: str) -> float:
    """How far two joints are apart, in metres: the median of all frames."""
    apart = joints[:, BODY_JOINTS.index(a)] - joints[:, BODY_JOINTS.index(b)]
    return float(np.median(np.linalg.norm(apart, axis=-1)))


def _covers(
    reach: float, cloth: Colour, skin: Colour, swell: float, *, low: Colour | None = None
) -> tuple[list[Band], list[Band]]:
    """Bands of the upper and the lower of two bones, covered as far as ``reach`` (0 to 2), with socks below."""
    upper, lower = [Band(until=1, colour=cloth, swell=swell)], [Band(until=1, colour=skin)]
    if reach <= 0.02:
        upper = [Band(until=1, colour=skin)]
    elif reach < 1:
        upper = [Band(until=reach, colour=cloth, swell=swell), Band(until=1, colour=skin)]
    elif reach > 1:
        rest = [Band(until=0.9, colour=skin)] if reach < 1.8 else []
        end = [Band(until=1, colour=low or skin)]
        lower = [Band(until=min(reach - 1, 0.95), colour=cloth, swell=0.7 * swell), *rest, *end]
        return upper, lower
    if low:
        lower = [Band(until=0.82, colour=skin), Band(until=1, colour=low, swell=0.003)]
    return upper, lower


def _crumpled(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """The mesh with slightly uneven colours, as of cloth and skin that are not freshly painted."""
    waves = rng.uniform(15, 60, (3, 3)) * rng.choice((-1, 1), (3, 3))
    shade = 1 + 0.035 * np.sin(mesh.points @ waves + rng.uniform(0, 6, 3)).sum(axis=1, keepdims=True)
    np.clip(mesh.colours * shade, 0, 1, out=mesh.colours)
    return mesh


def _scaled(mesh: Mesh, factors: tuple[float, float, float]) -> Mesh:
    return surface(mesh.points * np.asarray(factors), mesh.faces, mesh.colours, float(mesh.gloss[0]))


def _shade(colour: Colour, factor: float) -> Colour:
    return tuple(min(1.0, c * factor) for c in colour)  # type: ignore[return-value]


def _mix(a: Colour, b: Colour, share: float) -> Colour:
    return tuple(x + (y - x) * share for x, y in zip(a, b, strict=True))  # type: ignore[return-value]

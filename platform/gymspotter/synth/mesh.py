"""Shaded triangle meshes, and the few shapes from which the athlete, the equipment and the gym are made.

Shapes: V vertices, F faces, 3 coordinates or RGB colours in 0..1. Faces are wound so that they are seen from outside.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]
Colour = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Mesh:
    """A surface: ``points`` [V, 3] metres, unit ``normals`` and ``colours`` [V, 3], ``gloss`` [V], ``faces`` [F, 3].

    ``gloss`` is the strength of the highlight, 0 for cloth and about 0.8 for polished steel.
    """

    points: Floats
    normals: Floats
    colours: Floats
    gloss: Floats
    faces: NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Band:
    """The cover of a loft up to fraction ``until`` of its length: a colour, and how far it stands off, in metres."""

    until: float
    colour: Colour
    swell: float = 0.0


def merge(meshes: Sequence[Mesh]) -> Mesh:
    """All meshes as one."""
    starts = np.cumsum([0, *(len(m.points) for m in meshes)])
    return Mesh(
        points=np.concatenate([m.points for m in meshes]),
        normals=np.concatenate([m.normals for m in meshes]),
        colours=np.concatenate([m.colours for m in meshes]),
        gloss=np.concatenate([m.gloss for m in meshes]),
        faces=np.concatenate([m.faces + start for m, start in zip(meshes, starts, strict=False)]),
    )


def loft(
    stations: ArrayLike,
    length: float,
    bands: Sequence[Band],
    *,
    sides: int = 14,
    rings: int = 12,
    power: float = 2.0,
    ends: float = 1.0,
    gloss: float = 0.0,
) -> Mesh:
    """A closed tube of (super)elliptic rings along the y axis, from y = 0 to y = ``length`` (which may be negative).

    Args:
        stations: rows of (fraction of the length, half width in x, half depth in z, shift in z), metres.
        length: of the tube, without its round ends.
        bands: covers from the first end on; the last one's ``until`` must be 1.
        sides: vertices in a ring.
        rings: along the tube; each border between bands adds two, so that colours do not run into each other.
        power: 2 is an ellipse; more is boxier.
        ends: height of the round ends, as a factor on their radius.
        gloss: of the whole surface.
    """
    table = np.asarray(stations, float)
    borders = [band.until for band in bands[:-1]]
    t = np.concatenate((np.linspace(0, 1, rings), np.repeat(borders, 2)))
    t.sort()
    band_of = np.searchsorted(borders, t, side="right")
    for border in borders:  # the first of the two rings at a border belongs to the band before it
        band_of[np.flatnonzero(t == border)[0]] -= 1
    # Rounded stations: linear interpolation alone shows its kinks in the shading.
    fine = np.linspace(0, 1, 65)
    smooth = np.stack([np.interp(fine, table[:, 0], table[:, k]) for k in (1, 2, 3)], axis=1)
    kernel = np.hanning(13)[1:-1]
    smooth = np.stack([np.convolve(np.pad(c, 5, mode="edge"), kernel / kernel.sum(), "valid") for c in smooth.T], 1)
    x, z, shift = (np.interp(t, fine, c) for c in smooth.T)
    swell = np.array([bands[b].swell for b in band_of])
    x, z, y = x + swell, z + swell, t * length

    way = np.sign(length) or 1.0
    lift = np.sin(np.radians((75, 50, 25)))
    narrow = np.sqrt(1 - lift**2)
    first, last = ends * min(x[0], z[0]), ends * min(x[-1], z[-1])
    y = np.concatenate((-way * lift * first + y[0], y, way * lift[::-1] * last + y[-1]))
    x = np.concatenate((narrow * x[0], x, narrow[::-1] * x[-1]))
    z = np.concatenate((narrow * z[0], z, narrow[::-1] * z[-1]))
    shift = np.concatenate((np.full(3, shift[0]), shift, np.full(3, shift[-1])))
    band_of = np.concatenate((np.full(3, band_of[0]), band_of, np.full(3, band_of[-1])))

    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    cos, sin = (np.sign(f) * np.abs(f) ** (2 / power) for f in (np.cos(angle), np.sin(angle)))
    ring = np.stack((x[:, None] * cos, np.repeat(y[:, None], sides, 1), z[:, None] * sin + shift[:, None]), axis=-1)
    poles = np.array(((0, -way * first, shift[0]), (0, length + way * last, shift[-1])))
    points = np.concatenate((ring.reshape(-1, 3), poles))
    colours = np.array([bands[b].colour for b in band_of]).repeat(sides, axis=0)
    colours = np.concatenate((colours, (bands[0].colour, bands[-1].colour)))
    # A tube that grows downwards is inside out.
    return surface(points, _tube_faces(len(x), sides)[:, :: int(way)], colours, gloss)


def _tube_faces(rings: int, sides: int) -> NDArray[np.int32]:
    """Faces of rings that lie one after the other, closed by the two poles that follow them."""
    a = np.arange(rings - 1)[:, None] * sides + np.arange(sides)
    b = np.arange(rings - 1)[:, None] * sides + (np.arange(sides) + 1) % sides
    side = np.concatenate(
        (np.stack((a, a + sides, b), -1).reshape(-1, 3), np.stack((b, a + sides, b + sides), -1).reshape(-1, 3))
    )
    rim = np.arange(sides)
    after = (rim + 1) % sides
    top = (rings - 1) * sides
    first = np.stack((rim, after, np.full(sides, rings * sides)), -1)
    last = np.stack((rim + top, np.full(sides, rings * sides + 1), after + top), -1)
    return np.concatenate((side, first, last)).astype(np.int32)


def ellipsoid(centre: ArrayLike, radii: ArrayLike, colour: Colour, *, detail: int = 8, gloss: float = 0.0) -> Mesh:
    """An ellipsoid along the axes; ``detail`` is its number of rings."""
    height = np.linspace(-np.pi / 2, np.pi / 2, detail + 2)[1:-1]
    angle = np.linspace(0, 2 * np.pi, int(detail * 1.5), endpoint=False)
    ring = np.stack(
        (
            np.cos(height)[:, None] * np.cos(angle),
            np.repeat(np.sin(height)[:, None], len(angle), 1),
            np.cos(height)[:, None] * np.sin(angle),
        ),
        axis=-1,
    )
    points = np.concatenate((ring.reshape(-1, 3), ((0, -1, 0), (0, 1, 0)))) * np.asarray(radii) + np.asarray(centre)
    return surface(points, _tube_faces(detail, len(angle)), np.tile(colour, (len(points), 1)), gloss)


def cylinder(
    radius: float, length: float, colour: Colour, *, sides: int = 12, flat: bool = False, gloss: float = 0.0
) -> Mesh:
    """A rod along y from 0 to ``length``; flat ends get a rim of their own, so that they look cut."""
    if not flat:
        rows = ((0, radius, radius, 0), (1, radius, radius, 0))
        return loft(rows, length, (Band(until=1, colour=colour),), sides=sides, rings=2, gloss=gloss)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    disc = np.stack((radius * np.cos(angle), np.zeros(sides), radius * np.sin(angle)), -1)
    shaft = np.concatenate((disc, disc + np.array((0, length, 0))))
    faces = _tube_faces(2, sides)[: 2 * sides]
    parts = [surface(shaft, faces, np.tile(colour, (len(shaft), 1)), gloss)]
    rim, middle = np.arange(sides), np.full(sides, sides)
    after = (rim + 1) % sides
    # The faces of a plate are a little lighter at the hub, as castings are.
    face_colours = np.concatenate((np.tile(colour, (sides, 1)), [np.clip(np.multiply(colour, 1.6) + 0.03, 0, 1)]))
    for y, fan in ((0.0, (rim, after, middle)), (length, (rim, middle, after))):
        points = np.concatenate((disc, ((0, 0, 0),))) + np.array((0, y, 0))
        parts.append(surface(points, np.stack(fan, -1).astype(np.int32), face_colours, gloss))
    return merge(parts)


_CORNERS = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
_SIDES = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))


def cuboid(size: ArrayLike, colour: Colour, *, gloss: float = 0.0) -> Mesh:
    """A box around the origin, with sharp edges."""
    corners = _CORNERS * np.asarray(size)
    points = np.concatenate([corners[list(side)] for side in _SIDES])
    faces = np.concatenate([np.array(((0, 1, 2), (0, 2, 3))) + 4 * k for k in range(6)]).astype(np.int32)
    return surface(points, faces, np.tile(colour, (24, 1)), gloss)


def surface(points: ArrayLike, faces: NDArray[np.int32], colours: ArrayLike, gloss: float = 0.0) -> Mesh:
    """A mesh with normals averaged over the faces that meet at a vertex (weighted by their area)."""
    at = np.asarray(points, float)
    a, b, c = (at[faces[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    # Two rings may lie at one place with different colours: they share their normals.
    _, same = np.unique(np.round(at, 5), axis=0, return_inverse=True)
    same = same.reshape(-1)
    total = np.zeros((same.max() + 1, 3))
    for k in range(3):
        np.add.at(total, same[faces[:, k]], across)
    normals = total[same]
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return Mesh(
        points=at.astype(np.float32),
        normals=normals.astype(np.float32),
        colours=np.asarray(colours, np.float32).reshape(-1, 3),
        gloss=np.full(len(at), gloss, np.float32),
        faces=faces.astype(np.int32),
    )


def moved(mesh: Mesh, origin: ArrayLike, axes: ArrayLike) -> Mesh:
    """The mesh with its x, y and z along the columns of ``axes`` [3, 3], its own origin at ``origin`` [3]."""
    turn = np.asarray(axes, np.float32).T
    return Mesh(
        points=mesh.points @ turn + np.asarray(origin, np.float32),
        normals=mesh.normals @ turn,
        colours=mesh.colours,
        gloss=mesh.gloss,
        faces=mesh.faces,
    )

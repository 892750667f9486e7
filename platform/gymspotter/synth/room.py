"""The gym around the athlete: floor, walls, what hangs on them and what stands along them.

The room is a cuboid around the place of the exercise. Walls are seen from inside only, so that a camera which stands
outside looks through the nearer ones, as in a doll's house.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gymspotter.synth.look import GLOSS, Look
from gymspotter.synth.mesh import Band, Colour, Mesh, cuboid, cylinder, ellipsoid, loft, merge, moved, surface

# Nothing stands nearer to the exercise than this, in metres.
_CLEAR = 1.2
_TILE = 0.5


def room(look: Look, middle: ArrayLike, eye: ArrayLike) -> Mesh:
    """The gym in world axes.

    Args:
        look: decides all of it.
        middle: [3], where the exercise takes place.
        eye: [3], where the camera is: nothing is put between it and the exercise.
    """
    rng = np.random.default_rng((look.seed, 1))
    x, _, z = np.asarray(middle, float)
    to_x, from_x, to_z, from_z, height = look.room
    parts = [_floor(look, rng, (x - 14, z - 14), (x + 14, z + 14))]
    parts.append(moved(_ceiling(look), (x, height, z), np.eye(3)))
    # Each wall: a corner, the direction along it (its length), and its normal, which points into the room.
    corners = ((x - from_x, z - from_z), (x + to_x, z + to_z))
    for wall, along in (
        ((corners[0][0], 0, corners[1][1]), (to_x + from_x, 0, 0)),  # +z
        ((corners[1][0], 0, corners[0][1]), (-(to_x + from_x), 0, 0)),  # -z
        ((corners[1][0], 0, corners[1][1]), (0, 0, -(to_z + from_z))),  # +x
        ((corners[0][0], 0, corners[0][1]), (0, 0, to_z + from_z)),  # -x
    ):
        start, way = np.array(wall, float), np.array(along, float)
        length = float(np.linalg.norm(way))
        way /= length
        inward = np.cross((0, 1, 0), way)
        axes = np.stack((way, (0.0, 1.0, 0.0), -inward), axis=1)
        if (np.asarray(eye) - start) @ inward < 0.3:
            continue  # the camera stands behind this wall
        parts.append(moved(_wall(look, rng, length, height), start, axes))
        for part in _clutter(look, rng, length, height):
            placed = moved(part, start, axes)
            gap = placed.points - np.asarray(middle, np.float32)
            view = np.asarray(middle) - np.asarray(eye)
            behind = float((gap @ (view / np.linalg.norm(view))).min())
            if behind > -0.3 and np.hypot(gap[:, 0], gap[:, 2]).min() > _CLEAR:
                parts.append(placed)
    return merge(parts)


def _patches(
    low: tuple[float, float],
    high: tuple[float, float],
    step: tuple[float, float],
    colours: Callable[..., NDArray[np.float64]],
) -> Mesh:
    """A plane in x and y cut into rectangles of their own colours: ``colours`` makes [rows, columns, 3] from indices.

    It faces -z.
    """
    columns = max(1, round((high[0] - low[0]) / step[0]))
    rows = max(1, round((high[1] - low[1]) / step[1]))
    xs, ys = np.linspace(low[0], high[0], columns + 1), np.linspace(low[1], high[1], rows + 1)
    row, column = np.mgrid[0:rows, 0:columns]
    corner = [(0, 0), (1, 0), (1, 1), (0, 1)]
    points = np.stack([np.stack((xs[column + c], ys[row + r], 0.0 * row), -1) for c, r in corner], axis=2).reshape(
        -1, 3
    )
    tint = np.repeat(colours(row, column).reshape(-1, 3), 4, axis=0)
    base = np.arange(rows * columns)[:, None] * 4
    faces = np.concatenate((base + np.array((0, 2, 1)), base + np.array((0, 3, 2)))).astype(np.int32)
    return surface(points, faces, np.clip(tint, 0, 1))


def _floor(look: Look, rng: np.random.Generator, low: tuple[float, float], high: tuple[float, float]) -> Mesh:
    step = {"tiles": (_TILE, _TILE), "rubber": (1.0, 1.0), "boards": (0.16, 1.6)}[look.floor]
    uneven = {"tiles": 0.03, "rubber": 0.012, "boards": 0.07}[look.floor]
    checks = 0.05 if look.floor == "tiles" and rng.random() < 0.5 else 0.0

    def colours(row: NDArray[np.int64], column: NDArray[np.int64]) -> NDArray[np.float64]:
        shade = 1 + rng.normal(0, uneven, row.shape) + checks * (-1.0) ** (row + column)
        return np.asarray(look.floors) * shade[..., None]

    plane = _patches(low, high, step, colours)
    # From (x, y, facing -z) to (x, z, facing up).
    return moved(plane, (0, 0, 0), np.array(((1, 0, 0), (0, 0, -1), (0, 1, 0)), float))


def _ceiling(look: Look) -> Mesh:
    """Pale, with rows of lamps; it faces down."""

    def colours(row: NDArray[np.int64], column: NDArray[np.int64]) -> NDArray[np.float64]:
        lamp = (row % 4 == 1) & (column % 6 == 2)
        return np.where(lamp[..., None], 1.0, 0.55 + 0.3 * np.asarray(look.walls))

    plane = _patches((-14, -14), (14, 14), (0.6, 0.6), colours)
    return moved(plane, (0, 0, 0), np.array(((1, 0, 0), (0, 0, 1), (0, -1, 0)), float))


def _wall(look: Look, rng: np.random.Generator, length: float, height: float) -> Mesh:
    step = {"plain": (0.6, 0.3), "panels": (1.2, 0.15), "bricks": (0.25, 0.09)}[look.wall]
    uneven = {"plain": 0.004, "panels": 0.006, "bricks": 0.05}[look.wall]
    skirt, band = rng.uniform(0.9, 1.3), rng.random() < 0.4

    def colours(row: NDArray[np.int64], column: NDArray[np.int64]) -> NDArray[np.float64]:
        at = (row + 0.5) * step[1]
        shade = (1 + rng.normal(0, uneven, row.shape)) * (0.86 + 0.14 * at / height)
        base = np.broadcast_to(np.asarray(look.walls), (*row.shape, 3))
        if look.wall == "panels":
            base = np.where((at < skirt)[..., None], np.multiply(look.accent, 0.7), base)
        elif band:
            base = np.where((np.abs(at - skirt - 0.3) < 0.16)[..., None], look.accent, base)
        return base * shade[..., None]

    return _patches((0, 0), (length, height), step, colours)


def _clutter(look: Look, rng: np.random.Generator, length: float, height: float) -> list[Mesh]:
    """Things on and along one wall, on its axes: x along it, y up, -z into the room."""
    makers = (_picture, _mirror, _window, _dumbbell_rack, _plate_tree, _cage, _ball, _lockers, _mats)
    out: list[Mesh] = []
    at = rng.uniform(0.1, 0.8)
    for _ in range(int(rng.integers(look.clutter // 2, look.clutter + 1))):
        thing = makers[rng.integers(len(makers))](look, rng)
        low, high = thing.points[:, 0].min(), thing.points[:, 0].max()
        if at + high - low > length - 0.1:
            break
        out.append(moved(thing, (at - low, 0, -0.02), np.eye(3)))
        at += high - low + rng.uniform(0.05, 1.2)
    return out


def _sheet(width: float, low: float, high: float, colour: Colour, gap: float = 0.0) -> Mesh:
    return moved(cuboid((width, high - low, 0.02), colour), (width / 2, (low + high) / 2, -gap), np.eye(3))


def _any(rng: np.random.Generator) -> Colour:
    r, g, b = rng.uniform(0.08, 0.95, 3)
    return float(r), float(g), float(b)


def _picture(look: Look, rng: np.random.Generator) -> Mesh:
    width, low, high = rng.uniform(0.4, 1.1), rng.uniform(1.1, 1.5), rng.uniform(1.8, 2.4)
    parts = [
        _sheet(width, low, high, (0.1, 0.1, 0.1)),
        moved(_sheet(width - 0.08, low + 0.04, high - 0.04, _any(rng), 0.01), (0.04, 0, 0), np.eye(3)),
    ]
    for _ in range(3):
        bottom, top = sorted(rng.uniform(low + 0.08, high - 0.08, 2))
        part = _sheet(rng.uniform(0.1, 0.5) * width, bottom, top, _any(rng), 0.02)
        parts.append(moved(part, (rng.uniform(0.06, 0.4) * width, 0, 0), np.eye(3)))
    return merge(parts)


def _mirror(look: Look, rng: np.random.Generator) -> Mesh:
    width, grey = rng.uniform(0.9, 1.8), rng.uniform(0.55, 0.8)
    glass = tuple(np.multiply(look.walls, 0.35) + np.multiply((0.9, 0.97, 1.0), 0.6 * grey))
    return merge(
        [
            _sheet(width, 0.3, 2.2, (0.25, 0.25, 0.27)),
            moved(_sheet(width - 0.05, 0.33, 2.17, glass, 0.01), (0.025, 0, 0), np.eye(3)),
        ]
    )


def _window(look: Look, rng: np.random.Generator) -> Mesh:
    width = rng.uniform(0.8, 1.6)
    sky = _sheet(width, 1.0, 2.3, (0.80, 0.90, 0.98), 0.01)
    bars = [moved(_sheet(0.05, 0.95, 2.35, (0.9, 0.9, 0.9), 0.02), (x, 0, 0), np.eye(3)) for x in (0, width / 2, width)]
    return merge([sky, *bars])


def _dumbbell_rack(look: Look, rng: np.random.Generator) -> Mesh:
    frame, width = look.materials["frame"], rng.uniform(1.0, 1.8)
    parts = []
    for y in (0.35, 0.75, 1.1)[: rng.integers(2, 4)]:
        parts.append(moved(cuboid((width, 0.04, 0.4), frame), (width / 2, y, -0.25), np.eye(3)))
        for x in np.arange(0.12, width - 0.1, 0.22):
            r = rng.uniform(0.05, 0.08)
            for part, gap in ((0.06, 0.12), (0.06, 0.32)):
                head = cylinder(r, part, look.materials["rubber"], sides=8, flat=True)
                parts.append(moved(head, (x, y + r + 0.02, -gap), np.array(((0, 0, -1), (1, 0, 0), (0, -1, 0)), float)))
    parts += [moved(cuboid((0.06, 1.2, 0.4), frame), (x, 0.6, -0.25), np.eye(3)) for x in (0, width)]
    return merge(parts)


def _plate_tree(look: Look, rng: np.random.Generator) -> Mesh:
    parts = [moved(cuboid((0.07, 1.3, 0.07), look.materials["frame"]), (0.25, 0.65, -0.3), np.eye(3))]
    flat = np.array(((1, 0, 0), (0, 0, 1), (0, -1, 0)), float)
    for y, x in ((0.3, 0.0), (0.3, 0.5), (0.8, 0.05), (0.8, 0.45), (1.2, 0.25)):
        plate = cylinder(rng.uniform(0.1, 0.22), 0.08, look.materials["iron"], sides=14, flat=True)
        parts.append(moved(plate, (x, y, -0.32), flat))
    return merge(parts)


def _cage(look: Look, rng: np.random.Generator) -> Mesh:
    colour, gloss = look.materials["frame"], GLOSS["frame"]
    posts = [
        moved(cuboid((0.07, 2.2, 0.07), colour, gloss=gloss), (x, 1.1, -z), np.eye(3))
        for x in (0, 1.1)
        for z in (0.15, 0.9)
    ]
    rails = [
        moved(cuboid((1.1, 0.07, 0.07), colour, gloss=gloss), (0.55, y, -z), np.eye(3))
        for y, z in ((2.2, 0.15), (2.2, 0.9), (0.05, 0.15))
    ]
    return merge(posts + rails)


def _ball(look: Look, rng: np.random.Generator) -> Mesh:
    r = rng.uniform(0.12, 0.35)
    return ellipsoid((r, r, -r - 0.1), (r, r, r), _any(rng), detail=12, gloss=0.3)


def _lockers(look: Look, rng: np.random.Generator) -> Mesh:
    colour = _any(rng)
    return merge(
        [
            moved(cuboid((0.38, 1.8, 0.45), colour), (0.2 + 0.4 * k, 0.9, -0.25), np.eye(3))
            for k in range(rng.integers(1, 5))
        ]
    )


def _mats(look: Look, rng: np.random.Generator) -> Mesh:
    parts = []
    for k in range(rng.integers(1, 4)):
        roll = loft(((0, 0.08, 0.08, 0), (1, 0.08, 0.08, 0)), 0.6, [Band(until=1, colour=_any(rng))], rings=2, ends=0.1)
        parts.append(moved(roll, (0.1 + 0.2 * k, 0.01, -0.15), np.eye(3)))
    return merge(parts)

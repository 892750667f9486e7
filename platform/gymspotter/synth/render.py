"""From a performance, a camera and a look to pictures.

Triangles are drawn by OpenCV's software rasteriser with a depth buffer and interpolated vertex colours, which are lit
here: ambient light that is stronger from above, one key light (Lambert) and a highlight (Blinn 1977). What stands
still is drawn once a video; then each frame redraws only the part of the picture in which something moves.

Shapes: T frames, V vertices, F faces, H x W pixels.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from gymspotter.synth.athlete import Athlete
from gymspotter.synth.camera import Camera
from gymspotter.synth.equipment import equipment
from gymspotter.synth.look import Look
from gymspotter.synth.mesh import Floats, Mesh, merge
from gymspotter.synth.room import room
from gymspotter.synth.scene import Performance

Picture = NDArray[np.uint8]
NEAR, FAR = 0.1, 60.0
# Frames whose vertices are computed together: numpy's overhead is shared, memory stays small.
_CHUNK = 24
_SHADOW = 0.5
# Shadows lie this much above the floor, so that the floor does not hide them, and are drawn at half the size.
_LIFT = 0.012
_TO_RASTERISER = np.array((1, -1, -1), np.float32)
_AS_IT_IS = np.eye(4, dtype=np.float32)


def render(
    performance: Performance,
    camera: Camera,
    look: Look,
    width: int,
    height: int,
    others: Sequence[tuple[Performance, Look]] = (),
) -> Iterator[Picture]:
    """RGB frames [H, W, 3] one after the other; the same arguments give the same pixels.

    ``others`` are further people with clothes of their own, in the athlete's gym and for as many frames; no equipment
    of theirs is drawn.
    """
    stage = _Stage(camera=camera, look=look, width=width, height=height)
    people = [(Athlete(p, worn), p.joints) for p, worn in ((performance, look), *others)]
    props = [equipment(p, look) for p in performance.props]
    still, moving = [p for p in props if not p.moves], [p for p in props if p.moves]
    middle = performance.joints[:, 0].mean(axis=0)
    stage.build([room(look, (middle[0], 0, middle[2]), camera.position)], [prop.standing() for prop in still])

    actors = merge([*(body.mesh for body, _ in people), *(prop.mesh for prop in moving)])
    total = len(performance.joints)
    for start in range(0, total, _CHUNK):
        stop = min(start + _CHUNK, total)
        groups = [body.surface(joints[start:stop]) for body, joints in people]
        groups += [prop.points_at(start, stop) for prop in moving]
        points = np.concatenate([g[0] for g in groups], axis=1)
        normals = np.concatenate([g[1] for g in groups], axis=1)
        colours = stage.light(points, normals, actors.colours, actors.gloss)
        for t in range(stop - start):
            yield stage.frame(points[t], colours[t], actors.faces)


@dataclass(kw_only=True)
class _Stage:
    """The picture's buffers: the empty gym, drawn once, and the frame being drawn on a copy of it."""

    camera: Camera
    look: Look
    width: int
    height: int
    _frames: int = field(default=0, init=False)

    def build(self, backdrop: list[Mesh], props: list[Mesh]) -> None:
        """Draw what stands still, with the props' shadows on the floor."""
        self._fov = 2 * math.atan(self.height / 2 / (self.camera.focal * min(self.width, self.height)))
        self._rotation = self.camera.rotation.astype(np.float32)
        self._eye = self.camera.position.astype(np.float32)
        self._light = np.asarray(self.look.light, np.float32)
        self._half_size = (max(1, self.width // 2), max(1, self.height // 2))
        warm = self.look.warmth
        self._tint = np.array((1 + warm, 1, 1 - warm), np.float32)
        # Nothing has been drawn yet: the void beyond the room is dim air.
        colour = np.full((self.height, self.width, 3), 0.35, np.float32)
        depth = np.full((self.height, self.width), FAR, np.float32)
        self._half_depth = np.full(self._half_size[::-1], FAR, np.float32)
        scenery = merge(backdrop)
        self._draw_mesh(scenery, colour, depth)
        if props:
            objects = merge(props)
            self._draw_depth(self._seen(scenery.points), scenery.faces, self._half_depth)
            box, shade = self._shadow(objects.points, objects.faces)
            colour[box] *= shade
            self._draw_mesh(objects, colour, depth)
            scenery = merge((scenery, objects))
        self._half_depth[:] = FAR
        self._draw_depth(self._seen(scenery.points), scenery.faces, self._half_depth)
        self._colour, self._depth = colour, depth
        self._work, self._work_depth = colour.copy(), depth.copy()
        # A phone focuses on the athlete: what is behind is a little softer.
        self._sigma = self.look.blur * self.height / 480
        soft = cv2.GaussianBlur(colour, (0, 0), max(0.3, 1.5 * self._sigma))
        self._empty = np.asarray(cv2.convertScaleAbs(soft, alpha=255), np.uint8)
        rng = np.random.default_rng((self.look.seed, 2))
        grain = rng.normal(0, self.look.noise, (self.height + 64, self.width + 64, 3))
        self._bright = np.clip(np.round(grain), 0, 255).astype(np.uint8)
        self._dark = np.clip(np.round(-grain), 0, 255).astype(np.uint8)
        self._shifts = rng.integers(0, 64, (997, 2))

    def light(self, points: Floats, normals: Floats, colours: Floats, gloss: Floats) -> Floats:
        """Lit colours [..., V, 3] of surfaces in world axes."""
        look = self.look
        lambert = np.maximum(normals @ self._light, 0)
        shade = look.key * lambert + look.fill * (0.82 + 0.18 * normals[..., 1])
        out = colours * (shade[..., None] * self._tint)
        shiny = np.flatnonzero(gloss)
        if len(shiny):
            view = self._eye - points[..., shiny, :]
            view /= np.linalg.norm(view, axis=-1, keepdims=True)
            half = view + self._light
            half /= np.linalg.norm(half, axis=-1, keepdims=True)
            highlight = np.maximum((normals[..., shiny, :] * half).sum(axis=-1), 0) ** 24
            out[..., shiny, :] += (look.key * gloss[shiny] * highlight)[..., None]
        return np.clip(out, 0, 1, out=out)

    def frame(self, points: Floats, colours: Floats, faces: NDArray[np.int32]) -> Picture:
        """One picture: the empty gym with the lit surface ``points`` [V, 3] (world axes) in it."""
        out = self._empty.copy()
        box, shade = self._shadow(points, faces)
        self._work[box] *= shade
        if shade.size:
            out[box] = cv2.multiply(out[box], cv2.merge((shade, shade, shade)), dtype=cv2.CV_8U)
        seen = self._seen(points)
        self._draw(seen, colours, faces, self._work, self._work_depth)
        dirty = _union(box, self._bounds(seen))
        if not self._work[dirty].size:  # the athlete has left the picture
            return self._grained(out)
        fresh = cv2.GaussianBlur(self._work[dirty], (0, 0), max(0.3, self._sigma))
        # The soft background stays where nothing was drawn over it.
        changed = cv2.compare(self._work_depth[dirty], self._depth[dirty] - 1e-3, cv2.CMP_LT)
        changed = cv2.dilate(changed, np.ones((3, 3), np.uint8))
        cv2.copyTo(cv2.convertScaleAbs(fresh, alpha=255), changed, out[dirty])
        self._work[dirty] = self._colour[dirty]
        self._work_depth[dirty] = self._depth[dirty]
        return self._grained(out)

    def _grained(self, out: Picture) -> Picture:
        """The picture with the sensor's noise, which differs from frame to frame."""
        y, x = self._shifts[self._frames % len(self._shifts)]
        self._frames += 1
        cv2.add(out, self._bright[y : y + self.height, x : x + self.width], dst=out)
        return np.asarray(cv2.subtract(out, self._dark[y : y + self.height, x : x + self.width], dst=out), np.uint8)

    def _seen(self, points: Floats) -> Floats:
        """World points [V, 3] on the rasteriser's axes: x right, y up, z towards the viewer."""
        return np.asarray(((points - self._eye) @ self._rotation.T) * _TO_RASTERISER, np.float32)

    def _draw_mesh(self, mesh: Mesh, colour: Floats, depth: Floats) -> None:
        lit = self.light(mesh.points, mesh.normals, mesh.colours, mesh.gloss)
        self._draw(self._seen(mesh.points), lit, mesh.faces, colour, depth)

    def _draw(self, seen: Floats, colours: Floats, faces: NDArray[np.int32], colour: Floats, depth: Floats) -> None:
        faces = _in_front(seen, faces)
        at, of, tints = seen[:, None], faces[:, None], colours[:, None]
        cv2.triangleRasterize(at, of, tints, colour, depth, _AS_IT_IS, self._fov, NEAR, FAR, _settings())

    def _draw_depth(self, seen: Floats, faces: NDArray[np.int32], depth: Floats) -> None:
        faces = _in_front(seen, faces)
        cv2.triangleRasterizeDepth(seen[:, None], faces[:, None], depth, _AS_IT_IS, self._fov, NEAR, FAR, _settings())

    def _shadow(self, points: Floats, faces: NDArray[np.int32]) -> tuple[tuple[slice, slice], Floats]:
        """What the surface's shadow multiplies the floor by: a part of the picture, and factors [h, w, 1] for it."""
        drop = (points[:, 1:2] - _LIFT) / self._light[1]
        seen = self._seen(points - drop * self._light)
        box = self._bounds(seen, margin=16)
        rows, columns = box
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return box, np.ones((rows.stop - rows.start, columns.stop - columns.start, 1), np.float32)
        depth = self._half_depth.copy()
        # A flattened mesh shows both sides of its faces; either will do.
        self._draw_depth(seen, faces, depth)
        half = (
            slice(rows.start // 2, max(rows.start // 2 + 1, rows.stop // 2)),
            slice(columns.start // 2, max(columns.start // 2 + 1, columns.stop // 2)),
        )
        # The rasteriser rounds the depths of all pixels, hence the margin.
        mask = (depth[half] < self._half_depth[half] - 1e-3).astype(np.float32)
        soft = cv2.GaussianBlur(mask, (0, 0), 0.005 * self.height)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        return box, 1 - _SHADOW * cv2.resize(soft, size, interpolation=cv2.INTER_LINEAR)[..., None]

    def _bounds(self, seen: Floats, margin: int = 4) -> tuple[slice, slice]:
        """Rows and columns of the picture that hold the points, to the even pixel."""
        front = seen[:, 2] < -NEAR
        if not front.any():
            return slice(0, 0), slice(0, 0)
        scale = self.camera.focal * min(self.width, self.height) / np.where(front, -seen[:, 2], np.inf)
        x, y = self.width / 2 + seen[:, 0] * scale, self.height / 2 - seen[:, 1] * scale
        x0, x1 = (int(np.clip(v, 0, self.width)) for v in (x.min() - margin, x.max() + margin + 1))
        y0, y1 = (int(np.clip(v, 0, self.height)) for v in (y.min() - margin, y.max() + margin + 1))
        return slice(y0 // 2 * 2, y1), slice(x0 // 2 * 2, x1)


def _settings() -> cv2.TriangleRasterizeSettings:
    settings = cv2.TriangleRasterizeSettings()
    return settings.setShadingType(cv2.RASTERIZE_SHADING_SHADED).setCullingMode(cv2.RASTERIZE_CULLING_CW)


def _in_front(seen: Floats, faces: NDArray[np.int32]) -> NDArray[np.int32]:
    """The faces that do not reach behind the camera, where the projection would turn them inside out."""
    ahead = seen[:, 2] < -NEAR
    return faces if ahead.all() else np.ascontiguousarray(faces[ahead[faces].all(axis=1)])


def _union(a: tuple[slice, slice], b: tuple[slice, slice]) -> tuple[slice, slice]:
    if a[0].start >= a[0].stop or a[1].start >= a[1].stop:
        return b
    if b[0].start >= b[0].stop or b[1].start >= b[1].stop:
        return a
    rows, columns = (slice(min(p.start, q.start), max(p.stop, q.stop)) for p, q in zip(a, b, strict=True))
    return rows, columns

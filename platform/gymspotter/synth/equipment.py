"""Bars, plates, benches and machines as meshes that move: what scene.py describes, ready to be drawn.

Shapes: T frames, V vertices.
"""

from dataclasses import dataclass

import numpy as np

from gymspotter.synth.look import GLOSS, Look
from gymspotter.synth.mesh import Floats, Mesh, cuboid, cylinder
from gymspotter.synth.scene import Box, Capsule


@dataclass(frozen=True, kw_only=True)
class Equipment:
    """A piece of equipment: its mesh on its own axes (a rod's is one metre long), and where it is."""

    prop: Capsule | Box
    mesh: Mesh

    @property
    def moves(self) -> bool:
        """Whether it is somewhere else from frame to frame."""
        prop = self.prop
        return len(prop.ends) > 1 if isinstance(prop, Capsule) else max(len(prop.centre), len(prop.axes)) > 1

    def points_at(self, start: int, stop: int) -> tuple[Floats, Floats]:
        """World points and normals [T, V, 3] of those frames."""
        prop, local = self.prop, self.mesh.points
        if isinstance(prop, Box):
            many = len(prop.axes) > 1
            axes = prop.axes[start:stop] if many else np.repeat(prop.axes, stop - start, axis=0)
            centre = prop.centre[start:stop] if len(prop.centre) > 1 else np.repeat(prop.centre, stop - start, axis=0)
            return local @ axes + centre[:, None], self.mesh.normals @ axes
        ends = prop.ends[start:stop] if len(prop.ends) > 1 else prop.ends
        along = ends[:, 1] - ends[:, 0]
        y = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
        # Any axis across will do for a round thing, but it must not spin: the one nearest to the world's z or x.
        helper = np.where(np.abs(y[:, 2:]) < 0.9, np.eye(3)[2], np.eye(3)[0]).astype(np.float32)
        x = np.cross(y, helper)
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        axes = np.stack((x, y, np.cross(x, y)), axis=1)
        share = np.clip(local[:, 1:2], 0, 1)
        beyond = local - share * np.eye(3, dtype=np.float32)[1]
        return beyond @ axes + ends[:, None, 0] + share * along[:, None], self.mesh.normals @ axes

    def standing(self) -> Mesh:
        """The mesh in world axes, where it is in the first frame."""
        points, normals = self.points_at(0, 1)
        mesh = self.mesh
        return Mesh(points=points[0], normals=normals[0], colours=mesh.colours, gloss=mesh.gloss, faces=mesh.faces)


def equipment(prop: Capsule | Box, look: Look) -> Equipment:
    """The mesh of a prop in the look's materials."""
    colour, gloss = look.materials[prop.material], GLOSS[prop.material]
    if isinstance(prop, Box):
        return Equipment(prop=prop, mesh=cuboid(prop.size, colour, gloss=gloss))
    sides = 8 if prop.radius < 0.02 else 12 if prop.radius < 0.1 else 24
    return Equipment(prop=prop, mesh=cylinder(prop.radius, 1.0, colour, sides=sides, flat=prop.flat_ends, gloss=gloss))

"""Shapes, by what holds for every closed surface."""

import numpy as np
import pytest

from gymspotter.synth.mesh import Band, Mesh, cuboid, cylinder, ellipsoid, loft, merge, moved

WHITE, BLUE = (1.0, 1.0, 1.0), (0.0, 0.0, 1.0)
ROWS = ((0, 0.2, 0.1, 0), (0.5, 0.3, 0.2, 0.05), (1, 0.1, 0.1, 0))


def _volume(mesh: Mesh) -> float:
    """By the divergence theorem: positive when all faces are wound to be seen from outside."""
    a, b, c = (mesh.points[mesh.faces[:, k]].astype(float) for k in range(3))
    return float(np.einsum("fi,fi->", a, np.cross(b, c)) / 6)


@pytest.mark.parametrize(
    ("mesh", "volume"),
    [
        (ellipsoid((1, 2, 3), (1, 2, 0.5), WHITE, detail=40), 4 / 3 * np.pi),
        (cylinder(0.5, 2.0, WHITE, sides=60, flat=True), np.pi / 2),
        (cylinder(0.5, 2.0, WHITE, sides=60), np.pi / 2 + np.pi / 6),
        (cuboid((1, 2, 3), WHITE), 6),
    ],
)
def test_closed_surfaces_face_outwards_and_hold_their_volume(mesh, volume):
    assert _volume(mesh) == pytest.approx(volume, rel=0.02)


@pytest.mark.parametrize("length", [1.0, -1.0])
def test_lofts_face_outwards_whichever_way_they_grow(length):
    mesh = loft(ROWS, length, [Band(until=0.4, colour=WHITE, swell=0.01), Band(until=1, colour=BLUE)])
    assert _volume(mesh) > 0.05
    outward = mesh.points - mesh.points.mean(axis=0)
    assert ((mesh.normals * outward).sum(axis=1) > 0).mean() > 0.95


def test_bands_meet_without_a_gradient():
    mesh = loft(ROWS, 1.0, [Band(until=0.4, colour=WHITE), Band(until=1, colour=BLUE)], sides=8)
    assert {tuple(c) for c in mesh.colours.tolist()} == {WHITE, BLUE}
    border = np.isclose(mesh.points[:, 1], 0.4, atol=1e-6)
    assert border.sum() == 16
    assert (mesh.colours[border] == WHITE).all(axis=1).sum() == 8


def test_merging_keeps_every_surface():
    parts = [cuboid((1, 1, 1), WHITE), moved(cuboid((1, 2, 1), BLUE), (5, 0, 0), np.eye(3))]
    both = merge(parts)
    assert len(both.points) == 48
    assert _volume(both) == pytest.approx(3)

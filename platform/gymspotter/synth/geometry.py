"""The little geometry that moving bodies need: rotations, directions, and two-bone inverse kinematics.

Angles are in degrees; every angle may be a number or [T]. Axes are those of scene.py: x to the athlete's left, y up,
z to the front. Shapes: T frames (1 where something stands still).
"""

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]
Angle = float | NDArray[np.float64]
X, Y, Z = np.eye(3)


def pitch(angle: Angle) -> Vectors:
    """[T, 3, 3]: about the left-right axis; positive bows forward (90 lies face down, -90 face up)."""
    return _about(0, angle)


def turn(angle: Angle) -> Vectors:
    """[T, 3, 3]: about the vertical; positive turns to the athlete's left."""
    return _about(1, angle)


def roll(angle: Angle) -> Vectors:
    """[T, 3, 3]: about the front-back axis; positive raises the left side."""
    return _about(2, angle)


def _about(axis: int, angle: Angle) -> Vectors:
    radians = np.atleast_1d(np.radians(angle))
    out = np.zeros((len(radians), 3, 3))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    out[:, axis, axis] = 1
    out[:, a, a] = out[:, b, b] = np.cos(radians)
    out[:, b, a] = np.sin(radians)
    out[:, a, b] = -out[:, b, a]
    return out


def apply(rotation: Vectors, vector: Vectors | tuple[float, float, float]) -> Vectors:
    """``rotation`` [T, 3, 3] of ``vector`` [3] or [T, 3]: [T, 3]."""
    return np.einsum("tij,tj->ti", rotation, np.atleast_2d(np.asarray(vector, float)))


def vec(x: Angle, y: Angle, z: Angle) -> Vectors:
    """[T, 3] from three coordinates, each a number or [T]."""
    return np.stack(np.broadcast_arrays(*np.atleast_1d(x, y, z)), axis=-1).astype(float)


def unit(vectors: Vectors) -> Vectors:
    """``vectors`` [..., 3] with length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def lerp(low: Angle, high: Angle, phase: Angle) -> NDArray[np.float64]:
    """From ``low`` at phase 0 to ``high`` at phase 1."""
    return np.asarray(low + (np.asarray(high) - low) * phase)


def blend(low: Vectors, high: Vectors, phase: NDArray[np.float64]) -> Vectors:
    """Points [T, 3] from ``low`` at phase 0 to ``high`` at phase 1."""
    return low + (high - low) * phase[:, None]


def bent_length(a: float, b: float, flexion: Angle) -> NDArray[np.float64]:
    """How far the ends of two bones are apart when the joint between them is bent by ``flexion`` (0 = straight)."""
    return np.sqrt(a * a + b * b + 2 * a * b * np.cos(np.radians(flexion)))


def two_bones(start: Vectors, target: Vectors, a: float, b: float, pole: Vectors) -> tuple[Vectors, Vectors]:
    """Two bones of length ``a`` and ``b`` from ``start`` to ``target``, bent towards ``pole``; all [T, 3].

    Returns:
        the joint between them and their end, which is ``target`` wherever it is within reach, else the nearest point
        in its direction: bones never stretch.
    """
    towards = target - start
    distance = np.linalg.norm(towards, axis=-1, keepdims=True)
    along = towards / np.maximum(distance, 1e-9)
    distance = np.clip(distance, abs(a - b) + 1e-3, (a + b) * 0.99999)
    sideways = unit(pole - (pole * along).sum(axis=-1, keepdims=True) * along)
    forward = (distance**2 + a * a - b * b) / (2 * distance)
    out = np.sqrt(np.maximum(a * a - forward**2, 0))
    return start + forward * along + out * sideways, start + distance * along


def frame(along: Vectors, up: Vectors) -> Vectors:
    """[T, 3, 3] with rows: the unit vector of ``along``, what is left of ``up`` across it, and their cross product."""
    first = unit(np.atleast_2d(along))
    up = np.atleast_2d(up)
    second = unit(up - (up * first).sum(axis=-1, keepdims=True) * first)
    return np.stack(np.broadcast_arrays(first, second, np.cross(first, second)), axis=-2)

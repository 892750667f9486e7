"""Where the phone stands: the view of a performance, from world axes to camera axes and to the picture.

World axes are those of scene.py (y up, the athlete faces +z); camera axes are the canonical ones of skeleton.py: x to
the right of the picture, y down, z away from the camera.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gymspotter.synth.scene import BODY_JOINTS, Performance

# A phone's main camera has 24-28 mm (35 mm equivalent), and video crops a little: 1.05 to 1.45 times the shorter side.
FOCAL = (1.05, 1.45)
HEIGHT = (0.3, 2.1)
DISTANCE = (2.2, 6.0)
PITCH = (-12.0, 40.0)
# The body may use this part of the half width of the picture's central square; the rest is for its own thickness.
FILL = 0.84
# A close-up is filmed from this part of the distance that would show the whole body.
CLOSER = (0.32, 0.8)
_HIP, _THORAX = BODY_JOINTS.index("hip"), BODY_JOINTS.index("thorax")


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole camera that aims at ``target`` (world, metres) from ``distance`` metres.

    ``yaw`` says from which side it looks, in degrees: 0 in front of the athlete, 90 on the athlete's left, 180 behind.
    ``pitch`` is how far it looks down, ``roll`` how far the phone is turned clockwise. ``focal`` is the focal length
    in units of the picture's shorter side.
    """

    yaw: float
    pitch: float
    roll: float
    distance: float
    focal: float
    target: tuple[float, float, float]

    @property
    def rotation(self) -> NDArray[np.float64]:
        """[3, 3]: its rows are the camera's right, down and away directions in world axes."""
        yaw, pitch, roll = np.radians((self.yaw, self.pitch, self.roll))
        away = np.array((-np.sin(yaw) * np.cos(pitch), -np.sin(pitch), -np.cos(yaw) * np.cos(pitch)))
        right = np.array((np.cos(yaw), 0.0, -np.sin(yaw)))
        down = np.cross(away, right)
        return np.stack((np.cos(roll) * right + np.sin(roll) * down, np.cos(roll) * down - np.sin(roll) * right, away))

    @property
    def position(self) -> NDArray[np.float64]:
        """[3]: where the camera is, in world axes."""
        return np.asarray(self.target) - self.distance * self.rotation[2]

    def world_to_camera(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """World points [..., 3] in camera axes, with the camera at the origin."""
        return ((points - self.position) @ self.rotation.T).astype(np.float32)

    def project(
        self, points: NDArray[np.floating], width: int, height: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Where world points [..., 3] fall in a picture of ``width`` x ``height`` pixels.

        Returns:
            [..., 2] pixels (x right, y down, from the upper left corner) and [...] depth in metres. A point that is
            not in front of the camera (depth below 1 cm) has NaN pixels.
        """
        seen = self.world_to_camera(points)
        depth = seen[..., 2]
        scale = self.focal * min(width, height) / np.where(depth > 0.01, depth, np.nan)
        middle = np.array((width / 2, height / 2), np.float32)
        return (seen[..., :2] * scale[..., None] + middle).astype(np.float32), depth


def sample_camera(performance: Performance, rng: np.random.Generator, *, close: float = 0.0) -> Camera:
    """A phone somewhere a person would put one, from which the whole body stays in the picture in every frame.

    Equipment is ignored. The body fits the picture's central square, so that upright and wide pictures both hold it.
    With the probability ``close`` it is a close-up instead: the trunk is in the picture, feet or hands may not be.
    """
    points = performance.joints.reshape(-1, 3).astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    # Hardly anyone films dead centre.
    target = (low + high) / 2 + rng.uniform(-0.12, 0.12, 3) * (1, 0.6, 1)
    focal = float(rng.uniform(*FOCAL))
    yaw = _sample_yaw(performance, rng)
    roll = float(np.clip(rng.normal(0, 2), -6, 6))
    spare = float(rng.uniform(1.0, 1.45))
    lens_height = float(rng.uniform(*HEIGHT))

    distance, pitch = 3.0, 0.0
    # The pitch follows from height and distance, and the distance that fits the body from the pitch.
    for _ in range(4):
        sine = np.clip((lens_height - target[1]) / distance, *np.sin(np.radians(PITCH)))
        pitch = float(np.degrees(np.arcsin(sine)))
        aimed = Camera(yaw=yaw, pitch=pitch, roll=roll, distance=0, focal=focal, target=(0, 0, 0))
        x, y, z = ((points - target) @ aimed.rotation.T).T
        fits = float((np.maximum(abs(x), abs(y)) * focal / (FILL / 2) - z).max())
        distance = float(np.clip(fits * spare, max(DISTANCE[0], fits), max(DISTANCE[1], fits)))
    if close and rng.random() < close:
        # Around a point of the trunk, mostly its upper half.
        trunk = performance.joints[:, (_HIP, _THORAX)].mean(axis=0)
        point = trunk[0] + rng.beta(3, 1.5) * (trunk[1] - trunk[0])
        target = point + rng.uniform(-0.15, 0.15, 3)
        distance *= float(rng.uniform(*CLOSER))
    return Camera(
        yaw=yaw, pitch=pitch, roll=roll, distance=distance, focal=focal,
        target=(float(target[0]), float(target[1]), float(target[2])),
    )  # fmt: skip


# Yaws from the front to the back, and how often each is chosen.
_SIDES = ((0, 25), (25, 65), (65, 110), (110, 150), (150, 180))
_USUAL = (0.28, 0.32, 0.22, 0.11, 0.07)
# Those who lie (head away from +z) are filmed from the side, seldom along the body.
_LYING = ((60, 120), (30, 60), (120, 150), (8, 30), (150, 172))
_BY_EXERCISE = {
    "pull up": (0.15, 0.20, 0.15, 0.20, 0.30),  # often filmed from behind: the back is the point
    "lat pulldown": (0.10, 0.25, 0.25, 0.18, 0.22),  # the machine stands in front
    "tricep pushdown": (0.10, 0.32, 0.36, 0.17, 0.05),
    "chest fly machine": (0.42, 0.43, 0.15, 0.0, 0.0),  # the machine stands behind
}


def _sample_yaw(performance: Performance, rng: np.random.Generator) -> float:
    """From which side: the lying are filmed from the side, others mostly from the front half."""
    spine = (performance.joints[:, _THORAX] - performance.joints[:, _HIP]).mean(axis=0)
    if abs(spine[1]) < 0.62 * np.linalg.norm(spine):
        low, high = _LYING[rng.choice(len(_LYING), p=(0.52, 0.25, 0.15, 0.05, 0.03))]
    else:
        low, high = _SIDES[rng.choice(len(_SIDES), p=_BY_EXERCISE.get(performance.exercise, _USUAL))]
    return float(rng.uniform(low, high) * rng.choice((-1, 1)))

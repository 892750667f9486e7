"""The two models of BlazePose on LiteRT: who is in a picture, and where the joints of somebody in it are.

They are those of MediaPipe Pose, "full" (Bazarevsky et al. 2020, arXiv:2006.10204; Grishchenko et al. 2022,
arXiv:2206.11678). The landmark model sees a square of the picture that is turned so that the person stands upright.

Shapes: A anchors, K = 39 points of the landmark model (33 joints and 6 auxiliary ones), C coordinates.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from gymspotter.errors import InputError
from gymspotter.pose import Frame
from gymspotter.pose.athlete import Box
from gymspotter.skeleton import BLAZEPOSE33, Floats

_DETECTOR_PX, _LANDMARK_PX, _HEATMAP_PX = 224, 256, 64
# Cells of the detector's three grids, and how many anchors sit at the middle of each of their cells.
_GRIDS = ((28, 2), (14, 2), (7, 6))
_DETECTED, _PRESENT, _CLEAR = 0.5, 0.5, 0.7
_SAME_PERSON_IOU = 0.3
_HEATMAP_REACH, _HEATMAP_SURE = 4, 0.5
_REGION_SCALE = 1.25
# A body's half width as a share of the circle's radius.
_BODY_WIDTH = 0.45
_MID_HIP, _CIRCLE = 33, 34  # auxiliary points: the middle of the hips, and a point of the circle around the whole body
SHOULDERS = [BLAZEPOSE33.index("l_shoulder"), BLAZEPOSE33.index("r_shoulder")]
HIPS = [BLAZEPOSE33.index("l_hip"), BLAZEPOSE33.index("r_hip")]
# OpenCV addresses source pixels with 16 bits.
_MAX_SIDE = 32_766


@dataclass(frozen=True)
class Region:
    """A turned square of the picture: middle and side in pixels, angle in radians, clockwise as one looks at it."""

    x: float
    y: float
    side: float
    angle: float = 0.0

    @classmethod
    def of_person(cls, hip: Floats, circle: Floats) -> Self:
        """The square around a person, from the mid-hip [2] and a point [2] above the head, both in pixels.

        That point lies on the circle around the whole body, so the square holds arms and legs however they move, and
        the axis through both points is upright in it.
        """
        dx, dy = (float(d) for d in circle - hip)
        return cls(float(hip[0]), float(hip[1]), 2 * _REGION_SCALE * math.hypot(dx, dy), math.atan2(dx, -dy))

    @property
    def turn(self) -> NDArray[np.float64]:
        """[2, 2] from directions in the square to directions in the picture."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return np.array([[cos, -sin], [sin, cos]])

    def to_picture(self, points: Floats) -> Floats:
        """Points [N, 2] given as a share of the square, in pixels of the picture."""
        return ((points - 0.5) * self.side @ self.turn.T + (self.x, self.y)).astype(np.float32)

    @property
    def body(self) -> Box:
        """The upright box around a body that fills the circle along its axis and is as wide as one that stands."""
        corners = np.array([(x, y) for x in (-_BODY_WIDTH, _BODY_WIDTH) for y in (-1, 1)], np.float32)
        inside = self.to_picture(corners / (2 * _REGION_SCALE) + 0.5)
        (left, top), (right, bottom) = inside.min(axis=0).tolist(), inside.max(axis=0).tolist()
        return left, top, right, bottom

    def crop(self, frame: NDArray[np.uint8], size: int, border: int) -> NDArray[np.uint8]:
        """The square as an upright picture [size, size, 3]; ``border`` is OpenCV's rule for what lies outside."""
        linear = self.turn * (self.side / size)
        # The models were trained on crops without the half-pixel shift of proper resampling: pixel u of the crop is
        # read at linear @ u + offset. With the shift, landmarks are 27 to 150 mm off and empty rooms have people.
        offset = np.array([self.x, self.y]) - linear @ (size / 2, size / 2)
        matrix = np.column_stack([linear, offset])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(frame, matrix, (size, size), flags=flags, borderMode=border), np.uint8)


@dataclass(frozen=True)
class Person:
    """What the landmark model says of one square: pixels [K, 2], metres [K, 3], scores [K] in 0..1."""

    image: Floats
    world: Floats
    scores: Floats

    @property
    def region(self) -> Region:
        """The square in which to look for this person in the next frame."""
        return Region.of_person(self.image[_MID_HIP], self.image[_CIRCLE])


class _Model:
    """A .tflite file with one input; called with [1, H, W, 3] it gives its outputs in the file's order."""

    def __init__(self, path: Path, threads: int) -> None:
        self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]

    def __call__(self, x_BHWC: NDArray[Any]) -> list[Floats]:
        self._interpreter.set_tensor(self._input, x_BHWC)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


class Detector:
    """The model that sees who is there."""

    def __init__(self, path: Path, threads: int) -> None:
        self._model = _Model(path, threads)
        self._anchors = _anchors()

    def __call__(self, frame: Frame) -> list[tuple[Region, float]]:
        """The squares of everybody in ``frame`` and how sure that is (0..1), the likeliest first.

        Turning the picture by a quarter and a lower threshold each "find" more people in real clips, but with
        skeletons beside the body, and in pictures of nobody; so there is one try, as in MediaPipe.
        """
        height, width = frame.shape[:2]
        whole = Region(width / 2, height / 2, max(width, height))
        crop = whole.crop(frame, _DETECTOR_PX, cv2.BORDER_CONSTANT)
        boxes_AC, logits_A = (out[0] for out in self._model((crop / np.float32(127.5) - 1)[None]))
        scores_A = _sigmoid(logits_A[:, 0])
        kept = np.flatnonzero(scores_A >= _DETECTED)
        kept = kept[np.argsort(-scores_A[kept], kind="stable")]
        # A row holds the box's middle, its width and height, and four points (x, y), relative to the anchor.
        points = (boxes_AC[kept] / _DETECTOR_PX).reshape(-1, 6, 2)
        points[:, [0, 2, 3, 4, 5]] += self._anchors[kept, None]
        scores = scores_A[kept]
        found = []
        while len(points):
            # Weighted suppression (Bazarevsky et al. 2019, BlazeFace): boxes of one person are averaged, not dropped.
            same = _iou_with_first(points[:, 0], points[:, 1]) > _SAME_PERSON_IOU
            same[0] = True  # a box of no size overlaps nothing, not even itself
            hip, circle = np.average(points[same, 2:4], axis=0, weights=scores[same])
            region = Region.of_person(*whole.to_picture(np.array([hip, circle], np.float32)))
            found.append((region, float(scores[0])))
            points, scores = points[~same], scores[~same]
        return found


class Landmarker:
    """The model that finds the joints of one person."""

    def __init__(self, path: Path, threads: int) -> None:
        self._model = _Model(path, threads)

    def __call__(self, frame: Frame, region: Region) -> Person | None:
        """The person in a square of ``frame``; None where the model sees none.

        Nor is it a person whose shoulders and hips are all hidden: in clutter the model often claims such ones.
        """
        if not 1 <= region.side < 1e6:
            return None
        crop = region.crop(frame, _LANDMARK_PX, cv2.BORDER_REPLICATE)
        points, confidence, _, heatmap, world = self._model((crop / np.float32(255))[None])
        if not confidence[0, 0] >= _PRESENT:
            return None
        points_K5 = points.reshape(-1, 5)
        scores = _sigmoid(points_K5[:, 3]) * _sigmoid(points_K5[:, 4])
        if max(scores[SHOULDERS].mean(), scores[HIPS].mean()) < _CLEAR:
            return None
        xy = _refine(points_K5[:, :2] / np.float32(_LANDMARK_PX), heatmap[0])
        world_KC = world.reshape(-1, 3).copy()
        world_KC[:, :2] = world_KC[:, :2] @ region.turn.T
        if not (np.isfinite(xy).all() and np.isfinite(world_KC).all()):
            return None
        return Person(image=region.to_picture(xy), world=world_KC, scores=scores)


def checked(frame: Frame) -> Frame:
    """A frame that the models take; of a huge one, every so manieth pixel.

    Raises:
        InputError: it is not RGB [H, W, 3] of bytes, or is empty.
    """
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or not frame.size:
        raise InputError(f"frame is {frame.dtype} {list(frame.shape)}: give RGB pixels as uint8 [H, W, 3].")
    if max(frame.shape) > _MAX_SIDE:
        step = -(-max(frame.shape) // _MAX_SIDE)
        frame = frame[::step, ::step]
    return np.ascontiguousarray(frame)


def _anchors() -> Floats:
    """[A, 2] the points of the picture, as a share of it, that the detector's boxes are relative to."""
    grids = []
    for cells, repeats in _GRIDS:
        middle = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        y, x = np.meshgrid(middle, middle, indexing="ij")
        grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), repeats, axis=0))
    return np.concatenate(grids)


def _iou_with_first(middles: Floats, sizes: Floats) -> Floats:
    """[N] intersection over union of every box with the first."""
    low, high = middles - sizes / 2, middles + sizes / 2
    shared = (np.minimum(high, high[0]) - np.maximum(low, low[0])).clip(min=0).prod(axis=1)
    union = sizes.prod(axis=1) + sizes[0].prod() - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _refine(xy: Floats, heatmap_HWK: Floats) -> Floats:
    """Points [K, 2] as a share of the square, moved to the middle of the heat around them where there is enough."""
    size = _HEATMAP_PX
    column_row = np.trunc(xy * size)
    inside = ((column_row >= 0) & (column_row < size)).all(axis=1)
    reach = np.arange(-_HEATMAP_REACH, _HEATMAP_REACH + 1)
    columns, rows = (np.where(inside, c, 0).astype(np.intp)[:, None] + reach for c in column_row.T)
    patch = heatmap_HWK[
        rows.clip(0, size - 1)[:, :, None], columns.clip(0, size - 1)[:, None, :], np.arange(len(xy))[:, None, None]
    ]
    on_map = ((rows >= 0) & (rows < size))[:, :, None] & ((columns >= 0) & (columns < size))[:, None, :]
    heat = np.where(on_map, _sigmoid(patch), 0)
    sure = inside & (heat.max(axis=(1, 2)) >= _HEATMAP_SURE)
    total = np.where(sure, heat.sum(axis=(1, 2)), 1)
    moved = np.stack([(heat.sum(axis=1) * columns).sum(axis=1), (heat.sum(axis=2) * rows).sum(axis=1)], axis=1)
    return np.where(sure[:, None], moved / (total[:, None] * size), xy).astype(np.float32)


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -80, 80))), np.float32)

"""BlazePose on LiteRT: a person detector, a landmark model, and the geometry that ties them together over frames.

The two models are those of MediaPipe Pose, "full" (Bazarevsky et al. 2020, arXiv:2006.10204; Grishchenko et al. 2022,
arXiv:2206.11678). What surrounds them follows the same pipeline: where a person is found, the landmark model sees a
square of the picture that is turned so that the person stands upright in it, and the landmarks of one frame say where
the square of the next frame lies. Two things differ from MediaPipe, since frames here are up to a fifth of a second
apart: the square is not smoothed over time (it would lag behind a moving body), and a lost person is looked for again
in the same frame.

Shapes: A anchors, J = 33 joints, K = 39 points of the landmark model (33 joints and 6 auxiliary ones), C coordinates.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from gymspotter.errors import InputError
from gymspotter.pose import Frame, Poses
from gymspotter.pose.athlete import Box, Candidate, Follower, overlap
from gymspotter.pose.weights import blazepose_files
from gymspotter.skeleton import BLAZEPOSE33, Floats

_DETECTOR_PX, _LANDMARK_PX, _HEATMAP_PX = 224, 256, 64
# Cells of the detector's three grids, and how many anchors sit at the middle of each of their cells.
_GRIDS = ((28, 2), (14, 2), (7, 6))
_DETECTED, _PRESENT, _CLEAR = 0.5, 0.5, 0.7
_SAME_PERSON_IOU = 0.3
_SAME_BODY = 0.5
_HEATMAP_REACH, _HEATMAP_SURE = 4, 0.5
_REGION_SCALE = 1.25
# A body's half width as a share of the circle's radius.
_BODY_WIDTH = 0.45
# Where clothes are looked at: from shoulder to shoulder, from hip to hip, and from there downwards.
_ACROSS, _ALONG = np.linspace(0.2, 0.8, 8), np.linspace(0.15, 0.85, 12)
# How often everybody is looked for while the athlete is followed: the detector costs half of what the landmarks do.
_LOOK_AROUND = 10
_MID_HIP, _CIRCLE = 33, 34  # auxiliary points: the middle of the hips, and a point of the circle around the whole body
_SHOULDERS = [BLAZEPOSE33.index("l_shoulder"), BLAZEPOSE33.index("r_shoulder")]
_HIPS = [BLAZEPOSE33.index("l_hip"), BLAZEPOSE33.index("r_hip")]
_KNEES = [BLAZEPOSE33.index("l_knee"), BLAZEPOSE33.index("r_knee")]
_J = len(BLAZEPOSE33.joints)
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


@dataclass(frozen=True, kw_only=True)
class Somebody(Candidate):
    """A candidate of BlazePose: its square, and what the landmark model sees in it once it has looked."""

    region: Region
    person: Person | None = None

    @classmethod
    def detected(cls, region: Region, score: float) -> Self:
        """Whom the detector found, before the landmark model looks."""
        return cls(box=region.body, score=score, region=region)

    @classmethod
    def seen(cls, person: Person, score: float) -> Self:
        """Whom the landmark model saw, with what is worn where the landmarks are."""
        region = Region.of_person(person.image[_MID_HIP], person.image[_CIRCLE])
        shoulders, hips, knees = (person.image[pair] for pair in (_SHOULDERS, _HIPS, _KNEES))
        across_shoulders, across_hips = (_between(pair[0], pair[1], _ACROSS) for pair in (shoulders, hips))
        return cls(
            box=region.body,
            score=score,
            shirt=_between(across_shoulders, across_hips, _ALONG).reshape(-1, 2),
            trousers=_between(hips, knees, _ALONG).reshape(-1, 2),
            region=region,
            person=person,
        )


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


class BlazePose:
    """The embedded default estimator. Holds native interpreters: make one in every process, do not pickle it."""

    name = "blazepose"
    version = "full-0.10.21-2"  # of the models, and of how the athlete is followed
    layout = BLAZEPOSE33.name

    def __init__(self, detector: _Model, landmarker: _Model) -> None:
        self._detector = detector
        self._landmarker = landmarker
        self._anchors = _anchors()

    @classmethod
    def load(cls, folder: Path | None = None, threads: int = 1) -> Self:
        """An estimator with the models of ``folder``, or of the cache, where they are fetched to at the first use.

        Args:
            folder: see `gymspotter.pose.weights.blazepose_files`.
            threads: CPU threads of one model call; many processes with one each are faster than one with many.

        Raises:
            InputError: the models are not to be had, or ``threads`` is below 1.
        """
        if threads < 1:
            raise InputError(f"threads is {threads}: give at least 1.")
        files = blazepose_files(folder)
        return cls(_Model(files.detector, threads), _Model(files.landmarker, threads))

    def poses(self, watched: Sequence[Poses]) -> list[Poses]:
        """See `gymspotter.pose.Estimator`: here each frame is done when it has been watched."""
        return list(watched)

    def watch(self, frames: Iterable[Frame]) -> Poses:
        """See `gymspotter.pose.Estimator`.

        Who the athlete is, is said in `gymspotter.pose.athlete`. While one is followed, everybody is looked for only
        now and then, and whenever the person followed may have become somebody else. A joint's score is its
        visibility times its presence: low both where it is hidden and where it lies outside the picture.

        Raises:
            InputError: a frame is not RGB [H, W, 3] of bytes, or is empty.
        """
        joints: list[NDArray[Any]] = []
        scores: list[NDArray[Any]] = []
        image_xy: list[NDArray[Any]] = []
        follower = Follower()
        last: Region | None = None  # the athlete's square in the frame before,
        home: Region | None = None  # and when the athlete was last seen beyond doubt
        for number, frame in enumerate(frames):
            picture = _checked(frame)
            athlete = self._athlete(picture, follower, last, home, look_around=number % _LOOK_AROUND == 0)
            last = athlete.region if athlete else None
            home = last if follower.sure else home
            person = athlete.person if athlete else None
            if person is None:
                joints.append(np.full((_J, 3), np.nan, np.float32))
                scores.append(np.zeros(_J, np.float32))
                image_xy.append(np.full((_J, 2), np.nan, np.float32))
                continue
            joints.append(person.world[:_J] - person.world[_HIPS].mean(axis=0))
            scores.append(person.scores[:_J])
            image_xy.append(person.image[:_J] / np.array([picture.shape[1], picture.shape[0]], np.float32))
        return Poses(
            joints=np.array(joints, np.float32).reshape(-1, _J, 3),
            scores=np.array(scores, np.float32).reshape(-1, _J),
            image_xy=np.array(image_xy, np.float32).reshape(-1, _J, 2),
            layout=self.layout,
        )

    def _athlete(
        self, frame: NDArray[np.uint8], follower: Follower, last: Region | None, home: Region | None, look_around: bool
    ) -> Somebody | None:
        """The athlete in the next frame, looked for in one square after the other."""
        followed = self._seen(frame, last, 1.0) if last else None
        candidates = [followed] if followed else []
        doubt = followed is None or follower.doubts(followed, frame)
        # In the same frame, so that a lost track does not cost one.
        if doubt or look_around:
            places = [(somebody.region, somebody.score) for somebody in self.people(frame)]
            if doubt and home and home is not last:
                places.append((home, 1.0))
            for region, score in places:
                if all(overlap(region.body, known.box) < _SAME_BODY for known in candidates):
                    somebody = self._seen(frame, region, score)
                    candidates += [somebody] if somebody else []
        return follower.pick(candidates, frame)

    def _seen(self, frame: NDArray[np.uint8], region: Region, score: float) -> Somebody | None:
        person = self.look(frame, region)
        return Somebody.seen(person, score) if person else None

    def people(self, frame: NDArray[np.uint8]) -> list[Somebody]:
        """Everybody the detector sees in ``frame``, the likeliest first.

        Turning the picture by a quarter and a lower threshold each "find" more people in real clips, but with
        skeletons beside the body, and in pictures of nobody; so there is one try, as in MediaPipe.
        """
        height, width = frame.shape[:2]
        whole = Region(width / 2, height / 2, max(width, height))
        crop = whole.crop(frame, _DETECTOR_PX, cv2.BORDER_CONSTANT)
        boxes_AC, logits_A = (out[0] for out in self._detector((crop / np.float32(127.5) - 1)[None]))
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
            found.append(Somebody.detected(region, float(scores[0])))
            points, scores = points[~same], scores[~same]
        return found

    def look(self, frame: NDArray[np.uint8], region: Region) -> Person | None:
        """The person in a square of ``frame``; None where the model sees none.

        Nor is it a person whose shoulders and hips are all hidden: in clutter the model often claims such ones.
        """
        if not 1 <= region.side < 1e6:
            return None
        crop = region.crop(frame, _LANDMARK_PX, cv2.BORDER_REPLICATE)
        points, confidence, _, heatmap, world = self._landmarker((crop / np.float32(255))[None])
        if not confidence[0, 0] >= _PRESENT:
            return None
        points_K5 = points.reshape(-1, 5)
        scores = _sigmoid(points_K5[:, 3]) * _sigmoid(points_K5[:, 4])
        if max(scores[_SHOULDERS].mean(), scores[_HIPS].mean()) < _CLEAR:
            return None
        xy = _refine(points_K5[:, :2] / np.float32(_LANDMARK_PX), heatmap[0])
        world_KC = world.reshape(-1, 3).copy()
        world_KC[:, :2] = world_KC[:, :2] @ region.turn.T
        if not (np.isfinite(xy).all() and np.isfinite(world_KC).all()):
            return None
        return Person(image=region.to_picture(xy), world=world_KC, scores=scores)


def _checked(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or not frame.size:
        raise InputError(f"frame is {frame.dtype} {list(frame.shape)}: give RGB pixels as uint8 [H, W, 3].")
    if max(frame.shape) > _MAX_SIDE:
        step = -(-max(frame.shape) // _MAX_SIDE)
        frame = frame[::step, ::step]
    return np.ascontiguousarray(frame)


def _between(start: Floats, end: Floats, shares: NDArray[np.float64]) -> Floats:
    """[S, ...] points at ``shares`` of the way from ``start`` to ``end``."""
    return start + (end - start) * shares.reshape(-1, *(1 for _ in start.shape)).astype(np.float32)


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

"""MMPose: RTMPose finds the joints in each picture, a lifter brings a whole span's joints to 3D.

    gymspotter show squat.mp4 --estimator mmpose

For machines with a GPU, where the pictures of many spans share a forward pass in half precision; a CPU does it too.
The athlete is found by BlazePose's detector, in every few frames only, since MMPose's own detectors need compiled
operators. Of a frame just the crop around the athlete is kept. How to install it: `gymspotter.pose.mmpose_imports`.

Shapes: T frames of a span, S of them with somebody in view, J = 17 joints of Human3.6M, C coordinates.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from gymspotter.errors import InputError
from gymspotter.pose import Frame, MMPoseOptions, Poses
from gymspotter.pose.athlete import Box, Follower
from gymspotter.pose.blazepose import BlazePose
from gymspotter.pose.blazepose_models import checked
from gymspotter.pose.lifter import LIFTER_CHANGES, Lifter, as_trained, from_coco
from gymspotter.pose.mmpose_models import Source, load_model
from gymspotter.pose.rtmpose import RTMPose
from gymspotter.skeleton import H36M17, Floats

# Nobody is there, or is not to be made out, where the mean of COCO's 17 scores is less; MMPose's demos draw from here.
SEEN = 0.3
# The detector's box is that of a circle around the whole body, in gym clips 1.3 times (1.1 to 1.6) as tall as a tight
# one. MMPose was trained on tight boxes times 1.25, give or take a half; this is 1.43.
PADDING = 1.1
_J = len(H36M17.joints)


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What is kept of a span of ``frames`` frames, of which S have somebody in view.

    ``numbers`` [S] which frames these are, ascending; ``crops`` [S, height, width, 3] their RGB pixels around the
    athlete; ``boxes`` and ``cropped`` [S, 4] the athlete and the crop as left, top, right, bottom in pixels of the
    picture; ``sizes`` [S, 2] the picture's width and height.
    """

    frames: int
    numbers: NDArray[np.intp]
    crops: NDArray[np.uint8]
    boxes: Floats
    cropped: Floats
    sizes: Floats


class MMPose:
    """The estimator of the paper. It holds native interpreters: make one in every process, do not pickle it."""

    name = "mmpose"
    layout = H36M17.name

    def __init__(self, detector: BlazePose, net: RTMPose, lifter: Lifter, version: str, detect_every: int) -> None:
        self.version = version
        self._detector = detector
        self._net = net
        self._lifter = lifter
        self._every = detect_every

    @classmethod
    def load(cls, options: MMPoseOptions) -> Self:
        """An estimator with the weights loaded.

        Raises:
            InputError: MMPose is not installed, a config is not known or not of a kind that is supported, weights
                cannot be had or do not fit, or there is no such device.
        """
        device = _device(options.device)
        gpu = device.type == "cuda"
        net = Source(
            config=options.pose2d,
            weights=options.pose2d_weights,
            sha256=options.pose2d_sha256,
            option="mmpose.pose2d",
        )
        lifter = Source(
            config=options.lifter,
            weights=options.lifter_weights,
            sha256=options.lifter_sha256,
            option="mmpose.lifter",
        )
        net_model, lifter_model = load_model(net, device), load_model(lifter, device, LIFTER_CHANGES)
        return cls(
            BlazePose.load(),
            RTMPose(
                net_model,
                batch=options.batch or (64 if gpu else 8),
                half=options.precision == "half" or (options.precision == "auto" and gpu),
            ),
            Lifter(lifter_model),
            f"{net_model.version}+{lifter_model.version}",
            options.detect_every,
        )

    def watch(self, frames: Iterable[Frame]) -> Watched:
        """See `gymspotter.pose.Estimator`.

        The athlete is looked for in every ``detect_every``-th frame and in the last. Between two sights the box moves
        in a straight line; between a sight and a miss it stays where it was seen.

        Raises:
            InputError: a frame is not RGB [H, W, 3] of bytes, or is empty.
        """
        numbers, crops, boxes, cropped, sizes = [], [], [], [], []
        count = 0
        for number, (frame, box) in enumerate(self._boxed(frames)):
            count = number + 1
            if box is not None:
                window = crop_window(box, self._net.width / self._net.height)
                numbers.append(number)
                crops.append(crop(frame, window, self._net.width, self._net.height))
                boxes.append(box)
                cropped.append(window)
                sizes.append((frame.shape[1], frame.shape[0]))
        return Watched(
            frames=count,
            numbers=np.array(numbers, np.intp),
            crops=np.array(crops, np.uint8).reshape(-1, self._net.height, self._net.width, 3),
            boxes=np.array(boxes, np.float32).reshape(-1, 4),
            cropped=np.array(cropped, np.float32).reshape(-1, 4),
            sizes=np.array(sizes, np.float32).reshape(-1, 2),
        )

    def poses(self, watched: Sequence[Watched]) -> list[Poses]:
        """See `gymspotter.pose.Estimator`. A frame counts as not seen where the scores' mean is below `SEEN`."""
        if not watched:
            return []
        xy, scores = self._net.find(np.concatenate([span.crops for span in watched]))
        ends = np.cumsum([len(span.crops) for span in watched])[:-1]
        size = np.array([self._net.width, self._net.height], np.float32)
        return [
            self._lifted(span, xy / size, scores)
            for span, xy, scores in zip(watched, np.split(xy, ends), np.split(scores, ends), strict=True)
        ]

    def _boxed(self, frames: Iterable[Frame]) -> Iterator[tuple[NDArray[np.uint8], Box | None]]:
        """The frames with the athlete's box; never more than ``detect_every`` of them are held."""
        follower, before = Follower(), None
        waiting: list[NDArray[np.uint8]] = []
        for number, frame in enumerate(frames):
            waiting.append(checked(frame))
            if number % self._every == 0:
                after = self._athlete(waiting[-1], follower)
                yield from zip(waiting, boxes_until(len(waiting), before, after), strict=True)
                before, waiting = after, []
        if waiting:
            after = self._athlete(waiting[-1], follower)
            yield from zip(waiting, boxes_until(len(waiting), before, after), strict=True)

    def _athlete(self, frame: NDArray[np.uint8], follower: Follower) -> Box | None:
        found = follower.pick(self._detector.people(frame), frame)
        return found.box if found else None

    def _lifted(self, span: Watched, xy: Floats, scores: Floats) -> Poses:
        """The poses of a span from COCO's joints, as a share of the crops [S, 17, 2], and their scores [S, 17]."""
        joints = np.full((span.frames, _J, 3), np.nan, np.float32)
        image_xy = np.full((span.frames, _J, 2), np.nan, np.float32)
        joint_scores = np.zeros((span.frames, _J), np.float32)
        seen = scores.mean(axis=1) >= SEEN
        if seen.any():
            numbers, window = span.numbers[seen], span.cropped[seen, None]
            pixels = window[..., :2] + xy[seen] * (window[..., 2:] - window[..., :2])
            pixels, joint_scores[numbers] = from_coco(pixels, scores[seen])
            image_xy[numbers] = pixels / span.sizes[seen, None]
            input_xy = _filled(as_trained(pixels, span.boxes[seen]), numbers, span.frames)
            joints[numbers] = self._lifter.lift(input_xy)[numbers]
        return Poses(joints=joints, scores=joint_scores, image_xy=image_xy, layout=self.layout)


def boxes_until(frames: int, before: Box | None, after: Box | None) -> list[Box | None]:
    """The boxes of so many frames, of which the last is that of ``after``; ``before`` is of the one before them."""
    if before is None or after is None:
        return [*[before or after] * (frames - 1), after]
    return [tuple(b + (a - b) * k / frames for b, a in zip(before, after, strict=True)) for k in range(1, frames + 1)]  # type: ignore[misc]


def crop_window(box: Box, aspect: float) -> Box:
    """The part of the picture to crop: a box with a margin, made as wide as ``aspect`` times its height."""
    left, top, right, bottom = box
    width = max((right - left), (bottom - top) * aspect) * PADDING
    height = width / aspect
    x, y = (left + right) / 2, (top + bottom) / 2
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def crop(frame: NDArray[np.uint8], window: Box, width: int, height: int) -> NDArray[np.uint8]:
    """A window of the picture, black outside, as [height, width, 3]; without half-pixel shift, as MMPose trains."""
    left, top, right, bottom = window
    across, down = width / (right - left), height / (bottom - top)
    matrix = np.array([[across, 0, -left * across], [0, down, -top * down]])
    return np.asarray(cv2.warpAffine(frame, matrix, (width, height), flags=cv2.INTER_LINEAR), np.uint8)


def _filled(values: Floats, numbers: NDArray[np.intp], frames: int) -> Floats:
    """[frames, J, C] from the values of some frames: straight lines between them, held before and after them all."""
    flat = values.reshape(len(values), -1)
    columns = [np.interp(np.arange(frames), numbers, column) for column in flat.T]
    return np.stack(columns, axis=1).astype(np.float32).reshape(frames, *values.shape[1:])


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"mmpose.device is {name!r}, which cannot be used here: use auto, cpu or cuda.") from error
    return device

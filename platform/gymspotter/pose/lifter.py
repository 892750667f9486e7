"""The 3D half of the MMPose estimator: a span's joints in the picture, lifted to metres over its whole length at once.

Two lifters of MMPose, trained on Human3.6M:

- MotionBERT (Zhu et al. 2023, arXiv:2210.06551): attention over joints and over up to 243 frames. Its depth is
  relative, so each span is scaled until the trunk (mid-hip to mid-shoulders) is half a metre long in the median frame.
- VideoPose3D (Pavllo et al. 2019, arXiv:1811.11742): dilated convolutions over time; metres as the net gives them.

Both have seen people about 400 pixels tall at 50 frames a second in pictures 1000 pixels wide. The first two are made
so here; frames further apart are taken as they come. MMPose's mirrored second pass is left out.

Shapes: T frames, J = 17 joints of Human3.6M, C coordinates.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gymspotter.errors import InputError
from gymspotter.pose.mmpose_models import Loaded
from gymspotter.skeleton import COCO17, H36M17, Floats

TRUNK_M = 0.5
# The pictures, the boxes' side and their middle that MMPose brings people to (its `stats_info` of Human3.6M).
_WIDTH_PX, _BOX_PX, _MIDDLE_PX = 1000.0, 400.0, (528.0, 427.0)
_OVERLAP = 60  # frames that two windows share at least, if the span is longer than one

# Which of COCO's joints each joint of Human3.6M is the mean of, as MMPose's lifters expect it. It is not how
# `gymspotter.skeleton` reads COCO: the head is between the eyes here, for that is what lifters are used to.
_PARTS = COCO17.canonical | {"head": ("l_eye", "r_eye")}
_MIX = np.zeros((len(H36M17.joints), len(COCO17.joints)), np.float32)
for _row, _joint in enumerate(H36M17.joints):
    for _part in _PARTS[_joint]:
        _MIX[_row, COCO17.index(_part)] = 1 / len(_PARTS[_joint])

_TRUNK = H36M17.index("thorax")


def from_coco(xy: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """Human3.6M's joints [T, J, 2] from COCO's 17, and [T, J] the lowest of the scores of what each is made of."""
    lowest = [scores[:, np.flatnonzero(row)].min(axis=1) for row in _MIX]
    return np.einsum("jk,tkc->tjc", _MIX, xy), np.stack(lowest, axis=1)


def as_trained(xy: Floats, boxes: Floats) -> Floats:
    """Joints as the lifters know them: in a picture 1000 wide, people in the middle and 400 pixels tall.

    Args:
        xy: [T, J, 2] in pixels.
        boxes: [T, 4] left, top, right, bottom of the person. Each frame is moved by its own; all are scaled by the
            median of their longer sides, since MMPose's scale by each frame's own makes a body swell as it bends.

    Returns:
        [T, J, 2], where -1..1 is the picture's width.
    """
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    side = np.median((boxes[:, 2:] - boxes[:, :2]).max(axis=1))
    pixels = (xy - middles[:, None]) / side * _BOX_PX + np.array(_MIDDLE_PX, np.float32)
    return np.asarray(pixels / (_WIDTH_PX / 2) - 1, np.float32)


class Lifter:
    """A lifter of MMPose, as a function of a whole span."""

    def __init__(self, loaded: Loaded) -> None:
        """Take over a loaded model.

        Raises:
            InputError: it is neither MotionBERT nor VideoPose3D.
        """
        self._model = loaded.model.eval()
        codec = type(getattr(getattr(self._model, "head", None), "decoder", None)).__name__
        if codec not in _LIFTS:
            raise InputError("mmpose.lifter is no lifter of a known kind: name a config of MotionBERT or VideoPose3D.")
        self._lift = _LIFTS[codec]

    @torch.inference_mode()
    def lift(self, xy: Floats) -> Floats:
        """Joints [T, J, 3] in metres (x right, y down, z away, origin at the mid-hip) from those of `as_trained`."""
        device = next(self._model.parameters()).device
        joints = self._lift(self._model, torch.from_numpy(xy).to(device)).float().cpu().numpy()
        return np.asarray(joints - joints[:, :1], np.float32)


def _motionbert(model: Any, xy_TJC: Tensor) -> Tensor:
    frames, window = len(xy_TJC), model.backbone.temp_embed.shape[1]
    # The third coordinate is a visibility, which MMPose sets to 1 whatever the score.
    x_TJC = torch.cat([xy_TJC, torch.ones_like(xy_TJC[..., :1])], dim=-1)
    starts = _starts(frames, window)
    windows = torch.stack([x_TJC[start : start + window] for start in starts])
    out_WTJC = model.head(model.backbone(windows))
    out_WTJC[:, :, 0] = 0  # as its codec does: all else is relative to the hip
    # Where windows overlap, each counts the more the farther its own end is.
    size = out_WTJC.shape[1]
    weights = torch.minimum(torch.arange(1, size + 1), torch.arange(size, 0, -1)).to(out_WTJC)[:, None, None]
    total, weight = out_WTJC.new_zeros(frames, *out_WTJC.shape[2:]), out_WTJC.new_zeros(frames, 1, 1)
    for start, out_TJC in zip(starts, out_WTJC, strict=True):
        total[start : start + size] += weights * out_TJC
        weight[start : start + size] += weights
    joints = total / weight
    trunk = joints[:, _TRUNK].norm(dim=-1).median()
    return joints * (TRUNK_M / trunk.clamp(min=1e-6))


def _starts(frames: int, window: int) -> list[int]:
    """Where the windows begin that cover so many frames."""
    if frames <= window:
        return [0]
    windows = 1 + -(-(frames - window) // (window - min(_OVERLAP, window // 2)))
    return [round(k * (frames - window) / (windows - 1)) for k in range(windows)]


def _videopose(model: Any, xy_TJC: Tensor) -> Tensor:
    # The first and last frame are repeated as far as the net looks beyond each frame.
    beyond = (int(np.prod(model.backbone.kernel_sizes)) - 1) // 2
    x_TF = xy_TJC.flatten(1)
    x_TF = torch.cat([x_TF[:1].expand(beyond, -1), x_TF, x_TF[-1:].expand(beyond, -1)])
    # Not the head's own forward, which takes one frame only.
    out_FT = model.head.conv(model.backbone(x_TF.T[None])[-1])[0]
    return out_FT.T.unflatten(-1, (-1, 3))


_LIFTS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "MotionBERTLabel": _motionbert,
    "VideoPoseLifting": _videopose,
}
# Strided convolutions give one frame a window; dilated ones, with the same weights, all frames of a span in one pass.
LIFTER_CHANGES = {"use_stride_conv": False}

"""The one normalisation between a skeleton and a model. It is part of the exported model: serving cannot differ.

Shapes: B batch, T frames, J joints of a layout, C = 3 coordinates (x right, y down, z away from the camera).
"""

import torch
from torch import Tensor, nn

from gymspotter.errors import InputError
from gymspotter.skeleton import CANONICAL, Layout

_SMALLEST_TORSO = 1e-3  # metres; a torso this short is a collapsed skeleton
_SMALLEST_HIP_LINE = 0.1  # torsos; hips that lie this close together in the floor plan say nothing of the facing


def parts_of(layout: Layout, joint: str) -> list[int]:
    """Positions of the joints of ``layout`` whose mean is the canonical ``joint``.

    Raises:
        InputError: the layout has no such joint.
    """
    names = layout.canonical.get(joint, (joint,))
    missing = [name for name in names if name not in layout.joints]
    if missing:
        raise InputError(f"layout {layout.name!r} has no {joint!r}: say in its `canonical` which joints it is made of.")
    return [layout.index(name) for name in names]


def fill_missing(poses_BTJC: Tensor) -> Tensor:
    """NaN coordinates, filled over time: between two seen frames linearly, before the first and after the last by them.

    A joint that is never seen becomes 0.
    """
    t = poses_BTJC.shape[1]
    seen = ~poses_BTJC.isnan()
    values = torch.where(seen, poses_BTJC, 0.0)
    index = torch.arange(t, device=poses_BTJC.device, dtype=torch.int32).view(1, t, 1, 1).expand_as(poses_BTJC)
    # The nearest seen frame on either side; -1 and t stand for "none".
    before = _running_maximum(torch.where(seen, index, -1))
    after = t - _running_maximum(torch.where(seen, t - index, 0).flip(1)).flip(1)
    left = torch.where(before < 0, after, before).clamp(0, t - 1)
    right = torch.where(after >= t, before, after).clamp(0, t - 1)
    weight = (index - left) / (right - left).clamp(min=1)
    filled = torch.lerp(values.gather(1, left.long()), values.gather(1, right.long()), weight.to(values.dtype))
    return torch.where(seen, values, filled)


def _running_maximum(frames: Tensor) -> Tensor:
    """The maximum over all frames up to each, along dimension 1.

    By doubling: for a segment's few frames that takes a fraction of `cummax`'s time, and ONNX knows maxima.
    """
    reach, t = 1, frames.shape[1]
    while reach < t:
        frames = torch.maximum(frames, torch.cat([frames[:, :reach], frames[:, :-reach]], dim=1))
        reach *= 2
    return frames


def turn_upright(poses_BTJC: Tensor, cos_B: Tensor, sin_B: Tensor) -> Tensor:
    """Poses turned about the vertical (y): x to cos x + sin z, z to cos z - sin x; heights stay as they are."""
    x, y, z = poses_BTJC.unbind(dim=-1)
    cos, sin = cos_B.view(-1, 1, 1), sin_B.view(-1, 1, 1)
    return torch.stack([cos * x + sin * z, y, cos * z - sin * x], dim=-1)


class Normalise(nn.Module):
    """Hip-centring, torso scaling and facing alignment, after NaN filling.

    Each frame is moved so that the hip is the origin, and the whole segment is divided by its mean hip-to-thorax
    distance, so that neither the athlete's size nor the estimator's scale matters. In a layout without a hip or a
    thorax, they are the means of the joints that its ``canonical`` names (for BlazePose those of the hips and of the
    shoulders). A joint that is never seen lies at the hip.

    With ``align_facing`` the whole segment is also turned about the vertical until its mean line from right to left hip
    points along x: an upright athlete then faces the camera, wherever it stood. Where that line is (nearly) vertical,
    as for one who lies on the side, or a hip is never seen, nothing is turned. About no other axis is anything ever
    turned: lying and standing must remain different.

    Input and output are (B, T, J, C); the input may hold NaN, the output does not.
    """

    def __init__(self, layout: Layout = CANONICAL, *, align_facing: bool = True) -> None:
        super().__init__()
        self.hip, self.thorax = parts_of(layout, "hip"), parts_of(layout, "thorax")
        self.align_facing = align_facing
        self.left_hip, self.right_hip = parts_of(layout, "l_hip"), parts_of(layout, "r_hip")

    def forward(self, poses: Tensor) -> Tensor:
        """Normalised poses, in units of the torso's length."""
        seen = ~poses.isnan().all(dim=1, keepdim=True)  # [B, 1, J, C]: at least once
        filled = fill_missing(poses)
        centred = torch.where(seen, filled - _mean_of_seen(filled, seen, self.hip), 0.0)
        torso = _mean_of_seen(centred, seen, self.thorax).norm(dim=-1).mean(dim=(1, 2))
        scaled = centred / torso.clamp(min=_SMALLEST_TORSO).view(-1, 1, 1, 1)
        return self._align(scaled, seen) if self.align_facing else scaled

    def _align(self, poses: Tensor, seen: Tensor) -> Tensor:
        hips = [*self.left_hip, *self.right_hip]
        line = poses[:, :, self.left_hip].mean(dim=(1, 2)) - poses[:, :, self.right_hip].mean(dim=(1, 2))
        x, z = line[:, 0], line[:, 2]
        length = torch.hypot(x, z)
        known = (length > _SMALLEST_HIP_LINE) & seen[:, 0, hips].all(dim=-1).all(dim=-1)
        length = torch.where(known, length, 1.0)
        return turn_upright(poses, torch.where(known, x / length, 1.0), torch.where(known, z / length, 0.0))


def _mean_of_seen(poses: Tensor, seen: Tensor, parts: list[int]) -> Tensor:
    """Mean [B, T, 1, C] of those of ``parts`` that are seen at least once; 0 if none is."""
    weight = seen[:, :, parts].to(poses.dtype)
    return (poses[:, :, parts] * weight).sum(dim=2, keepdim=True) / weight.sum(dim=2, keepdim=True).clamp(min=1)

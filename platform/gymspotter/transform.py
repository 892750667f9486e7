"""The one normalisation between a skeleton and a model. It is part of the exported model: serving cannot differ.

Shapes: B batch, T frames, J canonical joints, C = 3 coordinates.
"""

import torch
from torch import Tensor, nn

from gymspotter.skeleton import CANONICAL

_HIP, _THORAX = CANONICAL.index("hip"), CANONICAL.index("thorax")
_SMALLEST_TORSO = 1e-3  # metres; a torso this short is a collapsed skeleton


def fill_missing(poses_BTJC: Tensor) -> Tensor:
    """NaN coordinates, filled over time: between two seen frames linearly, before the first and after the last by them.

    A joint that is never seen becomes 0.
    """
    t = poses_BTJC.shape[1]
    seen = ~poses_BTJC.isnan()
    values = torch.where(seen, poses_BTJC, 0.0)
    index = torch.arange(t, device=poses_BTJC.device).view(1, t, 1, 1).expand_as(poses_BTJC)
    # The nearest seen frame on either side; -1 and t stand for "none".
    before = torch.where(seen, index, -1).cummax(dim=1).values
    after = (t - torch.where(seen, t - index, 0).flip(1).cummax(dim=1).values).flip(1)
    left = torch.where(before < 0, after, before).clamp(0, t - 1)
    right = torch.where(after >= t, before, after).clamp(0, t - 1)
    weight = (index - left) / (right - left).clamp(min=1)
    filled = values.gather(1, left) * (1 - weight) + values.gather(1, right) * weight
    return torch.where(seen, values, filled)


class Normalise(nn.Module):
    """Hip-centring and torso scaling, after NaN filling.

    Each frame is moved so that the hip is the origin, and the whole segment is divided by its mean hip-to-thorax
    distance, so that neither the athlete's size nor the estimator's scale matters. Directions stay as they are: lying
    and standing must remain different. Input and output are (B, T, J, C); the input may hold NaN, the output does not.
    """

    def forward(self, poses: Tensor) -> Tensor:
        """Normalised poses, in units of the torso's length."""
        filled = fill_missing(poses)
        centred = filled - filled[:, :, _HIP : _HIP + 1]
        torso = centred[:, :, _THORAX].norm(dim=-1).mean(dim=1)
        return centred / torso.clamp(min=_SMALLEST_TORSO).view(-1, 1, 1, 1)

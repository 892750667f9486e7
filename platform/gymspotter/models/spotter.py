"""The project's own fusion module: a pre-norm Transformer over time, fed with joints, bones and velocities.

A frame's features are its joints, its bones (each a vector from joint to joint; Shi et al. 2019, two-stream AGCN) and
its joints' velocities. A convolution of stride 2 makes a token of every other frame and its neighbours. Positions are
rotary (Su et al. 2021, RoFormer), so that attention knows how far apart two moments are but not when they are, and the
tokens' mean is classified: a repetition shown a little later is the same repetition. Blocks are left out at random
during training, more often the deeper they are (stochastic depth; Huang et al. 2016).

Shapes: B batch, T frames, J joints, C = 3 coordinates, F features, N tokens, W width, H heads, D head width, K classes.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gymspotter.errors import InputError
from gymspotter.models.checks import at_least_one, below_one
from gymspotter.skeleton import CANONICAL, Layout

_KERNEL = 5  # frames that a token sees
# Velocities are about a tenth of the positions (torsos a frame, 5 frames a second), and a net attends to what is large.
_VELOCITY_SCALE = 5.0


@dataclass(frozen=True, kw_only=True)
class SpotterConfig:
    """The project's own sequence model."""

    width: int = 128
    """Width of a token."""
    layers: int = 4
    """Transformer blocks."""
    heads: int = 4
    """Attention heads; twice their number must divide the width."""
    feed_forward: int = 256
    """Hidden width of the feed-forward."""
    frames_a_token: int = 2
    """Stride of the convolution that makes tokens of frames."""
    dropout: float = 0.1
    """Dropout on the outputs of attention and feed-forward, and before the last layer."""
    skip: float = 0.1
    """Probability that training skips the last block; it falls evenly to 0 before the first."""

    def __post_init__(self) -> None:
        at_least_one(self, "width", "layers", "heads", "feed_forward", "frames_a_token")
        below_one(self, "dropout", "skip")
        if self.width % (2 * self.heads):
            raise InputError(f"width is {self.width}: use a multiple of twice the {self.heads} heads.")


def rotations(tokens: int, head_width: int) -> Tensor:
    """Cosines and sines [2, N, D/2] of RoFormer's equation 15: angle n 10000^(-2i/D) for token n and pair i."""
    rate = 10000.0 ** (-torch.arange(0, head_width, 2) / head_width)
    angle = torch.arange(tokens).unsqueeze(1) * rate
    return torch.stack([angle.cos(), angle.sin()])


def rotate(x_BHND: Tensor, rotations_2ND: Tensor) -> Tensor:
    """Each pair of features (i, i + D/2) turned by its token's angle."""
    (cos, sin), (a, b) = rotations_2ND, x_BHND.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class Block(nn.Module):
    """Attention and feed-forward, each normalised before and added after (Xiong et al. 2020)."""

    def __init__(self, config: SpotterConfig, skip: float) -> None:
        super().__init__()
        self.heads, self.skip = config.heads, skip
        self.norm_attention = nn.LayerNorm(config.width)
        self.project_in = nn.Linear(config.width, 3 * config.width)
        self.project_out = nn.Linear(config.width, config.width)
        self.norm_feed_forward = nn.LayerNorm(config.width)
        self.feed_forward = nn.Sequential(
            nn.Linear(config.width, config.feed_forward), nn.GELU(), nn.Linear(config.feed_forward, config.width)
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x_BNW: Tensor, rotations_2ND: Tensor) -> Tensor:
        """Tokens to tokens."""
        x_BNW = x_BNW + self._maybe(self._attend(self.norm_attention(x_BNW), rotations_2ND))
        return x_BNW + self._maybe(self.feed_forward(self.norm_feed_forward(x_BNW)))

    def _attend(self, x_BNW: Tensor, rotations_2ND: Tensor) -> Tensor:
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, H, N, D]
            for part in self.project_in(x_BNW).chunk(3, dim=-1)
        )
        out = F.scaled_dot_product_attention(rotate(q, rotations_2ND), rotate(k, rotations_2ND), v)
        return self.project_out(out.transpose(1, 2).flatten(2))

    def _maybe(self, x_BNW: Tensor) -> Tensor:
        """With dropout; in training nothing at all for some segments, and so much more for the others."""
        x_BNW = self.dropout(x_BNW)
        if not self.training or not self.skip:
            return x_BNW
        keep = 1 - self.skip
        return x_BNW * (torch.rand(len(x_BNW), 1, 1, device=x_BNW.device) < keep) / keep


class Spotter(nn.Module):
    """Streams, tokens, blocks, mean, classes; see the module's docstring."""

    rotations_2ND: Tensor

    def __init__(
        self, config: SpotterConfig, *, joints: int, frames: int, classes: int, layout: Layout = CANONICAL
    ) -> None:
        super().__init__()
        if joints != len(layout.joints):
            raise InputError(f"joints is {joints}: layout {layout.name!r} has {len(layout.joints)}.")
        self.starts, self.ends = (list(end) for end in zip(*layout.bone_indices, strict=True))
        features = 3 * (2 * joints + len(self.ends))
        # Not standardised first: that makes as much of what tells people apart as of what they do. It cost 10 points
        # of accuracy on unseen people (UTD-MHAD).
        self.embed = nn.Conv1d(features, config.width, _KERNEL, stride=config.frames_a_token, padding=_KERNEL // 2)
        tokens = (frames - 1) // config.frames_a_token + 1
        self.register_buffer("rotations_2ND", rotations(tokens, config.width // config.heads), persistent=False)
        last = max(config.layers - 1, 1)
        self.blocks = nn.ModuleList(Block(config, config.skip * k / last) for k in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.width, classes))

    def forward(self, poses_BTJC: Tensor) -> Tensor:
        """Logits [B, K] of normalised poses [B, T, J, C]."""
        x_BNW = self.embed(self.streams(poses_BTJC).transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            x_BNW = block(x_BNW, self.rotations_2ND)
        return self.head(self.norm(x_BNW).mean(dim=1))

    def streams(self, poses_BTJC: Tensor) -> Tensor:
        """Features [B, T, F]: joints, bones, scaled velocities (to the next frame; 0 at the last)."""
        bones = poses_BTJC[:, :, self.ends] - poses_BTJC[:, :, self.starts]
        velocities = F.pad(_VELOCITY_SCALE * poses_BTJC.diff(dim=1), (0, 0, 0, 0, 0, 1))
        return torch.cat([poses_BTJC, bones, velocities], dim=2).flatten(2)

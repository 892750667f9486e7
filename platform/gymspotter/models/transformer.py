"""The paper's Transformer fusion module (Le Viet et al. 2024, section 3.2, equations 1 to 7).

Where the paper is silent: the width of a head (its equations leave D free, so heads need not divide 3N = 51), the
width of the feed-forward, and how T rows become one output (the mean over time here). Its encoder is a single block;
more of them are for sweeps.

Shapes: B batch, T frames, J joints, C = 3 coordinates, F = 3J features, H heads, D head width, R = TH rows, K classes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gymspotter.models.checks import at_least_one, below_one


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """The paper's Transformer."""

    heads: int = 4
    """Attention heads (h in the paper)."""
    head_width: int = 64
    """Width D of a head; it need not divide the input's width."""
    feed_forward: int = 256
    """Hidden width of the feed-forward."""
    dropout: float = 0.1
    """Dropout on the attention's and the feed-forward's outputs."""
    layers: int = 1
    """Encoder blocks."""

    def __post_init__(self) -> None:
        at_least_one(self, "heads", "head_width", "feed_forward", "layers")
        below_one(self, "dropout")


def sinusoids(frames: int, width: int) -> Tensor:
    """Positional encoding P [frames, width]: equations 2 and 3, for an odd width too."""
    position = torch.arange(frames).unsqueeze(1)
    rate = 10000.0 ** (-torch.arange(0, width, 2) / width)
    encoding = torch.zeros(frames, width)
    encoding[:, 0::2] = torch.sin(position * rate)
    encoding[:, 1::2] = torch.cos(position * rate[: width // 2])
    return encoding


class Block(nn.Module):
    """An encoder block over rows of F features."""

    def __init__(self, config: TransformerConfig, width: int) -> None:
        super().__init__()
        inner = config.heads * config.head_width
        self.heads = config.heads
        # W^Q, W^K, W^V of all heads side by side: the same as one projection a head (equation 4).
        self.project_in = nn.Linear(width, 3 * inner, bias=False)
        self.project_out = nn.Linear(inner, width, bias=False)
        self.norm_attention = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, config.feed_forward), nn.ReLU(inplace=True), nn.Linear(config.feed_forward, width)
        )
        self.norm_feed_forward = nn.LayerNorm(width)
        self.dropout = nn.Dropout(config.dropout)

    def encode(self, x_BTF: Tensor) -> Tensor:
        """Rows to rows."""
        x_BTF = self.norm_attention(x_BTF + self.dropout(self._attend(x_BTF)))  # equation 5
        return self.norm_feed_forward(x_BTF + self.dropout(self.feed_forward(x_BTF)))  # equation 6

    def _attend(self, x_BTF: Tensor) -> Tensor:
        """Multi-head attention: equations 1 and 4, with what does not hang on x multiplied first.

        A head's scores (x W^Q)(x W^K)' are x (W^Q W^K') x', and what it adds is softmax(scores) x (W^V W^O). Where a
        head is wider than x, as in the paper, these products of weights are the smaller matrices: training takes half
        the time, and the results are the same up to rounding.
        """
        query_HDF, key_HDF, value_HDF = self.project_in.weight.unflatten(0, (3, self.heads, -1)).unbind()
        out_HDF = self.project_out.weight.unflatten(1, (self.heads, -1)).permute(1, 2, 0)
        by_scores_FHF = (query_HDF.transpose(1, 2) @ key_HDF).transpose(0, 1) * query_HDF.shape[1] ** -0.5
        by_output_HFF = value_HDF.transpose(1, 2) @ out_HDF
        # The heads of a frame are rows of one matrix, so that a segment's attention is two products.
        rows_BRF = (x_BTF @ by_scores_FHF.flatten(1)).unflatten(2, (self.heads, -1)).flatten(1, 2)
        seen_BRF = (rows_BRF @ x_BTF.transpose(1, 2)).softmax(dim=-1) @ x_BTF
        return seen_BRF.unflatten(1, (-1, self.heads)).flatten(2) @ by_output_HFF.flatten(0, 1)


class Transformer(Block):
    """Encoder blocks over the flattened joints of each frame.

    It is its own first block, so that the paper's weights have the names that they had before there could be more.
    """

    positions_TF: Tensor

    def __init__(self, config: TransformerConfig, *, joints: int, frames: int, classes: int) -> None:
        width = 3 * joints
        super().__init__(config, width)
        self.register_buffer("positions_TF", sinusoids(frames, width), persistent=False)
        self.more = nn.ModuleList(Block(config, width) for _ in range(config.layers - 1))
        self.head = nn.Linear(width, classes)

    def forward(self, poses_BTJC: Tensor) -> Tensor:
        """Logits [B, K] of normalised poses [B, T, J, C]."""
        x_BTF = self.encode(poses_BTJC.flatten(2) + self.positions_TF)
        for block in self.more:
            assert isinstance(block, Block)
            x_BTF = block.encode(x_BTF)
        return self.head(x_BTF.mean(dim=1))  # equation 7

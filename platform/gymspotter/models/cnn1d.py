"""The paper's CNN-1D fusion module (Le Viet et al. 2024, section 2.2: "3D Estimation + CNN-1D" in its table 2).

The paper says only that it convolves along time over X [T, 3N]. It is built here as the fully convolutional network of
the review of time-series classifiers that the paper cites (Ismail Fawaz et al. 2019, after Wang et al. 2017): three
convolutions of 128, 256 and 128 filters and lengths 8, 5 and 3, each with batch normalisation and ReLU, then the mean
over time and one linear layer. Other depths, and dropout before the last layer, are for sweeps.

Shapes: B batch, T frames, J joints, C = 3 coordinates, F = 3J features, K classes.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from gymspotter.models.checks import at_least_one, below_one

_LENGTHS = (8, 5)  # of the first convolutions
_LENGTH = 3  # of all others


@dataclass(frozen=True, kw_only=True)
class CNN1DConfig:
    """The paper's CNN-1D."""

    filters: int = 128
    """Filters of each convolution; the second has twice as many."""
    layers: int = 3
    """Convolutions."""
    dropout: float = 0.0
    """Dropout before the last layer."""

    def __post_init__(self) -> None:
        at_least_one(self, "filters", "layers")
        below_one(self, "dropout")


class CNN1D(nn.Module):
    """Convolutions along time."""

    def __init__(self, config: CNN1DConfig, *, joints: int, frames: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 3 * joints
        for layer in range(config.layers):
            length = _LENGTHS[layer] if layer < len(_LENGTHS) else _LENGTH
            filters = config.filters * (2 if layer == 1 else 1)
            layers += [
                nn.ConstantPad1d(((length - 1) // 2, length // 2), 0.0),  # as many frames out as in
                nn.Conv1d(width, filters, length),
                nn.BatchNorm1d(filters),
                nn.ReLU(),
            ]
            width = filters
        self.layers = nn.Sequential(*layers)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(width, classes)

    def forward(self, poses_BTJC: Tensor) -> Tensor:
        """Logits [B, K] of normalised poses [B, T, J, C]."""
        x_BFT = poses_BTJC.flatten(2).transpose(1, 2)
        return self.head(self.dropout(self.layers(x_BFT).mean(dim=-1)))

"""The paper's MLP fusion module (Le Viet et al. 2024, sections 2.2 and 3.2: "3D Estimation + MLP" in its table 2).

The paper says only that the frames' flattened joints X [T, 3N] (section 3.1) go into an MLP. Sizes are therefore those
of the review of time-series classifiers that it cites (Ismail Fawaz et al. 2019, after Wang et al. 2017): X flattened
once more, three hidden layers of 500 with ReLU, dropout of 0.1 before the first, 0.2 before the second and the third,
0.3 before the output. Another number of layers, or another dropout in the same proportions, is for sweeps.

Shapes: B batch, T frames, J joints, C = 3 coordinates, K classes.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from gymspotter.errors import InputError
from gymspotter.models.checks import at_least_one


@dataclass(frozen=True, kw_only=True)
class MLPConfig:
    """The paper's MLP."""

    hidden: int = 500
    """Width of each hidden layer."""
    layers: int = 3
    """Hidden layers."""
    dropout: float = 0.2
    """Dropout between hidden layers; half of it before the first, half as much again before the output."""

    def __post_init__(self) -> None:
        at_least_one(self, "hidden", "layers")
        if not 0 <= self.dropout <= 0.6:
            raise InputError(f"dropout is {self.dropout:g}: use 0 to 0.6.")


class MLP(nn.Module):
    """Hidden layers over all joints of all frames at once."""

    def __init__(self, config: MLPConfig, *, joints: int, frames: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 3 * joints * frames
        for layer in range(config.layers):
            dropout = config.dropout if layer else config.dropout / 2
            layers += [nn.Dropout(dropout), nn.Linear(width, config.hidden), nn.ReLU()]
            width = config.hidden
        self.layers = nn.Sequential(*layers, nn.Dropout(1.5 * config.dropout), nn.Linear(width, classes))

    def forward(self, poses_BTJC: Tensor) -> Tensor:
        """Logits [B, K] of normalised poses [B, T, J, C]."""
        return self.layers(poses_BTJC.flatten(1))

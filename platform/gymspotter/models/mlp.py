"""The paper's MLP fusion module (Le Viet et al. 2024, sections 2.2 and 3.2: "3D Estimation + MLP" in its table 2).

The paper says only that the frames' flattened joints X [T, 3N] (section 3.1) go into an MLP. Sizes are therefore those
of the review of time-series classifiers that it cites (Ismail Fawaz et al. 2019, after Wang et al. 2017): X flattened
once more, three hidden layers of 500 with ReLU, dropout of 0.1 before the first, 0.2 before the second and the third,
0.3 before the output.

Shapes: B batch, T frames, J joints, C = 3 coordinates, K classes.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from gymspotter.models.checks import at_least_one

_DROPOUT = (0.1, 0.2, 0.2)
_LAST_DROPOUT = 0.3


@dataclass(frozen=True, kw_only=True)
class MLPConfig:
    """The paper's MLP."""

    hidden: int = 500
    """Width of each of the three hidden layers."""

    def __post_init__(self) -> None:
        at_least_one(self, "hidden")


class MLP(nn.Module):
    """Three hidden layers over all joints of all frames at once."""

    def __init__(self, config: MLPConfig, *, joints: int, frames: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 3 * joints * frames
        for dropout in _DROPOUT:
            layers += [nn.Dropout(dropout), nn.Linear(width, config.hidden), nn.ReLU()]
            width = config.hidden
        self.layers = nn.Sequential(*layers, nn.Dropout(_LAST_DROPOUT), nn.Linear(width, classes))

    def forward(self, poses_BTJC: Tensor) -> Tensor:
        """Logits [B, K] of normalised poses [B, T, J, C]."""
        return self.layers(poses_BTJC.flatten(1))

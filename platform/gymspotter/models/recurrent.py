"""The paper's recurrent fusion modules (Le Viet et al. 2024, section 2.2): RNN, LSTM and Bi-LSTM over X [T, 3N].

The paper gives neither their equations nor their sizes. They are the standard ones here: Elman's network with tanh
(Elman 1990), the LSTM with a forget gate (Hochreiter and Schmidhuber 1997; Gers et al. 2000), and two LSTMs that read
the frames in either direction (Schuster and Paliwal 1997); one layer of 128 units, whose state after the last frame
(going backwards: after the first) goes through one linear layer. More layers, and dropout before the last one, are for
sweeps.

Shapes: B batch, T frames, J joints, C = 3 coordinates, F = 3J features, H units, K classes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gymspotter.models.checks import at_least_one, below_one


@dataclass(frozen=True, kw_only=True)
class RecurrentConfig:
    """A recurrent network of the paper's."""

    units: int = 128
    """Width of the state (of each direction)."""
    layers: int = 1
    """Recurrent layers, each over the states of the one below."""
    dropout: float = 0.0
    """Dropout before the last layer."""

    def __post_init__(self) -> None:
        at_least_one(self, "units", "layers")
        below_one(self, "dropout")


class _Recurrent(nn.Module):
    """A recurrent cell over the frames, and a linear layer over what it knows at the end of each direction."""

    def __init__(
        self,
        cell: Callable[..., nn.RNNBase],
        config: RecurrentConfig,
        joints: int,
        classes: int,
        *,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        self.cell = cell(
            3 * joints, config.units, num_layers=config.layers, batch_first=True, bidirectional=bidirectional
        )
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear((1 + bidirectional) * config.units, classes)

    def forward(self, poses_BTJC: Tensor) -> Tensor:
        """Logits [B, K] of normalised poses [B, T, J, C]."""
        states_BTH, _ = self.cell(poses_BTJC.flatten(2))
        forwards, backwards = states_BTH.tensor_split([self.cell.hidden_size], dim=-1)
        return self.head(self.dropout(torch.cat([forwards[:, -1], backwards[:, 0]], dim=-1)))


class RNN(_Recurrent):
    """Elman's network: h_t = tanh(W x_t + b + U h_(t-1) + c)."""

    def __init__(self, config: RecurrentConfig, *, joints: int, frames: int, classes: int) -> None:
        super().__init__(nn.RNN, config, joints, classes)


class LSTM(_Recurrent):
    """One LSTM, read after the last frame."""

    def __init__(self, config: RecurrentConfig, *, joints: int, frames: int, classes: int) -> None:
        super().__init__(nn.LSTM, config, joints, classes)


class BiLSTM(_Recurrent):
    """Two LSTMs, one of them backwards, each read after its own last frame."""

    def __init__(self, config: RecurrentConfig, *, joints: int, frames: int, classes: int) -> None:
        super().__init__(nn.LSTM, config, joints, classes, bidirectional=True)

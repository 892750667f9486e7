"""How weights move: the optimiser, its learning rate over time, and the moving average of the weights."""

import copy
from typing import Any, Literal

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

Optimizer = Literal["adam", "adamw"]
Schedule = Literal["constant", "one-cycle", "cosine"]

_WARM_UP = 0.1  # of one cycle, the part in which the learning rate rises


def make_optimizer(
    name: Optimizer, model: nn.Module, *, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba 2015) or AdamW (Loshchilov and Hutter 2019); weight decay spares biases and norms."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    return kind(
        [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=learning_rate,
        fused=True,  # one kernel for all weights, a fifth of the time
    )


def make_schedule(name: Schedule, optimizer: torch.optim.Optimizer, *, steps: int) -> LRScheduler:
    """The learning rate over ``steps`` steps: the same, half a cosine to 0, or one cycle (Smith and Topin 2018)."""
    if name == "one-cycle":
        peak = [group["lr"] for group in optimizer.param_groups]
        # One step more: a cycle of a single step has no beginning to rise from.
        return OneCycleLR(optimizer, max_lr=peak, total_steps=steps + 1, pct_start=_WARM_UP)
    if name == "cosine":
        return CosineAnnealingLR(optimizer, T_max=steps)
    return LambdaLR(optimizer, lambda step: 1.0)


class MovingAverage:
    """The exponential moving average of a model's weights (Polyak and Juditsky 1992), as a model of its own.

    The average looks back over about 1 / (1 - ``decay``) steps, and at the beginning over fewer, so that the random
    initial weights are soon forgotten. Running statistics of batch normalisation are averaged like weights.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model)
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights after one more step."""
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 9))
        for mine, theirs in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)

    def state(self) -> dict[str, Any]:
        """The average and how many steps are in it."""
        return {"model": self.model.state_dict(), "steps": self.steps}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self.model.load_state_dict(state["model"])
        self.steps = state["steps"]

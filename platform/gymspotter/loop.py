"""The training loop: how a model is trained (`FitConfig`), and one pass after another over a training side.

Shapes: B batch, S segments, T frames, J joints, C = 3 coordinates, K classes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tyro.conf import subcommand

from gymspotter.augment import Augment, AugmentConfig, mix
from gymspotter.balance import UNDERSAMPLINGS, Undersampling, balanced_order, class_weights
from gymspotter.errors import InputError
from gymspotter.models import MODELS
from gymspotter.optimisation import MovingAverage, Optimizer, Schedule, make_optimizer, make_schedule
from gymspotter.skeleton import Layout

Balance = Literal["none", "weights", "sampler"]


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How a model is trained; the defaults are the paper's (Adam, learning rate 0.001, 100 epochs)."""

    model: str = "transformer"
    """Fusion model."""
    epochs: int = 100
    """Passes over the training side."""
    learning_rate: float = 0.001
    """The optimiser's learning rate; the highest one of a schedule."""
    batch_size: int = 64
    """Segments a step."""
    seed: int = 0
    """Seed of the initial weights, the order of the segments, the dropout and all that is drawn beside."""
    optimizer: Optimizer = "adam"
    """Optimiser."""
    weight_decay: float = 0.0
    """Weight decay of matrices; biases and norms have none."""
    schedule: Schedule = "constant"
    """Learning rate over the steps."""
    label_smoothing: float = 0.0
    """Share of each target that is spread over all classes."""
    clip: float = 0.0
    """Largest norm of the gradient; 0 for no limit."""
    ema: float = 0.0
    """Decay a step of the moving average of the weights, which is then what is returned; 0 for none."""
    patience: int = 0
    """Stop after so many epochs without a better validation; 0 for never."""
    balance: Balance = "none"
    """Against unequal classes: weights in the loss, or a sampler that shows all classes equally often."""
    undersample: Undersampling = "none"
    """Segments of large classes to leave out; plank-half is the paper's."""
    augment: (
        Annotated[AugmentConfig, subcommand("augment", prefix_name=False)]
        | Annotated[None, subcommand("no-augment", prefix_name=False)]
    ) = None
    """Whether and how training segments are varied."""
    mixup: float = 0.0
    """Largest weight of another segment that each is mixed with, at most 0.5; 0 for none."""
    align_facing: bool = False
    """Turn every segment so that the athlete faces the camera; part of the model that is served."""
    bf16: bool = False
    """Compute in bfloat16 where that is safe (CUDA only)."""
    compile: bool = False
    """Compile the model for training (CUDA only); worth its minute in long runs."""

    def __post_init__(self) -> None:
        for name, known in (("optimizer", Optimizer), ("schedule", Schedule), ("balance", Balance)):
            _check_known(name, getattr(self, name), get_args(known))
        _check_known("model", self.model, tuple(MODELS))
        _check_known("undersample", self.undersample, UNDERSAMPLINGS)
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name.replace('_', '-')} is {getattr(self, name)}: use at least 1.")
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning-rate is {self.learning_rate:g}: use more than 0.")
        for name in ("weight_decay", "clip", "patience"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name.replace('_', '-')} is {getattr(self, name):g}: use 0 or more.")
        for name in ("label_smoothing", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name.replace('_', '-')} is {getattr(self, name):g}: use 0 or more and less than 1.")
        if not 0 <= self.mixup <= 0.5:
            raise InputError(f"mixup is {self.mixup:g}: use 0 to 0.5.")


def _check_known(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise InputError(f"{name} is {value!r}: use one of {', '.join(known)}.")


class Loop:
    """Epoch after epoch over one training side on its device; ``result`` is the model to keep so far."""

    def __init__(
        self, fusion: nn.Module, config: FitConfig, poses: Tensor, targets: Tensor, *, classes: int, layout: Layout
    ) -> None:
        self.fusion, self.config, self.poses, self.targets, self.classes = fusion, config, poses, targets, classes
        self.forward = torch.compile(fusion) if config.compile else fusion
        self.average = MovingAverage(fusion, config.ema) if config.ema else None
        self.result = self.average.model if self.average else fusion
        self.optimizer = make_optimizer(
            config.optimizer, fusion, learning_rate=config.learning_rate, weight_decay=config.weight_decay
        )
        steps = config.epochs * math.ceil(len(poses) / config.batch_size)
        self.schedule = make_schedule(config.schedule, self.optimizer, steps=steps)
        self.augment = Augment(config.augment, layout) if config.augment else None
        self.generator = torch.Generator(poses.device).manual_seed(config.seed)
        self.weights = torch.from_numpy(class_weights(targets.cpu().numpy(), classes)).to(poses.device)

    def epoch(self) -> float:
        """One pass; the mean loss."""
        self.fusion.train()
        total = torch.zeros((), device=self.poses.device)
        for batch in self._order().split(self.config.batch_size):
            total += self._step(self.poses[batch], self.targets[batch]) * len(batch)
        return float(total) / len(self.poses)

    def _order(self) -> Tensor:
        if self.config.balance == "sampler":
            return balanced_order(self.targets, self.weights)
        return torch.randperm(len(self.poses), device=self.poses.device)

    def _step(self, poses: Tensor, targets: Tensor) -> Tensor:
        c = self.config
        if self.augment:
            poses = self.augment(poses, self.generator)
        if c.mixup:
            poses, targets = mix(poses, targets, self.classes, c.mixup, self.generator)
        weights = self.weights if c.balance == "weights" else None
        with torch.autocast(poses.device.type, torch.bfloat16, enabled=c.bf16):
            loss = F.cross_entropy(self.forward(poses), targets, weights, label_smoothing=c.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if c.clip:
            nn.utils.clip_grad_norm_(self.fusion.parameters(), c.clip)
        self.optimizer.step()
        self.schedule.step()
        if self.average:
            self.average.update(self.fusion)
        return loss.detach()

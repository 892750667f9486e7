"""The training loop: how a model is trained (`FitConfig`), and one pass after another over a training side.

Several workers may share a pass (`Share`): each takes its part of every batch, and gradients are averaged between them
by whoever wraps the model. What is drawn at random in an epoch hangs on the seed, the epoch and the worker alone, so a
training that goes on from a saved state draws what it would have drawn.

Shapes: B batch, S segments, T frames, J joints, C = 3 coordinates, K classes.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tyro.conf import subcommand

from gymspotter.augment import Augment, AugmentConfig, mix
from gymspotter.balance import UNDERSAMPLINGS, Undersampling, balanced_order, class_weights
from gymspotter.cudagraph import Graphed
from gymspotter.errors import InputError
from gymspotter.models import MODELS
from gymspotter.optimisation import MovingAverage, Optimizer, Schedule, make_optimizer, make_schedule
from gymspotter.skeleton import Layout
from gymspotter.windows import MIN_FRAMES

Balance = Literal["none", "weights", "sampler"]
_RATES = {"lr", "initial_lr", "max_lr", "min_lr"}  # as optimiser and schedules call them


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
    frames: int = 0
    """Frames that the model is shown, resampled from those of a segment (T); 0 for as many as that has."""
    align_facing: bool = False
    """Turn every segment so that the athlete faces the camera; part of the model that is served."""
    bf16: bool = False
    """Compute in bfloat16 where that is safe (CUDA only)."""
    compile: bool = False
    """Compile the model for training (CUDA only); worth its minute in long runs of large models."""
    cuda_graph: bool = False
    """Replay the passes of whole batches as CUDA graphs (CUDA only, one worker); for small models, as the paper's."""

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
        if self.frames and self.frames < MIN_FRAMES:
            raise InputError(f"frames is {self.frames}: use 0, or at least {MIN_FRAMES}.")
        if self.compile and self.cuda_graph:
            raise InputError("cuda-graph and compile are both on: use one of them.")

    def refuse_without_gpu(self) -> None:
        """Refuse what only a GPU does.

        Raises:
            InputError: something of the kind is on.
        """
        for name in ("bf16", "compile", "cuda_graph"):
            if getattr(self, name):
                raise InputError(f"{name.replace('_', '-')} is on and there is no CUDA device: leave it out.")


def _check_known(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise InputError(f"{name} is {value!r}: use one of {', '.join(known)}.")


@dataclass(frozen=True, kw_only=True)
class Share:
    """Which of the ``workers`` of one training this is, from 0 on."""

    rank: int = 0
    workers: int = 1


ALONE = Share()


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A worker's part of a batch: normalised ``poses`` [B, T, J, C] and ``targets`` [B] on its device.

    ``segments`` are those of the whole batch, and ``weight`` is the sum of their class weights.
    """

    poses: Tensor
    targets: Tensor
    segments: int
    weight: Tensor | float


class Batches(Protocol):
    """Where the batches of an epoch come from: `Resident`, or a stream."""

    steps: int
    """Batches an epoch."""

    def of_epoch(self, number: int) -> Iterator[Batch]:
        """The batches of one epoch, in an order of its own."""
        ...


class Resident:
    """The whole training side as one tensor on the device; nothing is loaded per batch."""

    def __init__(
        self, poses: Tensor, targets: Tensor, config: FitConfig, *, outputs: int, share: Share = ALONE
    ) -> None:
        self.poses, self.targets, self.config, self.share = poses, targets, config, share
        self.weights = torch.from_numpy(class_weights(targets.cpu().numpy(), outputs)).to(poses.device)
        self.steps = math.ceil(len(poses) / config.batch_size)

    def of_epoch(self, number: int) -> Iterator[Batch]:
        """The same segments in the same batches, however many workers share them."""
        for batch in self._order(number).to(self.poses.device).split(self.config.batch_size):
            weight = self.weights[self.targets[batch]].sum() if self.config.balance == "weights" else len(batch)
            workers = self.share.workers
            if len(batch) < workers:  # nobody may go without: all do the whole of it
                mine, weight = batch, weight * workers
            else:
                mine = batch.tensor_split(workers)[self.share.rank]
            yield Batch(poses=self.poses[mine], targets=self.targets[mine], segments=len(batch), weight=weight)

    def _order(self, number: int) -> Tensor:
        generator = torch.Generator().manual_seed(_seed(self.config.seed, number))
        if self.config.balance == "sampler":
            return balanced_order(self.targets.cpu(), self.weights.cpu(), generator)
        return torch.randperm(len(self.poses), generator=generator)


class Loop:
    """Epoch after epoch over one training side; ``result`` is the model to keep so far.

    ``weights`` [K] are those of the classes in the loss, where the configuration asks for them; ``wrap`` lets several
    workers' gradients become one.
    """

    def __init__(
        self,
        fusion: nn.Module,
        config: FitConfig,
        batches: Batches,
        *,
        outputs: int,
        layout: Layout,
        device: torch.device,
        weights: Tensor | None = None,
        share: Share = ALONE,
        wrap: Callable[[nn.Module], nn.Module] = lambda model: model,
    ) -> None:
        self.fusion, self.config, self.batches, self.outputs = fusion, config, batches, outputs
        self.device, self.weights, self.share = device, weights, share
        self.forward: Callable[[Tensor], Tensor] = wrap(fusion)
        if config.compile:
            self.forward = torch.compile(self.forward)
        elif config.cuda_graph:
            self.forward = Graphed(fusion, config.batch_size)
        self.average = MovingAverage(fusion, config.ema) if config.ema else None
        self.result = self.average.model if self.average else fusion
        self.optimizer = make_optimizer(
            config.optimizer, fusion, learning_rate=config.learning_rate, weight_decay=config.weight_decay
        )
        self.schedule = make_schedule(config.schedule, self.optimizer, steps=config.epochs * batches.steps)
        self.augment = Augment(config.augment, layout) if config.augment else None
        self.generator = torch.Generator(device)

    def epoch(self, number: int) -> float:
        """One pass, ``number`` from 1 on; the mean loss (of all workers', where they share it: its part of that)."""
        self.fusion.train()
        seed = _seed(self.config.seed, number, self.share.rank)
        torch.manual_seed(seed)
        self.generator.manual_seed(seed)
        total, segments = torch.zeros((), device=self.device), 0
        for batch in self.batches.of_epoch(number):
            total += self._step(batch) * batch.segments
            segments += batch.segments
        return float(total) / max(segments, 1)

    def state(self) -> dict[str, Any]:
        """All that the epochs to come hang on: tensors and plain values."""
        return {
            "fusion": self.fusion.state_dict(),
            "average": self.average.state() if self.average else None,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self.fusion.load_state_dict(state["fusion"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self.average:
            self.average.load_state(state["average"])

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def set_learning_rate(self, highest: float) -> None:
        """Let the schedule, from where it is, go on as if its highest learning rate had been this one."""
        for place, group in enumerate(self.optimizer.param_groups):
            factor = highest / group.get("max_lr", group["initial_lr"])  # one-cycle begins below its highest
            for name in _RATES & group.keys():
                group[name] *= factor
            self.schedule.base_lrs[place] *= factor

    def _step(self, batch: Batch) -> Tensor:
        """One step; this worker's part of the batch's mean loss."""
        c, poses, targets = self.config, batch.poses, batch.targets
        if self.augment:
            poses = self.augment(poses, self.generator)
        if c.mixup:
            poses, targets = mix(poses, targets, self.outputs, c.mixup, self.generator)
        # Casts are not kept: a CUDA graph could not know when they are out of date.
        with torch.autocast(poses.device.type, torch.bfloat16, enabled=c.bf16, cache_enabled=False):
            logits = self.forward(poses)
            loss = (
                F.cross_entropy(logits, targets, self.weights, label_smoothing=c.label_smoothing, reduction="sum")
                / batch.weight
            )
        self.optimizer.zero_grad(set_to_none=True)
        # Gradients are averaged over the workers, and each of them has only a part of the batch.
        (loss * self.share.workers).backward()
        if c.clip:
            nn.utils.clip_grad_norm_(self.fusion.parameters(), c.clip)
        self.optimizer.step()
        self.schedule.step()
        if self.average:
            self.average.update(self.fusion)
        return loss.detach()


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0])

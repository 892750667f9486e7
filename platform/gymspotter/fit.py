"""Fit a fusion model to segments, without Ray or MLflow; predict with it, and score it.

The whole training side lies on the device as one tensor, normalised once; there is nothing to load per batch. What is
drawn at random (weights, order, dropout, augmentation, undersampling) comes from one seed.

Shapes: S segments, T frames, J joints, C = 3 coordinates, K classes.
"""

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gymspotter.balance import undersample
from gymspotter.errors import InputError
from gymspotter.labels import EXERCISES
from gymspotter.loop import FitConfig, Loop
from gymspotter.metrics import Scores, score
from gymspotter.models import Classifier, build
from gymspotter.skeleton import CANONICAL, Layout
from gymspotter.windows import Segments

_AT_ONCE = 1024  # segments that are normalised or scored at once; bounds memory


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What one pass over the training side came to; ``number`` counts from 1, ``loss`` is the mean over its segments.

    ``validation_f1`` (macro, 0..1) and ``validation_loss`` are those after the epoch, where there is a validation side.
    """

    number: int
    loss: float
    validation_f1: float | None = None
    validation_loss: float | None = None


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A trained classifier (on the CPU, in evaluation mode), its epochs, and the seconds that training took.

    ``best`` is the number of the epoch whose weights these are: the last one, where nothing was validated.
    """

    classifier: Classifier
    epochs: list[Epoch]
    best: int
    seconds: float

    @property
    def losses(self) -> list[float]:
        """The training loss after each epoch."""
        return [epoch.loss for epoch in self.epochs]


def fit(
    train: Segments,
    config: FitConfig,
    *,
    validation: Segments | None = None,
    classes: Sequence[str] = EXERCISES,
    layout: Layout = CANONICAL,
    model_config: Any = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Fitted:
    """Train on one side of a split; ``on_epoch`` is told of each epoch.

    With a ``validation`` side, the weights of the epoch with the best macro F1 there are returned (of equal ones, that
    with the lowest loss there).

    Raises:
        InputError: there is nothing to train on, a segment has a label that is not in ``classes``, the configuration
            needs a validation side or a GPU that is not there, or the loss is no number any more.
    """
    if not len(train):
        raise InputError("the training side has no segments: extract more videos, or lower test-share.")
    if config.patience and validation is None:
        raise InputError(f"patience is {config.patience}: set a validation-share, or use 0.")
    device = _device(config)
    torch.manual_seed(config.seed)
    train = undersample(train, config.undersample, seed=config.seed)
    classifier = build(
        config.model,
        model_config,
        classes=len(classes),
        frames=train.poses.shape[1],
        layout=layout,
        align_facing=config.align_facing,
    ).to(device)
    poses, targets = _on_device(train, classifier, classes, device)
    watched = None if validation is None else _on_device(validation, classifier, classes, device)
    started = time.perf_counter()
    loop = Loop(classifier.fusion, config, poses, targets, classes=len(classes), layout=layout)
    epochs: list[Epoch] = []
    best, best_state = 0, loop.result.state_dict()
    for number in range(1, config.epochs + 1):
        loss = loop.epoch()
        if not math.isfinite(loss):
            raise InputError(f"the loss is {loss} in epoch {number}: lower learning-rate, or set clip to 1.")
        seen = {} if watched is None else _validate(loop.result, *watched, classes)
        epochs.append(Epoch(number=number, loss=loss, **seen))
        on_epoch(epochs[-1])
        if watched is None:
            best = number
        elif not best or _rank(epochs[-1]) > _rank(epochs[best - 1]):
            best, best_state = number, copy.deepcopy(loop.result.state_dict())
        elif config.patience and number - best >= config.patience:
            break
    # Without a validation side these are the model's own weights, the last ones.
    loop.result.load_state_dict(best_state)
    classifier.fusion = loop.result
    seconds = time.perf_counter() - started
    return Fitted(classifier=classifier.cpu().eval(), epochs=epochs, best=best, seconds=seconds)


def _device(config: FitConfig) -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    for name in ("bf16", "compile"):
        if getattr(config, name):
            raise InputError(f"{name} is on and there is no CUDA device: leave it out.")
    return torch.device("cpu")


@torch.no_grad()
def _on_device(
    side: Segments, classifier: Classifier, classes: Sequence[str], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Normalised poses [S, T, J, C] and targets [S] of a side."""
    parts = torch.from_numpy(side.poses).split(_AT_ONCE)
    poses = torch.cat([classifier.normalise(part.to(device)) for part in parts])
    return poses, torch.from_numpy(class_indices(side.labels, classes)).to(device)


@torch.no_grad()
def _validate(fusion: nn.Module, poses: Tensor, targets: Tensor, classes: Sequence[str]) -> dict[str, float]:
    fusion.eval()
    logits = torch.cat([fusion(part) for part in poses.split(_AT_ONCE)])
    f1 = score(targets.cpu().numpy(), logits.argmax(dim=1).cpu().numpy(), classes).f1
    return {"validation_f1": f1, "validation_loss": float(F.cross_entropy(logits, targets))}


def _rank(epoch: Epoch) -> tuple[float, float]:
    """The greater, the better."""
    return epoch.validation_f1 or 0.0, -(epoch.validation_loss or 0.0)


@torch.inference_mode()
def predict(classifier: torch.nn.Module, poses: NDArray[np.float32], batch_size: int = 256) -> NDArray[np.float32]:
    """Class probabilities [S, K] of raw poses [S, T, J, 3]."""
    parts = [classifier(torch.from_numpy(poses[i : i + batch_size])) for i in range(0, len(poses), batch_size)]
    return torch.cat(parts).softmax(dim=-1).numpy()


def evaluate(classifier: torch.nn.Module, test: Segments, classes: Sequence[str] = EXERCISES) -> Scores:
    """Scores on labelled segments, e.g. the test side."""
    return score(class_indices(test.labels, classes), predict(classifier, test.poses).argmax(axis=1), classes)


def class_indices(labels: NDArray[np.str_], classes: Sequence[str]) -> NDArray[np.int64]:
    """Positions of ``labels`` in ``classes``.

    Raises:
        InputError: a label is not there, or is missing.
    """
    position = {name: k for k, name in enumerate(classes)}
    unknown = sorted(set(labels.tolist()) - set(position))
    if unknown:
        raise InputError(f"label {unknown[0]!r} is not among the classes: label every video, or leave it out.")
    return np.array([position[label] for label in labels.tolist()], dtype=np.int64)

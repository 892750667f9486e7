"""Fit a fusion model to segments: the plain training loop, without Ray or MLflow.

The whole training side lies on the device as one tensor, normalised once; there is nothing to load per batch.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from gymspotter.errors import InputError
from gymspotter.labels import EXERCISES
from gymspotter.metrics import Scores, score
from gymspotter.models import MODELS, Classifier
from gymspotter.transform import Normalise
from gymspotter.windows import Segments


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How a model is trained; the defaults are the paper's (Adam, learning rate 0.001, 100 epochs)."""

    model: str = "transformer"
    """Fusion model."""
    epochs: int = 100
    """Passes over the training side."""
    learning_rate: float = 0.001
    """Adam's learning rate."""
    batch_size: int = 64
    """Segments a step."""
    seed: int = 0
    """Seed of the initial weights, the order of the segments and the dropout."""

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise InputError(f"model {self.model!r} is not known: use one of {', '.join(MODELS)}.")
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name.replace('_', '-')} is {getattr(self, name)}: use at least 1.")
        if not 0 < self.learning_rate < float("inf"):
            raise InputError(f"learning-rate is {self.learning_rate:g}: use more than 0.")


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A trained classifier (on the CPU, in evaluation mode), its loss after each epoch, and the seconds it took."""

    classifier: Classifier
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0


def fit(
    train: Segments,
    config: FitConfig,
    *,
    classes: Sequence[str] = EXERCISES,
    model_config: Any = None,
    on_epoch: Callable[[int, float], None] = lambda epoch, loss: None,
) -> Fitted:
    """Train on one side of a split; ``on_epoch`` is told the mean loss after each epoch.

    Raises:
        InputError: there is nothing to train on, or a segment has a label that is not in ``classes``.
    """
    if not len(train):
        raise InputError("the training side has no segments: extract more videos, or lower test-share.")
    torch.manual_seed(config.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model_class, config_class = MODELS[config.model]
    _, frames, joints, _ = train.poses.shape
    fusion = model_class(model_config or config_class(), joints=joints, frames=frames, classes=len(classes)).to(device)
    targets = torch.from_numpy(class_indices(train.labels, classes)).to(device)
    poses = Normalise()(torch.from_numpy(train.poses).to(device))
    optimizer = torch.optim.Adam(fusion.parameters(), lr=config.learning_rate)

    started = time.perf_counter()
    losses = []
    fusion.train()
    for epoch in range(config.epochs):
        total = torch.zeros((), device=device)
        for batch in torch.randperm(len(poses), device=device).split(config.batch_size):
            loss = F.cross_entropy(fusion(poses[batch]), targets[batch])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(batch)
        losses.append(float(total) / len(poses))
        on_epoch(epoch, losses[-1])
    return Fitted(classifier=Classifier(fusion).cpu().eval(), losses=losses, seconds=time.perf_counter() - started)


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

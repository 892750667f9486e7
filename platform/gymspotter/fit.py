"""Fit a fusion model to segments, without Ray or MLflow; predict with it, and score it.

The whole training side lies on the device as one tensor, normalised once; there is nothing to load per batch. What is
drawn at random (weights, order, dropout, augmentation, undersampling) comes from one seed.

Shapes: S segments, T frames, J joints, C = 3 coordinates, K classes.
"""

import copy
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gymspotter.balance import undersample
from gymspotter.errors import InputError
from gymspotter.labels import EXERCISES
from gymspotter.loop import ALONE, Batches, FitConfig, Loop, Resident, Share
from gymspotter.metrics import Scores, score
from gymspotter.models import Classifier, build
from gymspotter.skeleton import CANONICAL, Layout
from gymspotter.unknown import NONE
from gymspotter.windows import Segments, join_segments

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

    Segments labelled NONE (none of the classes) teach the classifier to tell them apart, see `gymspotter.unknown`. With
    a ``validation`` side, the weights of the epoch with the best macro F1 there are returned (of equal ones, that with
    the lowest loss there).

    Raises:
        InputError: there is nothing to train on, a segment has a label that is not in ``classes``, the configuration
            needs a validation side or a GPU that is not there, or the loss is no number any more.
    """
    fitting = begin(train, config, validation=validation, classes=classes, layout=layout, model_config=model_config)
    started = time.perf_counter()
    while not fitting.done:
        on_epoch(fitting.epoch())
    return fitting.fitted(time.perf_counter() - started)


def begin(
    train: Segments,
    config: FitConfig,
    *,
    validation: Segments | None = None,
    classes: Sequence[str] = EXERCISES,
    layout: Layout = CANONICAL,
    model_config: Any = None,
) -> "Fitting":
    """The training that `fit` does, before its first epoch.

    Raises:
        InputError: as `fit` does.
    """
    check_sides(train, config, validation)
    device = device_for(config)
    torch.manual_seed(config.seed)
    train = training_side(train, config)
    others = NONE in train.labels
    classifier = new_classifier(
        config, classes, layout, frames=train.poses.shape[1], others=others, model_config=model_config
    ).to(device)
    poses, targets = on_device(train, classifier, classes, device)
    batches = Resident(poses, targets, config, outputs=len(classes) + others)
    weights = batches.weights if config.balance == "weights" else None
    return Fitting(classifier, config, batches, classes=classes, layout=layout, weights=weights, validation=validation)


class Fitting:
    """A training under way: what `fit` does in one go, and workers of a cluster do together, epoch by epoch.

    ``epochs`` are those done so far, ``best`` is the number of the one whose weights will be kept.
    """

    def __init__(
        self,
        classifier: Classifier,
        config: FitConfig,
        batches: Batches,
        *,
        classes: Sequence[str],
        layout: Layout,
        weights: Tensor | None = None,
        validation: Segments | None = None,
        share: Share = ALONE,
        wrap: Callable[[nn.Module], nn.Module] = lambda model: model,
        whole: Callable[[float], float] = lambda loss: loss,
    ) -> None:
        """``whole`` makes the loss of all workers of that of one; the rest is as for `Loop` and `fit`."""
        self.classifier, self.config, self.classes, self.whole = classifier, config, classes, whole
        device = next(classifier.parameters()).device
        self.loop = Loop(
            classifier.fusion,
            config,
            batches,
            outputs=len(classes) + classifier.others,
            layout=layout,
            device=device,
            weights=weights,
            share=share,
            wrap=wrap,
        )
        known = None if validation is None else validation[validation.labels != NONE]
        self.watched = None if known is None else on_device(known, classifier, classes, device)
        self.epochs: list[Epoch] = []
        self.best, self.best_weights = 0, self.loop.result.state_dict()

    @property
    def done(self) -> bool:
        """Whether all epochs are done, or patience is at its end."""
        waited = len(self.epochs) - self.best if self.watched else 0
        return len(self.epochs) >= self.config.epochs or bool(self.config.patience and waited >= self.config.patience)

    def epoch(self) -> Epoch:
        """Do one more.

        Raises:
            InputError: the loss is no number any more.
        """
        number = len(self.epochs) + 1
        loss = self.whole(self.loop.epoch(number))
        if not math.isfinite(loss):
            raise InputError(f"the loss is {loss} in epoch {number}: lower learning-rate, or set clip to 1.")
        seen = {} if self.watched is None else _validate(self.loop.result, *self.watched, self.classes)
        self.epochs.append(Epoch(number=number, loss=loss, **seen))
        if self.watched is None:  # these are the loop's own tensors, which go on changing until the last epoch
            self.best = number
        elif not self.best or _rank(self.epochs[-1]) > _rank(self.epochs[self.best - 1]):
            self.best, self.best_weights = number, copy.deepcopy(self.loop.result.state_dict())
        return self.epochs[-1]

    def state(self) -> dict[str, Any]:
        """All that the rest of the training hangs on: tensors and plain values."""
        return {
            "loop": self.loop.state(),
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "best": self.best,
            "best_weights": self.best_weights,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self.loop.load_state(state["loop"])
        self.epochs, self.best = [Epoch(**epoch) for epoch in state["epochs"]], state["best"]
        if self.watched is not None:
            self.best_weights = state["best_weights"]

    def fitted(self, seconds: float) -> Fitted:
        """The classifier with the weights to keep."""
        self.loop.result.load_state_dict(self.best_weights)
        self.classifier.fusion = self.loop.result
        classifier = self.classifier.cpu().eval()
        return Fitted(classifier=classifier, epochs=self.epochs, best=self.best, seconds=seconds)


def check_sides(train: Segments, config: FitConfig, validation: Segments | None) -> None:
    """Refuse what cannot be trained.

    Raises:
        InputError: the training side is empty, or there is patience and nothing to validate on.
    """
    if not len(train):
        raise InputError("the training side has no segments: extract more videos, or lower test-share.")
    if config.patience and validation is None:
        raise InputError(f"patience is {config.patience}: set a validation-share, or use 0.")


def device_for(config: FitConfig) -> torch.device:
    """The GPU, where there is one.

    Raises:
        InputError: the configuration needs one and there is none.
    """
    if torch.cuda.is_available():
        return torch.device("cuda")
    config.refuse_without_gpu()
    return torch.device("cpu")


def training_side(train: Segments, config: FitConfig) -> Segments:
    """The segments that the configuration's undersampling leaves; those that show none of the classes all stay."""
    known = train.labels != NONE
    if known.all():
        return undersample(train, config.undersample, seed=config.seed)
    return join_segments(undersample(train[known], config.undersample, seed=config.seed), train[~known])


def new_classifier(
    config: FitConfig, classes: Sequence[str], layout: Layout, *, frames: int, others: bool, model_config: Any = None
) -> Classifier:
    """The classifier that the configuration names, for segments of ``frames``, with fresh weights."""
    return build(
        config.model,
        model_config,
        classes=len(classes),
        frames=config.frames or frames,
        layout=layout,
        align_facing=config.align_facing,
        others=others,
        resample=bool(config.frames),
    )


@torch.no_grad()
def on_device(
    side: Segments, classifier: Classifier, classes: Sequence[str], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Poses [S, T, J, C] as the fusion model is shown them, and targets [S]; NONE is the class after the last."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # shared memory; nor is it written
        parts = torch.from_numpy(side.poses).split(_AT_ONCE)
    poses = torch.cat([classifier.normalise(part.to(device)) for part in parts])
    outputs = [*classes, NONE] if classifier.others else classes
    return poses, torch.from_numpy(class_indices(side.labels, outputs)).to(device)


@torch.no_grad()
def _validate(fusion: nn.Module, poses: Tensor, targets: Tensor, classes: Sequence[str]) -> dict[str, float]:
    fusion.eval()
    logits = torch.cat([fusion(part) for part in poses.split(_AT_ONCE)])[:, : len(classes)]
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

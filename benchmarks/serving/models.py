"""The models that are served in benchmarks: fresh ones of the default configurations, in an MLflow store of their own.

Weights do not matter for speed, so they are drawn from a seed; but the last bias is raised until the model is sure of
one exercise, whatever it is shown. So every stream comes to a set whose repetitions are counted, as with an athlete,
and the answers of two versions cannot be mistaken for each other.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import mlflow
import numpy as np
import torch
from numpy.typing import NDArray

from gymspotter import registry
from gymspotter.labels import EXERCISES
from gymspotter.models import Classifier, build
from gymspotter.skeleton import CANONICAL
from gymspotter.spans import GRID_FPS
from gymspotter.synth.generate import Item, SynthOptions, make_track
from gymspotter.tracking import use_experiment, use_store
from gymspotter.windows import SEGMENT_FRAMES

SURE = 8.0  # added to the logit of the favourite
SQUAT, OTHERS = "squat", {"second": "push-up", "third": "plank"}


def biased(name: str, favourite: str, seed: int = 0) -> Classifier:
    """A classifier with weights from ``seed`` that nearly always says ``favourite``."""
    torch.manual_seed(seed)
    classifier = build(name, classes=len(EXERCISES), frames=SEGMENT_FRAMES).eval()
    last = [layer for layer in classifier.fusion.modules() if isinstance(layer, torch.nn.Linear)][-1]
    assert last.out_features == len(EXERCISES)
    with torch.no_grad():
        last.bias[EXERCISES.index(favourite)] += SURE
    return classifier


def fill(folder: Path, wanted: Sequence[tuple[str, str]]) -> tuple[str, list[str]]:
    """A new store in ``folder`` with a version for each (model, favourite): its URI, and the versions."""
    store = use_store(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = use_experiment("benchmark", folder / "artifacts")
    versions = []
    for name, favourite in wanted:
        facts = registry.ModelFacts(
            model=name, classes=list(EXERCISES), frames=SEGMENT_FRAMES, grid_fps=GRID_FPS, data="none: random weights"
        )
        with mlflow.start_run(experiment_id=experiment, run_name=f"{name}, {favourite}"):
            versions.append(registry.register(biased(name, favourite), facts))
    return store.uri, versions


def point(version: str) -> None:
    """Make a version the champion."""
    mlflow.MlflowClient().set_registered_model_alias(registry.MODEL_NAME, registry.CHAMPION, version)


def batch(size: int, seed: int = 0) -> NDArray[np.float32]:
    """Segments [size, T, J, 3], rounded as a client would: to a tenth of a millimetre, all joints seen."""
    noise = np.random.default_rng(seed).normal(scale=0.05, size=(size, SEGMENT_FRAMES, len(CANONICAL.joints), 3))
    return np.round(np.resize(squats(4), noise.shape) + noise, 4).astype(np.float32)


@cache
def squats(athletes: int, seconds: float = 12.0) -> NDArray[np.float32]:
    """Performances [athletes, frames, J, 3] of the squat on the grid, exact."""
    options = SynthOptions(kind="skeletons", seconds=seconds)
    made = [make_track(Item(exercise=SQUAT, number=n, seed=4), options).joints for n in range(athletes)]
    return np.stack(made).astype(np.float32)


def top_of(version: str, poses: NDArray[np.float32]) -> list[tuple[str, float]]:
    """What a version says of each of the segments, without any server: exercise and probability."""
    module = registry.load(version).module
    with torch.inference_mode():
        probabilities = module(torch.from_numpy(poses)).softmax(dim=1).numpy()
    return [(EXERCISES[k], float(row[k])) for row, k in zip(probabilities, probabilities.argmax(axis=1), strict=True)]

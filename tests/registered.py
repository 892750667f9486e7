"""Small real classifiers in a real store, for the tests of what serves them."""

import shutil
from pathlib import Path

import mlflow
import numpy as np
import torch
import yaml

from gymspotter import registry, tracking
from gymspotter.labels import EXERCISES
from gymspotter.models import build
from gymspotter.models.mlp import MLPConfig

FACTS = registry.ModelFacts(model="mlp", classes=list(EXERCISES), frames=60, grid_fps=5.0)


def decided(exercise, hidden=8):
    """A classifier that names the same exercise whatever it is shown."""
    torch.manual_seed(exercise)
    classifier = build("mlp", MLPConfig(hidden=hidden, layers=1), classes=22, frames=60).eval()
    with torch.no_grad():
        classifier.fusion.layers[-1].bias[exercise] += 50.0
    return classifier


def new_store(folder):
    """An empty store in a folder; its URI."""
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    tracking.use_store(uri)
    tracking.use_experiment("test", folder / "artifacts")
    return uri


def put(classifier, facts=FACTS, aliases=()):
    with mlflow.start_run():
        return registry.register(classifier, facts, aliases=aliases)


def files_of(version):
    """The folder of a version's files."""
    source = mlflow.MlflowClient().get_model_version(registry.MODEL_NAME, version).source
    if source.startswith("models:/"):
        source = mlflow.get_logged_model(source.removeprefix("models:/")).artifact_location
    return Path(source.removeprefix("file://"))


def copy_of(version, folder, change=lambda metadata: None):
    """A further version with the same files, but what ``change`` makes of what it says of itself; its number."""
    shutil.copytree(files_of(version), folder)
    written = folder / "MLmodel"
    content = yaml.safe_load(written.read_text())
    change(content["metadata"])
    written.write_text(yaml.safe_dump(content))
    return str(mlflow.MlflowClient().create_model_version(registry.MODEL_NAME, str(folder)).version)


def point(alias, version):
    mlflow.MlflowClient().set_registered_model_alias(registry.MODEL_NAME, alias, version)


def some_poses(segments, seed=0):
    """Noise, a tenth of whose joints is not seen."""
    rng = np.random.default_rng(seed)
    poses = rng.normal(size=(segments, 60, 17, 3)).astype(np.float32)
    poses[rng.random(poses.shape[:3]) < 0.1] = np.nan
    return poses

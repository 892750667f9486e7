"""Runs and models in MLflow: where the store is, how a classifier is registered, how one is loaded again.

A registered classifier is a torch.export program (pt2), which is data: loading it executes none of its author's code.
"""

import logging
import os
import subprocess
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# MLflow 3 reports its use to its vendor unless told otherwise; nothing of a user's is sent anywhere by us.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# Whoever may write to the store must not be able to run code where models are loaded: MLflow then refuses what is not a
# torch.export program, and one with a pickle inside.
os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"

import mlflow
import numpy as np
import torch
from mlflow.exceptions import MlflowException
from mlflow.models.signature import ModelSignature
from mlflow.types import Schema, TensorSpec

from gymspotter.errors import InputError
from gymspotter.models import Classifier
from gymspotter.skeleton import CANONICAL

DEFAULT_TRACKING_URI = "sqlite:///mlflow.db"
MODEL_NAME = "gymspotter"
CHAMPION, CHALLENGER = "champion", "challenger"


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What a registered classifier says of itself; all of it travels with the model.

    ``frames`` and ``grid_fps`` are the segment it takes; ``data`` fingerprints the training tracks, ``split`` says how
    the test side was chosen, ``scores`` what it reached there.
    """

    model: str
    classes: list[str]
    frames: int
    grid_fps: float
    layout: str = CANONICAL.name
    data: str = ""
    split: str = ""
    commit: str = ""
    scores: dict[str, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A loaded version of the registered model."""

    version: str
    module: torch.nn.Module
    facts: ModelFacts


def use_store(tracking_uri: str | None = None) -> str:
    """Point MLflow at a store: the argument, else MLFLOW_TRACKING_URI, else a SQLite file in the current folder."""
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of every table that it creates
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING_URI
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    return uri


def use_experiment(name: str, artifacts: Path | None = None) -> None:
    """Log to the experiment of that name; a new one keeps its files in ``artifacts``, if given."""
    if mlflow.get_experiment_by_name(name) is None:
        mlflow.create_experiment(name, artifact_location=artifacts.resolve().as_uri() if artifacts else None)
    mlflow.set_experiment(name)


def register(classifier: Classifier, facts: ModelFacts, aliases: Sequence[str] = (CHALLENGER,)) -> str:
    """Log a classifier to the active run, register it, point ``aliases`` at it; returns the version.

    The first version of all becomes the champion too: there is none to beat.
    """
    joints = len(CANONICAL.joints)
    # torch.export fixes a dimension whose example size is 1, so the example is a batch of several.
    example = np.random.default_rng(0).normal(size=(4, facts.frames, joints, 3)).astype(np.float32)
    # Nameless, because MLflow's PyTorch flavour takes an array and not a dict of named ones.
    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, facts.frames, joints, 3))]),
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, len(facts.classes)))]),
    )
    client = mlflow.MlflowClient()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        info = mlflow.pytorch.log_model(
            classifier.eval(),
            name="model",
            registered_model_name=MODEL_NAME,
            serialization_format="pt2",
            signature=signature,
            input_example=example,
            # Given, because MLflow would otherwise load the model in a fresh process to find out.
            pip_requirements=[f"torch=={torch.__version__.split('+')[0]}", f"numpy=={np.__version__}"],
            metadata=asdict(facts),
        )
    version = str(info.registered_model_version)
    has_champion = CHAMPION in client.get_registered_model(MODEL_NAME).aliases
    for alias in {*aliases, *(() if has_champion else (CHAMPION,))}:
        client.set_registered_model_alias(MODEL_NAME, alias, version)
    return version


def load(which: str = CHAMPION) -> Registered:
    """The registered classifier at an alias or a version number.

    An alias is resolved to a version first, so that what is loaded and what is named in answers cannot differ.

    Raises:
        InputError: there is no such model, it is not one of ours, or the store cannot be reached.
    """
    store = mlflow.get_registry_uri()
    try:
        client = mlflow.MlflowClient()
        version = which if which.isdigit() else client.get_model_version_by_alias(MODEL_NAME, which).version
        uri = f"models:/{MODEL_NAME}/{version}"
        metadata = mlflow.models.get_model_info(uri).metadata
    except MlflowException as error:
        if error.error_code in _ABSENT:
            raise InputError(
                f"model {MODEL_NAME}@{which} is not in the registry {store!r}: train one with `gymspotter train`, or "
                "name another store with MLFLOW_TRACKING_URI."
            ) from error
        raise InputError(
            f"registry {store!r} cannot be used ({_first_line(error)}): check MLFLOW_TRACKING_URI and the server."
        ) from error
    try:
        module = mlflow.pytorch.load_model(uri)
        return Registered(version=str(version), module=module, facts=_facts(metadata))
    except (MlflowException, TypeError, RuntimeError) as error:
        raise InputError(
            f"model {MODEL_NAME}@{which} was not made by `gymspotter train` ({_first_line(error)}): name one that was."
        ) from error


_ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(".")


def _facts(metadata: dict[str, Any] | None) -> ModelFacts:
    """From a model's metadata, without what MLflow adds to it on its own; TypeError if something is missing."""
    known = {key: value for key, value in (metadata or {}).items() if key in ModelFacts.__dataclass_fields__}
    return ModelFacts(**known)


def git_commit(folder: Path | None = None) -> str:
    """The commit of the checkout this code runs from, marked "+" when it has changes; "" outside a checkout."""
    here = folder or Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+"], cwd=here, capture_output=True, text=True
        )
    except FileNotFoundError:
        return ""
    return commit.stdout.strip()

"""Models in MLflow: how a classifier is registered, how one is loaded again.

A registered classifier is a torch.export program (pt2), which is data: loading it executes none of its author's code.
"""

import math
import os
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

# Whoever may write to the store must not be able to run code where models are loaded: MLflow then refuses what is not a
# torch.export program, and one with a pickle inside.
os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"

import mlflow
import numpy as np
import torch
from mlflow.exceptions import MlflowException
from mlflow.models.signature import ModelSignature
from mlflow.types import Schema, TensorSpec
from numpy.typing import NDArray

from gymspotter.aliases import champion, move_champion, version_at
from gymspotter.calibration import logits
from gymspotter.errors import InputError
from gymspotter.golden import golden_answers
from gymspotter.models import Classifier
from gymspotter.names import CHALLENGER, CHAMPION, MODEL_NAME
from gymspotter.skeleton import CANONICAL
from gymspotter.tracking import reason, shown
from gymspotter.windows import Segments

_TRAINED_ON = "trained_on.json"
_BATCHES = (1, 2, 7, 64)  # an export may have fixed a batch size without being told to
_TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What a registered classifier says of itself; all of it travels with the model.

    ``frames`` and ``grid_fps`` are the segment it takes; ``data`` fingerprints the training tracks, ``split`` says how
    the test side was chosen, ``scores`` what it reached there. ``golden`` is what it answers to `golden.golden_poses`
    (`register` adds it), ``reference`` how its training segments are spread (`drift.Reference.as_dict`), ``report``
    what `report_card` says of it; versions that were registered before these were known have none.
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
    golden: list[list[float]] | None = field(default=None, compare=False, repr=False)
    reference: dict[str, Any] | None = field(default=None, compare=False, repr=False)
    report: dict[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A loaded version of the registered model."""

    version: str
    module: torch.nn.Module
    facts: ModelFacts


def register(classifier: Classifier, facts: ModelFacts, aliases: Sequence[str] = (CHALLENGER,)) -> str:
    """Log a classifier to the active run, register it, point ``aliases`` at it; returns the version.

    Its golden answers are added to the facts. The first version of all becomes the champion too: there is none to beat.
    """
    classifier.eval()
    facts = replace(facts, golden=golden_answers(partial(logits, classifier), facts.frames))
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
            classifier,
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
    difference = largest_difference(classifier, mlflow.pytorch.load_model(f"models:/{MODEL_NAME}/{version}"), facts)
    if not difference <= _TOLERANCE:
        client.delete_model_version(MODEL_NAME, version)
        raise InputError(
            f"model {facts.model!r} as exported answers otherwise than in training (by {difference:g}): it is not "
            "registered; report this with the versions of torch and mlflow."
        )
    for alias in set(aliases) - {CHAMPION}:
        client.set_registered_model_alias(MODEL_NAME, alias, version)
    if CHAMPION in aliases or not champion():
        why = "registered as the champion" if CHAMPION in aliases else "the first version of all"
        move_champion(version, "registration", why=why)
    return version


@torch.inference_mode()
def largest_difference(one: torch.nn.Module, other: torch.nn.Module, facts: ModelFacts) -> float:
    """By how much two classifiers' logits differ, over batches of several sizes of random poses with NaN."""
    rng = np.random.default_rng(0)
    worst = 0.0
    for size in _BATCHES:
        poses = rng.normal(size=(size, facts.frames, len(CANONICAL.joints), 3)).astype(np.float32)
        poses[rng.random(poses.shape[:3]) < 0.1] = np.nan
        difference = (one(torch.from_numpy(poses)) - other(torch.from_numpy(poses))).abs().max().item()
        worst = difference if math.isnan(difference) else max(worst, difference)
    return worst


def log_trained_on(train: Segments, validation: Segments | None) -> None:
    """Keep in the active run what a model has seen: videos and groups that were trained or validated on."""
    seen = [train] if validation is None else [train, validation]
    videos = sorted({video for side in seen for video in side.video_ids.tolist()})
    groups = sorted({group for side in seen for group in side.groups.tolist()})
    mlflow.log_dict({"videos": videos, "groups": groups}, _TRAINED_ON)


def unseen(version: str, segments: Segments) -> NDArray[np.bool_]:
    """Which segments [S] are of neither a video nor a group that a version was trained or validated on.

    Raises:
        InputError: it is not known what it was trained on.
    """
    run_id = mlflow.MlflowClient().get_model_version(MODEL_NAME, version).run_id
    try:
        seen = mlflow.artifacts.load_dict(f"runs:/{run_id}/{_TRAINED_ON}")
    except (MlflowException, OSError) as error:
        raise InputError(
            f"it is not known what version {version} was trained on (its run has no {_TRAINED_ON}): "
            "train it again, or be sure yourself and use --trust-tracks."
        ) from error
    return ~(np.isin(segments.video_ids, seen["videos"]) | np.isin(segments.groups, seen["groups"]))


def page_of(version: str, server_url: str | None = None) -> str | None:
    """The address of a version's page in MLflow, at ``server_url`` or else at the registry, without user and password.

    None where that is no server that a browser could ask.
    """
    server = urlsplit(server_url or mlflow.get_registry_uri())
    if server.scheme not in ("http", "https") or not server.hostname:
        return None
    host = server.netloc.rpartition("@")[2]
    return f"{server.scheme}://{host}{server.path.rstrip('/')}/#/models/{MODEL_NAME}/versions/{version}"


class UnreadError(InputError):
    """A version's files cannot be read now, which need not be the version's fault."""


def load(which: str = CHAMPION) -> Registered:
    """The registered classifier at an alias or a version number.

    An alias is resolved to a version first, so that what is loaded and what is named in answers cannot differ. The
    files are read from a folder that is gone afterwards: MLflow would keep what it fetches until the process ends.

    Raises:
        InputError: there is no such model, it is not one of ours, or the store cannot be reached.
    """
    try:
        version = version_at(which)
    except MlflowException as error:
        store = shown(mlflow.get_registry_uri())
        raise UnreadError(
            f"registry {store!r} cannot be used ({reason(error)}): check MLFLOW_TRACKING_URI and the server."
        ) from error
    with tempfile.TemporaryDirectory(prefix="gymspotter-") as folder:
        try:
            path = mlflow.artifacts.download_artifacts(f"models:/{MODEL_NAME}/{version}", dst_path=folder)
            metadata = mlflow.models.Model.load(path).metadata
        except (MlflowException, OSError) as error:
            raise UnreadError(
                f"model {MODEL_NAME}@{which} cannot be read ({reason(error)}): see that the store's files are there."
            ) from error
        try:
            return Registered(version=version, module=mlflow.pytorch.load_model(path), facts=_facts(metadata))
        except Exception as error:  # whatever torch makes of a file that is broken
            raise InputError(
                f"model {MODEL_NAME}@{which} was not made by `gymspotter train` ({reason(error)}): name one that was."
            ) from error


def _facts(metadata: dict[str, Any] | None) -> ModelFacts:
    """From a model's metadata, without what MLflow adds to it on its own; TypeError if something is missing."""
    known = {key: value for key, value in (metadata or {}).items() if key in ModelFacts.__dataclass_fields__}
    return ModelFacts(**known)

"""MMPose's models: from a config and a checkpoint to a torch module that is ready to run."""

import copy
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from gymspotter.errors import InputError
from gymspotter.pose.checkpoints import fetch, load_state
from gymspotter.pose.mmpose_imports import import_mmpose


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a model comes from: a config and its weights, as `MMPoseOptions` has them, and what messages call it."""

    config: str
    weights: str | None
    sha256: str | None
    option: str


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A model in evaluation mode, its whole config, and a name that tells it from any other."""

    model: Any
    config: Any
    version: str


def load_model(source: Source, device: torch.device, changes: Mapping[str, Any] | None = None) -> Loaded:
    """Build the model of a config and load its weights.

    Args:
        source: config and weights; without weights those that MMPose publishes for the config.
        device: where to.
        changes: what to replace in the backbone's config, where it has it.

    Raises:
        InputError: MMPose is not installed, there is no such config, or the weights are not to be had or do not fit.
    """
    config = read_config(source.config, source.option)
    weights = f"{source.option}-weights"
    checkpoint = fetch(source.weights or _published(source), source.sha256, weights)
    model = build(config, changes)
    state = load_state(checkpoint, weights)
    # Buffers that MMEngine does not save and models of other versions add are no harm; a weight left random is.
    try:
        missing = model.load_state_dict(state, strict=False).missing_keys
    except RuntimeError as error:  # of the same name, but another shape
        raise _unfit(source, str(error).split("\n\t")[-1].strip().rstrip(".")) from error
    if missing:
        raise _unfit(source, f"{len(missing)} tensors are missing, {missing[0]} among them")
    version = f"{Path(config.filename).stem}@{checkpoint.sha256[:8]}"
    return Loaded(model=model.to(device).eval(), config=config, version=version)


def read_config(name: str, option: str) -> Any:
    """A config by the name that MMPose ships it under, or by its path (a config is Python, and is run)."""
    import_mmpose()
    from mmengine.config import Config

    path = Path(name).expanduser()
    if path.suffix != ".py" and path.name == name:
        found = sorted(_shipped().rglob(f"{name}.py"))
        if not found:
            raise InputError(f"{option} is {name!r}, a config that MMPose does not ship: name one it does, or a path.")
        path = found[0]
    try:
        return Config.fromfile(str(path))
    except Exception as error:  # whatever running it may raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{option} {name!r} cannot be read as a config ({reason}): give the path of one.") from error


def build(config: Any, changes: Mapping[str, Any] | None = None) -> Any:
    """The model of a config, its weights random; nothing is fetched."""
    from mmengine.model import revert_sync_batchnorm
    from mmengine.registry import DefaultScope
    from mmpose.registry import MODELS

    model = copy.deepcopy(config.model)
    model.pop("init_cfg", None)  # pretrained parts, which the checkpoint replaces
    model.pop("train_cfg", None)
    model.backbone.pop("init_cfg", None)
    # RTMPose names its backbone as MMDetection's, of which MMPose has a copy.
    model.backbone.pop("_scope_", None)
    model.backbone.update({key: value for key, value in (changes or {}).items() if key in model.backbone})
    with DefaultScope.overwrite_default_scope("mmpose"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return revert_sync_batchnorm(MODELS.build(model))


def _unfit(source: Source, reason: str) -> InputError:
    option = f"{source.option}-weights"
    return InputError(f"{option} do not fit config {source.config!r} ({reason}): give those of this config.")


def _shipped() -> Path:
    import mmpose

    return Path(mmpose.__path__[0]) / ".mim" / "configs"


def _published(source: Source) -> str:
    """Where MMPose says that the weights of a shipped config are."""
    for metafile in _shipped().rglob("*.yml"):
        for model in yaml.safe_load(metafile.read_text(encoding="utf-8")).get("Models", ()):
            if Path(model["Config"]).stem == source.config and "Weights" in model:
                return str(model["Weights"])
    raise InputError(
        f"{source.option}-weights are left out, and none are published for config {source.config!r}: give a path."
    )

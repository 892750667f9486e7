"""What a sweep searches: models, undersampling, and the hyperparameters of each, with their ranges.

A space prints itself as YAML, and a YAML file overrides parts of the default one (`read_space`). A point in it is a
flat dict: ``model``, ``undersample``, what every model has (``learning_rate``, ...), and what only its model has, as
``transformer.heads``. `settings` turns a point into what `fit` takes, on top of the model's recipe.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from gymspotter.augment import AugmentConfig
from gymspotter.balance import UNDERSAMPLINGS
from gymspotter.errors import InputError
from gymspotter.loop import FitConfig
from gymspotter.models import MODELS
from gymspotter.models.spotter import SpotterConfig
from gymspotter.recipes import SPOTTER, recipe
from gymspotter.sweeps.domain import Choice, Domain, Real, Value, Whole, is_a, read_domain, told
from gymspotter.windows import SEGMENT_FRAMES

if TYPE_CHECKING:
    import optuna

Point = dict[str, Value]


_STRIDE = SEGMENT_FRAMES // 2  # that of a training outside a sweep


def _training() -> dict[str, Domain]:
    return {
        "learning_rate": Real(low=1e-4, high=1e-2, log=True),
        "batch_size": Choice(options=(32, 64, 128)),
        "schedule": Choice(options=("constant", "cosine", "one-cycle")),
        "weight_decay": Real(low=0.0, high=0.1),
        "label_smoothing": Real(low=0.0, high=0.2),
        "mixup": Real(low=0.0, high=0.3),
        "augment": Real(low=0.0, high=1.5),
        "align_facing": Choice(options=(False, True)),
        "frames": Whole(low=20, high=60, step=10),
        "stride": Choice(options=(15, 30, 60)),
    }


def _architecture() -> dict[str, dict[str, Domain]]:
    recurrent: dict[str, Domain] = {
        "units": Choice(options=(32, 64, 128)),
        "layers": Whole(low=1, high=2),
        "dropout": Real(low=0.0, high=0.5),
    }
    return {
        "mlp": {
            "hidden": Choice(options=(125, 250, 500)),
            "layers": Whole(low=1, high=4),
            "dropout": Real(low=0.0, high=0.4),
        },
        "cnn1d": {
            "filters": Choice(options=(32, 64, 128)),
            "layers": Whole(low=2, high=4),
            "dropout": Real(low=0.0, high=0.5),
        },
        "rnn": dict(recurrent),
        "lstm": dict(recurrent),
        "bilstm": dict(recurrent),
        "transformer": {
            "heads": Choice(options=(1, 2, 4, 8)),
            "head_width": Choice(options=(16, 32, 64)),
            "feed_forward": Choice(options=(64, 128, 256, 512)),
            "layers": Whole(low=1, high=3),
            "dropout": Real(low=0.0, high=0.3),
        },
        "spotter": {
            "heads": Choice(options=(2, 4, 8)),
            "head_width": Choice(options=(8, 16, 32)),
            "feed_forward": Choice(options=(128, 256, 512)),
            "layers": Whole(low=1, high=5),
            "dropout": Real(low=0.0, high=0.3),
            "skip": Real(low=0.0, high=0.3),
        },
    }


@dataclass(frozen=True, kw_only=True)
class Space:
    """What is searched; the default is all that there is, in ranges that a CPU can afford.

    ``training`` is for every model; ``architecture`` has an entry for each of the ``models``. Beside the fields of
    `FitConfig`, ``augment`` is a strength (`scaled`), and ``stride`` is that of the training side. An attention's width
    is searched as that of a head, so that it fits whatever the number of heads.
    """

    models: tuple[str, ...] = tuple(MODELS)
    undersample: tuple[str, ...] = ("none", "plank-half", "to-median")
    training: dict[str, Domain] = field(default_factory=_training)
    architecture: dict[str, dict[str, Domain]] = field(default_factory=_architecture)

    def __post_init__(self) -> None:
        _check_names("models", self.models, tuple(MODELS))
        _check_names("undersample", self.undersample, UNDERSAMPLINGS)
        for model in self.models:
            point = _at_recipe(model)
            for name, domain in self._hyperparameters(model):
                for value in domain.ends:
                    _check_value(name, value, point)

    def __str__(self) -> str:
        """YAML that `read_space` reads back."""
        whole = {
            "models": list(self.models),
            "undersample": list(self.undersample),
            "training": {name: told(domain) for name, domain in self.training.items()},
            "architecture": {
                model: {name: told(domain) for name, domain in self.architecture[model].items()}
                for model in self.models
            },
        }
        return yaml.safe_dump(whole, sort_keys=False, default_flow_style=None, width=120)

    @property
    def finest_stride(self) -> int:
        """The stride that windows must be cut at, so that every stride of the space can be had of them."""
        domain = self.training["stride"]
        steps = (domain.step,) if isinstance(domain, Whole) else ()
        return math.gcd(*(int(value) for value in domain.ends), *steps)

    def only(self, models: Sequence[str]) -> "Space":
        """The space of these models.

        Raises:
            InputError: one is not in the space.
        """
        _check_names("models", models, self.models)
        return replace(self, models=tuple(models), architecture={model: self.architecture[model] for model in models})

    def cells(self) -> list[Point]:
        """One point a model and undersampling: the model's recipe, or what is nearest to it in the space."""
        return [self._cell(model, undersample) for undersample in self.undersample for model in self.models]

    def suggest(self, trial: "optuna.Trial") -> Point:
        """A point that Optuna is asked for, name by name; of architectures only that of the model it chose."""
        point: Point = {
            "model": trial.suggest_categorical("model", self.models),
            "undersample": trial.suggest_categorical("undersample", self.undersample),
        }
        for name, domain in self._hyperparameters(str(point["model"])):
            point[name] = domain.suggest(trial, name)
        return point

    def _cell(self, model: str, undersample: str) -> Point:
        point, found = Point(model=model, undersample=undersample), _at_recipe(model)
        for name, domain in self._hyperparameters(model):
            point[name] = domain.nearest(found[name])
        return point

    def _hyperparameters(self, model: str) -> Iterator[tuple[str, Domain]]:
        yield from self.training.items()
        for name, domain in self.architecture[model].items():
            yield f"{model}.{name}", domain


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A point as `fit` takes it, and the stride of the training side's windows."""

    fit: FitConfig
    model_config: Any
    stride: int


def settings(point: Point, *, epochs: int, seed: int) -> Settings:
    """What a point of the space stands for: the model's recipe, with all that the point names in its place.

    Raises:
        InputError: the point names no model or what its model does not have, or a value that cannot be.
    """
    model = str(point.get("model", ""))
    found = recipe(model, seed=seed)
    known = _at_recipe(model)
    for name in point:
        if name not in known:
            raise InputError(f"point: {name!r} is not known: use {', '.join(known)}.")
    changes: dict[str, Any] = {name: value for name, value in point.items() if "." not in name}
    stride = int(changes.pop("stride", _STRIDE))
    if "augment" in changes:
        changes["augment"] = scaled(found.augment or SPOTTER.augment or AugmentConfig(), changes["augment"])
    architecture: dict[str, Any] = {name.split(".", 1)[1]: value for name, value in point.items() if "." in name}
    if model == "spotter" and "head_width" in architecture:
        architecture["width"] = architecture.get("heads", SpotterConfig.heads) * architecture.pop("head_width")
    return Settings(
        # Without weight decay AdamW is Adam; with it, Adam's own would act on the gradient.
        fit=replace(found, optimizer="adamw", epochs=epochs, **changes),
        model_config=MODELS[model][1](**architecture),
        stride=stride,
    )


def scaled(augment: AugmentConfig, strength: float) -> AugmentConfig | None:
    """An augmentation times ``strength``: its probabilities and extents; None at 0.

    More than half of the segments are never mirrored: all mirrored would be no more varied than none.

    Raises:
        InputError: the strength is below 0, or so great that there is no such augmentation.
    """
    if not 0 <= strength < float("inf"):
        raise InputError(f"augment is {strength:g}: use 0 or more.")
    if not strength:
        return None
    by = {one.name: strength * getattr(augment, one.name) for one in fields(AugmentConfig)}
    return AugmentConfig(**by | {"mirror": min(by["mirror"], max(0.5, augment.mirror))})


def read_space(path: str | Path) -> Space:
    """The space in a YAML file, in the form that a space prints itself in; what it leaves out keeps its default.

    A hyperparameter is a list of values, or ``low`` and ``high`` (with ``log: true``, and for whole numbers ``step``),
    or the one value that it always has.

    Raises:
        InputError: the file cannot be read, names what is not known, or has a value that cannot be.
    """
    try:
        found: Any = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"space {str(path)!r} cannot be read ({reason}): name a YAML file.") from error
    found = _section("the file", found, ("models", "undersample", "training", "architecture"))
    default = Space()
    models = _words("models", found.get("models", list(default.models)), tuple(MODELS))
    training = _section("training", found.get("training"), tuple(default.training))
    architecture = _section("architecture", found.get("architecture"), models)
    recipes = {model: _at_recipe(model) for model in models}
    return Space(
        models=models,
        undersample=_words("undersample", found.get("undersample", list(default.undersample)), UNDERSAMPLINGS),
        training=default.training | {name: _domain(name, one, recipes[models[0]]) for name, one in training.items()},
        architecture={
            model: default.architecture[model]
            | {
                name: _domain(f"{model}.{name}", one, recipes[model])
                for name, one in _section(model, architecture.get(model), tuple(default.architecture[model])).items()
            }
            for model in models
        },
    )


def _section(name: str, found: Any, known: Sequence[str]) -> dict[str, Any]:
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InputError(f"space: {name} is {found!r}: write lines with {', '.join(known)}.")
    for one in found:
        if one not in known:
            raise InputError(f"space: {name} has {one!r}, which is not known: use {', '.join(known)}.")
    return found


def _words(name: str, found: Any, known: Sequence[str]) -> tuple[str, ...]:
    words = tuple(found) if isinstance(found, list) else (found,)
    _check_names(name, words, known)
    return words


def _domain(name: str, found: Any, point: Point) -> Domain:
    try:
        return read_domain(found, type(point[name]))
    except InputError as error:
        raise InputError(f"space: {name}: {error}") from error


def _check_names(name: str, found: Sequence[Any], known: Sequence[str]) -> None:
    for one in found:
        if one not in known:
            raise InputError(f"space: {name} has {one!r}, which is not known: use {', '.join(known)}.")
    if not found or len(set(found)) < len(found):
        raise InputError(f"space: {name} is {list(found)}: name one or more, each once.")


def _check_value(name: str, value: Value, point: Point) -> None:
    """That a hyperparameter may have a value; ``point`` has all others."""
    if name not in point:
        raise InputError(f"space: {name!r} is not known: use {', '.join(point)}.")
    if not is_a(value, type(point[name])):
        raise InputError(f"space: {name} is {value!r}: use values such as {point[name]!r}.")
    if name == "stride" and not 1 <= int(value) <= SEGMENT_FRAMES:
        raise InputError(f"space: stride is {value}: use 1 to {SEGMENT_FRAMES}.")
    try:
        settings(point | {name: value}, epochs=1, seed=0)
    except InputError as error:
        raise InputError(f"space: {name}: {error}") from error


def _at_recipe(model: str) -> Point:
    """The point of a model's recipe, with all hyperparameters of the default space."""
    found = recipe(model)
    point: Point = {"model": model, "undersample": found.undersample, "stride": _STRIDE}
    point |= {"augment": float(bool(found.augment)), "frames": found.frames or SEGMENT_FRAMES}
    point |= {name: getattr(found, name) for name in _training() if name not in point}
    config: Any = MODELS[model][1]()
    for name in _architecture()[model]:
        if name == "head_width" and model == "spotter":
            point[f"{model}.{name}"] = config.width // config.heads
        else:
            point[f"{model}.{name}"] = getattr(config, name)
    return point

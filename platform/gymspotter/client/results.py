"""The service's answers over HTTP as frozen dataclasses; fields that this client does not know are passed over."""

from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from gymspotter.stream.events import Guess

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Segment:
    """What one segment shows: the likeliest exercise, and the best few.

    ``unknown`` in 0..1 is how surely it shows none of the exercises, ``known`` whether it is to be taken for one.
    """

    exercise: str
    probability: float
    top: tuple[Guess, ...]
    unknown: float
    known: bool


@dataclass(frozen=True, kw_only=True)
class Classification:
    """One answer for each segment sent, in order, all by one version of the model."""

    model_version: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, kw_only=True)
class TimedSegment(Segment):
    """A segment of a video, in seconds from its start."""

    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Repetition:
    """When one repetition was done, in seconds from the video's start."""

    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class ExerciseSet:
    """One exercise without interruption; ``repetitions`` is None for one that is held, such as the plank."""

    exercise: str
    start: float
    end: float
    probability: float
    repetitions: int | None
    times: tuple[Repetition, ...] = ()


@dataclass(frozen=True, kw_only=True)
class VideoPoses:
    """Where the athlete's joints are in the pictures of a video, ``fps`` times a second.

    ``times`` are the frames' seconds from the video's start. For each of them ``image_xy`` has the joints of
    ``layout``, as (x, y) in shares of the picture's width and height from its upper left corner; None is a joint that
    is not seen in the picture, or a frame without anybody. ``width`` and ``height`` are those of a picture in pixels,
    as it is shown; None from a service before they were told.
    """

    layout: str
    fps: float
    times: tuple[float, ...]
    image_xy: tuple[tuple[tuple[float, float] | None, ...] | None, ...]
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """What a video of ``seconds`` shows: overlapping segments, and sets with their repetitions.

    ``person_seen`` is the share of the sampled frames in which a person was found; ``exercise`` the one with the
    highest mean probability over all segments; ``poses`` is None unless it was asked for.
    """

    model_version: str
    estimator: str
    seconds: float
    person_seen: float
    exercise: str
    probability: float
    segments: tuple[TimedSegment, ...]
    sets: tuple[ExerciseSet, ...] = ()
    poses: VideoPoses | None = None


@dataclass(frozen=True, kw_only=True)
class Model:
    """The model that answers: its classes, and the ``frames`` (at ``grid_fps`` a second) of one segment.

    ``following`` is the alias that is followed, ``refused`` the version it points to if that cannot serve, and why.
    """

    model_version: str
    name: str
    model: str
    classes: tuple[str, ...]
    frames: int
    grid_fps: float
    layout: str
    layouts: tuple[str, ...] = ()
    scores: dict[str, float] = field(default_factory=dict)
    following: str | None = None
    refused: dict[str, str] | None = None


def read(into: type[T], answer: Any) -> T:
    """An answer, parsed from JSON, as one of the dataclasses above.

    Raises:
        ValueError: it lacks a field, or one is of another type.
    """
    if not isinstance(answer, dict):
        raise ValueError(f"{into.__name__} is not an object")
    hints, values = get_type_hints(into), {}
    for one in fields(into):  # type: ignore[arg-type]
        if one.name in answer:
            values[one.name] = _value(hints[one.name], answer[one.name], one.name)
        elif one.default is MISSING and one.default_factory is MISSING:
            raise ValueError(f"{one.name} is missing")
    return into(**values)


def _value(kind: Any, value: Any, name: str) -> Any:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is UnionType and NoneType in parts:
        return None if value is None else _value(parts[0], value, name)
    if isinstance(kind, type) and is_dataclass(kind):
        return read(kind, value)
    if origin is tuple and isinstance(value, list):
        kinds = [parts[0]] * len(value) if parts[-1] is Ellipsis else parts
        if len(kinds) != len(value):
            raise ValueError(f"{name} has {len(value)} parts and not {len(kinds)}")
        return tuple(_value(kind, item, name) for kind, item in zip(kinds, value, strict=True))
    if origin is dict and isinstance(value, dict):
        return {str(key): _value(parts[1], item, name) for key, item in value.items()}
    if kind is float and type(value) in (int, float):
        return float(value)
    if type(value) is kind:
        return value
    raise ValueError(f"{name} is {str(value)[:40]!r}")

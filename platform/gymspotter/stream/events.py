"""What the server tells on a stream, as dataclasses, as messages, and back.

A message is the dataclass's fields and ``type``; docs/streaming.md shows each. Times are seconds of the client's clock.
Events with ``seq`` count 1, 2, 3 ... through a session, also over a resume.
"""

import math
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from gymspotter.errors import InputError

State = Literal["exercise", "unknown", "no_person", "waiting"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one connection may send: sizes of messages, frames a second, ages in seconds, pixels of a picture."""

    message_bytes: int
    frames_per_message: int
    frames_per_second: float
    session_seconds: float
    resume_seconds: float
    image_pixels: int


@dataclass(frozen=True, kw_only=True)
class Welcome:
    """The answer to hello. ``received`` is the time of the last frame held: send all later ones again."""

    protocol: int
    session: str
    resume: str
    model_version: str
    classes: tuple[str, ...]
    frames: int
    grid_fps: float
    hop: float
    resumed: bool
    received: float | None
    seq: int
    limits: Limits


@dataclass(frozen=True, kw_only=True)
class Guess:
    """One exercise with its smoothed probability."""

    exercise: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class Label:
    """What the window from ``since`` to ``t`` shows, once a hop.

    ``exercise`` is the likeliest one where ``state`` is "exercise", else None with probability 0; ``top`` are the best
    guesses whenever the model was asked. ``set`` is the number of the open set. Frames up to ``saved`` outlive the
    server's process and need not be kept for a resume.
    """

    seq: int
    t: float
    since: float
    exercise: str | None
    probability: float
    top: tuple[Guess, ...]
    unknown: float
    state: State
    set: int | None = None
    model_version: str | None = None
    saved: float | None = None


@dataclass(frozen=True, kw_only=True)
class Start:
    """A set begins; ``since`` is when it is thought to have begun, before its exercise was sure."""

    seq: int
    t: float
    set: int
    exercise: str
    since: float


@dataclass(frozen=True, kw_only=True)
class End:
    """A set is over; ``until`` is when it is thought to have ended."""

    seq: int
    t: float
    set: int
    exercise: str
    since: float
    until: float
    repetitions: int


@dataclass(frozen=True, kw_only=True)
class Rep:
    """Repetition number ``count`` of the set is complete; it lasted from ``since`` to ``until``."""

    seq: int
    t: float
    set: int
    exercise: str
    count: int
    since: float
    until: float


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """From now on the movement is none of the exercises."""

    seq: int
    t: float


@dataclass(frozen=True, kw_only=True)
class NoPerson:
    """Nobody is in view any more, since ``since``."""

    seq: int
    t: float
    since: float


@dataclass(frozen=True, kw_only=True)
class Hint:
    """What the athlete can do to be seen better; ``code`` is for programs, ``text`` for people."""

    seq: int
    t: float
    code: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What the stream suffered (late, shed, gap, clock, behind, model), and how often since the last one."""

    code: str
    text: str
    count: int = 1


@dataclass(frozen=True, kw_only=True)
class Pose:
    """What the estimator saw in a picture: 17 canonical joints in shares of it (None: not seen) with their scores."""

    t: float
    image_xy: tuple[tuple[float, float] | None, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ErrorMessage:
    """A message cannot be used, or (before the connection is closed) why it will be; ``status`` is HTTP's."""

    status: int
    title: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class SetSummary:
    """One set of the session."""

    set: int
    exercise: str
    since: float
    until: float
    repetitions: int


@dataclass(frozen=True, kw_only=True)
class Goodbye:
    """The answer to bye: all sets of the session (the last 1,000), and how many seconds of movement it was sent."""

    sets: tuple[SetSummary, ...]
    seconds: float


Event = (
    Welcome | Label | Start | End | Rep | Unknown | NoPerson | Hint | Notice | Pose | ErrorMessage | Goodbye
)  # fmt: skip
EVENTS: dict[str, type] = {
    "welcome": Welcome,
    "label": Label,
    "start": Start,
    "end": End,
    "rep": Rep,
    "unknown": Unknown,
    "no_person": NoPerson,
    "hint": Hint,
    "notice": Notice,
    "pose": Pose,
    "error": ErrorMessage,
    "goodbye": Goodbye,
}
_TYPES = {event: name for name, event in EVENTS.items()}


def as_message(event: Event) -> dict[str, Any]:
    """The event as a message, ready for ``json.dumps``."""
    message = {"type": _TYPES[type(event)]} | vars(event)
    # By hand, because dataclasses.asdict takes ten times as long and there is a label for each athlete and second.
    if isinstance(event, Label):
        message["top"] = [dict(vars(guess)) for guess in event.top]
    elif isinstance(event, Goodbye):
        message["sets"] = [dict(vars(one)) for one in event.sets]
    elif isinstance(event, Welcome):
        message["limits"] = dict(vars(event.limits))
    return message


def read_event(message: Any) -> Event:
    """The inverse of `as_message`, also of a message that went through JSON; fields it does not know are passed over.

    Raises:
        InputError: the message is none of the protocol's.
    """
    if not isinstance(message, Mapping):
        raise InputError("the message is no JSON object: an event of a stream is one.")
    kind = message.get("type")
    event = EVENTS.get(kind) if isinstance(kind, str) else None
    if event is None:
        raise InputError(f"type is {str(kind)[:40]!r}: events are {', '.join(EVENTS)}.")
    return _read(event, message, str(kind))


_Read = TypeVar("_Read")


def _read(into: type[_Read], message: Any, path: str) -> _Read:
    if not isinstance(message, Mapping):
        raise InputError(f"{path} is no JSON object.")
    values = {}
    for field in fields(into):  # type: ignore[arg-type]
        if field.name not in message:
            raise InputError(f"{path}.{field.name} is missing.")
        values[field.name] = _value(field.type, message[field.name], f"{path}.{field.name}")
    return into(**values)


def _value(kind: Any, value: Any, path: str) -> Any:
    """``value`` as ``kind``, one of the annotations above."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return None if value is None else _value(parts[0], value, path)
    if origin is tuple:
        if not isinstance(value, list | tuple) or (parts[-1] is not ... and len(value) != len(parts)):
            raise InputError(f"{path} is no list of the right length.")
        return tuple(_value(parts[0], item, f"{path}[{i}]") for i, item in enumerate(value))
    if origin is Literal:
        if value not in parts:
            raise InputError(f"{path} is {str(value)[:40]!r}: it is one of {', '.join(parts)}.")
        return value
    if kind is float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InputError(f"{path} is no number.")
        return float(value)
    if kind in (int, bool, str):
        if type(value) is not kind:
            raise InputError(f"{path} is no {kind.__name__}.")
        return value
    return _read(kind, value, path)

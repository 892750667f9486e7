"""What `gymspotter watch` shows, as plain functions: events change a state, and a state becomes lines of text."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from gymspotter.client.news import Disconnected, LiveEvent, Reconnected
from gymspotter.stream.events import (
    End,
    ErrorMessage,
    Goodbye,
    Hint,
    Label,
    NoPerson,
    Notice,
    Rep,
    SetSummary,
    Start,
    Unknown,
    as_message,
)

_Painter = Callable[[str, str], str]

_BOLD, _DIM, _RED, _GREEN, _YELLOW, _CYAN = "1", "2", "31", "32", "33", "36"
_MESSAGES = 4
_DIGITS = {
    "0": "███ █ █ █ █ █ █ ███", "1": " █  ██   █   █  ███", "2": "███   █ ███ █   ███", "3": "███   █ ███   █ ███",
    "4": "█ █ █ █ ███   █   █", "5": "███ █   ███   █ ███", "6": "███ █   ███ █ █ ███", "7": "███   █   █   █   █",
    "8": "███ █ █ ███ █ █ ███", "9": "███ █ █ ███   █ ███",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Running:
    """The set that is being done: ``repetitions`` is None until the first one."""

    set: int
    exercise: str
    since: float
    repetitions: int | None = None


@dataclass(frozen=True, kw_only=True)
class Message:
    """A hint, a notice or news of the connection, at ``t`` seconds; ``mark`` is its colour."""

    t: float
    text: str
    mark: str = _DIM


@dataclass(frozen=True, kw_only=True)
class Shown:
    """All that is on the screen: ``t`` is the time of the last frame that was sent."""

    source: str
    url: str
    model_version: str = ""
    t: float = 0.0
    connected: bool = True
    label: Label | None = None
    running: Running | None = None
    sets: tuple[SetSummary, ...] = ()
    messages: tuple[Message, ...] = ()


def updated(shown: Shown, event: LiveEvent) -> Shown:
    """The state after one more event."""
    match event:
        case Label():
            return replace(shown, label=event, model_version=event.model_version or shown.model_version)
        case Start():
            running = Running(set=event.set, exercise=event.exercise, since=event.since)
            return replace(shown, running=running)
        case Rep() if shown.running and shown.running.set == event.set:
            return replace(shown, running=replace(shown.running, repetitions=event.count))
        case End():
            done = SetSummary(
                set=event.set,
                exercise=event.exercise,
                since=event.since,
                until=event.until,
                repetitions=event.repetitions,
            )
            return replace(shown, running=None, sets=(*shown.sets, done))
        case Reconnected(resumed=False):
            # Another session: its sets count from 1 again, and the open one is not known to it.
            return _told(replace(shown, connected=True, running=None, label=None), event)
        case Disconnected() | Reconnected():
            return _told(replace(shown, connected=isinstance(event, Reconnected)), event)
        case Unknown() | NoPerson() | Hint() | Notice() | ErrorMessage():
            return _told(shown, event)
    return shown


def _told(shown: Shown, event: LiveEvent) -> Shown:
    mark = _YELLOW if isinstance(event, Hint) else _RED if isinstance(event, Disconnected | ErrorMessage) else _DIM
    message = Message(t=getattr(event, "t", shown.t), text=sentence(event), mark=mark)
    return replace(shown, messages=(*shown.messages, message)[-_MESSAGES:])


def sentence(event: LiveEvent) -> str:
    """An event in a few words."""
    match event:
        case Label():
            if event.state == "exercise":
                return f"{event.exercise} {event.probability:.0%}"
            return {"unknown": "no exercise", "no_person": "nobody in view"}.get(event.state, "looking ...")
        case Start():
            return f"set {event.set} begins: {event.exercise}"
        case Rep():
            return f"{event.exercise}: {event.count}"
        case End():
            return f"set {event.set} is over: {event.exercise}{_times(event.repetitions)}"
        case Unknown():
            return "this is none of the exercises"
        case NoPerson():
            return "nobody is in view"
        case Disconnected():
            return f"connection lost: {event.reason}"
        case Reconnected(resumed=True):
            lost = f", {event.lost_frames} frames lost" if event.lost_frames else ""
            return f"connected again: the session goes on{lost}"
        case Reconnected():
            return "connected again, but the session is lost: a new one begins"
        case Hint() | Notice():
            return event.text
        case ErrorMessage():
            return event.detail
        case Goodbye():
            return f"{len(event.sets)} {'set' if len(event.sets) == 1 else 'sets'} in {clock(event.seconds)}"
    return ""


def line(shown: Shown, event: LiveEvent) -> str | None:
    """The event as a line of a log; None for a label that says what the one before, in ``shown``, said."""
    last = shown.label
    if isinstance(event, Label) and last and (event.state, event.exercise) == (last.state, last.exercise):
        return None
    text = sentence(event)
    return f"{clock(getattr(event, 't', shown.t)):>7}  {text}" if text else None


def message(event: LiveEvent) -> dict[str, Any]:
    """The event as JSON: those of the service as it sent them."""
    if isinstance(event, Disconnected | Reconnected):
        return {"type": type(event).__name__.lower()} | asdict(event)
    return as_message(event)


def summary(goodbye: Goodbye) -> list[str]:
    """The whole session, for the end."""
    return [*_sets(goodbye.sets), f"{sentence(goodbye)}."]


def render(shown: Shown, width: int = 80, height: int = 24, colour: bool = True) -> list[str]:
    """The screen as at most ``height`` lines of at most ``width`` characters (and codes of colours)."""
    paint = _paint if colour else _plain
    width = max(40, min(width, 100))
    state = paint("● connected", _GREEN) if shown.connected else paint("○ connection lost", _RED)
    state_width = 11 if shown.connected else 17
    head = _cut(f"{shown.source} → {shown.url}", width - state_width - 1)
    top = [head.ljust(width - state_width) + state, paint("─" * width, _DIM)]
    top += _now(shown, width, paint)
    top += ["", *_guesses(shown.label, width, paint)]
    bottom = [paint(_cut(f"{clock(one.t):>7}  {one.text}", width), one.mark) for one in shown.messages]
    room = height - len(top) - len(bottom) - 3
    if shown.sets and room > 1:
        top += ["", *(paint(text, _BOLD if i == 0 else "") for i, text in enumerate(_sets(shown.sets, room)))]
    return [*top, *([""] if bottom else []), *bottom][:height]


def _now(shown: Shown, width: int, paint: _Painter) -> list[str]:
    """The exercise with its bar, the set's time, and in large digits its repetitions."""
    label, running = shown.label, shown.running
    digits = _large(str(running.repetitions or 0)) if running else [""] * 5
    known = label is not None and label.state == "exercise"
    name = running.exercise if running else sentence(label) if label and not known else "looking ..."
    if not running and label and known:
        name = str(label.exercise)
    probability = label.probability if label and known else 0.0
    left = max(20, len(digits[0])) + 4
    timer = f"set {running.set}   {clock(shown.t - running.since)}" if running else clock(shown.t)
    rows = [
        paint(_cut(name, width - left).upper(), f"{_BOLD};{_GREEN if running else _DIM}"),
        f"{_bar(probability, width - left - 8, paint, _GREEN)} {probability:>5.0%}" if known else "",
        "",
        timer,
        paint(f"model {shown.model_version}", _DIM) if shown.model_version else "",
    ]
    return [
        paint(f"  {big:<{left - 4}}", f"{_BOLD};{_CYAN}") + "  " + row for big, row in zip(digits, rows, strict=True)
    ]


def _guesses(label: Label | None, width: int, paint: _Painter) -> list[str]:
    if label is None:
        return []
    longest = max([16, *(len(guess.exercise) for guess in label.top)])
    bar = width - longest - 12
    return [
        f"  {guess.exercise:<{longest}}  {_bar(guess.probability, bar, paint, _CYAN)} {guess.probability:>5.0%}"
        for guess in label.top
    ]


def _sets(sets: Sequence[SetSummary], most: int = 10**9) -> list[str]:
    """A table of the last ``most`` - 1 sets."""
    if not sets:
        return []
    rows = [
        f"{one.set:>5}  {one.exercise:<24}{clock(one.since):>8}{clock(one.until - one.since):>10}"
        f"{one.repetitions or '-':>13}"
        for one in sets[-max(1, most - 1) :]
    ]
    return [f"{'set':>5}  {'exercise':<24}{'begins':>8}{'length':>10}{'repetitions':>13}", *rows]


def _large(number: str) -> list[str]:
    """Five lines; each pixel of a digit is two characters wide, which makes it about square."""
    rows = [" ".join(_DIGITS[digit][4 * row : 4 * row + 3] for digit in number) for row in range(5)]
    return ["".join(2 * pixel for pixel in row) for row in rows]


def _bar(share: float, width: int, paint: _Painter, mark: str) -> str:
    """A bar to an eighth of a character."""
    eighths = round(8 * width * min(1.0, max(0.0, share)))
    full, part = divmod(eighths, 8)
    drawn = "█" * full + (" ▏▎▍▌▋▊▉"[part] if part else "")
    return paint(drawn, mark) + paint("░" * (width - len(drawn)), _DIM)


def _times(repetitions: int) -> str:
    return f", {repetitions} repetitions" if repetitions else ""


def clock(seconds: float) -> str:
    """Minutes and seconds; of a clock with an origin of its own (Unix time), whatever it says."""
    minutes, rest = divmod(max(0, math.floor(seconds)), 60)
    return f"{minutes}:{rest:02d}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def _paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if text and code else text


def _plain(text: str, code: str) -> str:
    return text

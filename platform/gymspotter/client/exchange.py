"""What is asked over HTTP and how answers are read, without the I/O, which the two clients of http.py do.

A conversation is a generator: it yields an `Ask` to be sent, and gets an `Answer`, or None if there was none; or it
yields seconds to be slept. So retries, bodies and answers are written once for both clients.
"""

import io
import json
import random
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import numpy as np
from numpy.typing import ArrayLike, NDArray

from gymspotter.client.failures import NO_ANSWER, PASSING, ServiceError, backoff, retry_after
from gymspotter.client.results import Classification, Model, Timeline, read
from gymspotter.errors import InputError

T = TypeVar("T")
# Sent again: the service is busy, or it is being started anew behind a proxy.
_BUSY = frozenset({429, 502, 503, 504})
_LONGEST_WAIT_S = 30.0
# The work may have been done, and would only be done again.
_NOT_AGAIN = (httpx.ReadTimeout, httpx.WriteTimeout, httpx.UnsupportedProtocol)
_EVENTS = "text/event-stream"


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request. ``file`` is opened anew for each try; ``on_event`` gets the server-sent events as they come."""

    method: str
    path: str
    params: dict[str, Any] = field(default_factory=dict)
    content: bytes | None = None
    media_type: str | None = None
    file: Path | None = None
    on_event: Callable[[str, Any], None] | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Of this request alone."""
        headers = {"Accept": _EVENTS if self.on_event else "application/json"}
        return headers | ({"Content-Type": self.media_type} if self.media_type else {})


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back, whole; after server-sent events ``content`` is empty."""

    status: int
    headers: httpx.Headers
    content: bytes


Conversation = Generator[Ask | float, Answer | httpx.TransportError | None, T]


def answered(ask: Ask, retries: int) -> Conversation[Answer]:
    """The answer to ``ask``, which is asked again at most ``retries`` times while the service is busy or not there.

    Raises:
        ServiceError: it refused, failed, or was never there.
    """
    for attempt in range(retries + 1):
        outcome = yield ask
        wait = backoff(attempt, random.random)
        if isinstance(outcome, Answer):
            if outcome.status < 400:
                return outcome
            failure = _problem(outcome)
            asked_for = retry_after(outcome.headers.get("Retry-After"), time.time())
            if outcome.status not in _BUSY or (asked_for or 0.0) > _LONGEST_WAIT_S:
                raise failure
            wait = max(wait, asked_for or 0.0)
        else:
            reason = str(outcome) or type(outcome).__name__
            failure = ServiceError(NO_ANSWER, f"the service gave no answer ({reason}).")
            if isinstance(outcome, _NOT_AGAIN):
                raise failure
        if attempt == retries:
            raise failure
        yield wait
    raise AssertionError("retries is negative")


def asked_model(retries: int) -> Conversation[Model]:
    """GET /v1/model."""
    return _read(Model, (yield from answered(Ask(method="GET", path="/v1/model"), retries)))


def asked_health() -> Conversation[bool]:
    """GET /readyz: whether it can answer, now."""
    try:
        yield from answered(Ask(method="GET", path="/readyz"), 0)
    except ServiceError as error:
        if error.status in PASSING:
            return False
        raise
    return True


def asked_segments(
    segments: ArrayLike | Sequence[ArrayLike], layout: str, fps: float, top: int, retries: int
) -> Conversation[Classification]:
    """POST /v1/classify: as one array where all segments have as many frames, otherwise as JSON."""
    arrays = _arrays(segments)
    terms: dict[str, Any] = {"layout": layout, "fps": fps, "top": top}
    if len({array.shape for array in arrays}) == 1:
        file = io.BytesIO()
        np.save(file, np.stack(arrays), allow_pickle=False)
        ask = _post("/v1/classify", params=terms, content=file.getvalue(), media_type="application/x-npy")
    else:
        # NaN is not JSON.
        lists = [np.where(np.isnan(array), None, array.astype(object)).tolist() for array in arrays]  # type: ignore[call-overload]
        body = json.dumps({"segments": lists} | terms).encode()
        ask = _post("/v1/classify", content=body, media_type="application/json")
    return _read(Classification, (yield from answered(ask, retries)))


def asked_video(
    video: str | Path, on_progress: Callable[[float], None] | None, poses: bool, retries: int
) -> Conversation[Timeline]:
    """POST /v1/classify/video: an upload, or a URI that the service fetches."""
    result: dict[str, Any] = {}

    def on_event(name: str, data: Any) -> None:
        if name == "progress" and on_progress is not None:
            on_progress(float(data["share"]))
        elif name in ("result", "problem"):
            result[name] = data

    path, listener = "/v1/classify/video", on_event if on_progress else None
    terms = {"poses": "true"} if poses else {}
    if isinstance(video, str) and "://" in video:
        body = json.dumps({"uri": video}).encode()
        ask = _post(path, params=terms, content=body, media_type="application/json", on_event=listener)
    else:
        if not Path(video).is_file():
            raise InputError(f"video {str(video)!r} is not a file: check the path.")
        ask = _post(path, params=terms, file=Path(video), on_event=listener)
    answer = yield from answered(ask, retries)
    if "problem" in result:
        status, detail = result["problem"].get("status", 500), result["problem"].get("detail", "")
        raise ServiceError(int(status), str(detail))
    if "result" in result:
        return _parsed(Timeline, result["result"], answer.status)
    if answer.headers.get("Content-Type", "").startswith(_EVENTS):
        raise ServiceError(NO_ANSWER, "the service ended its events without a result.")
    return _read(Timeline, answer)


class EventParser:
    """Server-sent events, a line at a time."""

    def __init__(self) -> None:
        self._name, self._data = "message", list[str]()

    def feed(self, line: str) -> tuple[str, Any] | None:
        """The event that ``line`` completes, with its data parsed from JSON."""
        if line:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                self._name = value
            elif field == "data":
                self._data.append(value)
            return None  # a line that begins with a colon is a comment
        name, data = self._name, "\n".join(self._data)
        self._name, self._data = "message", []
        return (name, json.loads(data)) if data else None


def _post(path: str, **parts: Any) -> Ask:
    return Ask(method="POST", path=path, **parts)


def _arrays(segments: ArrayLike | Sequence[ArrayLike]) -> list[NDArray[np.float32]]:
    """Segments [T, J, 3] of one array [S, T, J, 3], of one segment, or of a list."""
    if isinstance(segments, np.ndarray) and segments.ndim == 3:
        segments = segments[None]
    arrays = [np.asarray(segment, np.float32) for segment in segments]  # type: ignore[union-attr]
    for i, array in enumerate(arrays):
        if array.ndim != 3 or array.shape[2] != 3:
            raise InputError(f"segments[{i}] has shape {array.shape}: give [frames, joints, 3].")
    if not arrays:
        raise InputError("segments is empty: give at least one.")
    return arrays


def _read(into: type[T], answer: Answer) -> T:
    try:
        value = json.loads(answer.content)
    except ValueError:
        value = None
    return _parsed(into, value, answer.status)


def _parsed(into: type[T], value: Any, status: int) -> T:
    try:
        return read(into, value)
    except ValueError as error:
        raise ServiceError(status, f"the service's answer cannot be read ({error}): is it a gymspotter?") from error


def _problem(answer: Answer) -> ServiceError:
    """The error of a problem document (RFC 9457), or of whatever a proxy answered."""
    try:
        detail = str(json.loads(answer.content)["detail"])
    except (ValueError, KeyError, TypeError):
        detail = f"the service answered {answer.status}."
    return ServiceError(answer.status, detail)

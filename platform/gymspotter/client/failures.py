"""What a client raises when the service refuses or is not there, and how long it waits before it tries again."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

# No answer came at all: the service is not there, or was lost.
NO_ANSWER = 0
# What may pass by itself, so that it is worth trying again.
PASSING = frozenset({NO_ANSWER, 408, 425, 429, 500, 502, 503, 504})


class ServiceError(Exception):
    """The service refused, failed, or gave no answer.

    ``status`` is HTTP's (422 bad input, 401 token, 413 too large, 429 too much, 503 busy ...), also on a stream;
    `NO_ANSWER` (0) where nothing answered. ``detail`` is the service's own sentence, fit to be shown.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Where a live session has its time (seconds) and its chance (0..1) from: handed in by tests."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random


def backoff(attempt: int, random: Callable[[], float], *, first: float = 0.5, most: float = 8.0) -> float:
    """Seconds to wait after failure number ``attempt`` (from 0): doubled each time, up to ``most``.

    ``random`` gives 0..1: the wait is spread over its upper half, so that clients that were lost together do not come
    back together.
    """
    return float(min(most, first * 2.0 ** min(attempt, 30)) * (0.5 + 0.5 * random()))


def retry_after(header: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks for (a number, or a date compared with ``now``, Unix time); else None."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - now)
    except (ValueError, TypeError):
        return None

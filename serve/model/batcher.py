"""Segments of all sessions and requests on a replica, classified together.

While one forward pass runs, what comes in waits, and as much of it as fits goes into the next one: a pass over 16
segments takes far less than 16 passes over one. A call that comes when nothing runs is run at once. Only where several
callers crowd does the next pass wait a little for company, for about as long as the last one took. Where enough waits
for a pass that costs no more a segment than a fuller one, it is lined up behind those before it, so that the thread
does not stand still until the event loop has handed out its answers.

Shapes: S segments, T frames, J joints, C = 3 coordinates, K classes.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gymspotter.calibration import softmax
from gymspotter.registry import ModelFacts
from gymspotter.skeleton import Floats
from gymspotter.unknown import THRESHOLD, unknown
from serve.metrics import Meter
from serve.model.champion import Loaded

_CROWD = 4  # callers in the last pass and waiting, from which on the next pass waits for company
_ENOUGH = 16  # segments; from here on a fuller pass costs as much a segment
_AT_ONCE = 3  # passes: one that runs and those lined up
_PASSES = 2.0  # how long to wait for company, in times of the last pass
_LONGEST_WAIT = 0.05  # seconds of that, at most
_OVERLOADED_SECONDS = 1.0  # that what waits will take, or has waited for
_OVERLOADED_BATCHES = 64  # or so many full passes, some 50 MB
_USUAL_SECONDS = 0.02  # that a segment may well take; what takes longer is believed step by step
_SMOOTHING = 0.1  # the weight of a pass in what a segment takes
_REMEMBERED = 1000.0  # segments that the share of unknown ones looks back on

Rows = tuple[NDArray[np.float32], NDArray[np.float32]]


class Source(Protocol):
    """Where the batcher takes its model from: a `champion.Champion`, or anything with a ``current``."""

    @property
    def current(self) -> Loaded:
        """What answers now."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What one version says of segments: ``probabilities_SK`` (rows sum to 1) and ``unknown_S`` in 0..1."""

    version: str
    facts: ModelFacts
    probabilities_SK: NDArray[np.float32]
    unknown_S: NDArray[np.float32]


@dataclass(eq=False)
class _Call:
    """A call that waits: how many of its segments were taken into a pass, and the rows so far, all by one model."""

    poses: Floats
    answered: "asyncio.Future[Answers]"
    since: float
    taken: int = 0
    model: Loaded | None = None
    rows: list[Rows] = field(default_factory=list)

    @property
    def left(self) -> int:
        return len(self.poses) - self.taken

    @property
    def complete(self) -> bool:
        return sum(len(part[0]) for part in self.rows) == len(self.poses)


@dataclass(eq=False)
class _Pass:
    """What goes through one model at once: calls, each with the segments of it from first to last."""

    model: Loaded
    shares: list[tuple[_Call, int, int]] = field(default_factory=list)
    size: int = 0

    @property
    def poses(self) -> Floats:
        parts = [call.poses[first:last] for call, first, last in self.shares]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def run(self) -> tuple[Floats, Rows, float]:
        """The poses, their rows, and the seconds that they took; in a thread."""
        began = time.monotonic()
        poses = self.poses
        logits = self.model.logits(poses)
        rows = softmax(logits).astype(np.float32), unknown(logits).astype(np.float32)
        return poses, rows, time.monotonic() - began


Watcher = Callable[[Floats, Answers], None]


class Batcher:
    """Classifies for all on a replica; see the module's docstring. To be called from one event loop at a time."""

    def __init__(self, champion: Source, metrics: Meter, max_batch: int = 64) -> None:
        self.champion, self.metrics, self.max_batch = champion, metrics, max_batch
        self._waiting: deque[_Call] = deque()
        self._depth = 0
        self._last_wait = 0.0
        self._seconds_each = 0.0  # that a segment takes, of late
        self._unknown_share: float | None = None
        self._working: set[asyncio.Task[None]] = set()
        self._company: asyncio.Event | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="forward")
        self._watchers: list[Watcher] = []

    @property
    def depth(self) -> int:
        """Segments that wait for a pass."""
        return self._depth

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return not self._working

    @property
    def overloaded(self) -> bool:
        """Whether so much waits, or waited for so long, that streams had better leave hops out.

        What counts is how long it will take, not how much it is: after a pause of the machine a thousand windows wait
        at once, which a fast model has answered before anybody sees that they were late.
        """
        waiting = time.monotonic() - self._waiting[0].since if self._waiting else 0.0
        waited = self._last_wait if self._depth else 0.0
        return max(waiting, waited) > _OVERLOADED_SECONDS or self.will_take(_OVERLOADED_SECONDS)

    def will_take(self, seconds: float) -> bool:
        """Whether what waits will take longer than that, or is far too much; not whether the machine paused before."""
        return self._depth * self._seconds_each > seconds or self._depth > _OVERLOADED_BATCHES * self.max_batch

    def watch(self, watcher: Watcher) -> None:
        """Have ``watcher`` see the poses and answers of every pass, in the event loop: it must be quick."""
        self._watchers.append(watcher)

    async def classify(self, poses_STJC: Floats) -> Answers:
        """Segments to answers, all of one version; several passes where there are more than ``max_batch``.

        Raises:
            Exception: whatever the model raises; it reaches those alone whose segments were in the same pass.
        """
        if not len(poses_STJC):
            model = self.champion.current
            none = np.empty((0, len(model.facts.classes)), np.float32)
            return _answers(model, (none, np.empty(0, np.float32)))
        loop = asyncio.get_running_loop()
        call = _Call(poses=poses_STJC, answered=loop.create_future(), since=time.monotonic())
        self._waiting.append(call)
        self._depth += call.left
        if self._company is not None:
            if self._depth >= _ENOUGH:
                self._company.set()
        elif not self._working or (len(self._working) < _AT_ONCE and self._depth >= _ENOUGH):
            task = loop.create_task(self._work())
            self._working.add(task)
            # One that is cancelled before it begins does not do so itself.
            task.add_done_callback(self._working.discard)
        return await call.answered

    def close(self) -> None:
        """Run nothing more; what waits is cancelled."""
        for task in self._working:
            task.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _work(self) -> None:
        """Pass after pass: the only one at work until nothing waits, another beside it while enough does."""
        me: Any = asyncio.current_task()
        try:
            while self._depth >= _ENOUGH or self._working == {me}:
                if (now := self._next()) is None:
                    break
                await self._see_through(now)
        finally:
            self._working.discard(me)
            if not self._working:
                for call in self._waiting:  # there are some only where the loop ends before its calls
                    call.answered.cancel()
                self._waiting.clear()
                self._depth = 0

    async def _see_through(self, now: _Pass) -> None:
        """Run a pass, hand out what it says, and wait for what had better go into the next."""
        try:
            poses, rows, seconds = await asyncio.get_running_loop().run_in_executor(self._thread, now.run)
        except Exception as error:
            self._fail(now, error)
            return
        except asyncio.CancelledError:
            for call, *_ in now.shares:
                call.answered.cancel()
            raise
        self._hand_out(now, rows)
        self._measure(now, poses, rows, seconds)
        await self._gather(len(now.shares), seconds)

    def _next(self) -> _Pass | None:
        """What goes into the next pass: calls in their order, of those of one model; None if nothing waits.

        Of a call that does not fit, the rest goes to the end of the queue, so that a large one does not keep others.
        """
        chosen: _Pass | None = None
        later: list[_Call] = []
        room = self.max_batch
        while self._waiting and room:
            call = self._waiting.popleft()
            if call.answered.done():  # cancelled, or failed in an earlier pass
                self._depth -= call.left
                continue
            model = call.model or self.champion.current
            if chosen is None:
                chosen = _Pass(model=model)
                self._last_wait = time.monotonic() - call.since
            elif model is not chosen.model:  # the model was swapped while a long call is on its way
                later.append(call)
                continue
            call.model, first = model, call.taken
            call.taken += min(room, call.left)
            chosen.shares.append((call, first, call.taken))
            room -= call.taken - first
            if call.left:
                self._waiting.append(call)
        self._waiting.extendleft(reversed(later))
        if chosen is not None:
            chosen.size = self.max_batch - room
            self._depth -= chosen.size
        return chosen

    def _hand_out(self, done: _Pass, rows: Rows) -> None:
        for (call, *_), part in zip(done.shares, _split(done, rows), strict=True):
            call.rows.append(part)
            if call.complete and not call.answered.done():
                call.answered.set_result(_answers(done.model, _joined(call.rows)))

    def _fail(self, failed: _Pass, error: Exception) -> None:
        for call, *_ in failed.shares:
            if not call.answered.done():
                call.answered.set_exception(error)

    def _measure(self, done: _Pass, poses: Floats, rows: Rows, seconds: float) -> None:
        self.metrics.batch(done.size, seconds)
        # A segment of a small pass takes up to twice as long as one of a full pass: rather too much than too little.
        # But one that the machine paused in tells nothing of the next.
        each = min(seconds / done.size, max(2 * self._seconds_each, _USUAL_SECONDS))
        self._seconds_each += _SMOOTHING * (each - self._seconds_each)
        share, weight = float((rows[1] > THRESHOLD).mean()), min(1.0, done.size / _REMEMBERED)
        before = share if self._unknown_share is None else self._unknown_share
        self._unknown_share = before + weight * (share - before)
        self.metrics.unknown(self._unknown_share)
        answers = _answers(done.model, rows)
        for watcher in self._watchers:
            with suppress(Exception):  # whoever looks on must not stop the work
                watcher(poses, answers)

    async def _gather(self, callers: int, seconds: float) -> None:
        """Before the next pass: let those who were just answered run, and where callers crowd, wait for company."""
        await asyncio.sleep(0)
        if not 0 < self._depth < _ENOUGH or callers + len(self._waiting) < _CROWD or len(self._working) > 1:
            return
        self._company = asyncio.Event()
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._company.wait(), min(_PASSES * seconds, _LONGEST_WAIT))
        finally:
            self._company = None


def _split(done: _Pass, rows: Rows) -> Iterator[Rows]:
    """The rows of a pass, by call."""
    at = 0
    for _, first, last in done.shares:
        yield rows[0][at : at + last - first], rows[1][at : at + last - first]
        at += last - first


def _joined(parts: list[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _answers(model: Loaded, rows: Rows) -> Answers:
    return Answers(version=model.version, facts=model.facts, probabilities_SK=rows[0], unknown_S=rows[1])

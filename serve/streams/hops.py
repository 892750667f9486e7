"""Windows of sessions to answers, and what comes of them to the clients.

Each session has at most one task at a time, which lives as long as windows are due: its answers stay in order, and
reading never waits for the model.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from gymspotter.stream.events import Event, Label, Notice, as_message
from gymspotter.stream.session import Answer, Window
from serve.streams.backend import StreamBackend
from serve.streams.sessions import Held, told_of

_log = logging.getLogger(__name__)

# So many windows may wait in one session: those of all frames that are sent again after a resume at the shortest hop.
PENDING = 256
_AT_ONCE = 16
_NOTICE_SECONDS = 1.0
BEHIND = "the service has too much to do: some windows were not classified."

encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Hops:
    """Works through the due windows of all sessions."""

    def __init__(self, backend: StreamBackend, clock: Callable[[], float]) -> None:
        self._backend = backend
        self._clock = clock

    def due(self, held: Held, came: float) -> None:
        """Take up what fell due with the message that came at ``came``."""
        for window in held.session.due():
            held.pending.append((window, came))
        while len(held.pending) > PENDING:
            window, came = held.pending.popleft()
            self.tell(held, "behind", BEHIND)
            self.deliver(held, held.session.answer(window, None), came)
        if held.pending and held.work is None:
            held.work = asyncio.create_task(self._work(held))

    async def drain(self, held: Held) -> None:
        """Wait until all that is due has been answered."""
        while held.work is not None:
            await asyncio.shield(held.work)

    def deliver(self, held: Held, events: Iterable[Event], came: float | None = None) -> None:
        """Queue events for the client, and remember those that count for one that misses them."""
        metrics, outlet = self._backend.metrics, held.outlet
        for event in events:
            if type(event) is Notice:
                self.tell(held, event.code, event.text, event.count)
                continue
            message = as_message(event)
            kind = message["type"]
            sent = None
            if type(event) is Label:
                message["saved"] = self._saved(held)
                if came is not None:
                    sent = partial(self._sent, event.exercise or event.state, came)
            else:
                metrics.event(kind)
            text = encode(message)
            if "seq" in message:
                held.recent.append((message["seq"], text))
            if outlet is not None:
                outlet.put(kind, text, sent)
        held.changed = True

    def tell(self, held: Held, code: str, text: str, count: int = 1) -> None:
        """Queue a notice, at most one of a code a second; what came between is counted in the next one."""
        now = self._clock()
        last, before = held.notices.get(code, (-_NOTICE_SECONDS, 0))
        count += before
        if now - last < _NOTICE_SECONDS:
            held.notices[code] = (last, count)
            return
        held.notices[code] = (now, 0)
        self._backend.metrics.notice(code)
        if held.outlet is not None:
            held.outlet.put("notice", encode(as_message(Notice(code=code, text=text, count=count))))

    def _saved(self, held: Held) -> float | None:
        received = held.session.received
        if self._backend.keeper is None or received is None:
            return received  # where no copies are kept, no frame that was received helps a resume
        # Later than the last frame: it is of a clock that has jumped since.
        return None if held.saved is None or held.saved > received else held.saved

    def _sent(self, exercise: str, came: float) -> None:
        self._backend.metrics.label(exercise, self._clock() - came)

    async def _work(self, held: Held) -> None:
        try:
            while held.pending:
                batch = [held.pending.popleft() for _ in range(min(_AT_ONCE, len(held.pending)))]
                answers = await self._ask(held, [window for window, _ in batch])
                for (window, came), answer in zip(batch, answers, strict=True):
                    self.deliver(held, held.session.answer(window, answer), came)
                if held.pending and held.outlet is not None:
                    held.outlet.flush_soon()
        except Exception:
            _log.exception("a session failed", extra=told_of(held))
            held.pending.clear()
        finally:
            held.work = None
        if held.outlet is not None:
            await held.outlet.flush()

    async def _ask(self, held: Held, windows: list[Window]) -> list[Answer | None]:
        """The model's answer to each window that shows a person; None where it cannot be asked."""
        nothing: list[Answer | None] = [None] * len(windows)
        poses = [window.poses_TJC for window in windows if window.poses_TJC is not None]
        if not poses:
            return nothing
        batcher = self._backend.batcher
        if batcher.overloaded:
            self.tell(held, "behind", BEHIND, len(poses))
            return nothing
        try:
            answers = await batcher.classify(np.stack(poses) if len(poses) > 1 else poses[0][None])
        except Exception:
            _log.exception("the windows of a session could not be classified", extra=told_of(held))
            self.tell(held, "behind", BEHIND, len(poses))
            return nothing
        if held.version is not None and held.version != answers.version:
            self.tell(held, "model", f"version {answers.version} of the model answers from now on.")
        held.version = answers.version
        rows = zip(answers.probabilities_SK, answers.unknown_S.tolist(), strict=True)
        every = [Answer(probabilities_K=row, unknown=unknown, version=answers.version) for row, unknown in rows]
        left = iter(every)
        return [None if window.poses_TJC is None else next(left) for window in windows]

"""Copies of the sessions to where they outlive the replica, and the end of sessions that are too old or too silent.

One task does both, as long as there are sessions. It works in slices of a few milliseconds, because it shares its loop
with all labels.
"""

import asyncio
import logging
import math
import pickle
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from gymspotter.stream.session import Session
from serve.access.tokens import Client
from serve.streams.backend import StreamBackend
from serve.streams.sessions import Held, key_of

_log = logging.getLogger(__name__)

IDLE, RESUMED_ELSEWHERE, TOO_LONG = 4408, 4409, 4413
ELSEWHERE = "the session was resumed by another connection."
_SLICES = 16  # of one round of copies
_SLICE_SECONDS = 0.003
_BETWEEN_SECONDS = 0.01
_SWEEP_SECONDS = 1.0
_RECENT = 32  # messages in a copy; what a client missed is a second's worth


class Copying:
    """Copies of this replica's sessions; ``backend.keeper`` None: there are none, and only sweeping is done."""

    def __init__(self, backend: StreamBackend, clock: Callable[[], float]) -> None:
        self._backend = backend
        self._clock = clock
        self._period = backend.settings.copy_seconds
        self._round: deque[Held] = deque()
        self._per_slice = 1
        self._busy = False
        self._late = False  # the last slice was too short for what it had to do
        self._at_once: dict[str, Held] = {}  # of lost connections, before all others
        self._dropped: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """See that the task runs: call it when a session begins."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    def at_once(self, held: Held) -> None:
        """Copy a session now: its connection is lost."""
        if self._backend.keeper is not None:
            self._at_once[held.secret] = held
            self._wake.set()

    def drop(self, held: Held) -> None:
        """Its copy is of no use any more: the session has ended."""
        if self._backend.keeper is not None:
            self._dropped[held.key] = held.generation
            self._wake.set()

    async def idle(self) -> None:
        """Wait until nothing is left that is to be copied at once."""
        while self._at_once or self._dropped or self._busy:
            self.start()
            await asyncio.sleep(0.01)

    async def take_over(self, secret: str, client: Client) -> tuple[Held | None, int]:
        """Restore a session from its copy, if that is newer than what this replica has of it.

        Returns:
            The session, open and held, or None; and the generation that this resume has (0: no copy is kept).

        Raises:
            Refused: the client or the replica has too many sessions.
        """
        if self._backend.keeper is None:
            return None, 0
        try:
            taken = await self._backend.keeper.take(key_of(secret))
        except Exception as error:  # whatever Ray raises: this replica may have the session itself
            _log.warning("copies of sessions cannot be read: %r", error)
            return None, 0
        if taken is None:
            return None, 0
        generation, content = taken
        local = self._backend.sessions.find(secret, client)
        if local is not None and local.generation >= generation - 1:
            return None, generation
        try:
            # Written by `_pack` of a replica of this service, and kept by its keeper.
            copy: dict[str, Any] = pickle.loads(content)
            session = Session.restore(copy["config"], copy["session"])
        except Exception:  # of another release of this service
            _log.exception("a copy of a session cannot be read")
            return None, generation
        if copy["client"] != client.name:
            return None, 0
        if local is not None:
            self.lose(local)
        held = self._backend.sessions.open(
            client, session, copy["config"], id=copy["id"], secret=secret, age=copy["age"], generation=generation
        )
        held.version, held.athlete, held.saved = copy["version"], copy["athlete"], session.received
        held.recent.extend(copy["recent"])
        return held, generation

    def lose(self, held: Held) -> None:
        """Another connection has the session, on this or on another replica: let go of it here."""
        if held.outlet is not None:
            held.outlet.stop(RESUMED_ELSEWHERE, ELSEWHERE)
        self._backend.sessions.forget(held)

    async def _run(self) -> None:
        sessions = self._backend.sessions
        next_sweep = next_round = -math.inf
        while sessions.open_count or sessions.parked_count or self._at_once or self._dropped:
            try:
                now = self._clock()
                if now >= next_sweep:
                    next_sweep = now + _SWEEP_SECONDS
                    self._sweep(now)
                if self._backend.keeper is not None:
                    if now >= next_round and not self._round:
                        next_round = now + self._period
                        self._round = deque(held for held in sessions.all_held() if held.changed)
                        self._per_slice = math.ceil(len(self._round) / _SLICES)
                    self._busy = True
                    await self._copy()
            except Exception:
                _log.exception("sessions could not be copied")
            finally:
                self._busy = False
            self._wake.clear()
            if self._dropped or self._at_once or self._late:
                await asyncio.sleep(_BETWEEN_SECONDS)
            else:
                await self._pause(min(self._period / _SLICES, _SWEEP_SECONDS))

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _sweep(self, now: float) -> None:
        settings = self._backend.settings
        for held in self._backend.sessions.all_open():
            if held.outlet is None:
                continue
            if now - held.opened > settings.session_seconds:
                held.outlet.stop(TOO_LONG, f"the session is older than {settings.session_seconds:g} s: begin another.")
            elif now - held.last_heard > settings.idle_seconds:
                held.outlet.stop(IDLE, f"nothing was sent for {settings.idle_seconds:g} s: resume to go on.")
        for held in self._backend.sessions.expire():
            self.drop(held)

    async def _copy(self) -> None:
        """One slice: what is dropped, what is to be copied at once, and a part of the round."""
        keeper, sessions = self._backend.keeper, self._backend.sessions
        assert keeper is not None
        if self._dropped:
            dropped, self._dropped = self._dropped, {}
            await keeper.drop(dropped)
        began = time.perf_counter()
        copies: dict[str, tuple[int, bytes]] = {}
        copied: list[tuple[Held, float | None]] = []
        urgent, self._at_once = self._at_once, {}
        due = deque(urgent.values())
        for _ in range(min(self._per_slice, len(self._round))):
            due.append(self._round.popleft())
        while due and time.perf_counter() - began < _SLICE_SECONDS:
            held = due.popleft()
            if not sessions.holds(held) or held.key in copies:
                continue
            held.changed = False
            copies[held.key] = (held.generation, self._pack(held))
            copied.append((held, held.session.received))
        for held in due:
            if held.secret in urgent:
                self._at_once.setdefault(held.secret, held)
            else:
                self._round.append(held)
        self._late = bool(due)
        if copies:
            await self._put(copies, copied)

    async def _put(self, copies: dict[str, tuple[int, bytes]], copied: list[tuple[Held, float | None]]) -> None:
        assert self._backend.keeper is not None
        try:
            superseded = set(await self._backend.keeper.put(copies))
        except Exception as error:  # whatever Ray raises: the next round tries again
            _log.warning("copies of %d sessions cannot be written: %r", len(copies), error)
            for held, _ in copied:
                held.changed = True
            return
        for held, received in copied:
            if held.key in superseded:
                self.lose(held)
            else:
                held.saved = received

    def _pack(self, held: Held) -> bytes:
        copy = {
            "client": held.client,
            "id": held.id,
            "age": self._clock() - held.opened,
            "version": held.version,
            "athlete": held.athlete,
            "recent": list(held.recent)[-_RECENT:],
            "config": held.config,
            "session": held.session.snapshot(),
        }
        return pickle.dumps(copy, protocol=5)

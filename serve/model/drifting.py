"""Watches whether what is classified still looks like what the model was trained on (`gymspotter.drift`).

A few segments a second are noted as they pass; a thread makes features of them and sets the gauges. A model that was
registered without a reference is not watched.
"""

import logging
import threading
import time
from collections import deque
from typing import Any

from gymspotter.drift import Reference, Watch
from gymspotter.errors import InputError
from gymspotter.skeleton import Floats
from serve.metrics import Meter

logger = logging.getLogger(__name__)
_A_SECOND = 20  # segments that are noted, at most
_GAUGES_EVERY = 10.0  # seconds


class Drifting:
    """Sees the passes of a batcher; costs next to nothing there."""

    def __init__(self, metrics: Meter, *, window: int = 1000, every: float = _GAUGES_EVERY) -> None:
        self.metrics, self.window, self.every = metrics, window, every
        self._noted: deque[Floats] = deque(maxlen=10 * _A_SECOND)
        self._facts: Any = None
        self._watch: Watch | None = None
        self._allowed, self._at = float(_A_SECOND), time.monotonic()
        self._due = self._at  # when the gauges are set next; at once where another model answers
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def see(self, poses_STJC: Floats, answers: Any) -> None:
        """Note some of the segments of a pass, whose ``answers`` name the model's facts."""
        if answers.facts is not self._facts:
            self._begin(answers.facts)
        if self._watch is None:
            return
        now = time.monotonic()
        self._allowed = min(self._allowed + (now - self._at) * _A_SECOND, _A_SECOND)
        self._at = now
        if self._allowed < 1:
            return
        stride = -(-len(poses_STJC) // int(self._allowed))
        some = poses_STJC[::stride].copy()
        self._allowed -= len(some)
        self._noted.append(some)

    def update(self) -> None:
        """Take in what was noted."""
        with self._lock:
            while self._noted and self._watch is not None:
                self._watch.add(self._noted.popleft())

    def report(self) -> dict[str, float]:
        """Set the gauges; what they are set to (nothing while too few segments were seen)."""
        self.update()
        with self._lock:
            found = self._watch.psi() if self._watch is not None else {}
            self.metrics.drift(found)
        return found

    def close(self) -> None:
        """End the thread."""
        self._ended.set()

    def _begin(self, facts: Any) -> None:
        """Another model answers: it has another reference, or none. What was seen stays seen."""
        reference = None
        if facts.reference is not None:
            try:
                reference = Reference.from_dict(facts.reference)
            except InputError as error:
                logger.warning("drift is not watched: %s", error)
        with self._lock:
            self._facts = facts
            if reference is None:
                self._watch = None
                self._noted.clear()
            elif self._watch is None:
                self._watch = Watch(reference, self.window)
            else:
                self._watch.reference = reference
            self._due = time.monotonic()
            self.metrics.drift({})  # those of the model before
        if reference is not None and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="drift", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(min(1.0, self.every)):
            self.update()
            if (now := time.monotonic()) >= self._due:
                self._due = now + self.every
                self.report()

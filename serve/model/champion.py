"""The model that answers, and how it follows its alias in the registry without stopping to answer (docs/hot_swap.md).

A thread looks the alias up every few seconds. A version that is new there is loaded aside, must fit the service and
give its golden answers, and is run on batches of several sizes; then it takes the place of the old one by one
assignment. Whoever has the old one in hand goes on with it. What cannot be used is refused, and the old one stays.
The version before is kept in memory: the swap that is in a hurry is a rollback.
"""

import gc
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray

from gymspotter import registry, tracking
from gymspotter.aliases import version_at
from gymspotter.errors import InputError
from gymspotter.gate import refuse_unfit
from gymspotter.golden import TOLERANCE, golden_gap
from gymspotter.registry import ModelFacts
from gymspotter.skeleton import CANONICAL, Floats
from serve.metrics import Meter
from serve.model import compiled
from serve.settings import AppSettings

logger = logging.getLogger(__name__)
_AGAIN_SECONDS = 60.0  # a version that could not be read is tried again after so long: its files' store may be back


@dataclass(frozen=True, kw_only=True, eq=False)
class Loaded:
    """A version that is ready to answer: ``logits`` maps poses [S, T, J, 3] float32 (NaN allowed) to [S, K]."""

    version: str
    facts: ModelFacts
    logits: Callable[[Floats], NDArray[np.float32]]
    runtime: str = "eager"


def prepare(version: str, max_batch: int = 64) -> Loaded:
    """Load a version, and see that it can serve.

    Raises:
        InputError: it cannot be loaded, does not fit the service, or does not give its golden answers.
    """
    registered = registry.load(version)
    refuse_unfit(registered)
    facts = registered.facts
    logits, runtime = compiled.fast(registered.module, facts.frames)
    if facts.golden is not None:
        gap = golden_gap(facts.golden, logits, facts.frames)
        if not gap <= TOLERANCE:
            raise InputError(
                f"version {version} of {registry.MODEL_NAME} does not give its golden answers (off by {gap:g}): "
                "its files are not those that were registered, so train or register it again."
            )
    size = 1
    while size < 2 * max_batch:
        logits(np.zeros((min(size, max_batch), facts.frames, len(CANONICAL.joints), 3), np.float32))
        size *= 2
    return Loaded(version=version, facts=facts, logits=logits, runtime=runtime)


class Champion:
    """The version that answers (`current`), following ``which`` if that is an alias."""

    def __init__(
        self,
        first: Loaded,
        which: str,
        *,
        poll_seconds: float = 5.0,
        max_batch: int = 64,
        metrics: Meter | None = None,
    ) -> None:
        self.current = first
        self.which, self.metrics = which, metrics
        self._poll_seconds, self._max_batch = poll_seconds, max_batch
        self._before: Loaded | None = None
        self._since = time.time()
        self._swaps = 0
        self._refused: tuple[str, str] | None = None  # version and why
        self._again_at: float | None = None
        self._trouble = ""
        self._listeners: list[Callable[[Loaded], None]] = []
        self._ended = threading.Event()
        self._polling = threading.Lock()
        self._thread: threading.Thread | None = None
        if metrics:
            metrics.version(first.version)

    @classmethod
    def load(cls, settings: AppSettings, metrics: Meter | None = None) -> "Champion":
        """The version at ``settings.model``; `start` makes it follow.

        Raises:
            InputError: the store cannot be used, or the version cannot serve.
        """
        tracking.use_store(settings.tracking_uri)
        try:
            version = version_at(settings.model)
        except MlflowException as error:
            raise InputError(
                f"registry cannot be used ({tracking.reason(error)}): check MLFLOW_TRACKING_URI and the server."
            ) from error
        first = prepare(version, settings.max_batch)
        return cls(
            first,
            settings.model,
            poll_seconds=settings.poll_seconds,
            max_batch=settings.max_batch,
            metrics=metrics,
        )

    @property
    def follows(self) -> bool:
        """Whether it can change: a version number never does."""
        return not self.which.isdigit()

    def on_swap(self, listener: Callable[[Loaded], None]) -> None:
        """Have ``listener`` called with what answers from now on, after each swap, from the following thread."""
        self._listeners.append(listener)

    def start(self) -> None:
        """Follow the alias in a thread, until `stop`."""
        if self.follows and self._thread is None:
            self._thread = threading.Thread(target=self._follow, name=f"follow {self.which}", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Follow no more; `current` goes on answering."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=2)  # it may be waiting for a registry that does not answer; it is a daemon

    def status(self) -> dict[str, Any]:
        """What answers since when, what was refused and why, and what is wrong with the registry ("" if nothing)."""
        refused, current = self._refused, self.current
        return {
            "model": self.which,
            "version": current.version,
            "runtime": current.runtime,
            "since": self._since,
            "swaps": self._swaps,
            "follows": self.follows,
            "refused": {"version": refused[0], "why": refused[1]} if refused else None,
            "registry": self._trouble,
        }

    def poll(self) -> bool:
        """Look the alias up once and swap if it has moved; whether it was. Never raises."""
        with self._polling:
            try:
                version = version_at(self.which)
            except Exception as error:  # whatever it is, the old one goes on answering, and the thread too
                self._unreachable(error)
                return False
            if self._trouble:
                logger.info("the registry answers again")
                self._trouble = ""
            if self._refused and version != self._refused[0]:
                self._refused = self._again_at = None
            if version == self.current.version or not self._due(version):
                return False
            return self._swap(version)

    def _due(self, version: str) -> bool:
        """Whether a version that was refused before, if it was, is to be tried again."""
        if not self._refused or self._refused[0] != version:
            return True
        return self._again_at is not None and time.monotonic() >= self._again_at

    def _swap(self, version: str) -> bool:
        began = time.monotonic()
        back = self._before if self._before and self._before.version == version else None
        try:
            loaded = back or prepare(version, self._max_batch)
        except Exception as error:
            self._refuse(version, error)
            return False
        self._before, self.current = self.current, loaded  # the swap itself: one reference
        gc.collect()  # the exported program is full of cycles, which hold its weights
        self._refused = self._again_at = None
        self._since, self._swaps = time.time(), self._swaps + 1
        logger.info(
            "version %s answers instead of %s (%s, ready in %.1f s)",
            version, self._before.version, loaded.runtime, time.monotonic() - began,
        )  # fmt: skip
        if self.metrics:
            self.metrics.swap("swapped")
            self.metrics.version(version)
        for listener in self._listeners:
            try:
                listener(loaded)
            except Exception:
                logger.exception("a listener failed after the swap to version %s", version)
        return True

    def _refuse(self, version: str, error: Exception) -> None:
        why = str(error) or type(error).__name__
        first = self._refused is None
        self._refused = (version, why)
        # What was read and is wrong stays wrong; what could not be read may have been the store's fault.
        unread = not isinstance(error, InputError) or isinstance(error, registry.UnreadError)
        self._again_at = time.monotonic() + _AGAIN_SECONDS if unread else None
        if first:
            logger.error("version %s is refused, %s goes on answering: %s", version, self.current.version, why)
            if self.metrics:
                self.metrics.swap("refused")

    def _unreachable(self, error: Exception) -> None:
        trouble = str(error) if isinstance(error, InputError) else tracking.reason(error)
        if not self._trouble:
            logger.warning(
                "alias %s cannot be looked up, %s goes on answering: %s", self.which, self.current.version, trouble
            )
            if self.metrics:
                self.metrics.swap("unreachable")
        self._trouble = trouble

    def _follow(self) -> None:
        while not self._ended.wait(self._poll_seconds):
            self.poll()

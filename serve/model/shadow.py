"""The challenger in the champion's shadow: it answers a share of what is asked too, and nobody hears of it.

How often the two agree is logged to MLflow (docs/hot_swap.md). It runs in a thread of its own, only while nothing else
is to be classified, and lets go of what it cannot keep up with. Nothing of it blocks or fails the service.
"""

import logging
import os
import queue
import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mlflow
import numpy as np
from mlflow.entities import Metric

from gymspotter.calibration import softmax
from gymspotter.errors import InputError
from gymspotter.skeleton import Floats
from gymspotter.tracking import Store, reason, use_store
from gymspotter.unknown import THRESHOLD, unknown
from serve.metrics import Meter
from serve.model.champion import Champion
from serve.settings import AppSettings

logger = logging.getLogger(__name__)
EXPERIMENT = "gymspotter-serving"
_WAITING = 64  # passes' shares that wait for the challenger; more are dropped
_AT_ONCE = 8  # segments in one pass of the challenger, so that it is soon out of the way
_LOG_SECONDS = 60.0
_PAUSE = 0.02  # seconds between two looks at whether the batcher is idle


@dataclass
class Agreement:
    """How far two versions agree so far, over so many segments; some more were dropped.

    ``same`` segments got the same exercise, ``same_unknown`` were known to both or unknown to both; ``gap`` sums the
    differences between the probabilities that the two gave the champion's answer.
    """

    champion: str
    challenger: str
    segments: int = 0
    same: int = 0
    same_unknown: int = 0
    gap: float = 0.0
    dropped: int = 0

    def summary(self) -> dict[str, float]:
        """For MLflow: shares of the segments, and counts."""
        of = max(self.segments, 1)
        return {
            "agreement": self.same / of,
            "unknown_agreement": self.same_unknown / of,
            "probability_gap": self.gap / of,
            "segments": float(self.segments),
            "dropped": float(self.dropped),
        }


class Shadow:
    """Hand it what was answered (`offer`); ``idle`` says whether the batcher has nothing to do."""

    def __init__(
        self,
        settings: AppSettings,
        metrics: Meter,
        *,
        idle: Callable[[], bool] = lambda: True,
        log_seconds: float = _LOG_SECONDS,
        seed: int | None = None,
    ) -> None:
        self.settings, self.metrics, self._idle, self._log_seconds = settings, metrics, idle, log_seconds
        self._random = random.Random(seed)
        self._waiting: queue.Queue[tuple[Floats, Any]] = queue.Queue(_WAITING)
        self._dropped = 0
        self._challenger: Champion | None = None
        self._agreement: Agreement | None = None
        self._store: Store | None = None
        self._run_id = ""
        self._logged = 0
        self._poll_at = 0.0
        self._log_at = time.monotonic() + log_seconds
        self._trouble = ""
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def offer(self, poses_STJC: Floats, answers: Any) -> None:
        """Perhaps have the challenger answer these segments too: cheap, never blocks, never raises."""
        if self._thread is None or self._ended.is_set():
            return
        chosen = [k for k in range(len(poses_STJC)) if self._random.random() < self.settings.shadow]
        if not chosen:
            return
        try:
            self._waiting.put_nowait((poses_STJC[chosen], _rows(answers, chosen)))
        except queue.Full:
            self._dropped += len(chosen)

    def start(self) -> None:
        """Begin; the challenger is loaded in the thread, and may well not be there yet."""
        if self._thread is None and self.settings.shadow > 0:
            self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)
            self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Log what was not yet logged, and end; a store that does not answer is waited for no longer than that."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout)

    @property
    def agreement(self) -> Agreement | None:
        """Of the present two versions; None before the first segment."""
        return self._agreement

    def _work(self) -> None:
        while not self._ended.is_set():
            try:
                self._step()
            except Exception as error:  # it must not end the thread, whatever it is
                self._complain("a shadowed segment failed", error)
                self._ended.wait(_PAUSE)
        self._log(last=True)

    def _step(self) -> None:
        now = time.monotonic()
        if now >= self._poll_at:
            self._poll_at = now + self.settings.poll_seconds
            self._follow()
        if now >= self._log_at:
            self._log_at = now + self._log_seconds
            self._log()
        try:
            poses, (version, champion_SK, unknown_S) = self._waiting.get(timeout=0.2)
        except queue.Empty:
            return
        if self._challenger is None or self._challenger.current.version == version:
            return
        model = self._challenger.current
        for first in range(0, len(poses), _AT_ONCE):
            while not self._idle():
                if self._ended.wait(_PAUSE):
                    return
            some = slice(first, first + _AT_ONCE)
            self._compare(version, model.version, champion_SK[some], unknown_S[some], model.logits(poses[some]))

    def _compare(self, champion: str, challenger: str, one_SK: Any, unknown_S: Any, logits_SK: Any) -> None:
        found = self._agreement
        if found is None or (found.champion, found.challenger) != (champion, challenger):
            self._log(last=True)
            found = self._agreement = Agreement(champion=champion, challenger=challenger)
        other_SK = softmax(logits_SK)
        rows, best = np.arange(len(one_SK)), one_SK.argmax(axis=1)
        found.segments += len(rows)
        found.same += int((best == other_SK.argmax(axis=1)).sum())
        found.same_unknown += int(((unknown_S > THRESHOLD) == (unknown(logits_SK) > THRESHOLD)).sum())
        found.gap += float(np.abs(one_SK[rows, best] - other_SK[rows, best]).sum())
        dropped, self._dropped = self._dropped, 0
        found.dropped += dropped
        self.metrics.shadow(found.same / found.segments)

    def _follow(self) -> None:
        if self._challenger is not None:
            self._challenger.poll()
            return
        try:
            self._store = use_store(self.settings.tracking_uri)
            self._challenger = Champion.load(self.settings.model_copy(update={"model": self.settings.challenger}))
        except InputError as error:
            self._complain("the challenger cannot be loaded", error)

    def _log(self, *, last: bool = False) -> None:
        """Log the agreement, if there is anything new; with ``last`` its run is ended."""
        found = self._agreement
        if found is None or self._store is None:
            return
        try:
            client = self._store.client()
            if found.segments > self._logged:
                self._run_id = self._run_id or _begin(client, found)
                stamp = int(time.time() * 1000)
                metrics = [Metric(name, value, stamp, found.segments) for name, value in found.summary().items()]
                client.log_batch(self._run_id, metrics=metrics)
                self._logged = found.segments
            if last and self._run_id:
                client.set_terminated(self._run_id)
            self._trouble = ""
        except Exception as error:
            self._complain("the agreement cannot be logged", error)
        if last:
            self._run_id, self._logged, self._agreement = "", 0, None

    def _complain(self, what: str, error: Exception) -> None:
        """Once, and not each time."""
        trouble = f"{what}: {error if isinstance(error, InputError) else reason(error)}"
        if trouble != self._trouble:
            logger.warning("shadow: %s", trouble)
        self._trouble = trouble


def _rows(answers: Any, chosen: list[int]) -> tuple[str, Any, Any]:
    return answers.version, answers.probabilities_SK[chosen], answers.unknown_S[chosen]


def _begin(client: mlflow.MlflowClient, found: Agreement) -> str:
    """A new run for two versions on this replica."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    experiment_id = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT)
    run = client.create_run(
        experiment_id,
        run_name=f"shadow {found.champion} {found.challenger}",
        tags={
            "champion": found.champion,
            "challenger": found.challenger,
            "replica": f"{socket.gethostname()}/{os.getpid()}",
        },
    )
    return str(run.info.run_id)

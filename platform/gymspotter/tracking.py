"""Runs in MLflow: where the store is, what a process on another machine needs to reach it, and runs written by workers.

A worker writes its run with a client of its own and never through MLflow's global state, so several may write at once
and a run may be the child of one that another process began. A run is known by a key: a trial that is started again
goes on in the run that it had.
"""

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import sqlalchemy
from matplotlib.figure import Figure
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.db.db_types import DATABASE_ENGINES
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from mlflow.utils.validation import (
    MAX_METRICS_PER_BATCH,
    MAX_PARAM_VAL_LENGTH,
    MAX_PARAMS_TAGS_PER_BATCH,
    MAX_TAG_VAL_LENGTH,
)
from sqlalchemy.engine import make_url

from gymspotter.errors import InputError
from gymspotter.fit import Epoch
from gymspotter.provenance import environment
from gymspotter.submitted import as_a_job

_log = logging.getLogger(__name__)

DEFAULT_TRACKING_URI = "sqlite:///mlflow.db"
KEY = "key"
_CARRIED = ("MLFLOW_TRACKING_", "MLFLOW_S3_", "MLFLOW_HTTP_", "AWS_", "AZURE_STORAGE_", "GOOGLE_")
_PAUSE = 15.0  # seconds without a try after a store did not answer
_PATIENCE = 60.0  # seconds for which what must be written now is tried again
_MOST_UNSENT = 20_000
_TEMPORARY = {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"}
_METRICS = {"train_loss": "loss", "validation_macro_f1": "validation_f1", "validation_loss": "validation_loss"}


@dataclass(frozen=True, kw_only=True, repr=False)
class Store:
    """MLflow's store, as a process on another machine needs it: passed to workers, who call `apply` first.

    ``uri`` may hold a password and ``environment`` does (the driver's MLFLOW_TRACKING_*, AWS_* and their like); neither
    is shown.
    """

    uri: str
    environment: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Store(uri={shown(self.uri)!r}, environment={sorted(self.environment)})"

    def apply(self) -> None:
        """Give this process what its own environment lacks of the driver's; to be called before MLflow is used."""
        for name, value in self.environment.items():
            if not value.startswith("/") or os.path.exists(value):  # a file of the driver's machine need not be here
                os.environ.setdefault(name, value)

    def client(self) -> mlflow.MlflowClient:
        """A client of the store, for this process."""
        self.apply()
        return mlflow.MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)


def use_store(tracking_uri: str | None = None, *, existing: bool = False) -> Store:
    """Point MLflow at a store: the argument, else MLFLOW_TRACKING_URI, else a SQLite file in the current folder.

    Args:
        tracking_uri: a server's URL or a database's; a relative SQLite path becomes a whole one.
        existing: refuse a SQLite file that is not there, which would be made otherwise.

    Raises:
        InputError: the store does not answer, which takes some 15 seconds to know, or it cannot be used.
    """
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of every table that it creates
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    if not uri and as_a_job():
        raise InputError(
            "tracking-uri is not given, and a job's own folder goes with it: name a server, or set MLFLOW_TRACKING_URI "
            "on the cluster's nodes."
        )
    uri = uri or DEFAULT_TRACKING_URI
    if uri.startswith("sqlite:"):
        uri = _absolute(uri, existing)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        if re.split(r"[+:]", uri)[0] in DATABASE_ENGINES:
            _connect(uri)
        _ask()
    except (MlflowException, sqlalchemy.exc.SQLAlchemyError, ImportError, OSError) as error:
        trouble = "does not answer" if silent(error) else f"cannot be used ({reason(error)})"
        raise InputError(
            f"tracking store {shown(uri)!r} {trouble}: check MLFLOW_TRACKING_URI, and that its server is running."
        ) from error
    carried = {name: value for name, value in os.environ.items() if name.startswith(_CARRIED)}
    carried.pop("MLFLOW_TRACKING_URI", None)
    return Store(uri=uri, environment=carried)


def await_store(patience: float = 600.0) -> None:
    """Wait for MLflow's store, if it does not answer, for so many seconds: a result that took hours is to be written.

    MLflow's own client would also try again for minutes, but not tell anybody, and sleep for two when it is back.

    Raises:
        InputError: it did not answer in all that time.
    """
    try:
        _patiently(_ask, patience=patience)
    except MlflowException as error:
        if not silent(error):
            raise
        place = shown(mlflow.get_tracking_uri())
        raise InputError(f"tracking store {place!r} has not answered for {patience:g} s: start its server.") from error


def use_experiment(name: str, artifacts: Path | None = None) -> str:
    """Log to the experiment of that name, whose id this is; a new one keeps its files in ``artifacts``, if given."""
    if mlflow.get_experiment_by_name(name) is None:
        mlflow.create_experiment(name, artifact_location=artifacts.resolve().as_uri() if artifacts else None)
    return str(mlflow.set_experiment(name).experiment_id)


@contextmanager
def new_run() -> Iterator[mlflow.ActiveRun]:
    """A new run, MLflow's active one in the block: KILLED if that is interrupted, FAILED by any other error."""
    with mlflow.start_run() as run:
        try:
            yield run
        except (KeyboardInterrupt, SystemExit):
            mlflow.end_run("KILLED")
            raise


def metrics_of(epoch: Epoch) -> dict[str, float]:
    """What an epoch came to, by the names that MLflow has it under."""
    found = {name: getattr(epoch, field) for name, field in _METRICS.items()}
    return {name: value for name, value in found.items() if value is not None}


def silent(error: BaseException) -> bool:
    """Whether it says that the store did not answer, or failed, which may pass."""
    return isinstance(error, MlflowException) and error.error_code in _TEMPORARY


def shown(text: str) -> str:
    """A store's URI, or a text with one in it, without the user and the password that it may hold."""
    return re.sub(r"://[^/\s]*@", "://***@", text)


def reason(error: Exception) -> str:
    """What is wrong with a store, in half a sentence."""
    return shown((str(error).splitlines() or [type(error).__name__])[0])[:200].rstrip(".")


class Run:
    """A run that this process writes, alone of all; ``tags`` and ``status`` are those it had when it was opened.

    What is measured may wait here while the store does not answer; all else is tried for a minute or longer. An
    `MlflowException` says that it was in vain.
    """

    def __init__(self, client: mlflow.MlflowClient, found: mlflow.entities.Run) -> None:
        self.client, self.run_id = client, str(found.info.run_id)
        self.tags: dict[str, str] = dict(found.data.tags)
        self.status = str(found.info.status)
        self._unsent: list[Metric] = []
        self._try_at, self._told = 0.0, False
        self._logged = {epoch.number for epoch in self.epochs()} if found.data.metrics else set()

    @classmethod
    def open(
        cls,
        store: Store,
        *,
        experiment: str,
        name: str,
        key: str,
        parent: str | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> "Run":
        """The run of that ``key`` below ``parent`` (both run ids; without one: on its own), or a new one.

        A run that was there keeps its params and takes on the tags. A new one also gets those of `environment`.

        Args:
            store: where.
            experiment: its id.
            name: what is shown of a new run.
            key: names the run, for good, among those below the parent.
            parent: the run above.
            params: shortened to what MLflow takes, as are the tags.
            tags: beside the key and the parent.
        """
        client = store.client()
        given = {KEY: key, **({MLFLOW_PARENT_RUN_ID: parent} if parent else {}), **(tags or {})}
        found = _patiently(_find, client, experiment, key, parent)
        if found is None:
            given = {**environment(), **given}
            found = _patiently(client.create_run, experiment, tags=_tags(given), run_name=name)
        run_id, had = found.info.run_id, found.data
        new_tags = [RunTag(*tag) for tag in _tags(given).items() if had.tags.get(tag[0]) != tag[1]]
        new_params = [
            Param(name, str(value)[:MAX_PARAM_VAL_LENGTH])
            for name, value in (params or {}).items()
            if name not in had.params
        ]
        for first in range(0, max(len(new_tags), len(new_params)), MAX_PARAMS_TAGS_PER_BATCH):
            some = slice(first, first + MAX_PARAMS_TAGS_PER_BATCH)
            _patiently(client.log_batch, run_id, tags=new_tags[some], params=new_params[some])
        if found.info.status == "KILLED":
            _patiently(client.update_run, run_id, status="RUNNING")
        return cls(client, _patiently(client.get_run, run_id))

    @property
    def finished(self) -> bool:
        """Whether it has come to its end, good or bad; one that was killed has not."""
        return self.status in ("FINISHED", "FAILED")

    def epochs(self) -> list[Epoch]:
        """The epochs that were logged, in their order."""
        found: dict[int, dict[str, float]] = {}
        for metric, name in _METRICS.items():
            for value in _patiently(self.client.get_metric_history, self.run_id, metric):
                found.setdefault(value.step, {})[name] = value.value
        return [Epoch(number=number, **found[number]) for number in sorted(found) if "loss" in found[number]]

    def log_epoch(self, epoch: Epoch, **more: float | None) -> None:
        """What an epoch came to, and ``more``; an epoch that is there already is not logged twice."""
        if epoch.number in self._logged:
            return
        self._logged.add(epoch.number)
        self.log(metrics_of(epoch) | more, step=epoch.number)

    def log(self, metrics: Mapping[str, float | None], step: int = 0) -> None:
        """Metrics; what is None is left out. They wait here while the store does not answer."""
        now = int(time.time() * 1000)
        self._unsent += [Metric(name, float(value), now, step) for name, value in metrics.items() if value is not None]
        if time.monotonic() < self._try_at and len(self._unsent) < _MOST_UNSENT:
            return
        try:
            with _asking_once():
                self._send()
        except MlflowException as error:
            if not silent(error) or len(self._unsent) >= _MOST_UNSENT:
                raise
            self._try_at = time.monotonic() + _PAUSE
            if not self._told:
                _log.warning("the tracking store does not answer. Epochs are kept until it does.")
            self._told = True
        else:
            if self._told:
                _log.warning("the tracking store answers again.")
            self._told = False

    def tag(self, name: str, value: object) -> None:
        """Set a tag."""
        self.tags |= _tags({name: value})
        _patiently(self.client.set_tag, self.run_id, name, self.tags[name])

    def figure(self, figure: Figure, name: str) -> None:
        """Keep a picture in a file of that name."""
        _patiently(self.client.log_figure, self.run_id, figure, name)

    def json(self, content: Any, name: str) -> None:
        """Keep what JSON can say in a file of that name."""
        _patiently(self.client.log_dict, self.run_id, content, name)

    def text(self, content: str, name: str) -> None:
        """Keep a text in a file of that name."""
        _patiently(self.client.log_text, self.run_id, content, name)

    def finish(self, status: str = "FINISHED", error: str = "") -> None:
        """Write what still waits here and end the run: FINISHED, FAILED or KILLED; ``error`` becomes a tag."""
        _patiently(self._send)
        if error:
            self.tag("error", " ".join(error.split()))
        _patiently(self.client.set_terminated, self.run_id, status)
        self.status = status

    def kill(self) -> None:
        """End it, and the runs below it that have not ended, as KILLED, to be gone on with; the store is asked once."""
        below = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{self.run_id}' and attributes.status = 'RUNNING'"
        with suppress(MlflowException), _asking_once():
            experiment = self.client.get_run(self.run_id).info.experiment_id
            for run in self.client.search_runs([experiment], below):
                self.client.set_terminated(run.info.run_id, "KILLED")
            self.client.set_terminated(self.run_id, "KILLED")
            self.status = "KILLED"

    def _send(self) -> None:
        while self._unsent:
            some = self._unsent[:MAX_METRICS_PER_BATCH]
            self.client.log_batch(self.run_id, metrics=some)  # one that comes twice, to the millisecond, is kept once
            del self._unsent[: len(some)]


def _absolute(uri: str, existing: bool) -> str:
    """With the SQLite file's whole path, since workers run in other folders."""
    path = make_url(uri).database
    if not path or path == ":memory:":
        raise InputError(f"tracking store {uri!r} is in memory, where no worker finds it: name a file.")
    if existing and not os.path.exists(path):
        raise InputError(f"tracking store {uri!r} is not there: name the one that was written to.")
    return make_url(uri).set(database=os.path.abspath(path)).render_as_string(hide_password=False)


def _connect(uri: str) -> None:
    """Once, where MLflow would try for minutes."""
    engine = sqlalchemy.create_engine(uri)
    try:
        engine.connect().close()
    finally:
        engine.dispose()


def _find(client: mlflow.MlflowClient, experiment: str, key: str, parent: str | None) -> mlflow.entities.Run | None:
    """The oldest run with the key below the parent."""
    below = f" and tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent}'" if parent else ""
    runs = client.search_runs([experiment], f"tags.{KEY} = '{key}'{below}", order_by=["start_time ASC"])
    return next((run for run in runs if parent or MLFLOW_PARENT_RUN_ID not in run.data.tags), None)


def _tags(tags: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value)[:MAX_TAG_VAL_LENGTH] for name, value in tags.items()}


_ENVIRONMENT_LOCK = threading.Lock()


@contextmanager
def _asking_once() -> Iterator[None]:
    """MLflow gives up on a server after two tries and not after four minutes; it asks the environment for that."""
    hasty = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "6"}
    with _ENVIRONMENT_LOCK:
        before = {name: os.environ.get(name) for name in hasty}
        os.environ.update(hasty)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _ask() -> None:
    with _asking_once():
        mlflow.search_experiments(max_results=1)


def _patiently(call: Callable[..., Any], *args: Any, patience: float | None = None, **named: Any) -> Any:
    """Call again while a store does not answer; MLflow itself does so with a server, but not with a database."""
    patience = _PATIENCE if patience is None else patience
    end, told = time.monotonic() + patience, False
    while True:
        try:
            found = call(*args, **named)
        except MlflowException as error:
            if not silent(error) or time.monotonic() > end:
                raise
            if not told:
                _log.warning("the tracking store does not answer. It is waited for, up to %g s.", patience)
            told = True
            time.sleep(1)
        else:
            if told:
                _log.warning("the tracking store answers again.")
            return found

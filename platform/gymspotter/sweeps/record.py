"""Reads what MLflow holds of a sweep: its own run and, below it, those of trials, finals and winners."""

import math
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import mlflow
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from gymspotter.errors import InputError
from gymspotter.sweeps.results import LOCAL, SweepRecord, SweepRun, Value
from gymspotter.tracking import KEY, Store, reason, shown

_SPACE = "space.yaml"
_KINDS = ("trial", "finalist", "winner")
_NOT_IN_THE_SPACE = ("epochs", "seed")


def read_sweep(store: Store, sweep: str) -> SweepRecord:
    """The sweep of that name or run id; of several with one name the one begun last.

    Raises:
        InputError: there is no such sweep, or the store cannot be used.
    """
    try:
        return _record(store, sweep)
    except MlflowException as error:
        raise InputError(
            f"the tracking store {shown(store.uri)!r} cannot be read ({reason(error)}): check it and its server."
        ) from error


def _record(store: Store, sweep: str) -> SweepRecord:
    client = store.client()
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    sweeps = list(_search(client, experiments, "tags.kind = 'sweep'"))
    asked = [run for run in sweeps if sweep in (_name(run), run.info.run_id)]
    if not asked:
        known = ", ".join(sorted({_name(run) for run in sweeps})) or "none yet"
        raise InputError(
            f"sweep {sweep!r} is not in the store {shown(store.uri)!r}, which holds {known}: "
            "name one of those, or another --tracking-uri."
        )
    asked.sort(key=lambda run: run.info.start_time)
    *others, run = asked
    below = _search(client, [run.info.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'")
    return SweepRecord(
        name=_name(run),
        run_id=run.info.run_id,
        address=page_address(store.uri, run.info.experiment_id),
        store=shown(store.uri),
        status=run.info.status,
        begun=datetime.fromtimestamp(run.info.start_time / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC"),
        params=dict(run.data.params),
        tags={name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.")},
        metrics=_numbers(run.data.metrics),
        space=_space(client, run.info.run_id),
        runs=tuple(_run(client, one) for one in below if one.data.tags.get("kind") in _KINDS),
        others=tuple(other.info.run_id for other in others),
    )


def _search(client: mlflow.MlflowClient, experiments: list[str], query: str) -> Iterator[Run]:
    """All runs that match, page by page, oldest first."""
    token = None
    while True:
        page = client.search_runs(
            experiments, query, max_results=1000, order_by=["attributes.start_time"], page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def _run(client: mlflow.MlflowClient, run: Run) -> SweepRun:
    tags: dict[str, str] = run.data.tags
    history = client.get_metric_history(run.info.run_id, "validation_macro_f1")
    return SweepRun(
        run_id=run.info.run_id,
        key=tags.get(KEY, run.info.run_id),
        kind=tags["kind"],
        status=run.info.status,
        point={name: _value(text) for name, text in run.data.params.items() if name not in _NOT_IN_THE_SPACE},
        metrics=_numbers(run.data.metrics),
        epochs=tuple(sorted({one.step: one.value for one in history if math.isfinite(one.value)}.items())),
        **{name: tags.get(name, "") for name in ("trial", "error", "stopped", "won", "version")},
    )


def _name(run: Run) -> str:
    return str(run.data.tags.get("sweep") or run.info.run_name)


def _numbers(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def _value(text: str) -> Value:
    """A parameter as it was before MLflow made text of it."""
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _space(client: mlflow.MlflowClient, run_id: str) -> str:
    """The sweep's space as text; none, where the driver was killed before it was there."""
    if all(file.path != _SPACE for file in client.list_artifacts(run_id)):
        return ""
    with tempfile.TemporaryDirectory() as folder:
        return Path(client.download_artifacts(run_id, _SPACE, folder)).read_text(encoding="utf-8")


def page_address(uri: str, experiment: str) -> str:
    """The address of a run's web page without the run's id at its end, and without a password."""
    if not uri.startswith(("http://", "https://")):
        return f"{LOCAL}/#/experiments/{experiment}/runs/"
    parts = urlsplit(uri)
    server = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    return f"{urlunsplit(server).rstrip('/')}/#/experiments/{experiment}/runs/"

"""What a trial makes of an error: its own is final; one that may pass is Ray Tune's, which starts it again."""

from contextlib import suppress
from types import SimpleNamespace

import mlflow
import pytest
import ray.exceptions
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, TEMPORARILY_UNAVAILABLE

from gymspotter.mishaps import UnreachableError
from gymspotter.sweeps import trainable
from gymspotter.tracking import use_experiment, use_store

CONFIG = {"model": "mlp", "undersample": "none", "key": "a", "kind": "trial", "seed": 0}


@pytest.fixture
def trial(tmp_path, monkeypatch):
    """Run a trial whose training raises an error; returns its run's status and error, and what Tune was told."""
    store = use_store(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = use_experiment("faults", tmp_path / "artifacts")
    parent = mlflow.MlflowClient().create_run(experiment).info.run_id
    job = trainable.Job(
        data=None, store=store, experiment=experiment, parent=parent, tags={}, folder=str(tmp_path), epochs=1, threads=1
    )
    reports = []
    of_tune = SimpleNamespace(
        get_context=lambda: SimpleNamespace(get_trial_name=lambda: "a"),
        get_checkpoint=lambda: None,
        report=reports.append,
    )
    monkeypatch.setattr(trainable, "tune", of_tune)

    def run(error):
        def fails(*args, **named):
            raise error

        monkeypatch.setattr(trainable, "_train", fails)
        with suppress(type(error)):
            trainable.work(CONFIG, job)
        (found,) = mlflow.MlflowClient().search_runs([experiment], "tags.key = 'a'")
        return found.info.status, found.data.tags.get("error"), reports

    return run


@pytest.mark.parametrize(
    "error",
    [
        UnreachableError("the server cannot be reached."),
        ray.exceptions.ObjectLostError("00" * 28, b"", ""),
        MlflowException("away", TEMPORARILY_UNAVAILABLE),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_may_pass_does_not_end_a_trial(trial, error):
    assert trial(error) == ("RUNNING", None, [])


@pytest.mark.parametrize("error", [ValueError("its own"), MlflowException("its own", INVALID_PARAMETER_VALUE)])
def test_its_own_error_is_recorded_and_ends_it(trial, error):
    status, said, reports = trial(error)
    assert status == "FAILED"
    assert "its own" in said
    assert [report["failed"] for report in reports] == [True]

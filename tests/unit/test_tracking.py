"""Where the store is, what a worker is told of it, and runs that are found again."""

import os
import pickle
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH, MAX_TAG_VAL_LENGTH

from gymspotter.errors import InputError
from gymspotter.fit import Epoch
from gymspotter.provenance import environment
from gymspotter.tracking import Run, Store, new_run, shown, use_experiment, use_store

EPOCHS = [Epoch(number=n, loss=1 / n, validation_f1=n / 10, validation_loss=2 / n) for n in (1, 2, 3)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture(scope="module")
def store(folder):
    store = use_store(f"sqlite:///{folder}/mlflow.db")
    use_experiment("test", folder / "artifacts")
    return store


@pytest.fixture
def open_run(store, request):
    """Opens runs under keys of this test's own."""
    experiment = store.client().get_experiment_by_name("test").experiment_id
    return lambda key="1", **more: Run.open(
        store, experiment=experiment, name="a run", key=f"{request.node.name}-{key}", **more
    )


@pytest.fixture
def stores(store, folder, tmp_path):
    """A folder with three stores, which take seconds to be made."""
    for name in ("a.db", "b.db", "mlflow.db"):
        shutil.copy(folder / "mlflow.db", tmp_path / name)
    return tmp_path


def test_the_store_is_found_by_argument_then_environment_then_default(monkeypatch, stores):
    assert use_store(f"sqlite:///{stores}/a.db").uri == f"sqlite:///{stores}/a.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{stores}/b.db")
    assert use_store().uri == f"sqlite:///{stores}/b.db"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.chdir(stores)
    assert use_store().uri == f"sqlite:///{stores}/mlflow.db"


def test_a_store_that_is_to_be_read_is_not_made(tmp_path):
    with pytest.raises(InputError, match="is not there: name the one"):
        use_store(f"sqlite:///{tmp_path}/a.db", existing=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:"])
def test_a_store_in_memory_is_refused(uri):
    with pytest.raises(InputError, match="is in memory"):
        use_store(uri)


@pytest.mark.parametrize(
    ("uri", "what"),
    [
        ("http://me:secret@127.0.0.1:9", "does not answer"),
        ("postgresql+psycopg://me:secret@127.0.0.1:9/gym", "cannot be used .*refused"),
        ("postgresql+nodriver://me:secret@127.0.0.1:9/gym", "cannot be used .*nodriver"),
        ("sqlite:////proc/mlflow.db", "cannot be used .*unable to open database file"),
        ("nothing://there", "cannot be used .*nothing"),
    ],
)
def test_a_store_that_cannot_be_used_is_refused_at_once_without_telling_the_password(uri, what):
    began = time.monotonic()
    with pytest.raises(InputError, match=rf"tracking store '.*' {what}.*: check MLFLOW_TRACKING_URI") as caught:
        use_store(uri)
    assert "secret" not in str(caught.value)
    assert time.monotonic() - began < 60  # MLflow by itself tries for minutes


@pytest.mark.slow
def test_a_server_that_takes_a_connection_and_never_answers_is_refused_in_some_seconds():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(InputError, match="does not answer"):
            use_store(f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert time.monotonic() - began < 20
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def test_a_worker_is_told_the_credentials_and_nobody_is_shown_them(monkeypatch, stores):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(stores / "only-here.pem"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{stores}/mlflow.db")
    carried = pickle.loads(pickle.dumps(use_store()))
    assert "secret" not in repr(carried)
    assert "AWS_SECRET_ACCESS_KEY" in repr(carried)
    monkeypatch.delenv("MLFLOW_TRACKING_PASSWORD")
    monkeypatch.delenv("AWS_CA_BUNDLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the worker itself")
    carried.apply()
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "secret"
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "of the worker itself"
    assert "AWS_CA_BUNDLE" not in os.environ
    assert "MLFLOW_TRACKING_URI" not in carried.environment


def test_a_uri_is_shown_without_user_and_password():
    assert shown("http://me:a@b@host:5000/x") == "http://***@host:5000/x"
    assert shown("sqlite:////a@b/mlflow.db") == "sqlite:////a@b/mlflow.db"
    assert "secret" not in repr(Store(uri="postgresql://me:secret@host/gym", environment={}))


def test_a_run_is_nested_and_found_again_by_its_key(open_run):
    parent = open_run("parent", tags={"kind": "sweep"})
    child = open_run("child", parent=parent.run_id, params={"model": "mlp"}, tags={"kind": "trial", "commit": "a"})
    assert (child.status, child.finished) == ("RUNNING", False)
    again = open_run("child", parent=parent.run_id, params={"model": "rnn", "heads": 4}, tags={"commit": "b"})
    assert again.run_id == child.run_id
    found = child.client.get_run(child.run_id)
    assert found.data.tags["mlflow.parentRunId"] == parent.run_id
    assert {name: found.data.tags[name] for name in ("kind", "commit")} == {"kind": "trial", "commit": "b"}
    assert found.data.params == {"model": "mlp", "heads": "4"}
    assert found.info.run_name == "a run"
    assert environment().items() <= found.data.tags.items()
    assert open_run("child").run_id != child.run_id
    assert open_run("child", parent=open_run("other").run_id).run_id != child.run_id


def test_an_epoch_is_logged_once_whoever_opened_the_run(open_run):
    for _ in range(2):
        run = open_run()
        for epoch in EPOCHS:
            run.log_epoch(epoch, learning_rate=0.1)
    run.log_epoch(Epoch(number=4, loss=0.5))
    assert open_run().epochs() == [*EPOCHS, Epoch(number=4, loss=0.5)]
    rates = run.client.get_metric_history(run.run_id, "learning_rate")
    assert [(rate.step, rate.value) for rate in rates] == [(1, 0.1), (2, 0.1), (3, 0.1)]
    assert [m.step for m in run.client.get_metric_history(run.run_id, "train_loss")] == [1, 2, 3, 4]


def test_a_run_that_ended_is_known_as_such_and_one_that_was_killed_goes_on(open_run):
    for status in ("FINISHED", "FAILED"):
        open_run(status).finish(status)
        assert open_run(status).finished
        assert open_run(status).status == status
    open_run("KILLED").finish("KILLED")
    again = open_run("KILLED")
    assert (again.status, again.finished) == ("RUNNING", False)


def test_an_error_is_one_line_of_the_run(open_run):
    run = open_run()
    run.finish("FAILED", error="ValueError: the loss\n  is no number")
    assert open_run().tags["error"] == "ValueError: the loss is no number"


def test_what_is_too_long_or_too_much_for_mlflow_is_cut(open_run):
    many = {f"p{number}": number for number in range(250)}
    run = open_run(params={"long": "x" * 10_000, **many}, tags={"long": "y" * 10_000})
    found = run.client.get_run(run.run_id)
    assert len(found.data.params) == 251
    assert (len(found.data.params["long"]), len(found.data.tags["long"])) == (MAX_PARAM_VAL_LENGTH, MAX_TAG_VAL_LENGTH)
    run.tag("later", "z" * 10_000)
    assert open_run().tags["later"] == "z" * MAX_TAG_VAL_LENGTH


def test_files_are_kept_beside_the_run(open_run, folder):
    run = open_run()
    run.text("models: [mlp]", "space.yaml")
    run.json({"squat": 1.0}, "per_class.json")
    place = Path(run.client.get_run(run.run_id).info.artifact_uri.removeprefix("file://"))
    assert place.is_relative_to(folder / "artifacts")
    assert (place / "space.yaml").read_text() == "models: [mlp]"
    assert '"squat": 1.0' in (place / "per_class.json").read_text()


def test_mlflow_tells_its_vendor_nothing():
    code = "import gymspotter.train; from mlflow.telemetry import get_telemetry_client as get; assert get() is None"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "PYTEST", "CI"))}
    subprocess.run([sys.executable, "-c", code], env=clean, check=True)


def test_a_sweep_that_is_killed_takes_the_runs_under_way_along(open_run, store):
    parent = open_run("sweep")
    ended, under_way = open_run("ended", parent=parent.run_id), open_run("under way", parent=parent.run_id)
    other = open_run("of another")
    ended.finish()
    parent.kill()
    status = {run.run_id: store.client().get_run(run.run_id).info.status for run in (parent, ended, under_way, other)}
    assert list(status.values()) == ["KILLED", "FINISHED", "KILLED", "RUNNING"]
    assert open_run("under way", parent=parent.run_id).status == "RUNNING"  # it is gone on with


@pytest.mark.parametrize(
    ("error", "status"), [(SystemExit, "KILLED"), (KeyboardInterrupt, "KILLED"), (ValueError, "FAILED")]
)
def test_a_run_says_how_it_ended(store, error, status):
    use_store(store.uri)
    use_experiment("test")
    with pytest.raises(error), new_run() as run:
        raise error
    assert store.client().get_run(run.info.run_id).info.status == status

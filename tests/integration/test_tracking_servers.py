"""Runs of several processes at once in real stores: one SQLite file, MLflow's server, PostgreSQL, artefacts on S3."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import mlflow
import numpy as np
import psycopg
import pytest
import torch

from gymspotter import registry
from gymspotter.fit import Epoch
from gymspotter.labels import EXERCISES
from gymspotter.models import Classifier
from gymspotter.models.transformer import Transformer, TransformerConfig
from gymspotter.tracking import Run, use_experiment, use_store
from tests.integration.mlflow_picture import free_port, mlflow_server, take_pictures

ROOT = Path(__file__).parents[2]
WRITERS = 4
EPOCHS = 60

# What a worker does: it knows of the store what it was handed, and its folder and its environment are others.
WORKER = """
import json, pickle, sys
import numpy as np
from gymspotter.fit import Epoch
from gymspotter.plots import confusion_figure
from gymspotter.tracking import Run
store, experiment, parent, key, epochs = pickle.loads(bytes.fromhex(sys.argv[1]))
run = Run.open(store, experiment=experiment, name=f"mlp {key}", key=key, parent=parent, params={"model": "mlp"})
for number in range(1, epochs + 1):
    epoch = Epoch(number=number, loss=1 / number, validation_f1=0.5, validation_loss=2 / number)
    run.log_epoch(epoch, learning_rate=0.1)
run.figure(confusion_figure(np.eye(2, dtype=int), ["squat", "plank"]), "confusion_matrix.png")
run.json({"squat": 1.0}, "per_class.json")
run.finish()
"""


def start_worker(store, experiment, parent, key, folder, epochs):
    told = pickle.dumps((store, experiment, parent, key, epochs)).hex()
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "AWS_"))}
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, told], cwd=folder, env=bare, stderr=subprocess.PIPE, text=True
    )


def check_that_workers_write_below_one_run(store, experiment, folder, *, writers=WRITERS, epochs=EPOCHS):
    """Several at once, each in a run of its own; all that they wrote is there once. The runs of the workers."""
    parent = Run.open(store, experiment=experiment, name="sweep", key="sweep", tags={"kind": "sweep"})
    keys = [f"trial-{number}" for number in range(writers)]
    workers = [start_worker(store, experiment, parent.run_id, key, folder, epochs) for key in keys]
    errors = [worker.communicate(timeout=300)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * writers, errors
    assert "locked" not in "".join(errors)
    below = parent.client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent.run_id}'")
    assert sorted(run.data.tags["key"] for run in below) == keys
    for run in below:
        assert (run.info.status, run.info.run_name) == ("FINISHED", f"mlp {run.data.tags['key']}")
        for metric in ("train_loss", "validation_macro_f1", "validation_loss", "learning_rate"):
            history = parent.client.get_metric_history(run.info.run_id, metric)
            assert sorted(value.step for value in history) == list(range(1, epochs + 1))
        assert picture(parent.client, run.info.run_id).startswith(b"\x89PNG")
    return below


def picture(client, run_id):
    with tempfile.TemporaryDirectory() as folder:
        return Path(client.download_artifacts(run_id, "confusion_matrix.png", folder)).read_bytes()


@pytest.mark.slow
def test_four_processes_write_one_sqlite_file(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    store = use_store("sqlite:///mlflow.db")
    experiment = use_experiment("test", Path("artifacts"))
    check_that_workers_write_below_one_run(store, experiment, tmp_path / "elsewhere")
    assert not list((tmp_path / "elsewhere").iterdir())
    assert len(list((tmp_path / "artifacts").rglob("confusion_matrix.png"))) == WRITERS


@pytest.mark.slow
def test_a_server_keeps_the_runs_and_the_files_of_workers_elsewhere(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    files = tmp_path / "files"
    with mlflow_server(f"sqlite:///{tmp_path}/mlflow.db", files) as url:
        store = use_store(url)
        check_that_workers_write_below_one_run(
            store, use_experiment("test"), tmp_path / "elsewhere", writers=2, epochs=5
        )
    assert not list((tmp_path / "elsewhere").iterdir())
    assert len(list(files.rglob("per_class.json"))) == 2


@pytest.mark.slow
def test_a_run_outlives_a_server_that_is_away_for_a_while(tmp_path, caplog):
    server = partial(mlflow_server, f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "files", free_port())
    with server() as url:
        store, experiment = use_store(url), use_experiment("test")
        run = Run.open(store, experiment=experiment, name="a trial", key="1")
        run.log_epoch(Epoch(number=1, loss=1.0))
    began = time.monotonic()
    for number in range(2, 101):
        run.log_epoch(Epoch(number=number, loss=1 / number))
    assert time.monotonic() - began < 5  # nobody who trains waits for a server
    assert caplog.text.count("does not answer. Epochs are kept until it does.") == 1
    with ThreadPoolExecutor(1) as pool:
        finishing = pool.submit(run.finish)
        with server():
            finishing.result(timeout=120)
            again = Run.open(store, experiment=experiment, name="a trial", key="1")
            logged = [epoch.number for epoch in again.epochs()]
    assert (again.run_id, again.status) == (run.run_id, "FINISHED")
    assert logged == list(range(1, 101))


@pytest.fixture(scope="module")
def postgres():
    """A PostgreSQL server of Debian's on this machine; its URI as SQLAlchemy spells it."""
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda path: int(path.parent.name))
    if binaries is None or not (binaries / "initdb").exists():
        pytest.skip("PostgreSQL is not installed (apt install postgresql)")
    # It refuses to run as root, and pytest's folders are only for their owner.
    user = "nobody" if os.getuid() == 0 else None
    folder, port = tempfile.mkdtemp(prefix="gymspotter-postgres-"), free_port()
    if user:
        shutil.chown(folder, user)
    run = {"user": user, "cwd": folder, "stdout": subprocess.DEVNULL}
    subprocess.run(
        [binaries / "initdb", "--pgdata", folder, "--username=gym", "--auth=trust", "--no-sync"], check=True, **run
    )
    options = ("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k", folder)
    server = subprocess.Popen([binaries / "postgres", "-D", folder, "-p", str(port), *options], **run)
    try:
        uri = f"postgresql://gym@127.0.0.1:{port}/postgres"
        for _ in range(600):
            try:
                psycopg.connect(uri).close()
                break
            except psycopg.OperationalError:
                assert server.poll() is None, "PostgreSQL ended"
                time.sleep(0.1)
        yield uri.replace("postgresql:", "postgresql+psycopg:")
    finally:
        server.send_signal(signal.SIGINT)  # what ends it without waiting for its clients
        server.wait()
        shutil.rmtree(folder)


@pytest.mark.slow
def test_postgres_behind_a_server_takes_four_writers_and_a_registered_model(postgres, tmp_path):
    files = tmp_path / "files"
    with mlflow_server(postgres, files) as url:
        store, experiment = use_store(url), use_experiment("test")
        check_that_workers_write_below_one_run(store, experiment, tmp_path)
        check_that_a_model_comes_back(store, experiment)
    assert len(list(files.rglob("confusion_matrix.png"))) == WRITERS
    assert list(files.rglob("*.pt2"))
    with psycopg.connect(postgres.replace("+psycopg", "")) as database:
        assert database.execute("select count(*) from metrics").fetchone() == (WRITERS * EPOCHS * 4,)


def check_that_a_model_comes_back(store, experiment):
    """Register a classifier from a worker's kind of run, and load it again."""
    torch.manual_seed(0)
    classifier = Classifier(Transformer(TransformerConfig(), joints=17, frames=60, classes=22), temperature=1.5).eval()
    facts = registry.ModelFacts(model="transformer", classes=list(EXERCISES), frames=60, grid_fps=5.0)
    run = Run.open(store, experiment=experiment, name="winner", key="winner")
    with mlflow.start_run(run_id=run.run_id):
        version = registry.register(classifier, facts)
    run.tag("version", version)
    run.finish()
    loaded = registry.load(version)
    assert (loaded.version, loaded.facts) == (version, facts)
    poses = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 60, 17, 3)).astype(np.float32))
    with torch.inference_mode():
        torch.testing.assert_close(loaded.module(poses), classifier(poses), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_artefacts_lie_on_s3_with_the_credentials_that_the_driver_hands_over(s3, tmp_path):
    store = use_store(f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.create_experiment("test", artifact_location=f"{s3}/mlflow")
    experiment = use_experiment("test")
    for run in check_that_workers_write_below_one_run(store, experiment, tmp_path, writers=1, epochs=2):
        assert run.info.artifact_uri.startswith(f"{s3}/mlflow/")
        assert json.loads(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/per_class.json")) == {"squat": 1.0}
    check_that_a_model_comes_back(store, experiment)


@pytest.mark.skipif(not shutil.which("chromium"), reason="Chromium is not installed (apt install chromium)")
@pytest.mark.slow
def test_the_web_page_shows_trials_below_their_sweep(tmp_path):
    store = use_store(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = use_experiment("gymspotter", tmp_path / "artifacts")
    sweep = Run.open(store, experiment=experiment, name="my sweep", key="1", tags={"kind": "sweep"})
    for name in ("mlp none", "rnn plank-half"):
        Run.open(store, experiment=experiment, name=name, key=name, parent=sweep.run_id).finish()
    with mlflow_server(store.uri) as url:
        seen = take_pictures(url, "gymspotter", tmp_path / "mlflow.png")
    assert [name for name in seen["table"] if name] == ["my sweep", "rnn plank-half", "mlp none"]
    assert {"rnn plank-half", "mlp none"} <= set(seen["sweep"])
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in ("mlflow.png", "mlflow-sweep.png"))

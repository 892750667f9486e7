"""A sweep whose driver, or one of whose nodes, is killed: every finished trial is there once, and none is run twice."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import mlflow
import pytest

from gymspotter.store import write_tracks
from gymspotter.sweeps.record import read_sweep
from gymspotter.sweeps.searching import read_points
from gymspotter.synth.generate import Item, SynthOptions, make_track
from gymspotter.tracking import use_store

pytestmark = pytest.mark.slow
JOB = Path(__file__).parents[2] / "jobs" / "tune.py"
TRIALS = 10


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    made = SynthOptions(kind="skeletons", seed=3)
    store = tmp_path_factory.mktemp("faults") / "tracks"
    chosen = ("squat", "plank", "lateral raise")
    write_tracks([make_track(Item(exercise=e, number=k, seed=3), made) for e in chosen for k in range(10)], store)
    return store


def start(folder, tracks, *more, address=""):
    """`gymspotter tune` in a process of its own."""
    (folder / "space.yaml").write_text("models: [mlp, transformer]\nundersample: [none, plank-half]")
    told = [
        *(str(tracks), "--name", "killed", "--space", str(folder / "space.yaml"), "--search", "random"),
        *("--trials", str(TRIALS), "--epochs", "6", "--grace", "2", "--finalists", "1", "--seeds", "1"),
        *("--folder", str(folder / "sweeps"), "--artifacts", str(folder / "artifacts")),
        *("--tracking-uri", f"sqlite:///{folder / 'mlflow.db'}", *more),
    ]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    return subprocess.Popen(
        [sys.executable, str(JOB), *told],
        env=environment | ({"RAY_ADDRESS": address} if address else {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def trials_of(folder):
    """The trials that MLflow holds so far."""
    if not (folder / "sweeps" / "killed" / "sweep.json").exists():
        return []
    store = use_store(f"sqlite:///{folder / 'mlflow.db'}")
    if not mlflow.MlflowClient(store.uri).search_runs(["1"], "tags.kind = 'sweep'"):
        return []
    return [run for run in read_sweep(store, "killed").runs if run.kind == "trial"]


def wait_for_finished(folder, process, most):
    while sum(run.status == "FINISHED" for run in trials_of(folder)) < most:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.5)


def assert_complete(folder):
    trials = trials_of(folder)
    assert [run.status for run in trials] == ["FINISHED"] * TRIALS
    assert len({run.key for run in trials}) == TRIALS
    assert {run.key for run in trials} == set(read_points(str(folder / "sweeps" / "killed")))
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    for run in trials:  # an epoch is there once, however often its trial was started
        steps = Counter(metric.step for metric in client.get_metric_history(run.run_id, "train_loss"))
        assert set(steps.values()) == {1}
        assert sorted(steps) == list(range(1, run.epochs_run + 1))


def test_a_killed_driver_costs_no_finished_trial(tracks, tmp_path):
    process = start(tmp_path, tracks)
    wait_for_finished(tmp_path, process, 3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {run.run_id: (run.epochs, run.seconds) for run in trials_of(tmp_path) if run.status == "FINISHED"}
    process = start(tmp_path, tracks, "--resume")
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    assert_complete(tmp_path)
    after = {run.run_id: (run.epochs, run.seconds) for run in trials_of(tmp_path)}
    assert {run_id: after[run_id] for run_id in before} == before


def test_a_killed_node_costs_only_its_running_trials(tracks, tmp_path):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 200 * 2**20})
    cluster.add_node(num_cpus=1, object_store_memory=200 * 2**20)
    try:
        process = start(tmp_path, tracks, address=cluster.address)
        wait_for_finished(tmp_path, process, 2)
        (raylet,) = cluster.list_all_nodes()[-1].all_processes["raylet"]
        raylet.process.kill()
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
    finally:
        process.kill()
        cluster.shutdown()
    assert_complete(tmp_path)
    assert json.loads((tmp_path / "sweeps" / "killed" / "sweep.json").read_text())["options"]["trials"] == TRIALS

"""The service on a real Ray Serve with a registered model, over real HTTP."""

import concurrent.futures
import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch

from gymspotter import registry
from gymspotter.fit import predict
from gymspotter.models import build
from gymspotter.models.mlp import MLPConfig
from serve.run import ServeOptions, start, stop
from tests.benchmark_modules import importable
from tests.registered import new_store, put

with importable():
    from processes import family, title


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The URI of a store with a champion of random weights, whose answers tell one input from another."""
    uri = new_store(tmp_path_factory.mktemp("service"))
    torch.manual_seed(0)
    put(build("mlp", MLPConfig(hidden=64, layers=1), classes=22, frames=60).eval(), aliases=(registry.CHAMPION,))
    return uri


@pytest.fixture(scope="module")
def url(store):
    yield start(ServeOptions(port=0, tracking_uri=store))
    stop()


@pytest.fixture
def client(url):
    with httpx.Client(base_url=url, timeout=60) as client:
        yield client


def test_a_served_answer_is_the_registered_model_s(client):
    poses = np.random.default_rng(0).normal(size=(8, 60, 17, 3)).astype(np.float32)
    poses[4:, :, 13] = np.nan  # never seen; what is missing now and then is filled in
    body = {"segments": np.where(np.isnan(poses), None, poses.astype(np.float64)).tolist()}
    answer = client.post("/v1/classify", json=body).json()
    loaded = registry.load()
    assert answer["model_version"] == loaded.version
    expected = predict(loaded.module, poses)
    got = [(row["exercise"], row["probability"]) for row in answer["segments"]]
    for (exercise, probability), row in zip(got, expected, strict=True):
        assert exercise == loaded.facts.classes[row.argmax()]
        assert probability == pytest.approx(row.max(), abs=1e-4)


def test_a_replica_does_not_give_way_to_other_processes(client):
    """Ray's workers have niceness 15 by default: beside a busy process a label would come minutes late."""
    replicas = [pid for pid, _ in family(os.getpid()) if title(pid).startswith("ray::ServeReplica")]
    assert len(replicas) >= 4
    here = os.getpriority(os.PRIO_PROCESS, 0)
    assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in replicas} == {here}


def test_a_video_is_answered_with_its_timeline(client, squat_video):
    with squat_video.open("rb") as file:
        response = client.post("/v1/classify/video", files={"file": ("squat.mp4", file)})
    assert response.status_code == 200
    answer = response.json()
    assert answer["segments"]
    assert answer["person_seen"] > 0.9


def test_bad_requests_get_one_sentence_and_leave_the_service_well(client, squat_video):
    video = squat_video.read_bytes()
    uploads = {
        "empty.mp4": b"",
        "text.mp4": b"hello",
        "cut.mp4": video[: len(video) // 2],
        "big.mp4": b"0" * 65 * 2**20,
    }
    responses = [client.post("/v1/classify/video", files={"file": (name, data)}) for name, data in uploads.items()]
    responses += [
        client.post("/v1/classify", content=b"{", headers={"content-type": "application/json"}),
        client.post("/v1/classify", json={"segments": [[[[1, 2]]]]}),
        client.post("/v1/classify", json={"segments": [[[[None] * 3] * 17] * 60]}),
        client.get("/v2"),
    ]
    assert [response.status_code for response in responses] == [422, 422, 422, 413, 400, 422, 422, 404]
    for response in responses:
        body = response.json()
        assert body["model_version"] == "1"
        assert body["detail"].count(". ") == 0
        assert body["detail"].endswith(".")
    assert client.get("/healthz").json() == {"status": "ok", "model_version": "1"}


def test_several_clients_at_once_are_all_answered(url, squat_video):
    video, segment = squat_video.read_bytes(), np.random.default_rng(0).normal(size=(60, 17, 3)).tolist()

    def ask(k):
        with httpx.Client(base_url=url, timeout=120) as client:
            if k % 4:
                return client.post("/v1/classify", json={"segments": [segment]}).status_code
            return client.post("/v1/classify/video", files={"file": ("squat.mp4", video)}).status_code

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(24))) == {200}


def test_the_documentation_is_there(client):
    assert "swagger" in client.get("/docs").text.lower()
    assert "/v1/classify" in client.get("/openapi.json").json()["paths"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_serve_command_answers_and_ends_on_a_signal(store, number):
    command = [str(Path(sys.executable).parent / "gymspotter"), "serve", "--port", "0"]
    environment = os.environ | {"MLFLOW_TRACKING_URI": store}
    # A group of its own, so that whatever is left of it can be ended whatever happens.
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        url = re.search(r"http://[\d.:]+", process.stdout.readline())[0]
        assert httpx.get(f"{url}/healthz").json() == {"status": "ok", "model_version": "1"}
        process.send_signal(number)
        assert process.wait(timeout=60) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/healthz")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

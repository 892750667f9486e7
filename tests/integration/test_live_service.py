"""Streams, pictures, hot swap and metrics on a real Ray Serve, over real sockets with the project's own client."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import cv2
import httpx
import mlflow
import numpy as np
import pytest
import ray
import torch

from gymspotter import registry
from gymspotter.client import Client, Disconnected, LiveSession, Reconnected
from gymspotter.labels import EXERCISES
from gymspotter.models import Classifier, build
from gymspotter.stream.events import End, Goodbye, Label, Notice, Pose, Rep, Start
from gymspotter.synth.generate import Item, SynthOptions, make_track
from gymspotter.tracking import use_experiment, use_store
from gymspotter.video import frames_at
from serve.run import ServeOptions, start, stop

WAIT_S = 120.0


def says(favourite: str) -> Classifier:
    """A classifier that nearly always says ``favourite``: which version answers is seen in the answer."""
    torch.manual_seed(0)
    classifier = build("transformer", classes=len(EXERCISES), frames=60).eval()
    with torch.no_grad():
        classifier.fusion.head.bias[EXERCISES.index(favourite)] += 8.0
    return classifier


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """An MLflow store with a version that says squat (the champion), and one that says push-up."""
    folder = tmp_path_factory.mktemp("store")
    uri = use_store(f"sqlite:///{folder / 'mlflow.db'}").uri
    use_experiment("live", folder / "artifacts")
    facts = registry.ModelFacts(model="transformer", classes=list(EXERCISES), frames=60, grid_fps=5.0)
    for favourite in ("squat", "push-up"):
        with mlflow.start_run():
            registry.register(says(favourite), facts)
    return uri


@pytest.fixture(scope="module")
def url(store, squat_video):
    yield start(ServeOptions(port=0, tracking_uri=store, poll_seconds=0.2, video_uris=(str(squat_video.parent),)))
    stop()


@pytest.fixture
def champion(url):
    """Moves the alias; puts it back afterwards."""

    def point(version: str) -> None:
        mlflow.MlflowClient().set_registered_model_alias(registry.MODEL_NAME, registry.CHAMPION, version)

    yield point
    point("1")
    wait_for(lambda: version_of(url) == "1", "the first version")


@pytest.fixture(scope="module")
def squat():
    """Forty seconds on the grid, [200, 17, 3]."""
    return make_track(Item(exercise="squat", number=3, seed=4), SynthOptions(kind="skeletons", seconds=40)).joints


def wait_for(condition, what: str):
    """What ``condition`` returns once it is true."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        with suppress(httpx.TransportError):
            if found := condition():
                return found
        time.sleep(0.1)
    pytest.fail(f"waited {WAIT_S:g} s in vain: {what}")


def version_of(url: str) -> str:
    return httpx.get(f"{url}/v1/model").json().get("model_version", "")


def told(events):
    """The events that count, without what tells when they were sent."""
    return [event for event in events if isinstance(event, Start | Rep | End)]


def stream(url, joints, break_at=None, break_it=lambda: None):
    """All events of a session that is sent ``joints``, a second at a time."""
    events = []
    with LiveSession(url, layout="h36m17", fps=5.0) as live:
        for first in range(0, len(joints), 5):
            if first == break_at:
                seconds = first / 5 - 2
                read_until(live, events, lambda event, t=seconds: isinstance(event, Label) and event.t >= t)
                break_it()
            live.send(np.arange(first, first + 5) / 5.0, joints[first : first + 5])
        live.close()
        return events + list(live)


def read_until(live, events, wanted) -> None:
    """Read ``events`` until one of them is ``wanted``."""
    end = time.monotonic() + WAIT_S
    while not any(map(wanted, events)):
        assert time.monotonic() < end, f"waited {WAIT_S:g} s in vain"
        events += live.wait_events(1.0)


def test_a_set_of_squats_is_seen_counted_and_summed_up(url, squat):
    events = stream(url, squat)
    labels = [event for event in events if isinstance(event, Label)]
    assert {label.model_version for label in labels} == {"1"}
    assert {label.exercise for label in labels if label.state == "exercise"} == {"squat"}
    (end,) = [event for event in events if isinstance(event, End)]
    reps = [event for event in events if isinstance(event, Rep)]
    assert end.repetitions == len(reps) > 0
    assert isinstance(events[-1], Goodbye)
    assert [done.repetitions for done in events[-1].sets] == [end.repetitions]


def test_pictures_are_estimated_in_the_service(url, squat_video):
    frames = frames_at(squat_video, np.arange(20) / 5)
    pictures = [cv2.imencode(".jpg", frame[..., ::-1])[1].tobytes() for frame in frames]
    events = []
    with LiveSession(url, layout="jpeg", fps=5.0, poses=True) as live:
        for k, picture in enumerate(pictures):  # one by one, because of two that wait the older is shed
            live.send_picture(k / 5, picture)
            read_until(live, events, lambda event, t=k / 5: isinstance(event, Pose) and event.t == t)
        live.close()
        events += list(live)
    seen = [event for event in events if isinstance(event, Pose) and any(score > 0 for score in event.scores)]
    assert seen
    assert any(isinstance(event, Label) and event.state == "exercise" for event in events)


def test_a_promoted_version_answers_open_streams_and_new_requests(url, champion, squat):
    events = []
    with LiveSession(url, layout="h36m17", fps=5.0) as live:
        live.send(np.arange(60) / 5.0, squat[:60])
        read_until(live, events, lambda event: isinstance(event, Label))
        champion("2")
        wait_for(lambda: version_of(url) == "2", "the new version")
        live.send(np.arange(60, 120) / 5.0, squat[60:120])
        live.close()
        events += list(live)
    labels = [event for event in events if isinstance(event, Label)]
    assert [labels[0].model_version, labels[-1].model_version] == ["1", "2"]
    assert labels[-1].top[0].exercise == "push-up"
    assert "model" in [event.code for event in events if isinstance(event, Notice)]
    with Client(url) as client:
        answer = client.classify(squat[None, :60])
    assert (answer.model_version, answer.segments[0].exercise) == ("2", "push-up")


def test_a_version_that_does_not_fit_is_refused_and_the_old_one_answers(url, champion, tmp_path):
    facts = registry.ModelFacts(model="mlp", classes=["squat", "sitting"], frames=60, grid_fps=5.0)
    use_experiment("unfit", tmp_path / "artifacts")
    with mlflow.start_run():
        version = registry.register(build_small(), facts)
    champion(version)
    refused = wait_for(lambda: httpx.get(f"{url}/v1/model").json().get("refused"), "the refusal")
    assert refused["version"] == version
    assert version_of(url) != version
    assert httpx.get(f"{url}/readyz").status_code == 200


def build_small() -> Classifier:
    return build("mlp", classes=2, frames=60).eval()


def test_a_video_is_answered_with_progress_from_an_upload_and_from_an_allowed_folder(url, squat_video):
    shares: list[float] = []
    with Client(url) as client:
        uploaded = client.classify_video(squat_video, on_progress=shares.append)
        by_name = client.classify_video(str(squat_video.resolve()))
    assert shares == sorted(shares)
    assert len(shares) > 2
    assert uploaded.segments == by_name.segments


def test_the_metrics_reach_ray_s_prometheus_endpoint(url, squat):
    stream(url, squat[:60])
    port = ray.nodes()[0]["MetricsExportPort"]

    def exported():
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        names = ("requests_total", "label_seconds_bucket", "sessions", "batch_size_bucket", "model_version")
        return all(f"ray_gymspotter_{name}" in text for name in names)

    wait_for(exported, "the metrics")


@pytest.mark.slow
def test_a_replica_killed_in_the_middle_of_a_set_costs_no_repetition(url, squat):
    expected = told(stream(url, squat))
    events = stream(url, squat, break_at=100, break_it=kill_replicas)
    assert any(isinstance(event, Disconnected) for event in events)
    assert [event.resumed for event in events if isinstance(event, Reconnected)] == [True]
    assert told(events) == expected


def kill_replicas() -> None:
    """Kill -9 every replica of the ingress that this process has started."""
    killed = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if is_replica(pid)]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    assert killed


def is_replica(pid: int) -> bool:
    try:
        title = Path(f"/proc/{pid}/cmdline").read_text()
        while pid not in (0, os.getpid()):
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:  # it has just ended
        return False
    return title.startswith("ray::ServeReplica:gymspotter:Gymspotter") and pid == os.getpid()

"""The challenger answers a share of what is asked too; the agreement is in MLflow, and nothing of it can hurt."""

import time

import mlflow
import numpy as np
import pytest

from gymspotter import tracking
from serve.metrics import Recorded
from serve.model.batcher import Answers
from serve.model.shadow import EXPERIMENT, Shadow
from serve.settings import AppSettings
from tests.registered import FACTS, point, some_poses


def answered(exercises, version="1", unknown=0.0):
    """What version 1 said: these exercises, with a probability of 0.9 each."""
    probabilities = np.full((len(exercises), 22), 0.1 / 21, np.float32)
    probabilities[np.arange(len(exercises)), exercises] = 0.9
    unknown_S = np.full(len(exercises), unknown, np.float32)
    return Answers(version=version, facts=FACTS, probabilities_SK=probabilities, unknown_S=unknown_S)


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


@pytest.fixture
def settings(model_store):
    """The challenger is version 2, which names exercise 10 whatever it is shown."""
    tracking.use_store(model_store)
    point("challenger", "2")
    return AppSettings(model="1", tracking_uri=model_store, shadow=1.0, poll_seconds=0.1, max_batch=8)


def logged():
    experiment = mlflow.get_experiment_by_name(EXPERIMENT)
    runs = mlflow.search_runs([experiment.experiment_id], output_format="list") if experiment else []
    return [run for run in runs if run.data.metrics]


def test_the_agreement_of_two_versions_is_logged_to_mlflow(settings):
    recorded = Recorded()
    shadow = Shadow(settings, recorded)
    shadow.start()
    shadow.offer(some_poses(20), answered([10] * 15 + [3] * 5))
    until(lambda: shadow.agreement and shadow.agreement.segments == 20)
    assert recorded.gauges["gymspotter_shadow_agreement", ()] == 0.75
    shadow.stop(60)
    (run,) = logged()
    assert (run.info.run_name, run.info.status) == ("shadow 1 2", "FINISHED")
    assert run.data.metrics["agreement"] == 0.75
    assert run.data.metrics["unknown_agreement"] == 1.0
    assert run.data.metrics["segments"] == 20
    # The challenger is sure of exercise 10: 0.1 off where the champion says so too, 0.9 where it does not.
    assert run.data.metrics["probability_gap"] == pytest.approx(0.75 * 0.1 + 0.25 * 0.9, abs=1e-3)


def test_only_a_share_is_offered_and_only_while_nothing_else_is_to_do(settings):
    idle = False
    shadow = Shadow(settings.model_copy(update={"shadow": 0.3}), Recorded(), idle=lambda: idle, seed=1)
    shadow.start()
    for _ in range(10):
        shadow.offer(some_poses(20), answered([10] * 20))
    until(lambda: shadow._challenger)
    assert shadow.agreement is None
    idle = True
    until(lambda: shadow.agreement and shadow.agreement.segments > 30)
    until(lambda: shadow._waiting.empty())
    assert 30 < shadow.agreement.segments < 90
    shadow.stop(60)


def test_what_is_too_much_is_dropped_and_counted(settings):
    idle = False
    shadow = Shadow(settings, Recorded(), idle=lambda: idle)
    shadow.start()
    for _ in range(200):
        shadow.offer(some_poses(1), answered([10]))
    idle = True
    until(lambda: shadow.agreement and shadow._waiting.empty() and shadow.agreement.dropped)
    until(lambda: shadow.agreement.segments + shadow.agreement.dropped == 200)
    shadow.stop(60)


def test_without_a_challenger_and_without_mlflow_nothing_happens(settings, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for away in (
        settings.model_copy(update={"challenger": "nobody"}),
        settings.model_copy(update={"tracking_uri": "http://me:secret@127.0.0.1:9"}),
    ):
        caplog.clear()
        shadow = Shadow(away, Recorded())
        shadow.offer(some_poses(1), answered([3]))  # before it is started
        shadow.start()
        until(lambda: caplog.records)
        for _ in range(100):
            shadow.offer(some_poses(1), answered([3]))
        shadow.stop(60)
        shadow.offer(some_poses(1), answered([3]))  # and after it has ended
        assert shadow.agreement is None
        assert "the challenger cannot be loaded" in caplog.text
        assert "secret" not in caplog.text


def test_a_share_of_nothing_starts_nothing(settings):
    shadow = Shadow(settings.model_copy(update={"shadow": 0.0}), Recorded())
    shadow.start()
    shadow.offer(some_poses(1), answered([3]))
    shadow.stop()
    assert shadow.agreement is None

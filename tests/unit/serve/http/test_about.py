"""What the service says of its model's making, of the layouts and of the exercises."""

from dataclasses import replace

import mlflow
import pytest
from fastapi.testclient import TestClient

from gymspotter.labels import EXERCISES
from gymspotter.registry import page_of
from gymspotter.skeleton import LAYOUTS
from serve.http.about_schemas import ExercisesResponse, LayoutsResponse, ReportResponse
from serve.http.api import build_api
from serve.settings import AppSettings
from tests.local_backend import FACTS, LocalBackend, QuickEstimator

SIDE = {"segments": 3, "videos": 2, "groups": 1, "per_class": dict.fromkeys(EXERCISES, 0) | {"squat": 3}}
BINS = [{"low": 0.8, "high": 0.9, "confidence": 0.85, "accuracy": 0.5, "count": 2}]
REPORT = {
    "confusion": [[int(i == j) for j in range(22)] for i in range(22)],
    "per_class": {name: {"precision": 1.0, "recall": 0.5, "f1": 0.6, "support": 4} for name in EXERCISES},
    "reliability": {"error": 0.02, "bins": BINS},
    "uncalibrated": {"error": 0.1, "bins": BINS},
    "train": SIDE,
    "validation": None,
    "test": SIDE,
}


def client_of(facts=FACTS):
    backend = LocalBackend(facts=facts, estimator=QuickEstimator())
    return TestClient(build_api(backend, AppSettings()), raise_server_exceptions=False)


@pytest.fixture(scope="module")
def client():
    return client_of()


def test_a_model_shows_how_it_was_made_and_how_good_it_is(monkeypatch):
    monkeypatch.setattr(mlflow, "get_registry_uri", lambda: "http://user:secret@mlflow.example.com:5000/")
    facts = replace(FACTS, report=REPORT, scores={"accuracy": 0.9}, data="3f2a", split="by group", commit="cb36768")
    answer = client_of(facts).get("/v1/model/report").json()
    assert ReportResponse.model_validate(answer, extra="forbid").model_version == "7"
    for name in ("confusion", "per_class", "reliability", "uncalibrated"):
        assert answer[name] == REPORT[name]
    assert answer["data"] == {
        "fingerprint": "3f2a", "split": "by group", "train": SIDE, "validation": None, "test": SIDE,
    }  # fmt: skip
    assert (answer["model"], answer["commit"], answer["scores"]) == ("transformer", "cb36768", {"accuracy": 0.9})
    assert answer["classes"] == list(EXERCISES)
    assert (answer["following"], answer["refused"]["version"]) == ("champion", "8")
    assert answer["mlflow"] == "http://mlflow.example.com:5000/#/models/gymspotter/versions/7"


def test_of_a_version_without_a_report_only_little_is_known(client, monkeypatch):
    monkeypatch.setattr(mlflow, "get_registry_uri", lambda: "sqlite:///mlflow.db")
    answer = client.get("/v1/model/report").json()
    assert ReportResponse.model_validate(answer, extra="forbid").scores == {}
    for name in ("confusion", "per_class", "reliability", "uncalibrated", "data", "mlflow"):
        assert answer[name] is None


def test_a_report_that_is_none_hides_what_it_holds_and_nothing_else(caplog):
    answer = client_of(replace(FACTS, report={"secret": 1}, scores={"accuracy": 0.9})).get("/v1/model/report")
    assert answer.status_code == 200
    assert "secret" not in answer.text
    assert answer.json()["scores"] == {"accuracy": 0.9}
    assert answer.json()["confusion"] is None
    assert "the report of the model that answers is not shown" in caplog.text


def test_browsers_may_find_mlflow_elsewhere_than_the_service(monkeypatch):
    monkeypatch.setattr(mlflow, "get_registry_uri", lambda: "http://mlflow:5000")
    settings = AppSettings(mlflow_url="https://u:p@mlflow.example.com/ml/")
    client = TestClient(build_api(LocalBackend(estimator=QuickEstimator()), settings))
    page = client.get("/v1/model/report").json()["mlflow"]
    assert page == "https://mlflow.example.com/ml/#/models/gymspotter/versions/7"


@pytest.mark.parametrize(
    ("registry", "page"),
    [
        ("https://mlflow.example.com", "https://mlflow.example.com/#/models/gymspotter/versions/7"),
        ("https://u:p%40@host/sub/path/?token=x#y", "https://host/sub/path/#/models/gymspotter/versions/7"),
        ("http://[::1]:5000", "http://[::1]:5000/#/models/gymspotter/versions/7"),
        ("sqlite:///mlflow.db", None),
        ("postgresql://u:p@host/db", None),
        ("file:///runs", None),
        ("./mlruns", None),
        ("databricks-uc", None),
        ("http://", None),
        ("javascript:alert(1)", None),
    ],
)
def test_only_a_server_has_pages_and_their_addresses_hold_no_password(monkeypatch, registry, page):
    monkeypatch.setattr(mlflow, "get_registry_uri", lambda: registry)
    assert page_of("7") == page


def test_without_a_model_there_is_no_report_but_layouts_and_exercises():
    backend = LocalBackend(estimator=QuickEstimator())
    backend.current = None
    client = TestClient(build_api(backend, AppSettings()))
    assert client.get("/v1/model/report").status_code == 503
    assert client.get("/v1/layouts").status_code == client.get("/v1/exercises").status_code == 200


def test_the_layouts_are_those_that_may_be_sent(client):
    answer = client.get("/v1/layouts").json()
    LayoutsResponse.model_validate(answer, extra="forbid")
    assert list(answer["layouts"]) == list(LAYOUTS)
    for name, layout in answer["layouts"].items():
        assert layout["joints"] == list(LAYOUTS[name].joints)
        assert [(layout["joints"][a], layout["joints"][b]) for a, b in layout["bones"]] == list(LAYOUTS[name].bones)


def test_every_exercise_is_shown_by_a_repetition(client):
    answer = client.get("/v1/exercises").json()
    ExercisesResponse.model_validate(answer, extra="forbid")
    assert (answer["layout"], answer["fps"]) == ("h36m17", 10.0)
    assert [one["name"] for one in answer["exercises"]] == list(EXERCISES)
    assert [one["name"] for one in answer["exercises"] if one["held"]] == ["plank"]
    numbers = [x for one in answer["exercises"] for frame in one["frames"] for joint in frame for x in joint]
    assert numbers == [round(x, 3) for x in numbers]
    assert len(client.get("/v1/exercises").content) < 400_000


@pytest.mark.parametrize("path", ["/v1/layouts", "/v1/exercises"])
def test_what_never_changes_is_kept_by_the_client_alone(client, path):
    first = client.get(path)
    assert first.headers["cache-control"] == "private, no-cache"
    again = client.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert client.get(path, headers={"if-none-match": '"other"'}).content == first.content

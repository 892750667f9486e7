"""The HTTP API on a real classifier, without Ray: segments as JSON, what is refused, and what stands around them."""

import asyncio
import json
import re
import time

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from starlette.middleware import Middleware

from gymspotter.labels import EXERCISES
from gymspotter.unknown import unknown
from serve.http.api import BusyError, build_api
from serve.http.asgi import BodyLimit
from serve.http.schemas import ClassifyResponse
from serve.settings import AppSettings
from tests.local_backend import LocalBackend, refusal

SMALL = AppSettings(max_body_mb=1)
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def backend():
    return LocalBackend()


@pytest.fixture(scope="module")
def client(backend):
    # A server error is to be seen as a 500, as a client sees it.
    return TestClient(build_api(backend, SMALL), raise_server_exceptions=False)


@pytest.fixture
def segment():
    return np.random.default_rng(0).normal(size=(60, 17, 3)).round(3).tolist()


def test_segments_get_an_answer_each_in_order(client, backend, segment):
    other = (2 * np.array(segment)[::-1]).tolist()
    answer = client.post("/v1/classify", json={"segments": [segment, other], "top": 4}).json()
    assert ClassifyResponse.model_validate(answer, extra="forbid").model_version == "7"
    logits = backend.module(torch.tensor([segment, other])).detach()
    for row, probabilities, none in zip(
        answer["segments"], logits.softmax(1).numpy(), unknown(logits.numpy()), strict=True
    ):
        assert [g["exercise"] for g in row["top"]] == [EXERCISES[k] for k in np.argsort(-probabilities)[:4]]
        assert row["probability"] == pytest.approx(probabilities.max(), abs=1e-5)
        assert row["exercise"] == row["top"][0]["exercise"]
        assert row["unknown"] == pytest.approx(none, abs=1e-5)
        assert row["known"] == (none <= 0.5)


def test_what_shows_none_of_the_exercises_is_not_known(segment):
    class Doubting(LocalBackend):
        async def classify(self, poses):
            answers = await super().classify(poses)
            answers.unknown_S[:] = [0.5, 0.51]
            return answers

    client = TestClient(build_api(Doubting(), SMALL))
    rows = client.post("/v1/classify", json={"segments": [segment, segment]}).json()["segments"]
    assert [row["known"] for row in rows] == [True, False]


def test_an_answer_names_the_version_that_gave_it_and_not_the_one_loaded_since(segment):
    class Swapping(LocalBackend):
        async def classify(self, poses):
            answers = await super().classify(poses)
            object.__setattr__(self.current, "version", "8")
            return answers

    client = TestClient(build_api(Swapping(), SMALL))
    assert client.post("/v1/classify", json={"segments": [segment]}).json()["model_version"] == "7"
    assert client.get("/healthz").json()["model_version"] == "8"


def test_missing_joints_are_null(client, segment):
    segment[10] = [[None, None, None]] * 17
    segment[20][3] = [None, None, None]
    assert client.post("/v1/classify", json={"segments": [segment]}).status_code == 200


def test_a_shorter_segment_is_accepted(client, segment):
    assert client.post("/v1/classify", json={"segments": [segment[:25]]}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b'{"\xff": 1}', 400, "not JSON in UTF-8"),
        (b"\x1f\x8b\x08gzip", 400, "not JSON in UTF-8"),
        (b'{"layout": "\\ud800"}', 400, "not JSON"),
        (b"[" * 100_000, 400, "not JSON"),
        (b"[1, 2]", 422, "not a JSON object"),
        (b'"squat"', 422, "not a JSON object"),
        (b"{}", 422, "segments is missing"),
        (b'{"segments": []}', 422, "segments: "),
        (b'{"segments": [[]]}', 422, r"segments\[0\] has 0 frames"),
        (b'{"segments": "squat"}', 422, "segments: "),
        (b'{"segments": ["squat"]}', 422, r"segments\[0\]: must be a list"),
        (b'{"segments": [["squat"]]}', 422, r"segments\[0\]\[0\]: must be a list"),
        (b'{"segments": [[[[1, 2]]]]}', 422, r"segments\[0\]\[0\]\[0\]"),
        (b'{"segments": [[[[1, 2, "x"]]]]}', 422, r"segments\[0\]\[0\]\[0\]\[2\]"),
        (b'{"segments": [[[[1, 2, "3"]]]]}', 422, r"segments\[0\]\[0\]\[0\]\[2\]: .*: see /docs for an example"),
        (b'{"segments": [[[[1, 2, true]]]]}', 422, r"segments\[0\]\[0\]\[0\]\[2\]: "),
        (b'{"segments": [[[[1, 2, 3]]]]}', 422, r"segments\[0\]\[0\] has 1 joints: send the 17 of h36m17"),
        (b'{"segments": [[[[1, 2, 3]]]], "a\\nb": 1}', 422, r"^'a\\nb' is not a field of this request: remove it"),
        (b'{"segments": [[[[1, 2, 3]]]], "' + b"x" * 99 + b'": 1}', 422, "^'x{40}' is not a field"),
    ],
)
def test_a_body_that_is_not_segments_is_refused(client, body, status, says):
    assert re.search(says, refusal(client.post("/v1/classify", content=body, headers=JSON), status))


def test_the_first_wrong_value_among_thousands_is_named(client, segment):
    for value in ("x", True, [], {}):
        other = json.loads(json.dumps(segment))
        other[37][11][1] = value
        detail = refusal(client.post("/v1/classify", json={"segments": [segment, other]}), 422)
        assert detail.startswith("segments[1][37][11][1]: must be a number or null")


@pytest.mark.parametrize(
    "said", [None, "text/plain", "application/octet-stream", "multipart/form-data; boundary=b", "x" * 300]
)
def test_a_body_of_another_type_is_refused(client, said):
    response = client.post("/v1/classify", content=b"hello", headers={"content-type": said} if said else {})
    detail = refusal(response, 415)
    assert detail.startswith("Content-Type is ")
    assert "use application/json or application/x-npy or application/vnd.apache.arrow.stream." in detail
    assert len(detail) < 200


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("NaN", "in 0 frames"),
        ("null", "in 0 frames"),
        ("1e300", "beyond 100 m"),
        ("1" + "0" * 400, "beyond 100 m"),
        ("-1" + "0" * 4000, "beyond 100 m"),
        ("Infinity", "beyond 100 m"),
    ],
)
def test_coordinates_that_show_nobody_or_are_absurd_are_refused(client, value, says):
    body = json.dumps({"segments": [[[["VALUE"] * 3] * 17] * 5]}).replace('"VALUE"', value)
    assert says in refusal(client.post("/v1/classify", content=body, headers=JSON), 422)


def test_the_segment_with_one_absurd_coordinate_is_named(client, segment):
    body = json.dumps({"segments": [segment, segment[:7]]}).replace("0.126", "Infinity")
    assert refusal(client.post("/v1/classify", content=body, headers=JSON), 422).startswith("segments[0] has a coord")
    other = json.loads(json.dumps(segment[:7]))
    other[6][16][2] = -101
    detail = refusal(client.post("/v1/classify", json={"segments": [segment, other]}), 422)
    assert detail.startswith("segments[1] has a coordinate beyond 100 m")


@pytest.mark.parametrize("joints", [0, 16, 33])
def test_another_layout_than_the_named_one_is_refused(client, joints):
    segments = [[[[0.0, 0.0, 0.0]] * joints] * 60]
    assert f"{joints} joints" in refusal(client.post("/v1/classify", json={"segments": segments}), 422)


@pytest.mark.parametrize("frames", [4, 61])
def test_a_segment_of_another_length_is_refused(client, segment, frames):
    segments = [(segment * 2)[:frames]]
    detail = refusal(client.post("/v1/classify", json={"segments": segments}), 422)
    assert f"segments[0] has {frames} frames: send 5 to 60, at 5 a second" in detail
    assert ("cut it into several" in detail) == (frames > 60)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("top", value) for value in (0, 23, "many", "3", True, 2.5, None, 1e400)),
        *(("fps", value) for value in (0, 0.9, 241, "5", True, None, float("nan"))),
        *(("layout", value) for value in ("", "h36m", 17, None, ["h36m17"])),
    ],
)
def test_fields_are_checked(client, segment, field, value):
    body = json.dumps({"segments": [segment], field: value})
    assert refusal(client.post("/v1/classify", content=body, headers=JSON), 422).startswith(field)


def test_more_segments_than_one_answer_holds_are_refused(client, segment):
    assert "1 to 256 segments" in refusal(client.post("/v1/classify", json={"segments": [[]] * 257}), 422)


def test_a_busy_service_says_when_to_come_back(segment):
    class Full(LocalBackend):
        async def classify(self, poses):
            raise BusyError

        async def skeletons(self, video, name):
            raise BusyError
            yield

    client = TestClient(build_api(Full(), SMALL), raise_server_exceptions=False)
    for response in (
        client.post("/v1/classify", json={"segments": [segment]}),
        client.post("/v1/classify/video", files={"file": ("x.mp4", b"0")}),
    ):
        assert "busy: try again" in refusal(response, 503)
        assert int(response.headers["retry-after"]) > 0


def test_a_body_that_is_too_large_is_refused_before_it_is_read_whole(client):
    assert "1 MiB" in refusal(client.post("/v1/classify", content=b" " * (2**20 + 1), headers=JSON), 413)
    response = client.post("/v1/classify/video", files={"file": ("x.mp4", b"0" * (2**20 + 1))})
    assert "1 MiB" in refusal(response, 413)

    sent = 0

    def endless():
        nonlocal sent
        for _ in range(64):
            sent += 1
            yield b"0" * 2**16

    assert client.post("/v1/classify", content=endless(), headers=JSON).status_code == 413


def test_bodies_that_are_too_large_together_are_refused_until_one_is_done():
    async def ask():
        done = asyncio.Event()

        async def app(scope, receive, send):
            while (await receive())["more_body"]:
                pass
            await done.wait()

        limit = BodyLimit(app, limit=1000)

        async def request():
            chunks = [{"type": "http.request", "body": b"0" * 500, "more_body": more} for more in (True, False)]

            async def receive():
                return chunks.pop(0)

            await limit({"type": "http", "headers": []}, receive, None)

        held = [asyncio.create_task(request()) for _ in range(8)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await request()
        done.set()
        await asyncio.gather(*held)
        await request()

    asyncio.run(ask())


def test_json_that_would_fill_the_memory_is_refused(backend):
    client = TestClient(build_api(backend, AppSettings(max_body_mb=64)))
    response = client.post("/v1/classify", content=b'{"segments": [' + b"[]," * (2**24 // 3 + 1), headers=JSON)
    assert "larger than 16 MiB: send application/x-npy" in refusal(response, 413)


def test_other_paths_and_methods_say_where_to_look(client):
    assert "GET /nope" in refusal(client.get("/nope"), 404)
    wrong = client.get("/v1/classify")
    assert refusal(wrong, 405) == "there is no 'GET /v1/classify': use POST."
    assert wrong.headers["allow"] == "POST"
    assert len(refusal(client.get("/" + "x" * 5000), 404)) < 150
    assert r"'GET /a\nb'" in refusal(client.get("/a%0Ab"), 404)


def test_whole_numbers_are_coordinates(client):
    assert client.post("/v1/classify", json={"segments": [[[[1, 0, -1]] * 17] * 60]}).status_code == 200


def test_the_model_the_health_and_the_readiness(client):
    model = client.get("/v1/model").json()
    assert model["model_version"] == "7"
    assert model["classes"] == list(EXERCISES)
    assert (model["frames"], model["grid_fps"], model["layout"]) == (60, 5.0, "h36m17")
    assert "blazepose33" in model["layouts"]
    assert model["following"] == "champion"
    assert model["refused"] == {"version": "8", "why": "it is broken."}
    assert client.get("/healthz").json() == {"status": "ok", "model_version": "7"}
    assert client.get("/readyz").json() == {"status": "ready", "model_version": "7"}


def test_a_service_without_a_model_is_alive_but_not_ready(segment):
    backend = LocalBackend()
    backend.current = None
    client = TestClient(build_api(backend, SMALL), raise_server_exceptions=False)
    assert client.get("/healthz").json() == {"status": "ok", "model_version": None}
    for response in (
        client.get("/readyz"),
        client.get("/v1/model"),
        client.post("/v1/classify", json={"segments": [segment]}),
        client.post("/v1/classify/video", files={"file": ("x.mp4", b"0")}),
    ):
        assert response.status_code == 503
        assert response.json()["model_version"] is None
        assert "no model is loaded yet" in response.json()["detail"]


def test_the_documentation_has_an_example_and_every_refusal_of_every_request(client):
    assert client.get("/docs").status_code == 200
    document = client.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/v1/classify", "/v1/classify/video", "/v1/model", "/v1/model/report", "/v1/layouts", "/v1/exercises",
        "/healthz", "/readyz",
    }  # fmt: skip
    text = json.dumps(document)
    for name in set(re.findall(r'"#/components/schemas/(\w+)"', text)):
        assert name in document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for operation in methods.values():
            refusals = {status for status in operation["responses"] if status >= "400"}
            assert refusals >= (
                {"400", "401", "403", "413", "415", "422", "429", "500", "503"} if "classify" in path else {"500"}
            )
            for status in refusals:
                problem = operation["responses"][status]["content"]["application/problem+json"]["example"]
                assert problem["status"] == int(status)
    bodies = document["paths"]["/v1/classify"]["post"]["requestBody"]["content"]
    assert set(bodies) == {"application/json", "application/x-npy", "application/vnd.apache.arrow.stream"}
    (example,) = bodies["application/json"]["schema"]["examples"]
    assert client.post("/v1/classify", json=example).status_code == 200


def test_a_defect_is_answered_as_one_and_hides_its_details(segment):
    class Broken(LocalBackend):
        async def classify(self, poses):
            raise ZeroDivisionError("secret")

    client = TestClient(build_api(Broken(), SMALL), raise_server_exceptions=False)
    detail = refusal(client.post("/v1/classify", json={"segments": [segment]}), 500)
    assert "ZeroDivisionError" in detail
    assert "secret" not in detail


def test_pages_of_other_origins_may_ask_only_if_allowed(backend, client):
    asks = {"origin": "https://gym.example", "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in client.get("/healthz", headers=asks).headers
    assert client.options("/v1/classify", headers=asks).status_code == 405
    open_client = TestClient(build_api(backend, AppSettings(origins=("https://gym.example",))))
    answer = open_client.options("/v1/classify", headers=asks)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://gym.example"
    other = open_client.get("/healthz", headers={"origin": "https://else.example"})
    assert "access-control-allow-origin" not in other.headers


class Deny:
    """As a guard would, before anything is read."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Recorded:
    def __init__(self):
        self.requests = []

    def request(self, method, route, status, seconds):
        assert 0 <= seconds <= time.perf_counter()
        self.requests.append((method, route, status))


def test_every_request_is_counted_by_its_route_and_no_made_up_path_or_method_is(backend, segment):
    seen = Recorded()
    client = TestClient(build_api(backend, SMALL, metrics=seen), raise_server_exceptions=False)
    client.post("/v1/classify", json={"segments": [segment]})
    client.post("/v1/classify", content=b"{", headers=JSON)
    client.get("/v1/classify")
    client.get("/made/up")
    client.request("MADEUP", "/healthz")
    assert seen.requests == [
        ("POST", "/v1/classify", 200),
        ("POST", "/v1/classify", 400),
        ("GET", "/v1/classify", 405),
        ("GET", "none", 404),
        ("other", "/healthz", 405),
    ]


def test_a_middleware_answers_before_anything_is_read_and_is_counted(backend):
    seen = Recorded()
    client = TestClient(build_api(backend, SMALL, middleware=[Middleware(Deny)], metrics=seen))
    assert client.post("/v1/classify", content=b"x" * 2**21).status_code == 401
    assert seen.requests == [("POST", "none", 401)]

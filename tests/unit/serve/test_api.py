"""The HTTP API on a real classifier and a real estimator, without Ray: what comes out, what is refused."""

import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient

from gymspotter.classify import classify, timeline
from gymspotter.errors import InputError, NoPersonError
from gymspotter.labels import EXERCISES
from gymspotter.models import Classifier
from gymspotter.models.transformer import Transformer, TransformerConfig
from gymspotter.pose import load_estimator
from gymspotter.registry import ModelFacts
from gymspotter.spans import plan_spans, track_span
from serve import api
from serve.api import BusyError, build_api, skeletonise
from tests.conftest import write_clip


class LocalBackend:
    """Everything in this process; the weights are random, which the API must not care about."""

    version = "7"
    facts = ModelFacts(model="transformer", classes=list(EXERCISES), frames=60, grid_fps=5.0)

    def __init__(self):
        torch.manual_seed(0)
        fusion = Transformer(TransformerConfig(), joints=17, frames=60, classes=22)
        self.module = Classifier(fusion).eval()
        self.estimator = load_estimator("blazepose")

    async def classify(self, poses, top):
        return classify(self.module, poses, self.facts.classes, top)

    async def skeletons(self, video: Path, name: str):
        return skeletonise(video, name, self.estimator, fps=self.facts.grid_fps, max_seconds=60.0)

    async def timeline(self, tracks):
        return timeline(self.module, tracks, self.facts.classes, top=22)


@pytest.fixture(scope="module")
def backend():
    return LocalBackend()


@pytest.fixture(scope="module")
def client(backend):
    # A server error is to be seen as a 500, as a client sees it.
    return TestClient(build_api(backend, max_body_bytes=2**20), raise_server_exceptions=False)


@pytest.fixture
def segment():
    return np.random.default_rng(0).normal(size=(60, 17, 3)).round(3).tolist()


def refusal(response, status):
    """The one sentence of a refused request, after checking the form of the answer."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["model_version"] == "7"
    assert body["detail"].endswith(".")
    assert "\n" not in body["detail"]
    return body["detail"]


def test_segments_get_an_answer_each_in_order(client, backend, segment):
    other = (2 * np.array(segment)[::-1]).tolist()
    answer = client.post("/v1/classify", json={"segments": [segment, other], "top": 4}).json()
    assert answer["model_version"] == "7"
    poses = torch.tensor([segment, other])
    expected = backend.module(poses).softmax(dim=1).detach().numpy()
    for row, probabilities in zip(answer["segments"], expected, strict=True):
        assert [g["exercise"] for g in row["top"]] == [EXERCISES[k] for k in np.argsort(-probabilities)[:4]]
        assert row["probability"] == pytest.approx(probabilities.max(), abs=1e-5)
        assert row["exercise"] == row["top"][0]["exercise"]


def test_missing_joints_are_null(client, segment):
    segment[10] = [[None, None, None]] * 17
    segment[20][3] = [None, None, None]
    assert client.post("/v1/classify", json={"segments": [segment]}).status_code == 200


def test_a_shorter_segment_is_accepted(client, segment):
    assert client.post("/v1/classify", json={"segments": [segment[:25]]}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"{", 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b'{"\xff": 1}', 400, "cannot be read as JSON in UTF-8"),
        (b"\x1f\x8b\x08gzip", 400, "cannot be read as JSON in UTF-8"),
        (b"[1, 2]", 422, "not a JSON object"),
        (b'"squat"', 422, "not a JSON object"),
        (b"{}", 422, "segments is missing"),
        (b'{"segments": []}', 422, "segments: "),
        (b'{"segments": [[]]}', 422, r"segments\[0\] has 0 frames"),
        (b'{"segments": "squat"}', 422, "segments: "),
        (b'{"segments": [[[[1, 2]]]]}', 422, r"segments\[0\]\[0\]\[0\]"),
        (b'{"segments": [[[[1, 2, "x"]]]]}', 422, r"segments\[0\]\[0\]\[0\]\[2\]"),
        (b'{"segments": [[[[1, 2, "3"]]]]}', 422, r"segments\[0\]\[0\]\[0\]\[2\]: .*: see /docs for an example"),
        (b'{"segments": [[[[1, 2, true]]]]}', 422, r"segments\[0\]\[0\]\[0\]\[2\]: "),
        (b'{"segments": [[[[1, 2, 3]]]], "a\\nb": 1}', 422, r"^'a\\nb' is not a field of this request: remove it"),
        (b'{"segments": [[[[1, 2, 3]]]], "' + b"x" * 99 + b'": 1}', 422, "^'x{40}' is not a field"),
    ],
)
def test_a_body_that_is_not_segments_is_refused(client, body, status, says):
    response = client.post("/v1/classify", content=body, headers={"content-type": "application/json"})
    assert re.search(says, refusal(response, status))


def test_a_body_of_another_type_is_refused(client):
    assert "Content-Type" in refusal(client.post("/v1/classify", content=b"hello"), 422)


@pytest.mark.parametrize(
    ("value", "says"), [(float("nan"), "in 0 frames"), (None, "in 0 frames"), (1e300, "beyond 100 m")]
)
def test_coordinates_that_show_nobody_or_are_absurd_are_refused(client, value, says):
    body = json.dumps({"segments": [[[[value] * 3] * 17] * 60]})
    response = client.post("/v1/classify", content=body, headers={"content-type": "application/json"})
    assert says in refusal(response, 422)


def test_infinity_is_refused(client):
    body = '{"segments": [' + json.dumps([[[0.1, 0.2, 0.3]] * 17] * 60).replace("0.1", "Infinity", 1) + "]}"
    response = client.post("/v1/classify", content=body, headers={"content-type": "application/json"})
    assert "beyond 100 m" in refusal(response, 422)


@pytest.mark.parametrize("joints", [0, 16, 33])
def test_another_layout_is_refused(client, joints):
    segments = [[[[0.0, 0.0, 0.0]] * joints] * 60]
    assert f"{joints} joints" in refusal(client.post("/v1/classify", json={"segments": segments}), 422)


@pytest.mark.parametrize("frames", [4, 61])
def test_a_segment_of_another_length_is_refused(client, segment, frames):
    segments = [(segment * 2)[:frames]]
    assert f"has {frames} frames" in refusal(client.post("/v1/classify", json={"segments": segments}), 422)


@pytest.mark.parametrize("top", [0, 23, "many", "3", True])
def test_top_is_checked(client, segment, top):
    assert "top: " in refusal(client.post("/v1/classify", json={"segments": [segment], "top": top}), 422)


def test_a_video_gets_a_timeline(client, squat_video):
    with squat_video.open("rb") as file:
        answer = client.post("/v1/classify/video", files={"file": ("a/b/../squat.mp4", file)}).json()
    assert answer["model_version"] == "7"
    assert answer["estimator"].startswith("blazepose")
    assert answer["seconds"] == pytest.approx(6.0)
    assert answer["person_seen"] > 0.9
    assert [(s["start"], s["end"]) for s in answer["segments"]] == [(0.0, pytest.approx(6.0))]
    assert answer["exercise"] == answer["segments"][0]["exercise"]
    assert len(answer["segments"][0]["top"]) == 3


def test_videos_that_cannot_be_used_are_refused(client, tmp_path, squat_video):
    good = squat_video.read_bytes()
    nobody = write_clip(tmp_path / "nobody.mp4").read_bytes()
    brief = write_clip(tmp_path / "brief.mp4", frames=1).read_bytes()
    for content, says in (
        (b"", "is empty (0 bytes)"),
        (b"A text file called .mp4", "cannot be decoded"),
        (good[: len(good) // 2], "cannot be decoded"),
        (nobody, "no person was seen"),
        (brief, "no person was seen"),
    ):
        response = client.post("/v1/classify/video", files={"file": ("x.mp4", content)})
        assert says in refusal(response, 422)
    assert "file is missing" in refusal(client.post("/v1/classify/video"), 422)
    written = client.post("/v1/classify/video", data={"file": "squat.mp4"})
    assert "file is not an uploaded file" in refusal(written, 422)


@pytest.mark.parametrize("name", ["..", "a\0b.mp4", "\U0001f3cb" * 100, "x.m3u8", "img%03d.png", "a\nb", "x" * 300])
def test_the_name_of_an_upload_is_used_in_sentences_only(client, squat_video, name):
    # Written by hand, since httpx escapes what a client may send raw.
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    headers = {"content-type": "multipart/form-data; boundary=b"}

    def post(content):
        return client.post("/v1/classify/video", content=head + content + b"\r\n--b--\r\n", headers=headers)

    assert post(squat_video.read_bytes()).status_code == 200
    assert f"video {name[:100]!r} is empty" in refusal(post(b""), 422)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "multipart/form-data"}, b"x"),
        ({"content-type": "multipart/form-data; boundary=b"}, b"not a part"),
        (
            {"content-type": "multipart/form-data; boundary=b"},
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + b"0" * (2**20 + 1) + b"\r\n--b--\r\n",
        ),
    ],
)
def test_a_form_that_cannot_be_read_is_refused(backend, headers, body):
    client = TestClient(build_api(backend, max_body_bytes=2**22), raise_server_exceptions=False)
    detail = refusal(client.post("/v1/classify/video", content=body, headers=headers), 400)
    assert "cannot be read as multipart/form-data" in detail


def test_a_span_without_a_person_counts_as_unseen(client, squat_video, monkeypatch):
    def in_the_first_span(span, estimator):
        if span.span:
            raise NoPersonError("nobody.")
        return track_span(span, estimator)

    monkeypatch.setattr(api, "plan_spans", partial(plan_spans, span_seconds=3.0))
    monkeypatch.setattr(api, "track_span", in_the_first_span)
    with squat_video.open("rb") as file:
        answer = client.post("/v1/classify/video", files={"file": ("squat.mp4", file)}).json()
    assert answer["seconds"] == pytest.approx(6.0)
    assert 0.4 < answer["person_seen"] <= 0.5
    assert answer["segments"][-1]["end"] == pytest.approx(3.0)


def test_a_video_that_is_too_long_is_refused_before_it_is_planned(backend, squat_video, monkeypatch):
    monkeypatch.setattr(api, "plan_spans", None)
    with pytest.raises(InputError, match=r"file 'upload' is 6 s long: send at most 5 s"):
        skeletonise(squat_video, "upload", backend.estimator, fps=5.0, max_seconds=5.0)


def test_the_grid_is_the_model_s(squat_video, segment):
    class Slower(LocalBackend):
        facts = replace(LocalBackend.facts, grid_fps=2.5)

    backend = Slower()
    client = TestClient(build_api(backend, max_body_bytes=2**20))
    detail = refusal(client.post("/v1/classify", json={"segments": [segment[:4]]}), 422)
    assert "at 2.5 a second" in detail
    found = skeletonise(squat_video, "squat.mp4", backend.estimator, fps=backend.facts.grid_fps)
    assert found.frames == sum(len(track.joints) for track in found.tracks) == 15
    assert {track.fps for track in found.tracks} == {2.5}


def test_a_busy_service_says_when_to_come_back():
    class Full(LocalBackend):
        async def skeletons(self, video, name):
            raise BusyError

    client = TestClient(build_api(Full(), max_body_bytes=2**20), raise_server_exceptions=False)
    response = client.post("/v1/classify/video", files={"file": ("x.mp4", b"0")})
    assert "busy: try again" in refusal(response, 503)
    assert int(response.headers["retry-after"]) > 0


def test_a_body_that_is_too_large_is_refused_before_it_is_read_whole(client):
    assert "1 MiB" in refusal(client.post("/v1/classify", content=b" " * (2**20 + 1)), 413)
    response = client.post("/v1/classify/video", files={"file": ("x.mp4", b"0" * (2**20 + 1))})
    assert "1 MiB" in refusal(response, 413)

    sent = 0

    def endless():
        nonlocal sent
        for _ in range(64):
            sent += 1
            yield b"0" * 2**16

    assert client.post("/v1/classify", content=endless()).status_code == 413


def test_other_paths_and_methods_say_where_to_look(client):
    assert "GET /nope" in refusal(client.get("/nope"), 404)
    wrong = client.get("/v1/classify")
    assert refusal(wrong, 405) == "there is no 'GET /v1/classify': use POST."
    assert wrong.headers["allow"] == "POST"
    assert len(refusal(client.get("/" + "x" * 5000), 404)) < 150
    assert r"'GET /a\nb'" in refusal(client.get("/a%0Ab"), 404)


def test_whole_numbers_are_coordinates(client):
    assert client.post("/v1/classify", json={"segments": [[[[1, 0, -1]] * 17] * 60]}).status_code == 200


def test_the_model_the_health_and_the_documentation(client):
    model = client.get("/v1/model").json()
    assert model["model_version"] == "7"
    assert model["classes"] == list(EXERCISES)
    assert (model["frames"], model["grid_fps"], model["layout"]) == (60, 5.0, "h36m17")
    assert client.get("/healthz").json() == {"status": "ok", "model_version": "7"}
    assert client.get("/docs").status_code == 200
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/v1/classify", "/v1/classify/video", "/v1/model", "/healthz"}


def test_a_defect_is_answered_as_one_and_hides_its_details(backend, segment):
    class Broken(LocalBackend):
        async def classify(self, poses, top):
            raise ZeroDivisionError("secret")

    client = TestClient(build_api(Broken(), max_body_bytes=2**20), raise_server_exceptions=False)
    detail = refusal(client.post("/v1/classify", json={"segments": [segment]}), 500)
    assert "ZeroDivisionError" in detail
    assert "secret" not in detail

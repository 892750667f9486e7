"""Videos through the API on a real classifier and a real estimator: uploads, URIs, events, and clients that go."""

import asyncio
import json
import os
import threading
import time
from dataclasses import replace
from functools import partial

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient

from gymspotter.decoder import Decoder
from gymspotter.errors import InputError, NoPersonError
from gymspotter.spans import plan_spans, track_span
from gymspotter.storage import join, write_whole
from serve import skeletons
from serve.http.api import build_api
from serve.http.schemas import VideoResponse
from serve.settings import AppSettings
from serve.skeletons import skeletonise
from tests.conftest import write_clip
from tests.local_backend import FACTS, Loaded, LocalBackend, QuickEstimator, refusal, sentence

EVENTS = {"accept": "text/event-stream"}


@pytest.fixture(scope="module")
def backend():
    return LocalBackend()


@pytest.fixture(scope="module")
def client(backend):
    return TestClient(build_api(backend, AppSettings(max_body_mb=1)), raise_server_exceptions=False)


@pytest.fixture(scope="module")
def quick():
    return LocalBackend(estimator=QuickEstimator())


@pytest.fixture
def reading(quick, tmp_path):
    """A client of a service that may read what is below one folder."""
    (tmp_path / "clips").mkdir()
    settings = AppSettings(max_body_mb=1, video_uris=("s3://nowhere/at-all", str(tmp_path / "clips")))
    return TestClient(build_api(quick, settings), raise_server_exceptions=False)


def upload(client, content, name="squat.mp4", **more):
    return client.post("/v1/classify/video", files={"file": (name, content)}, **more)


def ask(client, uri, **more):
    return client.post("/v1/classify/video", json={"uri": str(uri)}, **more)


def test_a_video_gets_a_timeline_and_sets(client, squat_video):
    response = upload(client, squat_video.read_bytes(), "a/b/../squat.mp4")
    answer = response.json()
    assert VideoResponse.model_validate(answer, extra="forbid").model_version == "7"
    assert answer["estimator"].startswith("blazepose")
    assert answer["seconds"] == pytest.approx(6.0)
    assert answer["person_seen"] > 0.9
    (segment,) = answer["segments"]
    assert (segment["start"], segment["end"]) == (0.0, pytest.approx(6.0))
    assert answer["exercise"] == segment["exercise"]
    assert len(segment["top"]) == 3
    assert segment["known"] == (segment["unknown"] <= 0.5)
    assert len(answer["sets"]) == segment["known"]


def test_the_repetitions_of_a_set_are_counted_in_the_video(squat_video):
    class Sure(LocalBackend):
        """Names what it is shown, as a trained model would."""

        async def classify(self, poses):
            answers = await super().classify(poses)
            answers.probabilities_SK[:] = np.eye(22)[self.current.facts.classes.index("squat")]
            answers.unknown_S[:] = 0.0
            return answers

    client = TestClient(build_api(Sure(), AppSettings()))
    (one,) = upload(client, squat_video.read_bytes()).json()["sets"]
    assert (one["exercise"], one["start"], one["end"]) == ("squat", 0.0, pytest.approx(6.0))
    assert one["repetitions"] == len(one["times"]) >= 1
    assert all(0 <= each["start"] < each["end"] <= 6.2 for each in one["times"])


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
        detail = refusal(upload(client, content, "x.mp4"), 422)
        assert says in detail
        assert "'upload'" not in detail
        events = upload(client, content, "x.mp4", headers=EVENTS)
        assert events.status_code == 200
        assert events.text.splitlines()[-3] == "event: problem"
        assert sentence(json.loads(events.text.splitlines()[-2].removeprefix("data: ")), 422) == detail


def test_a_form_without_a_file_is_refused(client):
    other = {"files": {"clip": ("x.mp4", b"0")}}
    assert "file is missing" in refusal(client.post("/v1/classify/video", **other), 422)
    written = {"files": {"file": (None, "squat.mp4")}}
    assert "file is not an uploaded file" in refusal(client.post("/v1/classify/video", **written), 422)
    two = [("file", ("a.mp4", b"0")), ("file", ("b.mp4", b"0"))]
    assert "cannot be read" in refusal(client.post("/v1/classify/video", files=two), 400)
    assert "multipart/form-data or application/json" in refusal(client.post("/v1/classify/video"), 415)


@pytest.mark.parametrize("name", ["..", "a\0b.mp4", "\U0001f3cb" * 100, "x.m3u8", "img%03d.png", "a\nb", "x" * 300])
def test_the_name_of_an_upload_is_used_in_sentences_only(quick, squat_video, name):
    client = TestClient(build_api(quick, AppSettings()))
    # Written by hand, since httpx escapes what a client may send raw.
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    headers = {"content-type": "multipart/form-data; boundary=b"}

    def post(content):
        return client.post("/v1/classify/video", content=head + content + b"\r\n--b--\r\n", headers=headers)

    assert post(squat_video.read_bytes()).status_code == 200
    assert f"video {name[:100]!r} is empty" in refusal(post(b""), 422)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=b", b"not a part"),
        ("multipart/form-data; boundary=" + "b" * 100, b"--b"),
        ("multipart/form-data; boundary=\xff", b"--\xff\r\n"),
        (
            "multipart/form-data; boundary=b; charset=no-such",
            b'--b\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n',
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + b"0" * (2**20 + 1) + b"\r\n--b--\r\n",
        ),
    ],
)
def test_a_form_that_cannot_be_read_is_refused(backend, content_type, body):
    client = TestClient(build_api(backend, AppSettings(max_body_mb=4)), raise_server_exceptions=False)
    response = client.post("/v1/classify/video", content=body, headers={"content-type": content_type.encode("latin-1")})
    assert response.status_code in (400, 422)
    assert "multipart/form-data" in response.json()["detail"] or "file is missing" in response.json()["detail"]


def test_a_span_without_a_person_counts_as_unseen(client, squat_video, monkeypatch):
    def in_the_first_span(span, estimator, decode):
        if span.span:
            raise NoPersonError("nobody.")
        return track_span(span, estimator, decode)

    monkeypatch.setattr(skeletons, "plan_spans", partial(plan_spans, span_seconds=3.0))
    monkeypatch.setattr(skeletons, "track_span", in_the_first_span)
    answer = upload(client, squat_video.read_bytes()).json()
    assert answer["seconds"] == pytest.approx(6.0)
    assert 0.4 < answer["person_seen"] <= 0.5
    assert answer["segments"][-1]["end"] == pytest.approx(3.0)


def test_a_video_that_is_too_long_is_refused_before_it_is_planned(backend, squat_video, monkeypatch):
    monkeypatch.setattr(skeletons, "plan_spans", None)
    with pytest.raises(InputError, match=r"file 'upload' is 6 s long: send at most 5 s"):
        skeletonise(squat_video, "upload", backend.estimator, fps=5.0, max_seconds=5.0)


def test_the_grid_is_the_model_s(backend, squat_video):
    found = skeletonise(squat_video, "squat.mp4", backend.estimator, fps=2.5)
    assert found.frames == sum(len(track.joints) for track in found.tracks) == 15
    assert {track.fps for track in found.tracks} == {2.5}
    slower = LocalBackend(facts=replace(FACTS, grid_fps=2.5), estimator=QuickEstimator())
    client = TestClient(build_api(slower, AppSettings()))
    detail = refusal(client.post("/v1/classify", json={"segments": [[[[0, 0, 0]] * 17] * 4], "fps": 2.5}), 422)
    assert "at 2.5 a second" in detail


def test_a_decoder_in_a_process_of_its_own_finds_the_same(quick, squat_video, tmp_path):
    shares = []
    with Decoder() as decoder:
        found = skeletonise(squat_video, "squat.mp4", quick.estimator, fps=5.0, tell=shares.append, decoder=decoder)
        (tmp_path / "upload").write_bytes(b"text")
        with pytest.raises(InputError, match=r"^video 'my clip' cannot be decoded"):
            skeletonise(tmp_path / "upload", "my clip", quick.estimator, fps=5.0, decoder=decoder)
    expected = skeletonise(squat_video, "squat.mp4", quick.estimator, fps=5.0)
    np.testing.assert_array_equal(found.tracks[0].joints, expected.tracks[0].joints)
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert 0.9 < shares[-1] < 1.0


def test_events_tell_of_progress_and_end_with_what_is_the_answer_otherwise(quick, squat_video):
    client = TestClient(build_api(quick, AppSettings()))
    response = upload(client, squat_video.read_bytes(), headers=EVENTS)
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [dict(line.split(": ", 1) for line in part.splitlines()) for part in response.text.strip().split("\n\n")]
    shares = [json.loads(event["data"])["share"] for event in events[:-1]]
    assert {event["event"] for event in events[:-1]} == {"progress"}
    assert len(shares) > 5
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-1] <= 1
    assert events[-1]["event"] == "result"
    assert json.loads(events[-1]["data"]) == upload(client, squat_video.read_bytes()).json()


def test_a_defect_in_a_stream_of_events_is_its_last_event(squat_video):
    class Broken(LocalBackend):
        async def classify(self, poses):
            raise ZeroDivisionError("secret")

    client = TestClient(build_api(Broken(estimator=QuickEstimator()), AppSettings()))
    text = upload(client, squat_video.read_bytes(), headers=EVENTS).text
    assert "ZeroDivisionError" in sentence(json.loads(text.strip().splitlines()[-1].removeprefix("data: ")), 500)
    assert "secret" not in text


class Endless(LocalBackend):
    """Works until it is told to stop."""

    def __init__(self):
        self.current = Loaded(version="7", facts=FACTS)
        self.began, self.ended, self.folders = threading.Event(), threading.Event(), []

    async def skeletons(self, video, name):
        self.folders.append(video.parent)
        try:
            for k in range(10**6):
                self.began.set()
                yield min(k / 1000, 1.0)
                await asyncio.sleep(0.01)
        finally:
            assert video.exists()
            self.ended.set()


@pytest.mark.parametrize("headers", [{}, EVENTS])
@pytest.mark.parametrize("disconnect", ["2.3", "2.4"])
def test_a_client_that_goes_ends_the_work(headers, disconnect):
    """By the ASGI messages of a server: older ones send http.disconnect, newer ones also fail to send."""
    backend = Endless()
    api = build_api(backend, AppSettings())
    gone = asyncio.Event()
    request = httpx.Request("POST", "http://test/v1/classify/video", files={"file": ("x.mp4", b"0")}, headers=headers)
    messages = [{"type": "http.request", "body": request.read(), "more_body": False}]

    async def receive():
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        if gone.is_set() and disconnect == "2.4":
            raise OSError

    async def run():
        scope = {
            "type": "http", "method": "POST", "path": "/v1/classify/video", "query_string": b"", "root_path": "",
            "headers": [(k.lower(), v) for k, v in request.headers.raw], "scheme": "http", "server": ("test", 80),
            "asgi": {"version": "3.0", "spec_version": disconnect}, "http_version": "1.1",
        }  # fmt: skip
        asked = asyncio.ensure_future(api(scope, receive, send))
        while not backend.began.is_set():
            await asyncio.sleep(0.01)
        assert not asked.done()
        gone.set()
        await asyncio.wait({asked}, timeout=30)
        assert asked.done()
        return asked.exception()

    assert asyncio.run(run()) is None
    assert backend.ended.wait(30)
    assert not backend.folders[0].exists()


def test_work_in_a_thread_ends_with_the_client_too(squat_video):
    """The estimator is not used by two threads, and the file stays as long as it is read."""
    backend = LocalBackend(estimator=QuickEstimator())
    frames = []
    watch = backend.estimator.watch

    def slowly(shown):
        def counted():
            for frame in shown:
                frames.append(frame.shape)
                time.sleep(0.1)
                yield frame

        return watch(counted())

    backend.estimator.watch = slowly

    async def run():
        steps = backend.skeletons(squat_video, "squat.mp4")
        async for _ in steps:
            if len(frames) >= 2:
                break
        await steps.aclose()
        seen = len(frames)
        assert not backend.one_at_a_time.locked()
        await asyncio.sleep(0.5)
        assert len(frames) == seen < 15

    asyncio.run(run())


def test_a_video_is_fetched_from_below_an_allowed_folder(reading, tmp_path, squat_video):
    clip = tmp_path / "clips" / "my clip.mp4"
    clip.write_bytes(squat_video.read_bytes())
    (tmp_path / "clips" / "link.mp4").symlink_to("my clip.mp4")
    expected = upload(reading, squat_video.read_bytes()).json()
    for uri in (
        clip,
        f"file://{tmp_path}/clips/my%20clip.mp4",
        tmp_path / "clips" / "link.mp4",
        f"{tmp_path}/clips/../clips//my clip.mp4",
    ):
        assert ask(reading, uri).json() == expected
    assert "event: result" in ask(reading, clip, headers=EVENTS).text
    assert clip.read_bytes() == squat_video.read_bytes()


@pytest.mark.parametrize(
    "uri",
    [
        "/etc/passwd",
        "file:///etc/passwd",
        "{clips}/../secret.mp4",
        "file://{clips}/%2e%2e/secret.mp4",
        "file://localhost{clips}/clip.mp4",
        "{clips}-private/clip.mp4",
        "{clips}/out/secret.mp4",
        "{clips}/out.mp4",
        "clips/clip.mp4",
        "file://{clips}/%00.mp4",
        "s3://nowhere/at-all-else/clip.mp4",
        "s3://nowhere/at-all/../secret.mp4",
        "s3://nowhere/at-all//clip.mp4",
        "s3://nowhere/at-all/clip.mp4?endpoint_override=127.0.0.1:80&scheme=http",
        "s3://user@nowhere/at-all/clip.mp4",
        "gs://nowhere/at-all/clip.mp4",
    ],
)
def test_what_is_not_below_an_allowed_prefix_is_not_read(reading, tmp_path, squat_video, uri):
    for folder in (tmp_path, tmp_path / "clips-private"):
        folder.mkdir(exist_ok=True)
        for name in ("secret.mp4", "clip.mp4"):
            (folder / name).write_bytes(squat_video.read_bytes())
    (tmp_path / "clips" / "out").symlink_to(tmp_path)
    (tmp_path / "clips" / "out.mp4").symlink_to(tmp_path / "secret.mp4")
    detail = refusal(ask(reading, uri.replace("{clips}", str(tmp_path / "clips"))), 403)
    assert "is not allowed: this service reads only what is below its video_uris" in detail


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("http://127.0.0.1/clip.mp4", "'http': use a path, file://, s3:// or gs://"),
        ("HTTPS://gym.example/clip.mp4", "'https': use a path"),
        ("concat:/etc/passwd", "'concat': use a path"),
        ("file:/etc/passwd", "'file': use a path"),
        ("", "is empty"),
        ("/x\ny", "unprintable"),
        ("/" + "x" * 2000, "longer than 2000"),
        ("{clips}/none.mp4", "does not exist: check the path"),
        ("{clips}", "is not a file: name one"),
        ("{clips}/folder", "is not a file: name one"),
        ("{clips}/pipe", "is not a file: name one"),
        ("{clips}/empty.mp4", "video 'empty.mp4' is empty (0 bytes)"),
        ("{clips}/text.mp4", "video 'text.mp4' cannot be decoded"),
    ],
)
def test_what_cannot_be_fetched_is_refused(reading, tmp_path, uri, says):
    clips = tmp_path / "clips"
    (clips / "folder").mkdir()
    os.mkfifo(clips / "pipe")
    (clips / "empty.mp4").touch()
    (clips / "text.mp4").write_text("text")
    assert says in refusal(ask(reading, uri.replace("{clips}", str(clips))), 422)


def test_a_service_that_allows_no_uri_reads_none(client, squat_video):
    assert "is not read by this service: upload the video" in refusal(ask(client, squat_video), 403)


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"{", 400, "not JSON"),
        (b"[]", 422, "not a JSON object"),
        (b"{}", 422, "uri is missing"),
        (b'{"uri": 7}', 422, "uri is missing or no text"),
        (b'{"uri": "/x", "file": 1}', 422, "'file' is not a field"),
    ],
)
def test_json_without_a_uri_is_refused(reading, body, status, says):
    response = reading.post("/v1/classify/video", content=body, headers={"content-type": "application/json"})
    assert says in refusal(response, status)


def test_a_file_that_is_too_large_is_refused_as_an_upload_is(reading, tmp_path):
    (tmp_path / "clips" / "large.mp4").write_bytes(b"0" * (2**20 + 1))
    assert "is larger than 1 MiB" in refusal(ask(reading, tmp_path / "clips" / "large.mp4"), 413)


def test_a_video_is_fetched_from_object_storage(quick, s3, squat_video):
    write_whole(f"{s3}/clips/squat.mp4", squat_video.read_bytes())
    client = TestClient(build_api(quick, AppSettings(video_uris=(f"{s3}/clips/",))))
    assert ask(client, f"S3{s3[2:]}/clips/squat.mp4").json()["seconds"] == pytest.approx(6.0)
    assert "does not exist" in refusal(ask(client, f"{s3}/clips/none.mp4"), 422)
    refusal(ask(client, f"{s3}/other/squat.mp4"), 403)


def test_the_server_that_a_prefix_names_is_asked_and_not_told(quick, gs, squat_video):
    write_whole(join(gs, "squat.mp4"), squat_video.read_bytes())
    place, _, options = gs.partition("?")
    client = TestClient(build_api(quick, AppSettings(video_uris=(gs,))))
    assert ask(client, f"{place}/squat.mp4").json()["seconds"] == pytest.approx(6.0)
    assert options not in refusal(ask(client, f"{place}/none.mp4"), 422)
    refusal(ask(client, f"{place}/squat.mp4?{options}"), 403)

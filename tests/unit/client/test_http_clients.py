"""Both HTTP clients against a server that answers as it is told to."""

import asyncio
import io
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from gymspotter.client import NO_ANSWER, AsyncClient, Client, ServiceError
from gymspotter.client.exchange import EventParser
from gymspotter.client.results import ExerciseSet, Repetition, Timeline, VideoPoses, read
from gymspotter.errors import InputError

SEGMENT = {
    "exercise": "squat", "probability": 0.9, "top": [{"exercise": "squat", "probability": 0.9}], "unknown": 0.1,
    "known": True,
}  # fmt: skip
ANSWER = {"model_version": "7", "segments": [SEGMENT], "new": "field"}
TIMELINE = {
    "model_version": "7", "estimator": "blazepose 1", "seconds": 24, "person_seen": 1, "exercise": "squat",
    "probability": 0.9, "segments": [SEGMENT | {"start": 0, "end": 12.0}],
    "sets": [
        {"exercise": "squat", "start": 0, "end": 24, "probability": 0.9, "repetitions": 1,
         "times": [{"start": 1.5, "end": 3.5}]},
        {"exercise": "plank", "start": 0, "end": 24, "probability": 0.9, "repetitions": None, "times": []},
    ],
}  # fmt: skip
LOST = "lost"


class Scripted:
    """A server that gives its answers in order, the last one for ever, and keeps what it was asked."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                scripted.asked.append((self.path, dict(self.headers), body))
                answer = scripted.answers.pop(0) if len(scripted.answers) > 1 else scripted.answers[0]
                if answer is LOST:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                status, headers, content = answer
                content = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET

            def log_message(self, *words):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def asynchronous(url, call, **options):
    async def work():
        async with AsyncClient(url, **options) as client:
            return await call(client)

    return asyncio.run(work())


def synchronous(url, call, **options):
    with Client(url, **options) as client:
        return call(client)


@pytest.fixture(params=[synchronous, asynchronous])
def ask(request):
    return request.param


@pytest.fixture
def waits(monkeypatch):
    """Seconds that would have been slept."""
    slept = []

    async def at_once(seconds):
        slept.append(seconds)

    monkeypatch.setattr("gymspotter.client.http.time.sleep", slept.append)
    monkeypatch.setattr("gymspotter.client.http.asyncio.sleep", at_once)
    return slept


POSES = np.zeros((2, 5, 17, 3))
POSES[0, 0, 0, 0] = np.nan


def test_segments_of_one_length_are_sent_as_an_array(ask):
    with Scripted((200, {}, ANSWER)) as server:
        answer = ask(server.url, lambda c: c.classify(POSES, layout="coco17", fps=10, top=2), token="secret")
    (path, headers, body) = server.asked[0]
    assert path == "/v1/classify?layout=coco17&fps=10&top=2"
    assert headers["Content-Type"] == "application/x-npy"
    assert headers["Authorization"] == "Bearer secret"
    sent = np.load(io.BytesIO(body), allow_pickle=False)
    assert sent.dtype == np.float32
    np.testing.assert_array_equal(sent, POSES)
    assert answer.model_version == "7"
    assert answer.segments[0].top[0].exercise == "squat"
    assert answer.segments[0].known is True


def test_segments_of_several_lengths_are_sent_as_json(ask):
    with Scripted((200, {}, ANSWER)) as server:
        ask(server.url, lambda c: c.classify([POSES[0], POSES[0, :3]]))
    (path, headers, body) = server.asked[0]
    assert path == "/v1/classify"
    sent = json.loads(body)
    assert [len(segment) for segment in sent["segments"]] == [5, 3]
    assert sent["segments"][1][0][0] == [None, 0, 0]
    assert (sent["layout"], sent["fps"]) == ("h36m17", 5.0)
    assert "Authorization" not in headers


def test_one_segment_alone_is_one_of_many(ask):
    with Scripted((200, {}, ANSWER)) as server:
        ask(server.url, lambda c: c.classify(POSES[0]))
    assert np.load(io.BytesIO(server.asked[0][2])).shape == (1, 5, 17, 3)


@pytest.mark.parametrize("segments", [np.zeros((5, 17)), [np.zeros((5, 17, 2))], []])
def test_what_is_no_segment_is_refused_before_it_is_sent(ask, segments):
    with pytest.raises(InputError, match="segments"):
        ask("http://127.0.0.1:1", lambda c: c.classify(segments))


def test_a_refusal_is_a_service_error_with_the_service_s_sentence(ask, waits):
    refusal = (422, {}, {"detail": "top: must be 1 to 22."})
    with Scripted(refusal) as server, pytest.raises(ServiceError, match="top: must be 1 to 22") as error:
        ask(server.url, lambda c: c.classify(POSES, top=99))
    assert error.value.status == 422
    assert len(server.asked) == 1
    assert waits == []


def test_a_busy_service_is_asked_again_when_it_says(ask, waits):
    busy = (503, {"Retry-After": "7"}, {"detail": "the service is busy."})
    with Scripted(busy, LOST, (429, {}, b"slow down"), (200, {}, ANSWER)) as server:
        assert ask(server.url, lambda c: c.classify(POSES)).model_version == "7"
    assert len(server.asked) == 4
    assert len({body for _, _, body in server.asked}) == 1
    assert waits[0] == 7
    assert 0.5 <= waits[1] <= 1
    assert 1 <= waits[2] <= 2


def test_it_is_asked_again_so_often_and_no_more(ask, waits):
    busy = (503, {}, {"detail": "the service is busy."})
    with Scripted(busy) as server, pytest.raises(ServiceError, match="busy") as error:
        ask(server.url, lambda c: c.classify(POSES), retries=2)
    assert error.value.status == 503
    assert len(server.asked) == 3


def test_a_wait_that_is_too_long_is_not_waited(ask, waits):
    closed = (503, {"Retry-After": "3600"}, {"detail": "closed for today."})
    with Scripted(closed) as server, pytest.raises(ServiceError, match="closed"):
        ask(server.url, lambda c: c.classify(POSES))
    assert waits == []


def test_a_service_that_is_not_there_is_a_service_error(ask, waits):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(ServiceError, match="the service gave no answer") as error:
            ask(url, lambda c: c.model())
        assert error.value.status == NO_ANSWER
        assert len(waits) == 3
        assert ask(url, lambda c: c.healthy()) is False


def test_what_answers_but_is_no_gymspotter_is_a_service_error(ask):
    with Scripted((200, {}, b"<html>")) as server, pytest.raises(ServiceError, match="is it a gymspotter"):
        ask(server.url, lambda c: c.model())
    with Scripted((200, {}, {"model_version": 7})) as server, pytest.raises(ServiceError, match="model_version is '7'"):
        ask(server.url, lambda c: c.model())


def test_a_video_is_uploaded_anew_at_each_try(ask, waits, tmp_path):
    (tmp_path / "squat.mp4").write_bytes(b"a video")
    with Scripted((503, {}, b""), (200, {}, TIMELINE)) as server:
        timeline = ask(server.url, lambda c: c.classify_video(tmp_path / "squat.mp4"))
    for path, headers, body in server.asked:
        assert path == "/v1/classify/video"
        assert headers["Content-Type"].startswith("multipart/form-data")
        assert headers["Accept"] == "application/json"
        assert b'filename="squat.mp4"' in body
        assert b"a video" in body
    assert timeline.segments[0].end == 12.0
    assert timeline.sets[0] == ExerciseSet(
        exercise="squat", start=0, end=24, probability=0.9, repetitions=1, times=(Repetition(start=1.5, end=3.5),)
    )
    assert timeline.sets[1].repetitions is None


def events(*parts):
    text = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n: still working\n\n" for name, data in parts)
    return (200, {"Content-Type": "text/event-stream; charset=utf-8"}, text.encode())


def test_progress_is_told_while_a_video_is_worked_on(ask):
    shares = []
    steps = events(("progress", {"share": 0.25}), ("progress", {"share": 1}), ("news", {}), ("result", TIMELINE))
    with Scripted(steps) as server:
        timeline = ask(server.url, lambda c: c.classify_video("s3://gym/squat.mp4", on_progress=shares.append))
    (_, headers, body) = server.asked[0]
    assert json.loads(body) == {"uri": "s3://gym/squat.mp4"}
    assert headers["Accept"] == "text/event-stream"
    assert shares == [0.25, 1.0]
    assert timeline == read(Timeline, TIMELINE)


SHOWN = {"layout": "h36m17", "fps": 5.0, "times": [0, 0.2], "image_xy": [None, [[0.5, 1], None]]}


def test_the_size_of_the_pictures_is_told_by_those_who_know_it(ask):
    new = TIMELINE | {"poses": SHOWN | {"width": 480, "height": 640}}
    with Scripted((200, {}, new), (200, {}, TIMELINE | {"poses": SHOWN})) as server:
        sizes = []
        for _ in range(2):
            poses = ask(server.url, lambda c: c.classify_video("s3://gym/squat.mp4", poses=True)).poses
            sizes.append((poses.width, poses.height))
    assert sizes == [(480, 640), (None, None)]


def test_poses_are_told_if_they_were_asked_for(ask, tmp_path):
    """Of an upload and of a URI; a service of older days that knows nothing of them is no failure."""
    (tmp_path / "squat.mp4").write_bytes(b"a video")
    answer = (200, {}, TIMELINE | {"poses": SHOWN})
    with Scripted(answer, answer, (200, {}, TIMELINE), (200, {}, TIMELINE)) as server:
        upload = ask(server.url, lambda c: c.classify_video(tmp_path / "squat.mp4", poses=True))
        fetched = ask(server.url, lambda c: c.classify_video("s3://gym/squat.mp4", poses=True))
        old = ask(server.url, lambda c: c.classify_video("s3://gym/squat.mp4", poses=True))
        plain = ask(server.url, lambda c: c.classify_video("s3://gym/squat.mp4"))
    paths = [path for path, _, _ in server.asked]
    assert paths == ["/v1/classify/video?poses=true"] * 3 + ["/v1/classify/video"]
    told = VideoPoses(layout="h36m17", fps=5.0, times=(0.0, 0.2), image_xy=(None, ((0.5, 1.0), None)))
    assert upload.poses == fetched.poses == told
    assert old.poses is plain.poses is None


def test_a_joint_that_is_no_pair_is_a_service_error(ask):
    answer = TIMELINE | {"poses": SHOWN | {"image_xy": [[[0.5, 0.5, 0.5]]]}}
    with Scripted((200, {}, answer)) as server, pytest.raises(ServiceError, match="image_xy has 3 parts and not 2"):
        ask(server.url, lambda c: c.classify_video("s3://gym/squat.mp4", poses=True))


def test_a_problem_after_some_progress_is_a_service_error(ask):
    steps = events(("progress", {"share": 0.5}), ("problem", {"status": 422, "detail": "no person was seen."}))
    with Scripted(steps) as server, pytest.raises(ServiceError, match="no person was seen") as error:
        ask(server.url, lambda c: c.classify_video("s3://gym/squat.mp4", on_progress=print))
    assert error.value.status == 422


def test_events_that_break_off_are_a_service_error(ask):
    with (
        Scripted(events(("progress", {"share": 0.5}))) as server,
        pytest.raises(ServiceError, match="without a result"),
    ):
        ask(server.url, lambda c: c.classify_video("s3://gym/squat.mp4", on_progress=print))


def test_a_refusal_in_place_of_events_is_a_service_error(ask):
    with Scripted((403, {}, {"detail": "uri is not allowed."})) as server, pytest.raises(ServiceError, match="not all"):
        ask(server.url, lambda c: c.classify_video("s3://gym/squat.mp4", on_progress=print))


def test_a_video_that_is_not_there_is_an_input_error(ask):
    with pytest.raises(InputError, match=r"video 'nowhere\.mp4' is not a file"):
        ask("http://127.0.0.1:1", lambda c: c.classify_video("nowhere.mp4"))


@pytest.mark.parametrize(
    ("url", "retries", "sentence"), [("gym:8000", 3, "url is 'gym:8000'"), ("http://gym", -1, "retries")]
)
def test_options_are_checked(url, retries, sentence):
    for client in (Client, AsyncClient):
        with pytest.raises(InputError, match=sentence):
            client(url, retries=retries)


def test_server_sent_events_of_several_lines_are_put_together():
    parser = EventParser()
    lines = ["data: [1,", "data:2]", "", ": comment", "", "event: end", "data: 3", "id: 4", ""]
    assert [event for line in lines if (event := parser.feed(line))] == [("message", [1, 2]), ("end", 3)]

"""The commands of docs/http.md, as they stand there, with curl against a real server."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import uvicorn

from serve.http.about_schemas import ExercisesResponse, LayoutsResponse, ReportResponse
from serve.http.api import build_api
from serve.http.schemas import ClassifyResponse, Health, ModelResponse, Problem, VideoResponse
from serve.settings import AppSettings
from tests.local_backend import LocalBackend

PAGE = Path(__file__).parents[2] / "docs" / "http.md"
URL = "http://127.0.0.1:8000"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("curl ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, squat_video):
    """Where the reader of the page is: with a video, and with what the page's Python makes."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copy(squat_video, folder / "clip.mp4")
    (folder / "clips").mkdir()
    shutil.copy(squat_video, folder / "clips" / "squat.mp4")
    for code in blocks("python"):
        subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def url(folder):
    api = build_api(LocalBackend(), AppSettings(video_uris=(str(folder / "clips"),)))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(api, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(timeout=60)
        assert not thread.is_alive()


def run(command, url, folder):
    """Its status code and what it printed."""
    asked = command.replace(URL, url).replace("/data/clips", str(folder / "clips"))
    asked = asked.replace("curl ", "curl --silent --show-error --max-time 300 -w '\\n%{http_code}' ", 1)
    done = subprocess.run(
        ["bash", "-c", asked], cwd=folder, capture_output=True, text=True, env=os.environ | {"TOKEN": "secret"}
    )
    assert done.returncode == 0, done.stderr
    text, _, status = done.stdout.rpartition("\n")
    return int(status), text


def test_the_page_has_an_example_of_everything():
    text = "\n".join(COMMANDS)
    for part in (
        "/v1/classify ", "/v1/classify?", "/v1/classify/video", "/v1/model", "/healthz", "/readyz", "/openapi.json",
        "application/json", "application/x-npy", "application/vnd.apache.arrow.stream", "text/event-stream", "-F file=",
        '"uri"', "Authorization: Bearer", "poses=true", "/v1/model/report", "/v1/layouts", "/v1/exercises", "/web/",
    ):  # fmt: skip
        assert part in f"{text} ", part


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_gets_the_answer_that_it_promises(command, url, folder):
    status, text = run(command, url, folder)
    promised = re.search(r"# (4\d\d)$", command)
    assert status == int(promised[1] if promised else 200), text
    if promised:
        assert Problem.model_validate_json(text).status == status
        assert json.loads(text)["detail"] in PAGE.read_text()
    elif "event-stream" in command:
        events = re.findall(r"event: (\w+)\ndata: (.*)\n", text)
        assert {name for name, _ in events[:-1]} == {"progress"}
        assert events[-1][0] == "result"
        assert VideoResponse.model_validate_json(events[-1][1]).seconds == pytest.approx(6.0)
    elif "/video" in command:
        video = VideoResponse.model_validate_json(text)
        assert video.seconds == pytest.approx(6.0)
        assert (video.poses is not None) == ("poses=true" in command)
    elif "/v1/classify" in command:
        rows = ClassifyResponse.model_validate_json(text).segments
        assert len(rows) == (2 if "arrow" in command else 1)
        assert len(rows[0].top) == (5 if "top=5" in command else 3)
    elif "/v1/model/report" in command:
        assert ReportResponse.model_validate_json(text).model_version == "7"
    elif "/v1/layouts" in command:
        assert "h36m17" in LayoutsResponse.model_validate_json(text).layouts
    elif "/v1/exercises" in command:
        assert len(ExercisesResponse.model_validate_json(text).exercises) == 22
    elif "/web/settings.json" in command:
        limits = {"max_body_mb", "max_video_seconds"}
        assert set(json.loads(text)) == {"video_stays_here", "version", "held"} | limits
    elif "/v1/model" in command:
        assert ModelResponse.model_validate_json(text).model_version == "7"
    elif "/openapi.json" in command:
        assert json.loads(text)["openapi"]
    else:
        assert Health.model_validate_json(text).model_version == "7"


def test_the_three_formats_of_one_segment_get_one_answer(url, folder):
    commands = [command for command in COMMANDS if "segments." in command]
    answers = [json.loads(run(command, url, folder)[1])["segments"][0] for command in commands]
    assert len(answers) == 3
    for answer in answers:
        assert answer["exercise"] == answers[0]["exercise"]
        assert answer["probability"] == pytest.approx(answers[0]["probability"], abs=1e-3)


def test_a_client_that_is_killed_frees_the_service_for_the_next(url, folder):
    command = ["curl", "-sN", "-H", "Accept: text/event-stream", "-F", "file=@clip.mp4", f"{url}/v1/classify/video"]
    asking = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    assert asking.stdout.readline() == "event: progress\n"
    asking.kill()
    asking.wait()
    status, _ = run(f"curl -F file=@clip.mp4 {URL}/v1/classify/video", url, folder)
    assert status == 200

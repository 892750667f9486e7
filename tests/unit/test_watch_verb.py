"""`gymspotter watch` with a real video, a real estimator and a server of the real protocol."""

import io
import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from gymspotter.client import LiveSession
from gymspotter.errors import InputError
from gymspotter.watch import View, WatchOptions, encoded, watch
from gymspotter.watch_source import camera_number, pictures
from gymspotter.watch_view import Shown
from tests.stream_stub import Stub, on_a_thread


def options(source, stub, **fields):
    return WatchOptions(**({"source": str(source), "url": stub.url, "fast": True} | fields))


def test_joints_of_a_video_are_sent_and_the_events_are_logged(squat_video, capsys):
    with on_a_thread(Stub()) as stub:
        watch(options(squat_video, stub))
    assert stub.frames == 30
    printed = capsys.readouterr().out
    assert re.search(r"^ +0:0\d  squat 90%$", printed, flags=re.MULTILINE)
    assert [int(count) for count in re.findall(r"  squat: (\d+)$", printed, flags=re.MULTILINE)] == list(range(1, 11))
    assert re.search(r"^ +1 +squat +0:00 +0:05 +10$", printed, flags=re.MULTILINE)
    assert printed.endswith("1 set in 0:05.\n")


def test_pictures_of_a_video_are_sent_in_place_of_joints(clip, capsys):
    with on_a_thread(Stub(lose_after=[4])) as stub:
        watch(options(clip, stub, send="pictures", json=True))
    assert sorted(set(stub.pictures)) == pytest.approx(np.arange(10) / 5)
    events = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert [event["type"] for event in events if event["type"] not in ("rep", "label")] == [
        "disconnected",
        "reconnected",
        "goodbye",
    ]
    assert [event["seq"] for event in events if "seq" in event] == [1, 2, 3, 4, 5]


def test_a_video_is_sent_as_it_plays(clip, monkeypatch):
    now = [0.0]

    def passing(session, seconds):
        now[0] += seconds
        return []

    monkeypatch.setattr("gymspotter.watch.time.monotonic", lambda: now[0])
    monkeypatch.setattr(LiveSession, "wait_events", passing)
    with on_a_thread(Stub()) as stub:
        watch(options(clip, stub, send="pictures", fast=False))
    assert now[0] == pytest.approx(1.8)


def test_the_token_is_taken_from_the_environment(clip, monkeypatch, capsys):
    with on_a_thread(Stub(token="right")) as stub:
        with pytest.raises(InputError, match="the token is not known: name a token with --token"):
            watch(options(clip, stub, send="pictures"))
        monkeypatch.setenv("GYMSPOTTER_TOKEN", "right")
        watch(options(clip, stub, send="pictures"))
    assert "1 set" in capsys.readouterr().out


def test_a_service_that_is_not_there_is_said_in_one_sentence(clip):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(InputError, match=r"^no service answers at .*: start a service with `gymspotter serve`"):
            watch(WatchOptions(source=str(clip), url=url))


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("nowhere.mp4", "source 'nowhere.mp4' is no file: name a video, or `camera`"),
        ("63", "camera 63 cannot be opened: connect one"),
        (__file__, "'test_watch_verb.py' cannot be decoded"),
    ],
)
def test_a_source_that_cannot_be_read_is_said_in_one_sentence(source, sentence):
    with pytest.raises(InputError, match=sentence):
        watch(WatchOptions(source=source))


@pytest.mark.parametrize(("fields", "sentence"), [({"fps": 0}, "fps is 0"), ({"hop": 9}, "hop is 9")])
def test_options_are_checked(fields, sentence):
    with pytest.raises(InputError, match=sentence):
        WatchOptions(source="camera", **fields)


def test_ctrl_c_says_bye_and_prints_the_summary(squat_video):
    command = [str(Path(sys.executable).parent / "gymspotter"), "watch", str(squat_video), "--send", "pictures"]
    with on_a_thread(Stub()) as stub:
        process = subprocess.Popen([*command, "--url", stub.url], stdout=subprocess.PIPE, text=True)
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert "squat" in first
    assert process.returncode == 0
    assert re.search(r"1 set in 0:0\d\.\n$", rest)
    assert stub.sessions == {}


def test_in_a_terminal_the_view_is_drawn_over_itself():
    out = io.StringIO()
    view = View(out, Shown(source="a.mp4", url="http://gym"))
    view.draw()
    first = out.getvalue()
    assert first.startswith("\x1b[?25l")
    view._news = True
    view.draw()
    again = out.getvalue().removeprefix(first)
    assert again.startswith(f"\x1b[{first.count(chr(10))}F")
    view.leave()
    assert out.getvalue().endswith("\x1b[?25h\n")


def test_a_picture_is_made_small_enough_for_the_service():
    picture = np.zeros((1080, 1920, 3), np.uint8)
    picture[..., 0] = 200
    shape = cv2.imdecode(np.frombuffer(encoded(picture, 10**7), np.uint8), cv2.IMREAD_COLOR).shape
    assert shape == (720, 1280, 3)
    small = cv2.imdecode(np.frombuffer(encoded(picture, 10**4), np.uint8), cv2.IMREAD_COLOR)
    assert small.shape[0] * small.shape[1] <= 10**4
    assert small[..., 2].mean() == pytest.approx(200, abs=3)  # red is red


class Camera:
    """Gives a picture each thirtieth of a second, and ends after two seconds."""

    def __init__(self, number):
        self.taken = 0

    def isOpened(self):
        return True

    def grab(self):
        self.taken += 1
        return self.taken <= 60

    def retrieve(self):
        return True, np.full((2, 2, 3), (1, 2, 3), np.uint8)

    def release(self):
        self.taken = -1


def test_of_a_camera_s_pictures_as_many_are_taken_as_are_wanted(monkeypatch):
    camera = Camera(0)
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: camera)
    with pictures("camera", 5, clock=lambda: camera.taken / 30) as source:
        taken = []
        with pytest.raises(InputError, match="camera 0 gives no pictures any more"):
            taken.extend(source)
    # extend() keeps what came before the error
    times = [t for t, _ in taken]
    assert len(times) == 11
    assert np.diff(times) == pytest.approx(0.2, abs=1 / 30)
    assert taken[0][1][0, 0].tolist() == [3, 2, 1]
    assert camera.taken == -1


def test_cameras_are_told_from_videos():
    assert [camera_number(source) for source in ("camera", "0", "2", "2.mp4", "cameras")] == [0, 0, 2, None, None]

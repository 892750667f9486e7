"""WS /v1/stream over a real socket: what comes back, and what is refused."""

import json

import numpy as np
import pytest

from gymspotter.labels import EXERCISES
from gymspotter.skeleton import BLAZEPOSE33
from gymspotter.stream.protocol import write_frames, write_picture
from serve.access.tokens import TokenOptions, make_token
from serve.model.champion import Loaded
from tests.stream_server import FACTS, Server, Stream, keeper_for, names_squats, squats, until


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.fixture(scope="module")
def movement():
    return squats(40.0)


def played(stream, joints, fps=5.0, bundle=5):
    """Send frames from 0 s on in bundles, say bye and read to the end."""
    times = np.arange(len(joints)) / fps
    for i in range(0, len(joints), bundle):
        stream.send(times[i : i + bundle], joints[i : i + bundle])
    stream.say({"type": "bye"})
    assert stream.read_to_end() == 1000
    return stream


def test_a_hello_is_answered_with_a_welcome(server):
    stream = Stream(server, hop=0.5)
    welcome = stream.welcome
    assert welcome["protocol"] == 1
    assert welcome["classes"] == list(EXERCISES)
    assert (welcome["model_version"], welcome["frames"], welcome["grid_fps"], welcome["hop"]) == ("7", 60, 5.0, 0.5)
    assert (welcome["resumed"], welcome["received"], welcome["seq"]) == (False, None, 0)
    assert welcome["limits"]["frames_per_message"] == server.settings.frames_per_message
    assert len(welcome["resume"]) >= 32
    stream.close()


def test_a_set_of_squats_is_labelled_counted_and_summed_up(server, movement):
    stream = played(Stream(server), movement)
    events = [m for m in stream.messages if "seq" in m][1:]
    assert [m["seq"] for m in events] == list(range(1, len(events) + 1))
    labels = stream.of("label")
    assert len(labels) >= 30
    assert labels[-1]["exercise"] == "squat"
    assert labels[-1]["model_version"] == "7"
    assert len(labels[-1]["top"]) == 3
    (start,), (end,), reps = stream.of("start"), stream.of("end"), stream.of("rep")
    assert start["exercise"] == end["exercise"] == "squat"
    assert [rep["count"] for rep in reps] == list(range(1, end["repetitions"] + 1))
    assert end["repetitions"] >= 5
    (goodbye,) = stream.of("goodbye")
    assert stream.messages[-1] is goodbye
    assert goodbye["sets"] == [{name: end[name] for name in ("set", "exercise", "since", "until", "repetitions")}]


def test_json_and_binary_frames_say_the_same(server, movement):
    binary = played(Stream(server), movement[:100])
    text = Stream(server)
    for i in range(100):
        joints = movement[i].tolist()
        text.say(json.dumps({"type": "frames", "t": [i / 5], "joints": [joints]}))
    text.say({"type": "bye"})
    assert text.read_to_end() == 1000
    assert text.events == binary.events


def test_another_layout_becomes_canonical(server):
    rng = np.random.default_rng(0)
    joints = rng.normal(size=(60, len(BLAZEPOSE33.joints), 3)).astype(np.float32)
    stream = played(Stream(server, layout="blazepose33"), joints)
    assert stream.of("label")[-1]["exercise"] == "squat"


def test_frames_need_not_be_rooted_at_the_hip(server, movement):
    moved = movement + np.array([1.0, -2.0, 3.0], np.float32)
    there, here = played(Stream(server), moved[:80]), played(Stream(server), movement[:80])
    assert [m["exercise"] for m in there.of("label")] == [m["exercise"] for m in here.of("label")]


def test_nobody_in_view_is_told(server, movement):
    gone = np.full((40, 17, 3), np.nan, np.float32)
    stream = played(Stream(server), np.concatenate([movement[:100], gone]))
    assert stream.of("no_person")
    assert stream.of("label")[-1]["state"] == "no_person"


def test_labels_are_measured_and_events_counted(server, movement):
    taken = server.backend.metrics.taken
    taken.clear()
    stream = played(Stream(server), movement)
    seconds = taken["gymspotter_label_seconds", ()]
    assert len(seconds) == len(stream.of("label"))
    assert all(0 <= second < 30 for second in seconds)
    squats_told = [label for label in stream.of("label") if label["exercise"] == "squat"]
    assert len(taken["gymspotter_labels_total", ("squat",)]) == len(squats_told) > 10
    assert len(taken["gymspotter_events_total", ("rep",)]) == len(stream.of("rep"))


def test_the_number_of_sessions_is_told(server):
    gauges = server.backend.metrics.gauges
    until(lambda: server.do(lambda: server.backend.sessions.open_count) == 0)
    stream = Stream(server)
    assert gauges["gymspotter_sessions", ()] == 1
    stream.say({"type": "bye"})
    stream.read_to_end()
    until(lambda: gauges["gymspotter_sessions", ()] == 0)


@pytest.mark.parametrize(
    ("hello", "says"),
    [
        ("not json", "JSON"),
        ('{"type": "frames"}', "no hello"),
        ('{"type": "hello", "protocol": 2, "layout": "h36m17"}', "protocol is 2"),
        ('{"type": "hello", "protocol": 1, "layout": "pacman"}', "layout is 'pacman'"),
        (b"\x01\x00\x01\x00", "JSON"),
    ],
)
def test_a_bad_hello_is_told_and_closed(server, hello, says):
    stream = Stream(server, greet=False)
    stream.say(hello)
    error = stream.read()
    assert (error["type"], error["status"]) == ("error", 400)
    assert says in error["detail"]
    assert stream.read_to_end() == 4400


def test_no_hello_at_all_is_closed(monkeypatch):
    monkeypatch.setattr("serve.streams.connection.HELLO_SECONDS", 0.05)
    with Server() as server:
        stream = Stream(server, greet=False)
        assert stream.read_to_end() == 4408
        assert stream.messages[0]["type"] == "error"


def test_a_message_that_cannot_be_used_is_told_and_the_session_goes_on(server, movement):
    stream = Stream(server)
    stream.say('{"type": "frames", "t": [0], "joints": [[[1, 2]]]}')
    error = stream.read()
    assert (error["type"], error["status"]) == ("error", 422)
    assert error["detail"].endswith(".")
    played(stream, movement[:60])
    assert stream.of("label")


def test_ten_messages_that_cannot_be_used_are_enough(server):
    stream = Stream(server)
    for _ in range(20):
        stream.say("{}")
    assert stream.read_to_end() == 4400
    errors = stream.of("error")
    assert len(errors) == 11
    assert "10 messages" in errors[-1]["detail"]


def test_a_message_that_is_too_large_is_told_and_closed():
    with Server(message_bytes=2000) as server:
        stream = Stream(server)
        stream.say(b"\x01" * 2001)
        assert stream.read()["status"] == 413
        assert stream.read_to_end() == 1009


def malformed(rng, n):
    """Messages that are almost right, and others that are not at all."""
    good = write_frames([0.0, 0.2], np.zeros((2, 17, 3)))
    frames = {"type": "frames", "t": [0.0], "joints": [np.zeros((17, 3)).tolist()]}
    odd = [None, True, "x", [], {}, [[]], -1, 1e400, 2**70, float("nan"), [None], {"t": 1}]
    for _ in range(n):
        match rng.integers(6):
            case 0:
                yield rng.bytes(int(rng.integers(0, 300)))
            case 1:
                broken = bytearray(good)
                for _ in range(int(rng.integers(1, 9))):
                    broken[int(rng.integers(len(broken)))] = int(rng.integers(256))
                yield bytes(broken)
            case 2:
                yield good[: int(rng.integers(len(good)))]
            case 3:
                field, value = str(rng.choice(["type", "t", "joints", "scores", "more"])), odd[rng.integers(len(odd))]
                yield json.dumps(frames | {field: value})
            case 4:
                text = json.dumps(frames)
                yield text[: int(rng.integers(len(text)))]
            case _:
                yield "[" * int(rng.integers(1, 5000))


def fuzz(server, n):
    """Send malformed messages over as many connections as that takes; returns how many were told to be so."""
    told, stream = 0, Stream(server)
    for message in malformed(np.random.default_rng(0), n):
        stream.say(message)
        stream.say("mark")  # always an error, so there is an answer to wait for
        while (answer := stream.read()) is not None and "is not JSON in" not in str(answer.get("detail")):
            told += answer["type"] == "error"
        if answer is None:
            assert stream.closed in (4400, 1007)
            stream = Stream(server)
    stream.close()
    return told


def test_malformed_messages_neither_crash_nor_stop_the_server(server, movement, caplog):
    assert fuzz(server, 200) > 50
    assert played(Stream(server), movement[:60]).of("label")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.slow
def test_10000_malformed_messages_neither_crash_nor_stop_the_server(server, movement, caplog):
    fuzz(server, 10_000)
    assert played(Stream(server), movement[:60]).of("label")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    until(lambda: server.do(lambda: server.backend.sessions.open_count) == 0)


def test_a_client_that_sends_too_fast_is_told_what_was_shed(movement):
    with Server(frames_per_second=5.0, resume_seconds=4.0) as server:  # five seconds' worth at once, then 5 a second
        stream = Stream(server)
        stream.send(np.arange(100) / 20, movement[:100])
        notice = stream.read_until("notice", code="shed")
        assert notice["count"] == 75
        assert "seq" not in notice
        stream.say({"type": "bye"})
        assert stream.read_to_end() == 1000
        assert stream.of("goodbye")[0]["seconds"] > 3  # what was left is spread over all of it
        assert server.backend.metrics.taken["gymspotter_notices_total", ("shed",)] == [1.0]


def test_text_that_comes_too_fast_is_not_even_read(movement):
    with Server(frames_per_second=5.0, resume_seconds=4.0) as server:  # 100 KiB of text at once, then 20 a second
        stream = Stream(server)
        padded = {"type": "frames", "t": [0.0], "joints": [movement[0].tolist()], "padding": " " * 50_000}
        for _ in range(5):
            stream.say(json.dumps(padded))
        assert "padding" in stream.read_until("error")["detail"]
        assert "left out" in stream.read_until("notice", code="shed")["text"]
        stream.say({"type": "bye"})
        assert stream.read_to_end() == 1000
        assert len(stream.of("error")) == 2


def test_who_waits_at_the_door_without_a_hello_makes_room(server, monkeypatch, movement):
    monkeypatch.setattr("serve.streams.endpoint._AT_THE_DOOR", 5)
    waiting = []
    for number in range(8):
        waiting.append(Stream(server, greet=False))
        until(lambda seen=number + 1: server.do(lambda: len(server.streams._connections)) >= min(seen, 5))
    assert played(Stream(server), movement[:60]).of("label")
    assert [stream.read_to_end() for stream in waiting[:3]] == [4408] * 3
    assert "no hello came" in waiting[0].messages[0]["detail"]
    for stream in waiting:
        stream.close()
    until(lambda: server.do(lambda: len(server.streams._connections)) == 0)
    assert server.do(lambda: len(server.streams._at_the_door)) == 0


def test_a_hello_of_megabytes_is_refused(server):
    stream = Stream(server, greet=False)
    stream.say(json.dumps({"type": "hello", "protocol": 1, "layout": "h36m17", "padding": " " * 100_000}))
    assert stream.read_to_end() == 1009
    assert "65536 bytes" in stream.messages[0]["detail"]


def test_a_session_that_a_defect_has_cut_can_be_resumed(server, movement, monkeypatch):
    stream = Stream(server)
    stream.send(np.arange(30) / 5, movement[:30])
    stream.read_until("label")

    def defect(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(type(server.streams.feed), "frames", defect)
        stream.send(np.arange(30, 35) / 5, movement[30:35])
        assert stream.read_to_end() == 1011
    again = Stream(server, resume=stream.welcome["resume"])
    assert again.welcome["resumed"]
    assert again.welcome["received"] == pytest.approx(29 / 5)
    again.say({"type": "bye"})
    assert again.read_to_end() == 1000


def test_a_resume_brings_no_more_frames_than_there_was_time_for(movement):
    with Server(frames_per_second=0.1, resume_seconds=500.0) as server:
        stream = Stream(server)
        secret = stream.welcome["resume"]
        held = server.do(lambda: server.backend.sessions.all_open()[0])
        assert held.frames.left == pytest.approx(0.5, abs=0.1)
        for _ in range(3):
            stream.lose()
            stream = Stream(server, resume=secret)
            assert stream.welcome["resumed"]
        stream.send(np.arange(25) / 5, movement[:25])
        assert stream.read_until("notice", code="shed")["count"] >= 24
        stream.close()


def test_a_service_that_has_too_much_to_do_goes_on_without_some_answers(movement, monkeypatch):
    with Server() as server:
        monkeypatch.setattr(type(server.backend.batcher), "overloaded", True)
        stream = played(Stream(server), movement[:100])
        assert stream.of("notice")[0]["code"] == "behind"
        assert {label["state"] for label in stream.of("label")} == {"waiting"}
        assert stream.of("goodbye")


def test_a_model_that_fails_is_a_notice_and_no_end(movement):
    def fails(poses_STJC):
        raise RuntimeError("the model is broken")

    with Server(logits=fails) as server:
        stream = played(Stream(server), movement[:100])
        assert stream.of("notice")[0]["code"] == "behind"
        assert stream.of("label")


def test_another_version_of_the_model_is_told_once(movement):
    with Server() as server:
        stream = Stream(server)
        stream.send(np.arange(60) / 5, movement[:60])
        stream.read_until("label", exercise="squat")
        server.backend.champion.current = Loaded(version="8", facts=FACTS, logits=names_squats)
        stream.send(np.arange(60, 120) / 5, movement[60:120])
        notice = stream.read_until("notice")
        assert (notice["code"], notice["count"]) == ("model", 1)
        assert stream.read_until("label")["model_version"] == "8"
        stream.say({"type": "bye"})
        stream.read_to_end()
        assert len(stream.of("notice")) == 1


def test_tokens_are_asked_for_and_may_come_in_the_hello_or_the_header(tmp_path, capsys):
    tokens = tmp_path / "tokens.yaml"
    make_token(TokenOptions(name="phone", file=tokens, sessions=1))
    secret = capsys.readouterr().out.strip()
    with Server(tokens=tokens) as server:
        nobody = Stream(server)
        assert nobody.messages[0]["status"] == 401
        assert nobody.read_to_end() == 4401
        assert Stream(server, token="wrong").read_to_end() == 4401
        first = Stream(server, token=secret)
        assert first.welcome
        second = Stream(server, headers={"Authorization": f"Bearer {secret}"})
        assert "1 sessions open" in second.messages[0]["detail"]
        assert second.read_to_end() == 4429
        first.say({"type": "bye"})
        first.read_to_end()
        assert Stream(server, headers={"Authorization": f"Bearer {secret}"}).welcome


def test_a_page_of_another_origin_is_refused(server):
    stream = Stream(server, headers={"Origin": "https://elsewhere.example"})
    assert stream.messages[0]["status"] == 403
    assert stream.read_to_end() == 4403


def test_a_replica_takes_no_more_sessions_than_it_may():
    with Server(max_sessions=2) as server:
        streams = [Stream(server) for _ in range(3)]
        assert [stream.welcome is not None for stream in streams] == [True, True, False]
        assert streams[2].read_to_end() == 4429


def test_a_silent_client_is_closed(movement):
    with Server(idle_seconds=0.2) as server:
        stream = Stream(server)
        assert stream.read_to_end() == 4408
        assert "nothing was sent" in stream.messages[-1]["detail"]
        assert Stream(server, resume=stream.welcome["resume"]).welcome["resumed"]


def test_a_session_that_is_too_old_ends_with_its_sets(movement):
    with Server(session_seconds=0.5) as server:
        stream = Stream(server)
        stream.send(np.arange(100) / 5, movement[:100])
        assert stream.read_to_end() == 4413
        assert [m["type"] for m in stream.messages[-3:]] == ["end", "goodbye", "error"]
        assert not Stream(server, resume=stream.welcome["resume"]).welcome["resumed"]


def test_pictures_become_poses_in_another_place(movement):
    with Server() as server:
        stream = Stream(server, layout="jpeg", poses=True)
        seen = []
        for i in range(60):
            stream.say(write_picture(i / 5, movement[i].tobytes()))
            seen.append(stream.read_until("pose"))
        assert [pose["t"] for pose in seen] == [i / 5 for i in range(60)]
        assert seen[0]["image_xy"][:2] == [None, [0.5, 0.5]]
        states = [state for _, state in server.backend.poses]
        assert states[0] is None
        assert all(state is not None for state in states[1:])  # handed on from picture to picture
        stream.say({"type": "bye"})
        stream.read_to_end()
        binary = played(Stream(server), movement[:60])
        assert stream.events == binary.events


def test_the_newest_picture_wins(movement):
    with Server() as server:
        server.backend.gate.clear()
        stream = Stream(server, layout="jpeg", poses=True)
        stream.say(write_picture(0.0, movement[0].tobytes()))
        until(lambda: server.backend.poses)
        for i in range(1, 6):
            stream.say(write_picture(i / 5, movement[i].tobytes()))
        assert stream.read_until("notice")["code"] == "shed"
        until(lambda: server.do(lambda: server.backend.sessions.all_open()[0].picture[0].t) == 1.0)
        server.backend.gate.set()
        assert [stream.read_until("pose")["t"], stream.read_until("pose")["t"]] == [0.0, 1.0]
        assert len(server.backend.poses) == 2


def test_pictures_that_cannot_be_used_are_told_like_other_messages(movement):
    with Server() as server:
        stream = Stream(server, layout="jpeg", poses=True)
        stream.say(write_picture(0.0, b"busy"))
        assert stream.read()["code"] == "shed"
        stream.say(write_picture(0.0, b"broken"))
        assert "no JPEG" in stream.read()["detail"]
        stream.say(write_picture(0.2, movement[0].tobytes()))
        assert stream.read_until("pose")["t"] == 0.2
        for i in range(9):
            stream.say(write_picture(i, b"broken"))
            stream.read()
        assert stream.read_to_end() == 4400


def test_a_server_that_goes_away_says_so_and_leaves_copies(movement):
    keeper = keeper_for()
    with Server(keeper=keeper, copy_seconds=1000.0) as server:
        stream = Stream(server)
        stream.send(np.arange(60) / 5, movement[:60])
        stream.read_until("label", exercise="squat")
        server.call(server.streams.close())
        assert stream.read_to_end() == 1001
        assert len(keeper.shelf) == 1
        late = Stream(server)
        assert late.messages[0]["status"] == 503
        assert late.read_to_end() == 1001

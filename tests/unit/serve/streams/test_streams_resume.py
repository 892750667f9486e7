"""Connections that are lost: the same events and the same counts as without, whichever server they come back to."""

import numpy as np
import pytest

from gymspotter.stream.protocol import write_frames
from tests.stream_server import Server, Stream, keeper_for, squats, until

FRAMES = 200


@pytest.fixture(scope="module")
def movement():
    return squats(FRAMES / 5)


@pytest.fixture(scope="module")
def uncut(movement):
    """The events of the whole movement over one connection."""
    with Server() as server:
        stream = Stream(server)
        send(stream, movement, 0, FRAMES)
        stream.say({"type": "bye"})
        assert stream.read_to_end() == 1000
        assert stream.of("rep")
        assert stream.of("end")
        return stream.events + stream.of("goodbye")


def send(stream, movement, begin, end, bundle=5):
    for i in range(begin, end, bundle):
        last = min(i + bundle, end)
        stream.say(write_frames(np.arange(i, last) / 5, movement[i:last]))


def come_back(server, before, movement, **hello):
    """Resume with another connection, and send again what the server does not hold, as a client does."""
    seen = max((event["seq"] for event in before.events), default=0)
    stream = Stream(server, resume=before.welcome["resume"], seen=seen, **hello)
    received = stream.welcome["received"]
    stream.first = 0 if received is None else round(received * 5) + 1
    return stream


def together(*streams):
    """What a client makes of several connections: events in their order, those it has seen dropped."""
    events, seen = [], 0
    for stream in streams:
        for event in stream.events:
            if event["seq"] > seen:
                events.append(event)
                seen = event["seq"]
    return events + streams[-1].of("goodbye")


def finished(stream, movement):
    send(stream, movement, stream.first, FRAMES)
    stream.say({"type": "bye"})
    assert stream.read_to_end() == 1000
    return stream


def saved_until(server, frame):
    """Wait until the server's only session is copied up to that frame."""
    until(lambda: server.do(lambda: server.backend.sessions.all_open()[0].saved) == frame / 5)


def test_a_lost_connection_resumes_as_if_it_had_never_been_lost(movement, uncut):
    with Server() as server:
        first = Stream(server)
        send(first, movement, 0, 120)
        first.read_until("rep", count=2)
        first.lose()
        until(lambda: server.do(lambda: server.backend.sessions.parked_count) == 1)
        second = come_back(server, first, movement)
        assert second.welcome["resumed"]
        assert second.welcome["session"] == first.welcome["session"]
        assert second.welcome["received"] <= 119 / 5  # frames on the way may be lost with the connection
        assert together(first, finished(second, movement)) == uncut


def test_events_that_were_on_the_way_are_told_again(movement, uncut):
    with Server() as server:
        first = Stream(server)
        send(first, movement, 0, 120)
        until(lambda: server.do(lambda: server.backend.sessions.all_open()[0].session.seq) > 10)
        first.lose()  # and not one of them was read
        until(lambda: server.do(lambda: server.backend.sessions.parked_count) == 1)
        second = come_back(server, first, movement)
        assert second.welcome["seq"] > 10
        assert together(finished(second, movement)) == uncut


def test_a_connection_that_the_server_still_takes_for_open_is_taken_over(movement, uncut):
    with Server() as server:
        first = Stream(server)
        send(first, movement, 0, 100)
        first.read_until("label", exercise="squat")
        second = come_back(server, first, movement)
        assert second.welcome["resumed"]
        assert first.read_to_end() == 4409
        assert first.of("error")[0]["status"] == 409
        assert server.do(lambda: server.backend.sessions.open_count) == 1
        assert together(first, finished(second, movement)) == uncut


def test_another_server_goes_on_from_the_copy_as_after_a_kill(movement, uncut):
    keeper = keeper_for()
    with Server(keeper=keeper, copy_seconds=0.05) as dead, Server(keeper=keeper) as server:
        first = Stream(dead)
        send(first, movement, 0, 90)
        saved_until(dead, 89)
        send(first, movement, 90, 110)
        until(lambda: (first.read_until("label")["saved"] or 0) >= 89 / 5)
        # From here on the first server makes no more copies and never hears of its end.
        dead.do(lambda: setattr(dead.backend, "keeper", keeper_for()))
        send(first, movement, 110, 160)
        first.read_until("label", t=first.messages[-1]["t"] + 5)
        second = come_back(server, first, movement)
        assert second.welcome["resumed"]
        assert second.welcome["received"] <= 109 / 5
        assert second.welcome["resume"] == first.welcome["resume"]
        assert together(first, finished(second, movement)) == uncut
        until(lambda: len(keeper.shelf) == 0)  # nothing of a session stays after its bye


def test_frames_that_are_saved_are_never_wanted_again(movement):
    keeper = keeper_for()
    with Server(keeper=keeper, copy_seconds=0.02) as server:
        first = Stream(server)
        for i in range(0, 150, 5):
            send(first, movement, i, i + 5)
            if i % 25 == 0:
                saved_until(server, i + 4)
        while first.read_until("label")["t"] < 27:
            pass
        saved = [label["saved"] for label in first.of("label") if label["saved"] is not None]
        assert saved == sorted(saved)
        assert len(set(saved)) > 3
        server.do(lambda: setattr(server.backend, "keeper", keeper_for()))
        with Server(keeper=keeper) as other:
            second = come_back(other, first, movement)
            assert saved[-1] <= second.welcome["received"] <= 149 / 5


def test_a_session_of_which_a_server_lost_touch_is_not_copied_over_the_newer_one(movement, uncut):
    keeper = keeper_for()
    with Server(keeper=keeper, copy_seconds=0.05) as old, Server(keeper=keeper, copy_seconds=0.05) as new:
        first = Stream(old)
        send(first, movement, 0, 100)
        saved_until(old, 99)
        first.read_until("label", exercise="squat")
        second = come_back(new, first, movement)
        assert second.welcome["resumed"]
        send(first, movement, 100, 105)  # a change: the old server tries to copy it
        assert first.read_to_end() == 4409
        assert old.do(lambda: old.backend.sessions.open_count + old.backend.sessions.parked_count) == 0
        # Back at the old server, which gets the state of the new one from its copy.
        send(second, movement, second.first, 150)
        saved_until(new, 149)
        second.lose()
        third = come_back(old, second, movement)
        assert third.welcome["received"] == 149 / 5
        assert together(first, second, finished(third, movement)) == uncut


def test_a_copy_is_made_at_once_when_a_connection_is_lost(movement, uncut):
    keeper = keeper_for()
    with Server(keeper=keeper, copy_seconds=1000.0) as old, Server(keeper=keeper) as new:
        first = Stream(old)
        send(first, movement, 0, 100)
        first.read_until("label", exercise="squat")
        first.lose()
        until(lambda: old.do(lambda: old.backend.sessions.parked_count) == 1)
        old.call(old.streams.copying.idle())
        received = old.do(lambda: old.backend.sessions.all_held()[0].session.received)
        second = come_back(new, first, movement)
        assert second.welcome["received"] == received
        assert together(first, finished(second, movement)) == uncut


def test_windows_that_were_due_when_the_copy_was_made_are_answered_by_the_next_server(movement, uncut):
    keeper = keeper_for()
    with Server(keeper=keeper) as old, Server(keeper=keeper) as new:
        first = Stream(old)
        old.do(lambda: setattr(old.streams.hops, "_work", never))
        send(first, movement, 0, 100)
        until(lambda: old.do(lambda: len(old.backend.sessions.all_open()[0].pending)) >= 10)
        first.lose()
        until(lambda: len(keeper.shelf) == 1)
        second = come_back(new, first, movement)
        assert second.welcome["seq"] == 0
        assert together(finished(second, movement)) == uncut


async def never(held):
    """Nothing is answered."""


def test_a_secret_that_nobody_knows_begins_a_new_session(movement):
    with Server(keeper=keeper_for()) as server:
        stream = Stream(server, resume="of another service", seen=17)
        assert not stream.welcome["resumed"]
        assert (stream.welcome["received"], stream.welcome["seq"]) == (None, 0)
        assert stream.welcome["resume"] != "of another service"


def test_a_session_is_forgotten_when_nobody_came_back_in_time(movement):
    keeper = keeper_for()
    with Server(keeper=keeper, resume_seconds=0.1) as server:
        first = Stream(server)
        send(first, movement, 0, 50)
        first.read_until("label")
        first.lose()
        until(lambda: server.do(lambda: server.backend.sessions.parked_count) == 1)
        until(lambda: server.do(lambda: server.backend.sessions.parked_count) == 0)
        until(lambda: len(keeper.shelf) == 0)
        assert not Stream(server, resume=first.welcome["resume"]).welcome["resumed"]


def test_a_keeper_that_does_not_answer_ends_no_session(movement, uncut, caplog):
    class Broken:
        async def put(self, copies):
            raise TimeoutError

        take = drop = put

    with Server(keeper=Broken(), copy_seconds=0.05) as server:
        first = Stream(server)
        send(first, movement, 0, 100)
        first.read_until("label", exercise="squat")
        until(lambda: "cannot be written" in caplog.text)
        first.lose()
        until(lambda: server.do(lambda: server.backend.sessions.parked_count) == 1)
        second = come_back(server, first, movement)
        assert second.welcome["resumed"]
        assert together(first, finished(second, movement)) == uncut


def test_a_copy_that_cannot_be_read_begins_a_new_session(movement):
    keeper = keeper_for()
    with Server(keeper=keeper) as old, Server(keeper=keeper) as new:
        first = Stream(old)
        first.lose()
        until(lambda: old.do(lambda: old.backend.sessions.parked_count) == 1)
        old.call(old.streams.copying.idle())
        (key,) = keeper.shelf._copies
        keeper.shelf.put({key: (0, b"of another release")})
        assert not Stream(new, resume=first.welcome["resume"]).welcome["resumed"]

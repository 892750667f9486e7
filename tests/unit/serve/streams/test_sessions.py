"""What a replica holds, and the copies beside it, with a clock that stands still."""

import pytest

from gymspotter.stream.session import Session, StreamConfig
from serve.access.guard import Refused
from serve.access.tokens import Client
from serve.streams.sessions import Sessions, Shelf, key_of

CONFIG = StreamConfig(classes=("squat", "plank"))
ANNA = Client(name="anna", sessions=2, requests_per_minute=60)
BEN = Client(name="ben", sessions=100, requests_per_minute=60)


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sessions(clock):
    return Sessions(clock, limit=4, resume_seconds=30.0)


def opened(sessions, client=ANNA, **given):
    return sessions.open(client, Session(CONFIG), CONFIG, **given)


def test_a_session_has_an_id_and_a_secret_of_its_own(sessions):
    first, second = opened(sessions), opened(sessions)
    assert first.id != second.id
    assert first.secret != second.secret
    assert len(first.secret) >= 32
    assert first.secret not in repr(first.key)
    assert sessions.open_count == 2


def test_a_client_has_no_more_sessions_than_its_token_says(sessions):
    opened(sessions), opened(sessions)
    with pytest.raises(Refused, match="anna has 2 sessions open") as refused:
        opened(sessions)
    assert (refused.value.status, refused.value.close_code) == (429, 4429)
    opened(sessions, BEN)  # another client has its own


def test_a_replica_has_no_more_sessions_than_it_takes(sessions):
    for _ in range(4):
        opened(sessions, BEN)
    with pytest.raises(Refused, match="all 4 places") as refused:
        opened(sessions)
    assert refused.value.close_code == 4429


def test_an_ended_session_makes_room(sessions):
    first = opened(sessions)
    opened(sessions)
    sessions.forget(first)
    sessions.forget(first)
    opened(sessions)
    assert sessions.open_count == 2
    assert sessions.resume(first.secret, ANNA) is None


def test_a_parked_session_is_resumed_within_its_time(sessions, clock):
    held = opened(sessions)
    sessions.park(held)
    assert (sessions.open_count, sessions.parked_count) == (0, 1)
    clock.now += 29.9
    assert sessions.resume(held.secret, ANNA) is held
    assert (sessions.open_count, sessions.parked_count) == (1, 0)
    assert held.last_heard == clock.now


def test_a_parked_session_is_gone_after_its_time(sessions, clock):
    held = opened(sessions)
    sessions.park(held)
    assert sessions.expire() == []
    clock.now += 30.1
    assert sessions.resume(held.secret, ANNA) is None
    assert sessions.expire() == [held]
    assert sessions.parked_count == 0
    assert not sessions.holds(held)


def test_an_open_session_does_not_expire(sessions, clock):
    held = opened(sessions)
    clock.now += 1e6
    assert sessions.expire() == []
    assert sessions.resume(held.secret, ANNA) is held
    assert sessions.open_count == 1


def test_another_client_cannot_resume_a_session_even_with_its_secret(sessions):
    held = opened(sessions)
    assert sessions.resume(held.secret, BEN) is None
    sessions.park(held)
    assert sessions.resume(held.secret, BEN) is None
    assert sessions.resume("guessed", ANNA) is None


def test_resuming_a_parked_session_counts_against_the_limit(sessions):
    held = opened(sessions)
    sessions.park(held)
    opened(sessions), opened(sessions)
    with pytest.raises(Refused):
        sessions.resume(held.secret, ANNA)
    assert sessions.parked_count == 1


def test_the_oldest_parked_session_gives_way_to_a_new_one(sessions):
    first, second, *_ = [opened(sessions, BEN) for _ in range(4)]
    sessions.park(second)
    sessions.park(first)
    opened(sessions)
    assert sessions.resume(second.secret, BEN) is None
    assert sessions.resume(first.secret, BEN) is first


def test_a_restored_session_keeps_its_secret_and_its_age(sessions, clock):
    held = opened(sessions, id="abc", secret="from before", age=100.0, generation=3)
    assert (held.id, held.secret, held.generation) == ("abc", "from before", 3)
    assert held.opened == clock.now - 100.0
    assert sessions.resume("from before", ANNA) is held


@pytest.fixture
def shelf(clock):
    return Shelf(clock, seconds=90.0, max_bytes=1000)


def test_a_copy_is_found_by_its_key_until_its_time_is_over(shelf, clock):
    key = key_of("secret")
    assert shelf.put({key: (0, b"state")}) == []
    clock.now += 89.0
    assert shelf.take(key) == (1, b"state")
    clock.now += 2.0
    assert shelf.take(key) is None
    assert (len(shelf), shelf.bytes) == (0, 0)


def test_a_newer_copy_takes_the_place_of_an_older_one(shelf, clock):
    shelf.put({"a": (0, b"old"), "b": (0, b"other")})
    clock.now += 80.0
    shelf.put({"a": (0, b"newer")})
    clock.now += 80.0
    assert shelf.take("a") == (1, b"newer")
    assert shelf.take("b") is None
    assert shelf.bytes == len(b"newer")


def test_a_replica_whose_session_was_taken_over_cannot_put_its_copy_over_the_newer_one(shelf):
    shelf.put({"a": (0, b"before")})
    generation, _ = shelf.take("a")
    assert shelf.put({"a": (0, b"late"), "b": (0, b"fine")}) == ["a"]
    assert shelf.put({"a": (generation, b"after")}) == []
    assert shelf.take("a") == (2, b"after")
    assert shelf.take("b") == (1, b"fine")


def test_two_who_take_a_session_over_get_different_generations(shelf):
    shelf.put({"a": (0, b"state")})
    assert shelf.take("a") == (1, b"state")
    assert shelf.take("a") == (2, b"state")
    assert shelf.put({"a": (1, b"of the first")}) == ["a"]


def test_dropping_leaves_a_later_generation_alone(shelf):
    shelf.put({"a": (0, b"state"), "b": (0, b"state")})
    shelf.take("a")
    shelf.drop({"a": 0, "b": 0, "never there": 0})
    assert shelf.take("b") is None
    assert shelf.take("a") is not None
    shelf.drop({"a": 2})
    assert (len(shelf), shelf.bytes) == (0, 0)


def test_the_oldest_copies_give_way_where_there_are_too_many_bytes(shelf):
    for name in "abcde":
        shelf.put({name: (0, bytes(300))})
    assert shelf.bytes == 900
    assert shelf.take("b") is None
    assert [shelf.take(name) is not None for name in "cde"] == [True] * 3

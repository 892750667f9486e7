"""Live sessions against a server of the real protocol that loses connections as asked."""

import asyncio
import contextlib
import socket
import threading

import numpy as np
import pytest

from gymspotter.client import (
    NO_ANSWER,
    AsyncLiveSession,
    Disconnected,
    LiveSession,
    Reconnected,
    ServiceError,
    Timing,
)
from gymspotter.errors import InputError
from gymspotter.stream.events import Goodbye, Label, Rep
from tests.stream_stub import LIMITS, Stub, on_a_thread, running

JOINTS = np.zeros((17, 3), np.float32)
FRAMES = 60


async def at_once(seconds: float) -> None:
    await asyncio.sleep(0.001)


QUICK = Timing(sleep=at_once, random=lambda: 0.0)


def run(work):
    return asyncio.run(asyncio.wait_for(work, 60))


async def played(stub: Stub, frames: int = FRAMES, **options):
    """Send frames one by one, at 5 a second by their own time, and read all events to the end."""
    options = {"timing": QUICK, "bundle_seconds": 0.5} | options
    async with running(stub), AsyncLiveSession(stub.url, **options) as live:
        for k in range(frames):
            await live.send(k / 5, JOINTS, np.ones(17))
        goodbye = await live.close()
        events = [event async for event in live]
    return events, goodbye


def counted(events):
    return [(event.seq, type(event), event.t) for event in events if hasattr(event, "seq")]


def test_events_come_in_order_and_the_last_is_the_goodbye():
    events, goodbye = run(played(Stub()))
    assert [seq for seq, *_ in counted(events)] == list(range(1, len(events)))
    assert {type(event) for event in events} == {Rep, Label, Goodbye}
    assert events[-1] == goodbye
    assert goodbye.sets[0].repetitions == FRAMES // 3
    assert goodbye.seconds == pytest.approx((FRAMES - 1) / 5)


@pytest.mark.parametrize("lost", ["kept", "rolled back"])
def test_after_lost_connections_no_event_is_lost_or_read_twice(lost):
    whole, _ = run(played(Stub()))
    stub = Stub(lose_after=[7, 19, 20, 44], lost=lost)
    events, goodbye = run(played(stub))
    assert counted(events) == counted(whole)
    assert goodbye.sets[0].repetitions == FRAMES // 3
    assert sum(isinstance(event, Disconnected) for event in events) == 4
    assert [event for event in events if isinstance(event, Reconnected)] == 4 * [
        Reconnected(resumed=True, lost_frames=0)
    ]
    assert len(stub.sessions) == 0
    assert [hello.get("resume") for hello in stub.hellos] == [None] + 4 * ["secret1"]


def test_a_frame_is_sent_again_only_if_the_service_does_not_hold_it():
    stub = Stub(lose_after=[20], lost="kept")
    run(played(stub))
    # Of the message during which the connection was lost, what came after frame 20 was never counted.
    assert stub.frames == FRAMES


def test_a_session_that_is_not_known_any_more_begins_anew_and_says_so():
    stub = Stub(lose_after=[21], lost="forgotten")
    events, goodbye = run(played(stub))
    assert [event.resumed for event in events if isinstance(event, Reconnected)] == [False]
    after = events[[isinstance(event, Reconnected) for event in events].index(True) + 1 :]
    assert counted(after)[0][0] == 1
    # The new session gets what the old one had not saved; with the frames since, all is there again.
    assert goodbye.sets[0].until == pytest.approx((FRAMES - 1) / 5)
    assert after[0].t <= 21 / 5


def test_frames_too_old_to_be_sent_again_are_counted():
    stub = Stub(lose_after=[500], lost="forgotten", saves=False)

    async def long():
        async with running(stub), AsyncLiveSession(stub.url, timing=QUICK) as live:
            for k in range(600):
                await live.send(k, JOINTS)  # a frame a second, of which 60 s are kept
            goodbye = await live.close()
            return [event for event in live.poll() if isinstance(event, Reconnected)], goodbye

    (back,), goodbye = run(long())
    assert not back.resumed
    assert back.lost_frames > 400
    assert goodbye.seconds + 1 + back.lost_frames == 600  # lost or held: nothing in between


def test_a_refused_token_is_a_service_error():
    async def refused():
        async with running(Stub(token="right")) as stub, AsyncLiveSession(stub.url, token="wrong"):
            pass

    with pytest.raises(ServiceError, match=r"the token is not known\.") as error:
        run(refused())
    assert error.value.status == 401


def test_the_right_token_is_sent_as_a_header():
    stub = Stub(token="right")
    events, _ = run(played(stub, token="right"))
    assert isinstance(events[-1], Goodbye)
    assert "token" not in stub.hellos[0]


def test_events_that_this_client_does_not_know_are_passed_over():
    whole, _ = run(played(Stub()))
    events, _ = run(played(Stub(strange=True)))
    assert counted(events) == counted(whole)


def test_a_service_that_is_not_there_is_a_service_error():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"

        async def nobody():
            async with AsyncLiveSession(url):
                pass

        with pytest.raises(ServiceError, match="no service answers at") as error:
            run(nobody())
    assert error.value.status == NO_ANSWER


def test_it_gives_up_after_a_while_and_says_so():
    now = [0.0]

    async def passing(seconds):
        now[0] += seconds
        await asyncio.sleep(0)

    async def lost():
        stub, timing = Stub(), Timing(clock=lambda: now[0], sleep=passing, random=lambda: 1.0)
        async with running(stub):
            live = await AsyncLiveSession(stub.url, timing=timing, give_up_seconds=20).__aenter__()
        event = await anext(live)
        with pytest.raises(ServiceError, match="did not come back within 20 s") as error:
            await anext(live)
        with pytest.raises(ServiceError, match="did not come back"):
            await live.send(1, JOINTS)
        with pytest.raises(ServiceError, match="did not come back"):
            await live.close()
        return event, error.value.status

    event, status = run(lost())
    assert isinstance(event, Disconnected)
    assert status == NO_ANSWER
    assert 10 < now[0] <= 20


def test_frames_are_bundled_but_not_beyond_the_service_s_limit():
    stub = Stub()
    run(played(stub, bundle_seconds=1.0))
    assert max(stub.messages) <= LIMITS.frames_per_message
    assert len(stub.messages) <= FRAMES / 5 + 1
    assert sum(stub.messages) == FRAMES


def test_a_frame_alone_is_sent_after_a_while():
    async def alone():
        async with running(Stub()) as stub, AsyncLiveSession(stub.url, bundle_seconds=0.05) as live:
            await live.send([0, 0.01, 0.02], np.zeros((3, 17, 3)))
            return await anext(live)

    assert isinstance(run(alone()), Rep)


def test_nobody_in_view_is_sent_as_such_and_bundles_of_all_kinds_arrive():
    async def mixed():
        async with running(Stub()) as stub, AsyncLiveSession(stub.url, layout="coco17") as live:
            await live.send(0, None)
            await live.send([0.2, 0.4], np.zeros((2, 17, 3)), np.ones((2, 17)))
            await live.send(0.6, JOINTS)
            await live.close()
            return stub

    stub = run(mixed())
    assert stub.messages == [1, 2, 1]


@pytest.mark.parametrize(
    ("t", "joints", "scores", "sentence"),
    [
        (0, np.zeros((33, 3)), None, r"joints has shape \(1, 33, 3\): send \(1, 17, 3\), the joints of h36m17."),
        ([0, 1], np.zeros((17, 3)), None, r"send \(2, 17, 3\)"),
        (0, JOINTS, np.ones(3), r"scores has shape \(1, 3\): send \(1, 17\)"),
        (np.nan, JOINTS, None, "t has a value that is not finite"),
    ],
)
def test_frames_of_another_shape_are_refused_before_they_are_sent(t, joints, scores, sentence):
    async def bad():
        async with running(Stub()) as stub, AsyncLiveSession(stub.url) as live:
            await live.send(t, joints, scores)

    with pytest.raises(InputError, match=sentence):
        run(bad())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"url": "ftp://gym"}, "url is 'ftp://gym'"),
        ({"url": "127.0.0.1:8000"}, "give the address of a service"),
        ({"layout": "body25"}, "layout 'body25' is not registered"),
        ({"fps": 0}, "fps is 0"),
        ({"hop": 60}, "hop is 60"),
    ],
)
def test_a_session_that_would_be_refused_is_not_opened(options, sentence):
    with pytest.raises(InputError, match=sentence):
        AsyncLiveSession(**({"url": "http://127.0.0.1:1"} | options))


def test_pictures_go_to_a_session_of_pictures_only():
    async def wrong(layout):
        async with running(Stub()) as stub, AsyncLiveSession(stub.url, layout=layout) as live:
            if layout == "jpeg":
                await live.send(0, JOINTS)
            await live.send_picture(0, b"jpeg")

    with pytest.raises(InputError, match="layout is 'h36m17': open the session with layout 'jpeg'"):
        run(wrong("h36m17"))
    with pytest.raises(InputError, match="layout is 'jpeg': send pictures"):
        run(wrong("jpeg"))


def test_of_too_many_pictures_the_oldest_are_dropped_and_counted():
    async def burst():
        async with running(Stub()) as stub, AsyncLiveSession(stub.url, layout="jpeg", timing=QUICK) as live:
            for k in range(30):  # the writer has no turn in between
                await live.send_picture(float(k), bytes([k]))
            await live.close()
            return stub, live.dropped

    stub, dropped = run(burst())
    assert dropped == 22
    assert stub.pictures == list(range(22, 30))


def test_pictures_that_may_wait_all_arrive_in_spite_of_lost_connections():
    async def patient():
        stub = Stub(lose_after=[5, 17], lost="rolled back")
        async with running(stub), AsyncLiveSession(stub.url, layout="jpeg", timing=QUICK) as live:
            for k in range(30):
                await live.send_picture(float(k), b"jpeg", wait=True)
            goodbye = await live.close()
            return goodbye, live.dropped

    goodbye, dropped = run(patient())
    assert goodbye.sets[0].repetitions == 10
    assert dropped == 0


def test_a_full_queue_makes_the_sender_wait_while_the_connection_is_lost():
    back = asyncio.Event()

    async def until_back(seconds):
        await back.wait()

    async def blocked():
        stub = Stub(lose_after=[1])
        timing = Timing(sleep=until_back)
        async with running(stub), AsyncLiveSession(stub.url, queue_frames=4, timing=timing) as live:
            sending = asyncio.create_task(send_all(live))
            assert isinstance(await anext(live), Disconnected)
            await asyncio.sleep(0.05)
            waited = not sending.done()
            back.set()
            await sending
            goodbye = await live.close()
            return waited, goodbye

    async def send_all(live):
        for k in range(30):
            await live.send(k / 5, JOINTS)

    waited, goodbye = run(blocked())
    assert waited
    assert goodbye.sets[0].repetitions == 10


def test_leaving_the_block_by_an_error_says_no_bye():
    async def failing():
        stub = Stub()
        async with running(stub):
            live = AsyncLiveSession(stub.url)
            with contextlib.suppress(ZeroDivisionError):
                async with live:
                    await live.send(0, JOINTS)
                    raise ZeroDivisionError
            with pytest.raises(ServiceError, match="the session is closed"):
                await live.send(1, JOINTS)
            assert [event async for event in live] == []
            return stub

    assert list(run(failing()).sessions) == ["secret1"]


def test_without_asyncio_the_session_is_the_same():
    events = []
    stub = Stub(lose_after=[10], lost="rolled back")
    with on_a_thread(stub), LiveSession(stub.url, timing=QUICK) as live:
        assert live.welcome.model_version == "7"
        for k in range(FRAMES):
            live.send(k / 5, JOINTS)
            events += live.poll()
        while not any(isinstance(event, Reconnected) for event in events):
            events += live.wait_events(30)
        goodbye = live.close()
        events += list(live)
        assert live.wait_events(0.01) == []
    whole, _ = run(played(Stub()))
    assert counted(events) == counted(whole)
    assert events[-1] == goodbye


def test_without_asyncio_a_refusal_leaves_no_thread():
    before = threading.active_count()
    with pytest.raises(ServiceError, match="no service answers"), LiveSession("http://127.0.0.1:1"):
        pass
    assert threading.active_count() == before

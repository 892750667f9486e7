"""The clients and `gymspotter watch` against the real API, streams, guard and estimator on a real socket."""

import asyncio
import json
import re

import numpy as np
import pytest

from gymspotter.client import (
    AsyncClient,
    AsyncLiveSession,
    Client,
    Disconnected,
    LiveSession,
    Reconnected,
    ServiceError,
    Timing,
)
from gymspotter.labels import EXERCISES
from gymspotter.stream.events import End, Goodbye, Label, Rep, Start
from gymspotter.watch import WatchOptions, watch
from serve.access.tokens import TokenOptions, make_token
from tests.client_service import Service, serving, wired
from tests.stream_server import keeper_for, squats


@pytest.fixture(scope="module")
def service():
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def movement():
    return squats(60.0)


def test_segments_are_named_over_both_clients_and_in_both_formats(service, movement):
    with Client(service.url) as client:
        assert client.healthy()
        model = client.model()
        array = client.classify(movement[:120].reshape(2, 60, 17, 3), top=2)
        lists = client.classify([movement[:60], movement[60:100]])
    assert (model.model_version, model.classes, model.layout) == ("7", EXERCISES, "h36m17")
    assert model.refused == {"version": "8", "why": "it is broken."}
    assert [segment.exercise for segment in array.segments] == ["squat"] * 2
    assert len(array.segments[0].top) == 2
    assert array.segments[0].known
    assert lists.segments[0].probability == pytest.approx(array.segments[0].probability, abs=1e-6)

    async def at_once():
        async with AsyncClient(service.url) as client:
            return await asyncio.gather(*(client.classify(movement[k : k + 60]) for k in range(8)))

    assert {answer.segments[0].exercise for answer in asyncio.run(at_once())} == {"squat"}


def test_what_the_service_refuses_is_a_service_error(service, movement):
    with Client(service.url) as client:
        with pytest.raises(ServiceError, match=r"top: .* less than or equal to 22") as error:
            client.classify(movement[:60], top=99)
        assert error.value.status == 422
        with pytest.raises(ServiceError, match="uri is not read by this service") as error:
            client.classify_video("s3://gym/squat.mp4", on_progress=print)
        assert error.value.status == 403


def test_a_video_is_answered_with_progress_and_its_sets(service, squat_video):
    shares = []
    with Client(service.url) as client:
        timeline = client.classify_video(squat_video, on_progress=shares.append)
        assert client.classify_video(squat_video) == timeline
    assert shares == sorted(shares)
    assert len(shares) > 3
    assert timeline.exercise == "squat"
    assert timeline.seconds == pytest.approx(6)
    assert timeline.sets[0].repetitions == len(timeline.sets[0].times)
    assert timeline.poses is None


def test_the_joints_of_a_video_are_told_if_they_were_asked_for(service, squat_video):
    with Client(service.url) as client:
        poses = client.classify_video(squat_video, on_progress=lambda share: None, poses=True).poses

    async def asked():
        async with AsyncClient(service.url) as client:
            return (await client.classify_video(squat_video, poses=True)).poses

    assert asyncio.run(asked()) == poses
    assert (poses.layout, poses.fps) == ("h36m17", 5.0)
    assert len(poses.times) == len(poses.image_xy) == pytest.approx(30, abs=1)
    seen = [joints for joints in poses.image_xy if joints is not None]
    assert len(seen) > 25
    assert {len(joints) for joints in seen} == {17}
    assert all(0 <= share <= 1 for joints in seen for joint in joints if joint is not None for share in joint)


def test_tokens_let_in_whom_they_should(tmp_path, movement, capsys):
    path = tmp_path / "tokens.yaml"
    make_token(TokenOptions(name="app", file=path, sessions=1))
    token = re.search(r"\S{40,}", capsys.readouterr().out)[0]
    with serving(tokens=path) as service:
        for wrong in (None, "wrong"):
            with Client(service.url, token=wrong) as client, pytest.raises(ServiceError) as error:
                client.model()
            assert error.value.status == 401
            with pytest.raises(ServiceError, match="token") as error, LiveSession(service.url, token=wrong):
                pass
            assert error.value.status == 401
        with Client(service.url, token=token) as client:
            assert client.classify(movement[:60]).segments[0].exercise == "squat"
        with LiveSession(service.url, token=token) as live:
            live.send(np.arange(60) / 5, movement[:60])
            with pytest.raises(ServiceError, match="session") as error, LiveSession(service.url, token=token):
                pass
            assert error.value.status == 429
            assert live.close().seconds == pytest.approx(12, abs=0.5)


QUICK = Timing(sleep=lambda seconds: asyncio.sleep(0.01), random=lambda: 0.0)


async def played(url, movement, after_frame=None, **options):
    """All events of a session to which the movement is sent in bundles of a second, with a turn in between."""
    async with AsyncLiveSession(url, timing=QUICK, bundle_seconds=0.9, **options) as live:
        for k in range(0, len(movement), 5):
            await live.send(np.arange(k, k + 5) / 5, movement[k : k + 5])
            await asyncio.sleep(0.005)
            if after_frame:
                await after_frame(k, live)
        await live.close()
        return [event async for event in live]


def told(events):
    """What counts, less what hangs on when copies were made."""
    return [(event.seq, type(event), event.t, getattr(event, "count", 0)) for event in events if hasattr(event, "seq")]


@pytest.fixture(scope="module")
def whole(service, movement):
    return asyncio.run(played(service.url, movement))


def test_a_set_of_squats_is_told_from_start_to_end(whole):
    assert [type(event) for event in whole if not isinstance(event, Label | Rep)] == [Start, End, Goodbye]
    counts = [event.count for event in whole if isinstance(event, Rep)]
    (end,) = [event for event in whole if isinstance(event, End)]
    assert counts == list(range(1, end.repetitions + 1))
    assert end.repetitions > 5
    assert whole[-1].sets[0].repetitions == end.repetitions


def test_a_session_whose_connections_are_cut_tells_the_same(service, movement, whole):
    sent = 300 * (8 + 17 * 12)
    with wired(service.port, [sent * k // 7 for k in range(1, 7)]) as wire:
        events = asyncio.run(played(wire.url, movement))
        assert wire.cuts == 6
    assert told(events) == told(whole)
    assert events[-1] == whole[-1]
    # Of a connection that is cut while it is opened, nothing is told: it was not back yet.
    back = [event for event in events if isinstance(event, Reconnected)]
    assert 3 <= len(back) <= 6
    assert set(back) == {Reconnected(resumed=True, lost_frames=0)}
    assert sum(isinstance(event, Disconnected) for event in events) == len(back)


def restarted(movement, *, saved, **options):
    """All events against a service that is restarted on the same port in the middle, after a copy was ``saved``."""
    services = [Service(**options)]

    async def after_frame(k, live):
        if k == 200:
            while saved and live._outbox.kept > 100:  # copies are made now and then
                await asyncio.sleep(0.01)
            await asyncio.to_thread(services[0].stop)
            services.append(await asyncio.to_thread(Service, port=services[0].port, **options))

    try:
        return asyncio.run(played(services[0].url, movement, after_frame))
    finally:
        services[-1].stop()


def test_a_session_whose_service_is_restarted_goes_on_from_its_copy(movement, whole):
    keeper = keeper_for(copy_seconds=0.05)
    events = restarted(movement, saved=True, copy_seconds=0.05, keeper=keeper)
    assert [event for event in events if isinstance(event, Reconnected)] == [Reconnected(resumed=True, lost_frames=0)]
    assert told(events) == told(whole)


def test_without_a_copy_a_new_session_begins(movement):
    events = restarted(movement, saved=False)
    (back,) = [event for event in events if isinstance(event, Reconnected)]
    assert not back.resumed
    after = events[events.index(back) + 1 :]
    assert told(after)[0][0] == 1
    assert min(event.count for event in after if isinstance(event, Rep)) == 1


def test_watch_sends_joints_or_pictures_of_a_video(service, squat_video, capsys):
    for send in ("joints", "pictures"):
        watch(WatchOptions(source=str(squat_video), url=service.url, send=send, fast=True, json=True))
        events = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
        labels = [event for event in events if event["type"] == "label"]
        assert labels[-1]["t"] >= 4
        assert labels[-1]["exercise"] == "squat"
        assert events[-1]["type"] == "goodbye"
        assert events[-1]["seconds"] == pytest.approx(6, abs=0.5)
        assert not [event for event in events if event["type"] in ("error", "disconnected")]

"""The service of serve/config.yaml, with its scaling, on a Ray of eight logical CPUs: it grows with the sessions,
shrinks when they go, and no stream loses a repetition over it.

python -m pytest -s tests/integration/test_autoscaling.py     # prints how long it took
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import SimpleNamespace

import cv2
import httpx
import numpy as np
import pytest
import ray
import yaml
from ray import serve
from ray._private.worker import global_worker

from gymspotter.client import AsyncLiveSession, Disconnected, Reconnected
from gymspotter.labels import EXERCISES
from gymspotter.registry import CHAMPION
from gymspotter.stream.events import End, Label, Notice, Pose, Rep, Start
from gymspotter.synth.generate import Item, SynthOptions, make_track
from gymspotter.video import frames_at
from serve.run import free_port
from tests.registered import decided, new_store, put

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
WAIT_S = 600.0
FPS = 5.0
HURRY = 2.0  # seconds of a performance in a second
# In place of what the file says; all else stays.
SESSIONS = 6  # on a replica, not hundreds
SOONER = {"upscale_delay_s": 2, "downscale_delay_s": 30}  # longer than the load is averaged over, or it goes to and fro


def configuration(tracking_uri: str, port: int) -> dict:
    """serve/config.yaml with fewer sessions on a replica, shorter delays, and a store and a port of its own."""
    config = yaml.safe_load((ROOT / "serve" / "config.yaml").read_text())
    config["http_options"]["port"] = port
    (application,) = config["applications"]
    application["args"] |= {"tracking_uri": tracking_uri, "idle_seconds": WAIT_S}
    for deployment in application["deployments"]:
        if "autoscaling_config" in deployment:
            deployment["autoscaling_config"] |= SOONER
        if deployment["name"] == "Gymspotter":
            deployment["autoscaling_config"]["target_ongoing_requests"] = SESSIONS
    return config


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("autoscaling")
    uri = new_store(folder)
    put(decided(EXERCISES.index("squat")), aliases=(CHAMPION,))
    port = free_port("127.0.0.1")
    (folder / "config.yaml").write_text(yaml.safe_dump(configuration(uri, port)))
    ray.init(address="local", num_cpus=8, include_dashboard=False, log_to_driver=False, object_store_memory=400 * 2**20)
    command = [Path(sys.executable).with_name("serve"), "run", folder / "config.yaml"]
    environment = os.environ | {"RAY_ADDRESS": ray.get_runtime_context().gcs_address}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            until(lambda: healthy(url) or process.poll() is not None, "the service")
            assert process.poll() is None, (folder / "log").read_text()[-2000:]
            yield url
        finally:
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()
            ray.shutdown()


def healthy(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/readyz").status_code == 200
    return False


def until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, f"waited {WAIT_S:g} s in vain: {what}"
        time.sleep(0.2)


async def take(condition: Callable[[], object], what: str) -> float:
    """Seconds until ``condition`` is true, while everything else goes on."""
    begin = time.monotonic()
    await asyncio.to_thread(until, condition, what)
    print(f"{what}: {time.monotonic() - begin:.1f} s", flush=True)
    return time.monotonic() - begin


def running(deployment: str) -> int:
    """Replicas that answer; none that starts or is being stopped beside them, or else 0."""
    states = serve.status().applications["gymspotter"].deployments[deployment].replica_states
    return states.get("RUNNING", 0) if set(states) == {"RUNNING"} else 0


def logs_of(deployment: str) -> dict[str, list[dict]]:
    """What each replica that there is or was has written."""
    folder = Path(global_worker.node.get_logs_dir_path()) / "serve"
    files = sorted(folder.glob(f"replica_gymspotter_{deployment}_*.log"))
    return {file.stem: [json.loads(line) for line in file.read_text().splitlines()] for file in files}


def places() -> dict[str, list[str]]:
    """The replicas on which each session was opened and resumed, in order."""
    lines = [
        (line["asctime"], line["session"], replica)
        for replica, written in logs_of("Gymspotter").items()
        for line in written
        if line["message"] in ("session opened", "session resumed")
    ]
    found: dict[str, list[str]] = {}
    for _, session, replica in sorted(lines):
        found.setdefault(session, []).append(replica)
    return found


class Athlete:
    """A stream that goes over a performance again and again until it is told to stop; it remembers all it was told."""

    def __init__(self, url: str, performance_FJC: np.ndarray) -> None:
        self.url, self.performance = url, performance_FJC
        self.events: list = []
        self.seconds = 0
        self.session = ""
        self.opened = asyncio.Event()
        self._stop = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async with AsyncLiveSession(self.url, layout="h36m17", fps=FPS) as live:
            self.session = live.welcome.session
            self.opened.set()
            reading = asyncio.create_task(self._read(live))
            while not self._stop.is_set():
                await live.send(*self.second(self.seconds))
                self.seconds += 1
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), 1 / HURRY)
            await live.close()
            await reading

    async def _read(self, live: AsyncLiveSession) -> None:
        async for event in live:
            self.events.append(event)

    def second(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        frames = np.arange(5 * number, 5 * number + 5)
        return frames / FPS, self.performance[frames % len(self.performance)]

    async def leave(self) -> None:
        self._stop.set()
        await self.task

    def of(self, *kinds: type) -> list:
        return [event for event in self.events if isinstance(event, kinds)]

    async def undisturbed(self) -> list:
        """What a stream of the same frames is told that is alone and never loses its connection."""
        events: list = []
        async with AsyncLiveSession(self.url, layout="h36m17", fps=FPS) as live:
            for number in range(self.seconds):
                await live.send(*self.second(number))
                # Not so fast that windows are left out for lack of time.
                while number > 5 and not any(isinstance(e, Label) and e.t >= number - 5 for e in events[-20:]):
                    events.append(await anext(aiter(live)))
            await live.close()
            events += [event async for event in live]
        return [event for event in events if isinstance(event, Start | Rep | End)]


async def opened(url: str, performances: list[np.ndarray], count: int) -> list[Athlete]:
    athletes = [Athlete(url, performances[k % len(performances)]) for k in range(count)]
    for athlete in athletes:
        await asyncio.wait({athlete.task, asyncio.create_task(athlete.opened.wait())}, return_when="FIRST_COMPLETED")
        assert athlete.opened.is_set(), athlete.task.exception()
    return athletes


def test_sessions_bring_a_second_replica_and_their_end_takes_it_away_and_no_count_is_lost(url):
    performances = [
        make_track(Item(exercise="squat", number=n, seed=4), SynthOptions(kind="skeletons", seconds=40)).joints
        for n in range(4)
    ]
    seen = asyncio.run(grow_and_shrink(url, performances))
    first, second = seen.first, seen.second
    assert first != second
    # Growing disturbs nobody, and who comes then is sent to the new replica, which has the fewest sessions.
    assert {tuple(seen.before[athlete.session]) for athlete in seen.early} == {(first,)}
    assert {tuple(seen.before[athlete.session]) for athlete in seen.late} == {(second,)}
    # Shrinking takes the newer replica away: its sessions are resumed on the other, with all their frames.
    for athlete in seen.left:
        moved = athlete in seen.late
        assert seen.after[athlete.session] == ([second, first] if moved else [first])
        assert len(athlete.of(Disconnected)) == len(athlete.of(Reconnected)) == moved
        assert all(event.resumed and event.lost_frames == 0 for event in athlete.of(Reconnected))
        assert not [notice for notice in athlete.of(Notice) if notice.code in ("behind", "shed")]
    for athlete, expected in zip(seen.left, seen.expected, strict=True):
        assert athlete.of(Start, Rep, End) == expected
        assert sum(isinstance(event, Rep) for event in expected) > 0


async def grow_and_shrink(url: str, performances: list[np.ndarray]) -> SimpleNamespace:
    assert running("Gymspotter") == 1
    early = await opened(url, performances, 2 * SESSIONS - 1)
    await take(lambda: running("Gymspotter") == 2, f"from 1 to 2 replicas with {len(early)} sessions")
    assert running("LivePoses") == running("Skeletons") == 1
    # Four leave, so that there is room for five before there would be a third replica.
    for athlete in early[:4]:
        await athlete.leave()
    late = await opened(url, performances, 5)
    await asyncio.sleep(10)
    before = places()
    (first,) = before[early[0].session]
    (second,) = logs_of("Gymspotter").keys() - {first}
    for athlete in early[4:-2]:
        await athlete.leave()
    await late[0].leave()
    left = [*early[-2:], *late[1:]]
    await take(lambda: running("Gymspotter") == 1, f"from 2 to 1 replicas with {len(left)} sessions")
    begin = time.monotonic()
    while not all(athlete.of(Reconnected) for athlete in late[1:]):
        assert time.monotonic() - begin < WAIT_S
        await asyncio.sleep(0.1)
    await asyncio.sleep(10)
    for athlete in left:
        await athlete.leave()
    after = places()
    expected = [await athlete.undisturbed() for athlete in left]
    return SimpleNamespace(**{name: value for name, value in locals().items() if name != "performances"})


def test_pictures_bring_estimators_of_their_own_and_their_end_takes_them_away(url, squat_video):
    frames = frames_at(squat_video, np.arange(30) / FPS)
    pictures = [cv2.imencode(".jpg", frame[..., ::-1])[1].tobytes() for frame in frames]
    until(lambda: running("LivePoses") == 1 and running("Gymspotter") == 1, "the last test's end")
    there, serving = set(logs_of("LivePoses")), set(logs_of("Gymspotter"))
    sessions = asyncio.run(more_and_fewer_pictures(url, pictures))
    for events in sessions:
        assert len([event for event in events if isinstance(event, Pose)]) > 10
        assert not [event for event in events if isinstance(event, Disconnected)]
        assert not [event for event in events if isinstance(event, Notice) and "do not answer" in event.text]
    added = {name: lines for name, lines in logs_of("LivePoses").items() if name not in there}
    assert added
    for lines in added.values():  # each has done some of the work
        assert [line for line in lines if "CALL __call__ OK" in line["message"]]
    assert set(logs_of("Gymspotter")) == serving  # none is added for pictures


async def more_and_fewer_pictures(url: str, pictures: list[bytes]) -> list[list]:
    sessions: list[list] = [[] for _ in range(SESSIONS - 1)]
    pause = 0.05

    async def send(live: AsyncLiveSession, number: int) -> None:
        sent = 0
        while number == 0 or pause < 1:  # all but one end with the rush
            await live.send_picture(sent / FPS, pictures[sent % len(pictures)])
            sent += 1
            await asyncio.sleep(pause)
            if over.is_set():
                return

    async def read(live: AsyncLiveSession, events: list) -> None:
        events += [event async for event in live]

    over = asyncio.Event()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for number, events in enumerate(sessions):
            live = await stack.enter_async_context(AsyncLiveSession(url, layout="jpeg", fps=FPS, poses=True))
            group.create_task(read(live, events))
            group.create_task(send(live, number))
        await take(lambda: running("LivePoses") >= 2, f"from 1 to more estimators with pictures of {len(sessions)}")
        await asyncio.sleep(15)
        assert running("Gymspotter") == running("Skeletons") == 1
        pause = 1.0
        await take(lambda: running("LivePoses") == 1, "back to 1 estimator with a picture a second of one")
        await asyncio.sleep(3)
        over.set()
        await asyncio.sleep(2 * pause)
        await stack.aclose()
    return sessions

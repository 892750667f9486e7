"""A server of streams in a thread, with a real socket, guard and batcher, and a client's end for its tests."""

import asyncio
import contextlib
import json
import threading
import time
from dataclasses import dataclass, field

import numpy as np
import uvicorn
from fastapi import FastAPI
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from gymspotter.errors import InputError
from gymspotter.labels import EXERCISES
from gymspotter.pose.live import Athlete, LivePose
from gymspotter.registry import ModelFacts
from gymspotter.stream.protocol import write_frames
from gymspotter.synth.generate import Item, SynthOptions, make_track
from serve.access.guard import Guard
from serve.access.tokens import Tokens
from serve.http.problems import BusyError
from serve.metrics import Recorded
from serve.model.batcher import Batcher
from serve.model.champion import Loaded
from serve.settings import AppSettings
from serve.streams.endpoint import add_streams
from serve.streams.keeper import LocalKeeper, shelf_for
from serve.streams.sessions import Sessions

FACTS = ModelFacts(model="made up", classes=list(EXERCISES), frames=60, grid_fps=5.0)
SQUAT = EXERCISES.index("squat")
WAIT_S = 30.0


def squats(seconds, number=3):
    """[T, 17, 3] at 5 frames a second."""
    return make_track(Item(exercise="squat", number=number, seed=0), SynthOptions(seconds=seconds)).joints


def names_squats(poses_STJC):
    """Logits that are sure of squats, and differ a little with each window, so that no answer is another's."""
    logits_SK = np.full((len(poses_STJC), len(EXERCISES)), -4.0, np.float32)
    for row, poses_TJC in zip(logits_SK, poses_STJC, strict=True):
        row[SQUAT] = 4.0 + float(np.sin(20 * np.nanmean(poses_TJC)))
    return logits_SK


@dataclass
class Backend:
    settings: AppSettings
    champion: "Backend.Source"
    keeper: LocalKeeper | None
    guard: Guard
    metrics: Recorded = field(default_factory=Recorded)
    poses: list = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    @dataclass
    class Source:
        current: Loaded

    def __post_init__(self):
        self.gate.set()
        self.sessions = Sessions(
            time.monotonic, limit=self.settings.max_sessions, resume_seconds=self.settings.resume_seconds
        )
        self.batcher = Batcher(self.champion, self.metrics, self.settings.max_batch)

    async def pose(self, jpeg, state):
        """An estimator that finds whatever the test wrote into the picture."""
        self.poses.append((jpeg, state))
        while not self.gate.is_set():
            await asyncio.sleep(0.005)
        if jpeg == b"broken":
            raise InputError("the picture is no JPEG: send one.")
        if jpeg == b"busy":
            raise BusyError
        joints = np.frombuffer(jpeg, np.float32).reshape(17, 3)
        xy = np.full((17, 2), 0.5, np.float32)
        xy[0] = np.nan
        return Athlete(), LivePose(joints_JC=joints, scores_J=np.ones(17, np.float32), image_xy_J2=xy)


class Server:
    """Starts at once; ``with`` or `stop` ends it."""

    def __init__(self, keeper=None, tokens=None, logits=names_squats, **settings):
        self.settings = AppSettings(**settings)
        loaded = Loaded(version="7", facts=FACTS, logits=logits)
        guard = Guard(Tokens.load(tokens), self.settings)
        self.backend = Backend(self.settings, Backend.Source(loaded), keeper, guard)
        api = FastAPI()
        self.streams = add_streams(api, self.backend)
        config = uvicorn.Config(api, port=0, log_level="warning", ws_ping_interval=None, timeout_graceful_shutdown=5)
        self._server = uvicorn.Server(config)
        self._loop = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        until(lambda: self._server.started)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]

    def _run(self):
        async def serve():
            self._loop = asyncio.get_running_loop()
            await self._server.serve()

        asyncio.run(serve())

    def call(self, coroutine):
        """What a coroutine returns in the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(WAIT_S)

    def do(self, function):
        """What a function returns in the server's loop."""

        async def run():
            return function()

        return self.call(run())

    def stop(self):
        self._server.should_exit = True
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()
        self.backend.batcher.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def keeper_for(**settings):
    return LocalKeeper(shelf_for(AppSettings(**settings)))


class Stream:
    """A client's end of one connection. ``messages`` are all it has read."""

    def __init__(self, server, headers=None, **hello):
        self.socket = connect(
            f"ws://127.0.0.1:{server.port}/v1/stream", additional_headers=headers, max_size=None, open_timeout=WAIT_S
        )
        self.messages = []
        self.closed = None
        if hello.pop("greet", True):
            self.say({"type": "hello", "protocol": 1, "layout": "h36m17"} | hello)
            first = self.read()
            self.welcome = first if first is not None and first["type"] == "welcome" else None

    def say(self, message):
        with contextlib.suppress(ConnectionClosed):
            self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    def send(self, times, joints):
        self.say(write_frames(times, joints))

    def read(self):
        """The next message; None once the connection is closed, with its code in ``closed``."""
        try:
            message = json.loads(self.socket.recv(timeout=WAIT_S))
        except ConnectionClosed as closed:
            self.closed = closed.rcvd.code if closed.rcvd else 1006
            return None
        self.messages.append(message)
        return message

    def read_until(self, kind, **fields):
        """The next message of that type with these values."""
        while (message := self.read()) is not None:
            if message["type"] == kind and all(message[name] == value for name, value in fields.items()):
                return message
        raise AssertionError(f"closed with {self.closed} before {kind} {fields}: {self.messages[-3:]}")

    def read_to_end(self):
        while self.read() is not None:
            pass
        return self.closed

    def lose(self):
        """As a network does: without a word."""
        self.socket.socket.close()

    def close(self):
        self.socket.close()

    def of(self, *kinds):
        return [message for message in self.messages if message["type"] in kinds]

    @property
    def events(self):
        """What counts, without what depends on when copies were made."""
        kept = [m for m in self.messages if "seq" in m and m["type"] != "welcome"]
        return [{name: value for name, value in m.items() if name != "saved"} for m in kept]


def until(condition):
    """Wait for a condition."""
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)

"""A service of streams for the tests of its clients: the real protocol, and a session whose events are easy to know.

Frame k (from 1) brings a repetition if k is a multiple of 3, and a label if it is one of 5. It does what a test asks
for: it loses connections after so many frames and forgets, refuses tokens, and says what no client knows.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection, serve

from gymspotter.skeleton import LAYOUTS
from gymspotter.stream.events import (
    ErrorMessage,
    Event,
    Goodbye,
    Guess,
    Label,
    Limits,
    Pose,
    Rep,
    SetSummary,
    Welcome,
    as_message,
)
from gymspotter.stream.protocol import Bye, Picture, read_hello, read_message

LIMITS = Limits(
    message_bytes=2**20,
    frames_per_message=8,
    frames_per_second=10_000,
    session_seconds=3600,
    resume_seconds=30,
    image_pixels=10**6,
)


@dataclass
class Stored:
    """A session: the times of its frames, its events, and how many of both there were when it was saved last."""

    times: list[float] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    saved: tuple[int, int] = (0, 0)
    saves: bool = True

    def push(self, t: float) -> None:
        if self.times and t <= self.times[-1]:
            return
        self.times.append(t)
        k = len(self.times)
        first, seq = self.times[0], len(self.events) + 1
        if k % 3 == 0:
            self.events.append(
                Rep(seq=seq, t=t, set=1, exercise="squat", count=k // 3, since=self.times[-3], until=t),
            )
        elif k % 5 == 0:
            saved = self.times[self.saved[0] - 1] if self.saved[0] and self.saves else None
            top = (Guess(exercise="squat", probability=0.9), Guess(exercise="lunge", probability=0.1))
            self.events.append(
                Label(
                    seq=seq, t=t, since=first, exercise="squat", probability=0.9, top=top, unknown=0.0,
                    state="exercise", set=1, model_version="7", saved=saved,
                )
            )  # fmt: skip
            self.saved = (k, seq)

    def roll_back(self) -> None:
        """Forget what came after it was saved last."""
        frames, events = self.saved
        self.times, self.events = self.times[:frames], self.events[:events]


@dataclass
class Stub:
    """What the service does, and what it has seen.

    ``lose_after``: numbers of frames, counted over everything, after which the connection is lost; ``lost`` says what
    is known of a session after that: "kept" all, "rolled back" to what was saved, "forgotten". ``saves``: whether it
    tells what is saved.
    """

    lose_after: list[int] = field(default_factory=list)
    lost: str = "kept"
    token: str | None = None
    limits: Limits = LIMITS
    strange: bool = False
    saves: bool = True
    mute: bool = False
    sessions: dict[str, Stored] = field(default_factory=dict)
    hellos: list[dict] = field(default_factory=list)
    messages: list[int] = field(default_factory=list)
    pictures: list[float] = field(default_factory=list)
    frames: int = 0
    url: str = ""

    async def __call__(self, socket: ServerConnection) -> None:
        text = await socket.recv()
        self.hellos.append(json.loads(text))
        hello = read_hello(text)
        bearer = socket.request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.token and self.token not in (hello.token, bearer):
            await self._say(socket, ErrorMessage(status=401, title="Unauthorized", detail="the token is not known."))
            await socket.close(4401)
            return
        resumed = hello.resume in self.sessions
        secret = hello.resume if resumed else f"secret{len(self.sessions) + 1}"
        session = self.sessions.setdefault(secret, Stored(saves=self.saves))
        received = session.times[-1] if session.times else None
        await self._say(
            socket,
            Welcome(
                protocol=1, session=f"of {secret}", resume=secret, model_version="7", classes=("lunge", "squat"),
                frames=60, grid_fps=5.0, hop=hello.hop, resumed=resumed, received=received, seq=len(session.events),
                limits=self.limits,
            ),
        )  # fmt: skip
        told = min(hello.seen or 0, len(session.events)) if resumed else 0
        if self.strange:
            await socket.send('{"type": "heart_rate", "seq": 1000, "bpm": 120}')
            await socket.send("not JSON")
            await socket.send('{"type": "label", "seq": 1}')
        while True:
            for event in session.events[told:]:
                await self._say(socket, event)
            told = len(session.events)
            data = read_message(await socket.recv(), LAYOUTS.get(hello.layout), self.limits)
            if isinstance(data, Bye):
                await self._goodbye(socket, secret)
                return
            times = [data.t] if isinstance(data, Picture) else data.times_N.tolist()
            self.pictures += times if isinstance(data, Picture) else []
            if hello.poses:
                await self._say(socket, Pose(t=data.t, image_xy=(None,) * 17, scores=(0.0,) * 17))
            self.messages.append(len(times))
            for t in times:
                session.push(t)
                self.frames += 1
                if self.lose_after and self.frames >= self.lose_after[0]:
                    self.lose_after.pop(0)
                    if self.lost == "rolled back":
                        session.roll_back()
                    elif self.lost == "forgotten":
                        del self.sessions[secret]
                    socket.transport.abort()
                    return

    async def _goodbye(self, socket: ServerConnection, secret: str) -> None:
        if self.mute:
            await asyncio.sleep(60)
        session = self.sessions.pop(secret)
        reps = sum(isinstance(event, Rep) for event in session.events)
        times = session.times or [0.0]
        sets = (SetSummary(set=1, exercise="squat", since=times[0], until=times[-1], repetitions=reps),)
        await self._say(socket, Goodbye(sets=sets, seconds=times[-1] - times[0]))
        await socket.close(1000)

    async def _say(self, socket: ServerConnection, event: Event) -> None:
        await socket.send(json.dumps(as_message(event)))


@asynccontextmanager
async def running(stub: Stub, port: int = 0) -> AsyncIterator[Stub]:
    """The stub on a free port of this machine, or on ``port``."""
    async with serve(stub, "127.0.0.1", port) as server:
        stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield stub


@contextmanager
def on_a_thread(stub: Stub) -> Iterator[Stub]:
    """The stub for clients without asyncio."""
    loop, stop, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()

    async def served() -> None:
        async with running(stub):
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(served()))
    thread.start()
    try:
        assert ready.wait(30)
        yield stub
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()

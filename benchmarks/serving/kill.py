"""kill -9 of a replica under load: which requests fail, when the service is back, what becomes of open streams."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
from processes import is_alive

from gymspotter.client import AsyncLiveSession, LiveEvent, Reconnected
from gymspotter.stream.events import End, Event, Hint, Label, NoPerson, Notice, Rep, Start, Unknown, as_message
from serving import models
from serving.asking import Askers, as_npy
from serving.service import Service

FPS = 5.0  # of the athlete's clock
HURRIED = 10.0  # how much faster than it undisturbed streams are sent
BACK_PATIENCE = 120.0
COUNTED = (Start, End, Rep, Unknown, NoPerson, Hint)
# What is the same in every run; probabilities may differ in the last digit with who shares a batch.
SAME = ("type", "seq", "t", "since", "until", "set", "exercise", "count", "repetitions", "state", "code")


@dataclass(frozen=True, kw_only=True)
class Killed:
    """What came of it."""

    replicas: int
    asked: int
    dying: float
    """Seconds from the kill until the process was gone."""
    failed_in_flight: int
    """Requests that failed and were sent before it was gone; at most as many as there are clients."""
    failed_later: Counter[str]
    """Requests that failed and were sent when it was gone, by reason."""
    back: float
    """Seconds from the kill until a request that was sent after it was answered."""
    whole: float
    """Seconds until as many replicas are there as before and answer."""
    streams: int
    finished: int
    reconnected: int
    """Streams that lost their connection and have resumed."""
    repetitions: int
    """Repetitions that were to be counted, over all streams."""
    miscounted: int
    """Streams whose sets and repetitions are not those of an undisturbed one, or that came to no good end."""
    behind: int
    """Streams that were told of windows for which there was no time: what differs there need not be due to the kill."""
    deviating: int
    """Streams of which any event is another, such as a label of a window that there was no time to classify."""


async def kill(service: Service, *, replicas: int, streams: int, clients: int, seconds: float, speed: float) -> Killed:
    """Kill one replica while streams are open; wait until all is well again, and the streams have come to their end.

    Args:
        service: with so many ``replicas``.
        replicas: how many there are, and will be again.
        streams: of as many athletes, four performances among them.
        clients: that ask over HTTP meanwhile.
        seconds: of each performance.
        speed: how much faster than that it is sent.
    """
    performances = [models.squats(4, seconds=seconds)[n] for n in range(4)]
    undisturbed = await asyncio.gather(*(stream(service.url, one, speed=HURRIED) for one in performances))
    victims = service.replicas()
    # Not so much that windows of streams are left out for lack of time, which changes their labels, too.
    ask = as_npy(f"{service.url}/v1/classify", models.batch(2))
    async with Askers(ask, clients=clients, pause=0.05) as askers:
        begun = [asyncio.create_task(stream(service.url, performances[n % 4], speed=speed)) for n in range(streams)]
        await asyncio.sleep(0.6 * seconds / speed)  # sessions are copied every few seconds: all have been by then
        while len(askers.began) < clients // 2:  # not in the moment when all have just been answered
            await asyncio.sleep(0)
        killed = time.perf_counter()
        os.kill(victims[0], signal.SIGKILL)
        while is_alive(victims[0]):  # until its memory is given back its sockets are open
            await asyncio.sleep(0.001)
        gone = time.perf_counter()
        back = await _until(lambda: _answered_since(askers, killed), killed)
        whole = await _until(lambda: len(set(service.replicas()) - {victims[0]}) >= replicas, killed)
        ended = await asyncio.gather(*begun, return_exceptions=True)
    good = [(n, one) for n, one in enumerate(ended) if not isinstance(one, BaseException)]
    for one in ended:
        if isinstance(one, BaseException):
            print(f"  a stream ended with {type(one).__name__}: {one}", flush=True)
    for n, one in good[:3]:
        told = zip_longest(one.same, undisturbed[n % 4].same)
        if (pair := next((pair for pair in told if pair[0] != pair[1]), None)) is not None:
            print(f"  stream {n} was told {pair[0]}, not {pair[1]}", flush=True)
    failures = askers.answered.failures
    return Killed(
        replicas=replicas,
        asked=len(askers.answered.seconds) + len(failures),
        dying=gone - killed,
        failed_in_flight=sum(sent <= gone for sent, end, _ in failures if end >= killed),
        failed_later=Counter(reason for sent, _, reason in failures if sent > gone),
        back=back,
        whole=whole,
        streams=streams,
        finished=len(good),
        reconnected=sum(one.reconnects > 0 for _, one in good),
        repetitions=sum(undisturbed[n % 4].repetitions for n in range(streams)),
        behind=sum(one.behind for _, one in good),
        miscounted=streams - sum(one.counted == undisturbed[n % 4].counted for n, one in good),
        deviating=streams - sum(one.same == undisturbed[n % 4].same for n, one in good),
    )


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """The events of one stream: what is the same in every run, how often its connection was made again, and whether
    it was told that there was no time for a window."""

    same: list[dict[str, Any]]
    repetitions: int
    reconnects: int
    behind: bool

    @property
    def counted(self) -> list[dict[str, Any]]:
        """The sets and repetitions among them, without when they were told."""
        told = [event for event in self.same if event["type"] in ("start", "rep", "end")]
        return [{name: value for name, value in event.items() if name not in ("seq", "t")} for event in told]


async def stream(
    url: str, performance_FJC: np.ndarray, *, speed: float, tell: Callable[[LiveEvent], None] = lambda event: None
) -> Streamed:
    """Send a performance through the client that apps use, faster than it took, and read all that comes.

    ``tell`` is called with each event as it comes.
    """
    events: list[Event] = []
    reconnects, behind = 0, False
    async with AsyncLiveSession(url, layout="h36m17", fps=FPS, bundle_seconds=0.9) as live:

        async def read() -> None:
            nonlocal reconnects, behind
            async for event in live:
                tell(event)
                if isinstance(event, (*COUNTED, Label)):
                    events.append(event)
                reconnects += isinstance(event, Reconnected)
                behind = behind or (isinstance(event, Notice) and event.code == "behind")

        reader = asyncio.create_task(read())
        begin = time.perf_counter()
        for number, frame in enumerate(performance_FJC):
            await asyncio.sleep(begin + number / (FPS * speed) - time.perf_counter())
            await live.send(number / FPS, frame)
        await live.close()
        await reader
    messages = [{k: v for k, v in as_message(event).items() if k in SAME} for event in events]
    return Streamed(
        same=messages, repetitions=sum(isinstance(event, Rep) for event in events), reconnects=reconnects, behind=behind
    )


def _answered_since(askers: Askers, moment: float) -> bool:
    return askers.last_sent > moment


async def _until(look: Any, begin: float) -> float:
    while not look():
        if time.perf_counter() - begin > BACK_PATIENCE:
            raise SystemExit(f"the service is not what it was {BACK_PATIENCE:.0f} s after the kill.")
        await asyncio.sleep(0.05)
    return time.perf_counter() - begin

"""Live streams in great number, and what they see: the latency of labels and the share that does not come."""

import asyncio
import gc
import statistics
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from multiprocessing.pool import Pool
from typing import Any, TypeVar

import numpy as np
import uvloop
from numpy.typing import NDArray

from serving.wire import Wire, bundles

STARTS_PER_SECOND = 40.0  # while sessions are added; each starts with a new connection
SETTLE = 2.0  # seconds between a garbage collection of the generator and a hold
GRACE = 2.0  # seconds after a hold in which its last labels may still come
FAST, COMPLETE = 0.100, 0.999  # held: p99 of latency below, and the share of labels that came

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Held:
    """What so many sessions saw for a while: seconds of latency, and shares of the labels that were due."""

    sessions: int
    p50: float
    p99: float
    missing: float
    labels: int
    generator: float
    """CPU seconds a second that the load generator took."""

    @property
    def well(self) -> bool:
        """Whether the sessions were held."""
        return self.p99 < FAST and self.missing <= 1 - COMPLETE


def elsewhere(work: Callable[..., Coroutine[Any, Any, Value]], *arguments: Any, **named: Any) -> Value:
    """Run a coroutine function on uvloop in another process, the same one every time; it ends with this one."""
    return _worker().apply(_run, (work, arguments, named))


@cache
def _worker() -> Pool:
    return get_context("spawn").Pool(1)


def _run(work: Callable[..., Coroutine[Any, Any, Value]], arguments: Any, named: Any) -> Value:
    return uvloop.run(work(*arguments, **named))


class Crowd:
    """Sessions that each send a second of their performance every second, spread evenly over the second."""

    def __init__(self, url: str, performances_AFJC: NDArray[np.float32]) -> None:
        self.url = url
        self.messages = [bundles(performance) for performance in performances_AFJC]
        self.wires: list[Wire] = []
        self.refused: Counter[str] = Counter()
        self._made = 0
        self._beats: set[asyncio.Task[None]] = set()

    async def join(self) -> Wire | None:
        """Another session, at a moment of the second of its own; None if it was refused."""
        number, self._made = self._made, self._made + 1
        try:
            wire = await Wire.open(self.url, self.messages[number % len(self.messages)])
        except (OSError, TimeoutError) as error:
            self.refused[str(error)] += 1
            return None
        self.wires.append(wire)
        beat = asyncio.create_task(self._beat(wire, number * 0.618034 % 1.0))
        self._beats.add(beat)
        beat.add_done_callback(self._beats.discard)
        return wire

    async def _beat(self, wire: Wire, phase: float) -> None:
        loop = asyncio.get_running_loop()
        due = float(int(loop.time())) + phase
        while not wire.closed.done():
            due += 1.0
            await asyncio.sleep(due - loop.time())
            wire.send()

    async def grow(self, sessions: int) -> None:
        """Have so many sessions."""
        gate = asyncio.Semaphore(20)  # a handshake that waits does not hold up the next

        async def one() -> None:
            async with gate:
                await self.join()

        async with asyncio.TaskGroup() as group:
            for _ in range(sessions - len(self.wires)):
                group.create_task(one())
                await asyncio.sleep(1 / STARTS_PER_SECOND)

    async def hold(self, seconds: float) -> Held:
        """Watch for so long."""
        # The generator's own garbage collection takes half a second, and what was due then is sent in one burst: that
        # is over before anything is measured.
        gc.collect()
        gc.disable()
        await asyncio.sleep(SETTLE)
        busy, begin = time.process_time(), time.perf_counter()
        await asyncio.sleep(seconds)
        end = time.perf_counter()
        busy = time.process_time() - busy
        await asyncio.sleep(GRACE)
        gc.enable()
        taken = np.array(
            [
                latency
                for wire in self.wires
                for sent, latency in zip(wire.sent, wire.latency, strict=True)
                if begin <= sent < end
            ]
        )
        came = taken[np.isfinite(taken)]
        due = max(len(taken), round(len(self.wires) * seconds * 0.98))  # a session that was closed sends no more
        p50, p99 = np.percentile(came, [50, 99]) if len(came) else (float("inf"), float("inf"))
        return Held(
            sessions=len(self.wires),
            p50=float(p50),
            p99=float(p99),
            missing=1 - len(came) / due,
            labels=len(came),
            generator=busy / (end - begin),
        )

    def heard(self) -> Counter[str]:
        """How many messages of each type came, and notices of each code."""
        return sum((wire.heard for wire in self.wires), Counter())

    async def leave(self) -> None:
        """End all sessions."""
        await asyncio.gather(*(wire.bye() for wire in self.wires))
        for beat in self._beats:
            beat.cancel()


async def ladder(
    url: str,
    performances_AFJC: NDArray[np.float32],
    levels: Sequence[int],
    *,
    hold: float,
    runs: int,
    warm_up: float,
    say: str = "",
) -> list[list[Held]]:
    """More and more sessions, each level held ``runs`` times; it ends with a level that is far from being held."""
    crowd, found = Crowd(url, performances_AFJC), []
    for level in levels:
        await crowd.grow(level)
        await asyncio.sleep(warm_up)
        held = [await crowd.hold(hold) for _ in range(runs)]
        found.append(held)
        p50, p99, missing = (statistics.median(getattr(h, what) for h in held) for what in ("p50", "p99", "missing"))
        told = {name: count for name, count in crowd.heard().items() if name.startswith(("notice", "error"))}
        print(
            f"{say}{held[0].sessions} sessions: p50 {1000 * p50:.1f} ms, p99 {1000 * p99:.1f} ms, "
            f"{100 * missing:.2f}% of labels missing, the generator takes {held[-1].generator:.2f} of a core"
            + (f"; {told}" if told else "")
            + (f"; refused: {dict(crowd.refused)}" if crowd.refused else ""),
            flush=True,
        )
        if p99 > 10 * FAST or missing > 0.1:
            break
    await crowd.leave()
    return found

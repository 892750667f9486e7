"""Sessions coming and going for a long time, and the resident memory of the replica meanwhile."""

import asyncio
import random
import statistics
import time
from dataclasses import dataclass

import numpy as np
from processes import resident_mb

from serving import models
from serving.asking import Askers, as_npy
from serving.load import Crowd
from serving.service import Service


@dataclass(frozen=True, kw_only=True)
class Soaked:
    """What came of it; memory in MiB."""

    seconds: list[float]
    memory: list[float]
    came: int
    """Sessions that were begun."""
    asked: int
    failures: int
    refused: int

    def _after(self, share: float, until: float = 1.0) -> list[float]:
        end = self.seconds[-1]
        return [m for s, m in zip(self.seconds, self.memory, strict=True) if share * end <= s <= until * end]

    @property
    def growth(self) -> float:
        """By which share the last quarter's median exceeds that of the second, the first after the warm-up."""
        return statistics.median(self._after(0.75)) / statistics.median(self._after(0.25, 0.5)) - 1

    @property
    def peak(self) -> float:
        """The most after the warm-up, of the median."""
        return max(self._after(0.25)) / statistics.median(self._after(0.25))

    @property
    def slope(self) -> float:
        """MiB an hour over the last three quarters."""
        memory = self._after(0.25)
        return float(np.polyfit(self.seconds[-len(memory) :], memory, 1)[0]) * 3600


async def soak(service: Service, *, seconds: float, sessions: int, seed: int = 0) -> Soaked:
    """About so many sessions at a time, each of 5 to 60 seconds; half of them vanish without a bye."""
    rng = random.Random(seed)
    crowd = Crowd(service.stream_url, models.squats(16))
    ask = as_npy(f"{service.url}/v1/classify", models.batch(16))
    begin = time.perf_counter()
    end = begin + seconds
    moments: list[float] = []
    memory: list[float] = []
    came = 0

    async def guest() -> None:
        nonlocal came
        await asyncio.sleep(rng.uniform(0, min(20.0, seconds / 8)))
        while time.perf_counter() < end:
            came += 1
            wire = await crowd.join()
            await asyncio.sleep(min(rng.uniform(5, 60), max(0.0, end - time.perf_counter())))
            if wire is None:
                continue
            if rng.random() < 0.5:
                await wire.bye()
            else:
                wire.drop()
            crowd.wires.remove(wire)

    async with Askers(ask, clients=2, pause=0.4) as askers, asyncio.TaskGroup() as group:
        for _ in range(sessions):
            group.create_task(guest())
        while (now := time.perf_counter()) < end:
            moments.append(now - begin)
            memory.append(resident_mb(service.replicas()))
            if len(memory) % 60 == 0:
                told = f"{memory[-1]:.0f} MiB, {len(crowd.wires)} sessions, {came} so far"
                print(f"  {moments[-1]:.0f} s: {told}", flush=True)
            await asyncio.sleep(min(2.0, seconds / 40))
    return Soaked(
        seconds=moments,
        memory=memory,
        came=came,
        asked=len(askers.answered.seconds) + len(askers.answered.failures),
        failures=len(askers.answered.failures),
        refused=crowd.refused.total(),
    )

"""Hot swaps under load: the champion's alias goes round three versions, while clients ask and sessions are open.

A replica keeps the version before, so that two would be loaded once; of three each comes from the registry every time.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from serving import models
from serving.asking import Askers, as_npy
from serving.load import Crowd
from serving.service import Service

PATIENCE = 60.0  # seconds in which a swap must be done


@dataclass(frozen=True, kw_only=True)
class Swapped:
    """What came of it. ``seconds`` are from the moved alias to the new version's answer, for each swap."""

    seconds: list[float]
    elapsed: float
    asked: int
    failures: list[str]
    mixed: list[str]
    streams_lost: int
    versions_streamed: set[str]


def checker(expected: dict[str, list[tuple[str, float]]]) -> Any:
    """A check that every segment of an answer is what the one version that it names says of it."""

    def check(answer: Any) -> str:
        version, got = answer["model_version"], answer["segments"]
        for number, ((exercise, probability), row) in enumerate(zip(expected[version], got, strict=True)):
            if row["exercise"] != exercise or abs(row["probability"] - probability) > 1e-3:
                said = f"{row['exercise']} {row['probability']:.3f}, not {exercise} {probability:.3f}"
                return f"version {version} answers segment {number} with {said}"
        return ""

    return check


async def swap(service: Service, versions: Sequence[str], count: int, *, clients: int, streams: int) -> Swapped:
    """Move the alias ``count`` times, each time when the version before has come; versions[0] is there at first."""
    poses = models.batch(8)
    expected = {version: models.top_of(version, poses) for version in versions}
    assert all(len({said[0] for said in each}) == len(versions) for each in zip(*expected.values(), strict=True))
    ask = as_npy(f"{service.url}/v1/classify", poses)
    crowd = Crowd(service.stream_url, models.squats(8))
    taken: list[float] = []
    async with (
        httpx.AsyncClient(timeout=30) as client,
        Askers(ask, clients=clients, pause=0.02, check=checker(expected)) as askers,
    ):
        await crowd.grow(streams)
        begin = time.perf_counter()
        for number in range(1, count + 1):
            version = versions[number % len(versions)]
            await asyncio.to_thread(models.point, version)
            taken.append(await _comes(client, f"{service.url}/v1/model", version))
            if number % 50 == 0:
                print(f"  {number} swaps in {time.perf_counter() - begin:.0f} s", flush=True)
        elapsed = time.perf_counter() - begin
        await asyncio.sleep(1.5)  # the last version is asked as well
    lost = sum(wire.closed.done() for wire in crowd.wires) + crowd.refused.total()
    await crowd.leave()
    return Swapped(
        seconds=taken,
        elapsed=elapsed,
        asked=len(askers.answered.seconds) + len(askers.answered.failures),
        failures=[reason for _, _, reason in askers.answered.failures],
        mixed=askers.wrong,
        streams_lost=lost,
        versions_streamed=set().union(*(wire.versions for wire in crowd.wires)),
    )


async def _comes(client: httpx.AsyncClient, url: str, version: str) -> float:
    """Seconds until the service says that it answers with the version."""
    begin = time.perf_counter()
    while (now := (await client.get(url)).json()["model_version"]) != version:
        if time.perf_counter() - begin > PATIENCE:
            raise SystemExit(f"version {version} is the champion for {PATIENCE:.0f} s and the service has still {now}.")
        await asyncio.sleep(0.02)
    return time.perf_counter() - begin

"""Faults while the service answers: two replicas on two nodes, streams and requests through the head's proxy.

Streams are those of the project's own client, each of an athlete whose repetitions are known from an undisturbed
stream. Lost and twice are sets and repetitions; requests that failed are in the note. A cut takes Ray a minute to
notice, so performances are longer than what would be lost if clients kept too little.
"""

import asyncio
import os
import re
import signal
import sys
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import httpx
import mlflow
from processes import Child, running
from serving import models
from serving.asking import Askers, as_npy
from serving.kill import HURRIED, Streamed, stream
from serving.service import ANSWERS, INGRESS

from faulting.nodes import Cluster, Node
from faulting.rows import Row
from faulting.said import plain, shown
from faulting.services import Services
from faulting.surroundings import environment, opened
from gymspotter import registry
from gymspotter.client import Disconnected, LiveEvent, Reconnected
from gymspotter.labels import EXERCISES
from gymspotter.registry import ModelFacts
from gymspotter.spans import GRID_FPS
from gymspotter.stream.events import Label
from gymspotter.windows import SEGMENT_FRAMES

WORKERS, CPUS = 2, 3  # of the cluster: room for all that is served on each of its nodes
PORT = 8200
STREAMS, CLIENTS = 6, 4
SECONDS, SPEED = 60.0, 1.0  # of a performance, and how much faster than it is sent
FAULT_AT = 14.0  # seconds of the performance: the first set is under way, and all sessions were copied
POLL_SECONDS = 2.0
SILENCE = 5.0  # seconds; a label is due every second
PATIENCE = 240.0
SILENT_STORAGE, SILENT_MLFLOW = 20.0, 60.0


@dataclass(kw_only=True)
class _Stream:
    """What a stream was told, and when."""

    labels: list[float] = field(default_factory=list)
    lost: list[tuple[float, str]] = field(default_factory=list)
    back: list[tuple[float, bool, int]] = field(default_factory=list)

    def tell(self, event: LiveEvent) -> None:
        now = time.monotonic()
        if isinstance(event, Label):
            self.labels.append(now)
        elif isinstance(event, Disconnected):
            self.lost.append((now, event.reason))
        elif isinstance(event, Reconnected):
            self.back.append((now, event.resumed, event.lost_frames))

    def recovered(self, since: float) -> float:
        """Seconds from a moment until labels came again, after the connection was lost or a silence of many seconds."""
        times = [since, *(at for at in self.labels if at > since)]
        silences = [after for before, after in pairwise(times) if after - before > SILENCE]
        resumed = [next((at for at in times if at > back), back) for back, _, _ in self.back if back > since]
        return max([0.0, *(at - since for at in (*silences, *resumed))])


@dataclass(kw_only=True)
class _Served:
    """The service on a cluster."""

    cluster: Cluster
    services: Services
    child: Child
    url: str
    versions: list[str]

    def replicas(self) -> list[tuple[Node, int]]:
        """The ingress' processes, on which node each is."""
        return [(node, pid) for node in self.cluster.nodes for pid in node.pids(INGRESS)]

    def version(self) -> str:
        """Which version whichever replica is asked answers with."""
        found = httpx.get(f"{self.url}/v1/model", timeout=30).json()
        return str(found["model_version"])

    async def until(self, look: Callable[[], bool]) -> float:
        """Seconds until ``look`` is true, which is asked in a thread."""
        began = time.monotonic()
        while True:
            try:
                if await asyncio.to_thread(look):
                    return time.monotonic() - began
            except (httpx.HTTPError, KeyError, ValueError):
                pass
            if time.monotonic() - began > PATIENCE:
                raise RuntimeError(f"the service is not what it was {PATIENCE:.0f} s after the fault.")
            await asyncio.sleep(0.3)

    def all_answer_with(self, version: str) -> bool:
        """Whether both replicas do: of twelve answers in a row none is another's."""
        return all(self.version() == version for _ in range(12))


_TROUBLE = re.compile(r" WARNING | ERROR |Raylet is terminated|marked dead")
Fault = Callable[[_Served], Awaitable[tuple[str, float]]]


def run(fault: str, cluster: Cluster, services: Services, folder: Path) -> Row:
    """Serve, open streams and ask, let the fault happen, and see what came of both."""
    folder.mkdir(parents=True, exist_ok=True)
    with environment(cluster.env | services.env):
        store = opened(services.tracking.uri)
        versions = _register(f"{services.storage.bucket}/models")
        words = ["--port", str(PORT), "--tracking-uri", store.uri, "--replicas", "2"]
        words += ["--poll-seconds", str(POLL_SECONDS)]
        with running(
            [str(Path(sys.executable).with_name("gymspotter")), "serve", *words], cluster.env | services.env
        ) as child:
            url = child.until(lambda: child.word_after(ANSWERS))
            served = _Served(cluster=cluster, services=services, child=child, url=url, versions=versions)
            child.until(lambda: len(served.replicas()) >= 2)
            return asyncio.run(_disturbed(fault, served))


async def _disturbed(fault: str, served: _Served) -> Row:
    performances = [models.squats(4, seconds=SECONDS)[n] for n in range(4)]
    undisturbed = await asyncio.gather(*(stream(served.url, one, speed=HURRIED) for one in performances))
    lines = len(_said(served.child))
    ask = as_npy(f"{served.url}/v1/classify", models.batch(2))
    seen = [_Stream() for _ in range(STREAMS)]
    async with Askers(ask, clients=CLIENTS, pause=0.2) as askers:
        begun = [
            asyncio.create_task(stream(served.url, performances[n % 4], speed=SPEED, tell=seen[n].tell))
            for n in range(STREAMS)
        ]
        await asyncio.sleep(FAULT_AT / SPEED)
        at = time.monotonic()
        at_once = time.perf_counter()
        note, recover = await FAULTS[fault](served)
        ended = await asyncio.gather(*begun, return_exceptions=True)
        whole = await served.until(lambda: len(served.replicas()) >= 2)
        last = time.perf_counter()
        await served.until(lambda: askers.last_sent > last)  # requests are answered in the end
    lost, twice, wrong = _compared(seen, ended, [undisturbed[n % 4] for n in range(STREAMS)])
    failures = [one for one in askers.answered.failures if one[1] >= at_once]
    recover = max([recover, *(one.recovered(at) for one in seen)])
    if failures:
        recover = max(recover, max(end for _, end, _ in failures) - at_once)
    sent = max((one[0] for one in failures), default=at_once) - at_once
    resumed = [flag for one in seen for _, flag, _ in one.back]
    told = [f"stream: {reason}" for one in seen for _, reason in one.lost]
    told += [f"request: {reason}" for _, _, reason in failures]
    parts = [
        note,
        f"{len(resumed)} of {STREAMS} streams lost their connection, {sum(resumed)} resumed",
        f"{len(failures)} of {len(askers.answered.seconds) + len(failures)} requests failed",
        f"the last of those was sent {sent:.0f} s after the fault" if sent > 0 else "",
        f"{sum(undisturbed[n % 4].repetitions for n in range(STREAMS))} repetitions, {lost} lost, {twice} twice",
        *wrong,
        f"both replicas again after {whole:.0f} s more" if whole > 1 else "",
    ]
    return Row(
        activity="serving",
        fault=fault,
        seen=shown(told + [plain(line) for line in _said(served.child)[lines:]]),
        lost=lost,
        twice=twice,
        recover_s=recover,
        rc=0 if served.child.process.poll() is None or fault == "driver" else int(served.child.process.poll() or 0),
        note="; ".join(part for part in parts if part),
    )


async def _kill_worker(served: _Served) -> tuple[str, float]:
    node, pid = served.replicas()[0]
    os.kill(pid, signal.SIGKILL)
    return f"kill -9 of the replica on {node.name}", 0.0


async def _kill_raylet(served: _Served) -> tuple[str, float]:
    node, _ = served.replicas()[0]
    node.kill_raylet()
    return f"{node.name} is gone for good, with its replica", 0.0


async def _kill_driver(served: _Served) -> tuple[str, float]:
    """What began the service and waits for Ctrl-C; and then Serve's controller, which looks after all replicas."""
    served.child.process.kill()
    await asyncio.sleep(2)
    controllers = served.cluster.pids("ray::ServeController")
    for pid in controllers:
        os.kill(pid, signal.SIGKILL)
    took = await served.until(lambda: bool(set(served.cluster.pids("ray::ServeController")) - set(controllers)))
    return f"kill -9 of `gymspotter serve`, then of Serve's controller, which is there again after {took:.0f} s", 0.0


async def _cut(served: _Served) -> tuple[str, float]:
    node, _ = served.replicas()[0]
    node.cut()
    held = await served.until(lambda: not node.alive)
    await asyncio.sleep(5)
    node.mend()
    return f"{node.name} is given up by Ray after {held:.0f} s and connected again 5 s later", 0.0


async def _fill_store(served: _Served) -> tuple[str, float]:
    node, _ = served.replicas()[0]
    await asyncio.to_thread(node.fill_store)
    await asyncio.sleep(10)
    node.release()
    return f"the store of {node.name} is full for 10 s", 0.0


async def _stop_storage(served: _Served) -> tuple[str, float]:
    new = served.versions[1]
    served.services.storage.stop()
    await asyncio.to_thread(models.point, new)
    refused = await served.until(lambda: _refused(served) == new)
    await asyncio.sleep(max(0.0, SILENT_STORAGE - refused))
    served.services.storage.start()
    took = await served.until(lambda: served.all_answer_with(new))
    return (
        f"no storage for {SILENT_STORAGE:.0f} s, in which version {new} becomes the champion: it is refused, the one "
        f"before answers; {took:.0f} s after the storage is back both answer with it",
        SILENT_STORAGE + took,
    )


async def _stop_mlflow(served: _Served) -> tuple[str, float]:
    new = served.versions[1]
    served.services.tracking.stop()
    await asyncio.sleep(SILENT_MLFLOW)
    answered = await asyncio.to_thread(served.version)
    served.services.tracking.start()
    await asyncio.to_thread(models.point, new)
    took = await served.until(lambda: served.all_answer_with(new))
    return (
        f"no MLflow for {SILENT_MLFLOW:.0f} s, version {answered} answers; then version {new} becomes the champion, "
        f"and {took:.0f} s later both answer with it",
        SILENT_MLFLOW + took,
    )


FAULTS: dict[str, Fault] = {
    "worker": _kill_worker,
    "raylet": _kill_raylet,
    "driver": _kill_driver,
    "cut": _cut,
    "store": _fill_store,
    "storage": _stop_storage,
    "mlflow": _stop_mlflow,
}


def _refused(served: _Served) -> str:
    """The version that whichever replica is asked has refused; "" for none."""
    found = httpx.get(f"{served.url}/v1/model", timeout=30).json()
    return str((found.get("refused") or {}).get("version", ""))


def _register(place: str) -> list[str]:
    """Two versions, whose files are on the storage: the first becomes the champion."""
    client = mlflow.MlflowClient()
    experiment = client.create_experiment(f"served-{uuid.uuid4().hex[:8]}", artifact_location=place)
    facts = ModelFacts(model="transformer", classes=list(EXERCISES), frames=SEGMENT_FRAMES, grid_fps=GRID_FPS)
    versions = []
    for seed in (0, 1):  # both say the same, so that a stream is told the same whenever the alias moves
        with mlflow.start_run(experiment_id=experiment):
            versions.append(registry.register(models.biased("transformer", models.SQUAT, seed), facts))
    models.point(versions[0])
    return versions


def _compared(
    seen: Sequence[_Stream], ended: Sequence[Streamed | BaseException], undisturbed: Sequence[Streamed]
) -> tuple[int, int, list[str]]:
    """Sets and repetitions that streams missed, or were told twice; and what went wrong, in words."""
    lost = twice = 0
    wrong = []
    for number, (told, one, whole) in enumerate(zip(seen, ended, undisturbed, strict=True)):
        if isinstance(one, BaseException):
            wrong.append(f"stream {number} ended with {type(one).__name__}: {one}")
            lost += len(whole.counted)
            continue
        had, should = (Counter(str(sorted(event.items())) for event in each.counted) for each in (one, whole))
        missing, more = (should - had).total(), (had - should).total()
        if missing or more:
            wrong.append(f"stream {number}: {missing} of {len(whole.counted)} events missing, {more} others")
        if frames := sum(lost_frames for _, _, lost_frames in told.back):
            wrong.append(f"stream {number}: {frames} frames lost")
        lost, twice = lost + missing, twice + more
    return lost, twice, wrong


def _said(child: Child) -> list[str]:
    """What the service's own process has printed, its replicas' warnings among it."""
    return [line for line in child.lines() if _TROUBLE.search(line)]

"""Live streams of pictures: poses a second, and the latency of labels, beside the bare loop in one process.

    python benchmarks/live_pose.py [--quick] [--json FILE]

The pictures are rendered performances (640x480, JPEG). First 1, 2 and 4 sessions send 5 pictures a second each; then 4
sessions send many more than can be looked at, and what comes back is counted. The peer decodes the same pictures and
estimates the poses with the same BlazePose, with nothing around it. All of it runs on this one machine.
"""

import asyncio
import bisect
import json
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from common import Claim, Options, measured, options, report
from serving import models, service
from serving.load import elsewhere
from serving.wire import hello
from websockets.asyncio.client import ClientConnection, connect

from gymspotter.pose import load_estimator
from gymspotter.pose.live import Athlete, check_stepping, step
from gymspotter.synth.generate import Item, SynthOptions, stage
from gymspotter.synth.look import sample_look
from gymspotter.synth.render import render

FPS, SECONDS, WIDTH, HEIGHT, QUALITY = 5.0, 6.0, 640, 480, 85
SESSIONS, CROWD, FLOOD_FPS = (1, 2, 4), 4, 25.0
_HEADER = struct.Struct("<BBHd")


@dataclass(kw_only=True)
class Seen:
    """What one session saw: when each picture was sent (by its number), seconds until labels and poses came."""

    sent: list[float] = field(default_factory=list)
    labels: list[float] = field(default_factory=list)
    poses: list[float] = field(default_factory=list)
    heard: Counter[str] = field(default_factory=Counter)


def main() -> None:
    given = options(__doc__ or "")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the service is ended
    load_estimator("blazepose")  # its weights are fetched once, not by every process
    films = [pictures(number) for number in range(CROWD)]
    claims: list[Claim] = []
    with tempfile.TemporaryDirectory() as scratch:
        uri, _ = models.fill(Path(scratch), [("transformer", models.SQUAT)])
        with service.start(tracking_uri=uri) as up:
            seconds, runs = (6.0, 1) if given.quick else (20.0, 3)
            elsewhere(crowd, up.stream_url, films[:1], fps=FPS, seconds=2.0)  # loads the estimator
            for sessions in SESSIONS[: 2 if given.quick else None]:
                claims += of_labels(up.stream_url, films[:sessions], seconds, runs)
            bare, served = [], []
            for _ in range(runs):
                bare.append(elsewhere(bare_loop, films))
                found = elsewhere(crowd, up.stream_url, films, fps=FLOOD_FPS, seconds=seconds)
                served.append(sum(len(one.poses) for one in found) / seconds)
                print(f"{bare[-1]:.1f} pictures/s of the bare loop, {served[-1]:.1f} of the service", flush=True)
    claims += [
        measured("bare loop: decode and estimate, one process", bare, "pictures/s"),
        measured(f"service: poses that {CROWD} sessions get", served, "pictures/s"),
        measured("service over the bare loop", [a / b for a, b in zip(served, bare, strict=True)], "x"),
    ]
    packages = ("ray", "torch", "ai-edge-litert", "opencv-python-headless", "websockets")
    report("live_pose", claims, Options(quick=given.quick, json=given.json), packages=packages)


def pictures(number: int) -> list[bytes]:
    """A rendered squat as JPEGs, ``FPS`` a second."""
    item = Item(exercise=models.SQUAT, number=number, seed=4)
    performance, camera = stage(item, SynthOptions(seconds=SECONDS, fps=FPS, width=WIDTH, height=HEIGHT))
    return [
        cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
        for picture in render(performance, camera, sample_look(item.rng(2)), WIDTH, HEIGHT)
    ]


def of_labels(url: str, films: list[list[bytes]], seconds: float, runs: int) -> list[Claim]:
    """Sessions with a camera each; the latency of what comes back, in runs."""
    p50, p99, pose, share = [], [], [], []
    for _ in range(runs):
        found = elsewhere(crowd, url, films, fps=FPS, seconds=seconds)
        labels = 1000 * np.array([latency for one in found for latency in one.labels])
        p50.append(float(np.percentile(labels, 50)))
        p99.append(float(np.percentile(labels, 99)))
        pose.append(1000 * median(latency for one in found for latency in one.poses))
        share.append(100 * sum(len(one.poses) for one in found) / sum(len(one.sent) for one in found))
        heard = dict(sum((one.heard for one in found), Counter()))
        print(f"sessions {len(films)}: label p50 {p50[-1]:.0f} ms, p99 {p99[-1]:.0f} ms; {heard}", flush=True)
    here = f"{len(films)} session{'s' * (len(films) > 1)} at {FPS:g} pictures/s"
    return [
        measured(f"{here}: p50 of label latency", p50, "ms"),
        measured(f"{here}: p99 of label latency", p99, "ms"),
        measured(f"{here}: p50 of pose latency", pose, "ms"),
        measured(f"{here}: pictures that were looked at", share, "%"),
    ]


async def crowd(url: str, films: Sequence[list[bytes]], *, fps: float, seconds: float) -> list[Seen]:
    """A session for each film, for so long."""
    phases = [number / len(films) / fps for number in range(len(films))]
    sessions = [session(url, film, fps, seconds, phase) for film, phase in zip(films, phases, strict=True)]
    return list(await asyncio.gather(*sessions))


async def session(url: str, film: list[bytes], fps: float, seconds: float, phase: float) -> Seen:
    """Send a film, over and over again, in its own time; at another ``fps`` pictures are left out or sent twice."""
    seen = Seen()
    greeting = json.loads(hello("jpeg", poses=True)) | {"fps": fps}
    async with connect(url, compression=None) as socket:
        await socket.send(json.dumps(greeting))
        welcome = json.loads(await socket.recv())
        if welcome["type"] != "welcome":
            raise RuntimeError(f"the service says {welcome}")
        listening = asyncio.create_task(listen(socket, seen, fps))
        begin = time.perf_counter() + phase
        for number in range(round(seconds * fps)):
            await asyncio.sleep(begin + number / fps - time.perf_counter())
            seen.sent.append(time.perf_counter())
            await socket.send(_HEADER.pack(2, 0, 1, number / fps) + film[int(number / fps * FPS) % len(film)])
        poses = len(seen.poses)
        await socket.send('{"type": "bye"}')
        await listening
        if fps > FPS:  # what came of the pictures that waited at the end was not got in this time
            del seen.poses[poses:]
    return seen


async def listen(socket: ClientConnection, seen: Seen, fps: float) -> None:
    """Note how long after its picture what came."""
    times = [number / fps for number in range(100_000)]
    async for message in socket:
        now, said = time.perf_counter(), json.loads(message)
        seen.heard[f"{said['type']} {said.get('code', '')}".strip()] += 1
        if said["type"] in ("label", "pose"):
            number = bisect.bisect_left(times, said["t"] - 1e-6)  # the picture that completed it
            if number < len(seen.sent):
                (seen.labels if said["type"] == "label" else seen.poses).append(now - seen.sent[number])


async def bare_loop(films: Sequence[list[bytes]]) -> float:
    """Pictures a second of decoding and estimating, the films in turns, in this process with one thread."""
    cv2.setNumThreads(1)
    estimator = check_stepping(load_estimator("blazepose"))
    athletes: list[Athlete | None] = [None] * len(films)
    begin, count = 0.0, -len(films)  # the first picture of each is a warm-up
    for number in range(len(films[0])):
        for k, film in enumerate(films):
            picture = cv2.imdecode(np.frombuffer(film[number], np.uint8), cv2.IMREAD_COLOR_RGB)
            athletes[k], _ = step(estimator, picture, athletes[k])
            count += 1
            if count == 0:
                begin = time.perf_counter()
    return count / (time.perf_counter() - begin)


if __name__ == "__main__":
    main()

"""Extraction: the pipeline against its own estimator loop and the obvious script; decoding; memory in long videos.

    python benchmarks/extract.py [--quick] [--json FILE]

Videos are rendered (1280x720, 30 frames/s, H.264). The script that people write first: OpenCV reads every frame and the
estimator looks at each, or at every sixth. Every peer has the same BlazePose, one thread, and a core of its own.
"""

import itertools
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import ray
from common import Claim, Options, measured, options, report, seconds

from gymspotter.catalog import Entry
from gymspotter.cluster import connect
from gymspotter.decoder import Decoder
from gymspotter.extract import ExtractOptions, estimate_spans
from gymspotter.pose import Estimator, estimate, load_estimator
from gymspotter.spans import GRID_FPS, Span, plan_spans, track_span
from gymspotter.synth.generate import Item, SynthOptions, make_video
from gymspotter.video import frames_at, grid_times, join_videos, probe

FPS, CLIP_SECONDS, ACTORS = 30, 12.0, 2


def main() -> None:
    given = options(__doc__ or "")
    load_estimator("blazepose")  # its weights are fetched once, not by every process
    with tempfile.TemporaryDirectory() as folder:
        clips = _clips(Path(folder) / "720p", 1280, 720)
        large = _clips(Path(folder) / "1080p", 1920, 1080)[:1]
        claims = _decoding("720p", clips[0], given) + _decoding("1080p", large[0], given)
        claims += _memory(clips, Path(folder), given)
        claims += _speed(clips, Path(folder), given)
    report("extract", claims, given, packages=("ray", "av", "opencv-python-headless", "ai-edge-litert"))


def _clips(folder: Path, width: int, height: int) -> list[Path]:
    """Three sets of twelve seconds, each of another exercise."""
    made = SynthOptions(out=folder, seconds=CLIP_SECONDS, fps=FPS, width=width, height=height)
    items = [Item(exercise=name, number=0, seed=9) for name in ("squat", "push-up", "shoulder press")]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        return list(pool.map(make_video, items, itertools.repeat(made)))


# ---- the pipeline and its peers


def _speed(clips: list[Path], folder: Path, given: Options) -> list[Claim]:
    """Frames and video seconds a second: two actors, the bare loop, and the obvious script."""
    minutes, span_seconds = (2, 12.0) if given.quick else (10, 60.0)
    videos = []
    for k, order in enumerate(itertools.islice(itertools.cycle(itertools.permutations(clips)), minutes)):
        videos.append(folder / f"{k}.mp4")
        join_videos([*order, *order][:5] + [clips[k % 3]] * (k // 6), videos[-1])
    spans = [span for video in videos for span in _spans(video, span_seconds)]
    frames = sum(len(grid_times(span.t0, span.t1, span.fps)) for span in spans)
    length = sum(_length(video) for video in videos)

    connect()
    rounds = 1 if given.quick else 3
    ours, bare, together, every, sixth = [], [], [], [], []
    for _ in range(rounds):
        ours.append(frames / _pipeline(spans))
        bare.append(_alone(_bare_loop, spans[: len(spans) // 2]))
        together.append(_all_at_once(_bare_loop, [spans[k::ACTORS] for k in range(ACTORS)]))
        every.append(_alone(_script, videos[0], 1))
        sixth.append(_alone(_script, videos[0], round(FPS / GRID_FPS)))
    ray.shutdown()
    rates = [rate * length / frames for rate in ours]  # video seconds a second

    def over(claim: str, peer: list[float], rates: list[float], **goal: Any) -> Claim:
        return measured(claim, [a / b for a, b in zip(rates, peer, strict=True)], "x", **goal)

    per_core = [rate / ACTORS for rate in rates]
    alone = [ACTORS * rate for rate in bare]
    return [
        measured(f"frames a second of the pipeline with {ACTORS} actors", ours, "frames/s"),
        over(f"pipeline over {ACTORS} x the bare loop (decode, estimate) alone on the machine", alone, ours, goal=0.90),
        over(f"pipeline over {ACTORS} bare loops at the same time", together, ours),
        over("video seconds a second, over the script that looks at every frame", every, rates, goal=5.0),
        over("the same per core", every, per_core),
        over("video seconds a second and core, over the script at 5 frames/s", sixth, per_core, goal=1.0),
    ]


def _pipeline(spans: list[Span]) -> float:
    """Seconds from the moment that every actor has finished its first span to the end, scaled up to all the spans.

    What starts once (actors, models) is left out here and there: a night has thousands of spans.
    """
    given = ExtractOptions(videos="", actors=ACTORS)
    ends = [time.perf_counter() for _ in estimate_spans(spans, given)]
    return (ends[-1] - ends[ACTORS - 1]) * len(spans) / (len(spans) - ACTORS)


def _bare_loop(spans: list[Span]) -> float:
    """Frames a second of decoding and estimating in this process, nothing else."""
    estimator = _warm()
    began = time.perf_counter()
    frames = sum(len(track_span(span, estimator).joints) for span in spans)
    return frames / (time.perf_counter() - began)


def _script(video: Path, step: int) -> float:
    """Video seconds a second of what people write first."""
    estimator = _warm()
    began = time.perf_counter()
    estimate(estimator, itertools.islice(_read_all(video), 0, None, step))
    return _length(video) / (time.perf_counter() - began)


def _read_all(video: Path) -> Iterator[Any]:
    capture = cv2.VideoCapture(str(video))
    while True:
        read, frame = capture.read()
        if not read:
            return
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


def _warm() -> Estimator:
    cv2.setNumThreads(1)
    estimator = load_estimator("blazepose")
    estimate(estimator, [np.zeros((720, 1280, 3), np.uint8)] * 3)
    return estimator


def _alone(work: Any, *arguments: Any) -> float:
    """In a new process, on one core, with the other one idle."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_stay_on, initargs=(0,)) as pool:
        return float(pool.submit(work, *arguments).result())


def _all_at_once(work: Any, parts: list[Any]) -> float:
    """The sum of what a process for each part gives, each on a core of its own."""
    pools = [
        ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_stay_on, initargs=(k,))
        for k in range(len(parts))
    ]
    return float(sum(f.result() for f in [pool.submit(work, part) for pool, part in zip(pools, parts, strict=True)]))


def _stay_on(core: int) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {allowed[core % len(allowed)]})


def _spans(video: Path, span_seconds: float = 60.0) -> list[Span]:
    return plan_spans(Entry(uri=str(video)), video.stem, _length(video), span_seconds=span_seconds)


def _length(video: Path) -> float:
    return probe(video).seconds


# ---- decoding


def _decoding(name: str, clip: Path, given: Options) -> list[Claim]:
    """A span of twelve seconds in the middle of a minute: CPU seconds, in several ways."""
    minute = clip.with_name("minute.mp4")
    join_videos([clip] * 5, minute)
    times = 24 + grid_times(0, CLIP_SECONDS, GRID_FPS)

    def ours() -> None:
        assert sum(1 for _ in frames_at(minute, times)) == len(times)

    def taken(work: Callable[[], None], clock: Callable[[], float] = time.process_time) -> float:
        return statistics.median(seconds(work, runs=3 if given.quick else 7, clock=clock))

    mine = taken(ours)
    claims = [Claim(claim=f"{name}: decode 60 of 360 frames of a 12 s span", value=1000 * mine, unit="ms of CPU")]
    for peer, seek in (("seeking, every frame decoded", True), ("reading through from the beginning", False)):
        value = taken(lambda s=seek: _decode(minute, times, s, "NONE")) / mine
        claims.append(Claim(claim=f"{name}: {peer}, over ours", value=value, unit="x of CPU"))
    for what, clock in (("CPU", time.process_time), ("wall-clock", time.perf_counter)):
        single = taken(lambda: _decode(minute, times, True, "NONE"), clock)
        for threads in ("SLICE", "FRAME", "AUTO"):
            value = taken(lambda t=threads: _decode(minute, times, True, t), clock) / single
            claims.append(Claim(claim=f"{name}: {what} time with {threads} threads, over one", value=value, unit="x"))
    return claims


def _decode(video: Path, times: Any, seek: bool, threads: str) -> None:
    """Decode the frames at ``times`` plainly, with PyAV's threading as named."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.thread_type = threads
        stream.codec_context.thread_count = 1 if threads == "NONE" else 0
        if seek:
            container.seek(int(times[0] / stream.time_base), stream=stream)
        wanted = iter(times)
        time_now = next(wanted)
        for frame in container.decode(stream):
            while frame.time + 1 / FPS > time_now:
                frame.to_ndarray(format="rgb24")
                following = next(wanted, None)
                if following is None:
                    return
                time_now = following


# ---- memory


def _memory(clips: list[Path], folder: Path, given: Options) -> list[Claim]:
    """Peak memory of a worker (estimator and decoder) over a video of a minute and a long one; when it first yields."""
    minutes = 2 if given.quick else 60
    short, long = folder / "minute.mp4", folder / "long.mp4"
    join_videos([clips[0]] * 5, short)
    join_videos([clips[0]] * 5 * minutes, long)
    peaks = {}
    for video in (short, long):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            peaks[video] = pool.submit(_peak, video).result()
    (small, _), (big, first) = peaks[short], peaks[long]
    over = f"peak memory of a worker over {minutes} minutes of video, over that of 1 minute"
    return [
        Claim(claim=over, value=big / small, unit="x", goal=1.10, better="less"),
        Claim(claim="peak memory of a worker (estimator and decoder)", value=big / 2**20, unit="MiB"),
        Claim(claim=f"first of {minutes} minutes is a track after", value=first, unit="s"),
    ]


def _peak(video: Path) -> tuple[float, float]:
    """Peak resident bytes of this process and of its decoder, and seconds until the first track."""
    cv2.setNumThreads(1)
    estimator = load_estimator("blazepose")
    began, first = time.perf_counter(), 0.0
    with Decoder() as decoder:
        length = decoder.probe(str(video)).seconds
        for span in plan_spans(Entry(uri=str(video)), "long", length):
            track_span(span, estimator, decoder.frames_at)
            first = first or time.perf_counter() - began
        status = Path(f"/proc/{decoder.pid}/status").read_text()
        of_child = int(status.split("VmHWM:")[1].split()[0])
    return 1024.0 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + of_child), first


if __name__ == "__main__":
    main()

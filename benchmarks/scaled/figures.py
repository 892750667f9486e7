"""The measured figures that the model is fitted to, read from benchmarks/results/; nothing is typed by hand.

Each is a median with the lowest and the highest of its runs, where there are several.
"""

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from scaled import sessions
from scaled.fit import USL, Latency, fit_latency, fit_line, fit_usl
from scaled.model import Live, Pose, Sweeping

SPAN_FRAMES = 300  # of a minute at 5 frames/s
# docs/extraction.md: of the store on real clips, and of a probe with its hash; no script measures them again.
_STORE_BYTES_FRAME, _PROBE_S_HOUR = 540.0, 9.0
# BlazePose's detector takes about 40 core seconds an hour of video when it looks at every third frame (the same page).
_FIND_S_HOUR = 40.0
MODELS = ("transformer", "spotter")
MINUTES, CRUMBS, REAL_TIME = "minutes", "crumbs", "minutes in real time"


@dataclass(frozen=True)
class Fitted:
    """A coefficient, and the lowest and highest that single rounds give."""

    value: float
    low: float
    high: float


class Claims:
    """The claims of one file of results."""

    def __init__(self, results: Path, name: str) -> None:
        self.device = ""
        self._claims: dict[str, dict[str, Any]] = {}
        file = results / f"{name}.json"
        if file.exists():
            read = json.loads(file.read_text(encoding="utf-8"))
            self.device = read["device"]
            self._claims = {claim["claim"]: claim for claim in read["claims"]}

    def value(self, claim: str) -> float:
        """The median."""
        return float(self._claims[claim]["value"])

    def runs(self, claim: str) -> list[float]:
        """Each run; the median where only that was kept."""
        return self._claims[claim]["runs"] or [self.value(claim)]

    def matching(self, pattern: str) -> dict[float, list[float]]:
        """The runs of all claims that fit, by the number in the pattern's only group, in order of it."""
        found = {name: re.fullmatch(pattern, name) for name in self._claims}
        out = {float(match[1]): self.runs(name) for name, match in found.items() if match}
        return dict(sorted(out.items()))


def span_seconds(results: Path) -> float:
    """Core seconds that BlazePose needs for a span of a minute, decoding included."""
    rate = Claims(results, "extract").value("frames a second of the pipeline with 2 actors")
    return 2 * SPAN_FRAMES / rate


def pose(results: Path) -> Pose:
    """Of extraction; the driver's share comes from the simulation."""
    decode_ms = Claims(results, "extract").value("720p: decode 60 of 360 frames of a 12 s span")
    return Pose(
        decode_s=decode_ms / 1000 * 300,
        find_s=_FIND_S_HOUR,
        blazepose_s=60 * span_seconds(results),
        probe_s=_PROBE_S_HOUR,
        driver_s=driver(Claims(results, "scaling"), MINUTES)[1],
        store_bytes_frame=_STORE_BYTES_FRAME,
    )


def sweeping(results: Path) -> Sweeping:
    """Of sweeps: all models are as likely as each other."""
    train, tune = Claims(results, "train"), Claims(results, "tune")
    names = ("mlp", "cnn1d", "rnn", "lstm", "bilstm", "transformer", "spotter")
    return Sweeping(
        epoch_s_segment={name: train.value(f"{name}: an epoch of 8650 segments") / 8650 for name in names},
        overhead=tune.value("the search, of (sum of trial times / parallel trials)"),
        spent=tune.value("epochs spent, of those that running all to the end takes"),
    )


def latency(results: Path, model: str) -> tuple[Latency, Fitted]:
    """The curve through the medians, and how many sessions a replica holds within 100 ms."""
    levels = Claims(results, "serve").matching(rf"live: {model}, (\d+) sessions: p99 of label latency")
    curve = fit_latency(list(levels), [median(runs) for runs in levels.values()])
    rounds = zip(*levels.values(), strict=True)
    single = [fit_latency(list(levels), list(one)).within(100.0) for one in rounds]
    return curve, Fitted(curve.within(100.0), min(single), max(single))


def live(results: Path, model: str) -> Live:
    """Of sessions."""
    scaling, measured = Claims(results, "scaling"), pose(results)
    return Live(
        per_replica=latency(results, model)[1].value,
        copy_bytes=scaling.value("a live session: its copy"),
        sent_bytes_s=scaling.value("a live session: joints sent"),
        told_bytes_s=scaling.value("a live session: events told"),
        copy_every_s=sessions.COPY_SECONDS,
        keeper_bytes=sessions.KEEPER_BYTES,
        pose_s_frame=(measured.blazepose_s - measured.decode_s) / (3600 * measured.fps),
    )


def rates(scaling: Claims, series: str) -> dict[float, list[float]]:
    """Spans a second of each run, by simulated GPUs."""
    return scaling.matching(rf"{series}, (\d+) simulated GPUs: spans a second")


def usl(scaling: Claims, series: str, most: float = float("inf")) -> tuple[USL, dict[str, Fitted]]:
    """The law fitted to the medians of up to ``most`` GPUs, and each coefficient's range over single rounds."""
    found = {gpus: runs for gpus, runs in rates(scaling, series).items() if gpus <= most}
    law = fit_usl(list(found), [median(runs) for runs in found.values()])
    rounds = [fit_usl(list(found), list(one)) for one in zip(*found.values(), strict=False)]
    spread = {name: Fitted(getattr(law, name), *_ends([getattr(one, name) for one in rounds])) for name in vars(law)}
    return law, spread


def driver(scaling: Claims, series: str) -> tuple[float, float]:
    """The driver's CPU seconds a second, and a span: a line through all runs."""
    busy = scaling.matching(rf"{series}, (\d+) simulated GPUs: the driver")
    points = defaultdict(list)
    for gpus, runs in rates(scaling, series).items():
        for rate, cores in zip(runs, busy[gpus], strict=True):
            points["rate"].append(rate)
            points["cores"].append(cores)
    return fit_line(points["rate"], points["cores"])


def _ends(values: list[float]) -> tuple[float, float]:
    return min(values), max(values)

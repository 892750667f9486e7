"""The live service under load, beside its peers; load generator, peers and service share this one machine.

    python benchmarks/serve.py [--quick] [--json FILE] [--only NAME ...] [--swaps 1000] [--minutes 20] [--plot FILE]

live    more and more sessions, which send joints at 5 frames/s, a message a second, and get a label a second
http    segments a second, beside `mlflow models serve` and a bare server of FastAPI, uvicorn and torch
fuzz    10,000 WebSocket messages that no honest client would send, and the HTTP API as schemathesis tries it
soak    sessions coming and going for 20 minutes, and the memory of the replica
kill    kill -9 of a replica under load, with one replica and with two
swaps   the champion's alias moved 1,000 times under load

The models have random weights (see serving/models.py). With --only, the claims that --json FILE has of other pieces
stay there, so the pieces may be run one by one.
"""

import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import uvloop
from common import Claim, Options, measured, parser, report
from processes import resident_mb
from serving import fuzz, kill, models, peers, service, soak, swaps
from serving.load import COMPLETE, FAST, Held, elsewhere, ladder
from serving.picture import draw
from serving.racing import CLIENTS, overhead, race

LEVELS, QUICK_LEVELS = (100, 300, 600, 800, 1000), (40, 80)
PACKAGES = ("ray", "torch", "mlflow", "fastapi", "uvicorn", "websockets")
PLOT = Path(__file__).parents[1] / "docs" / "images" / "serve_latency.png"


@dataclass(kw_only=True)
class Bench:
    """What the pieces share: the store with the models, and (only in a quick run) one service for all of them."""

    quick: bool
    swaps: int
    soak_seconds: float
    plot: Path | None
    uri: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    stack: ExitStack = field(default_factory=ExitStack)
    shared: service.Service | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """The fusion models to serve."""
        return ("transformer",) if self.quick else ("spotter", "transformer")

    @contextmanager
    def service(self, model: str, *, replicas: int = 1, poll_seconds: float = 5.0) -> Iterator[service.Service]:
        """The service with that model as the champion."""
        models.point(self.versions[model])
        begin = time.perf_counter()
        start = partial(service.start, tracking_uri=self.uri, replicas=replicas)
        if not self.quick:
            with start(poll_seconds=poll_seconds) as one:
                print(f"  the service answers after {time.perf_counter() - begin:.0f} s", flush=True)
                yield one
            return
        if self.shared is None:
            self.shared = self.stack.enter_context(start(poll_seconds=0.2))
            print(f"  the service answers after {time.perf_counter() - begin:.0f} s", flush=True)
        yield self.shared


def main() -> None:
    command = parser(__doc__ or "")
    command.add_argument("--only", nargs="+", choices=list(PIECES), default=list(PIECES), metavar="NAME")
    command.add_argument("--swaps", type=int, default=1000)
    command.add_argument("--minutes", type=float, default=20, help="of the soak")
    command.add_argument("--plot", type=Path, metavar="FILE", help=f"of latency; {PLOT.name} unless --quick")
    given = command.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    bench = Bench(
        quick=given.quick,
        swaps=2 if given.quick else given.swaps,
        soak_seconds=8.0 if given.quick else 60 * given.minutes,
        plot=given.plot or (None if given.quick else PLOT),
    )
    claims: list[Claim] = []
    measured_now: list[str] = []
    with tempfile.TemporaryDirectory() as scratch, bench.stack:
        wanted = {"transformer": models.SQUAT}
        if "swaps" in given.only:
            wanted |= models.OTHERS
        if not given.quick and {"live", "http"} & set(given.only):
            wanted["spotter"] = models.SQUAT
        print("building the models", flush=True)
        names = [("transformer" if name in models.OTHERS else name, favourite) for name, favourite in wanted.items()]
        bench.uri, versions = models.fill(Path(scratch), names)
        bench.versions = dict(zip(wanted, versions, strict=True))
        try:
            for name in given.only:
                begin = time.perf_counter()
                print(f"{name}:", flush=True)
                claims += [replace(claim, claim=f"{name}: {claim.claim}") for claim in PIECES[name](bench)]
                measured_now.append(name)
                print(f"  {name} took {time.perf_counter() - begin:.0f} s", flush=True)
        finally:  # what was measured is not lost where a later piece fails
            before = kept(given.json, measured_now)
            report("serve", claims, Options(quick=given.quick, json=given.json), packages=PACKAGES)
            if given.json:
                put_back(given.json, before)


def kept(file: Path | None, measured_now: Sequence[str]) -> list[dict[str, Any]]:
    """The claims in a file that are of pieces which were not measured now."""
    if file is None or not file.exists():
        return []
    claims = json.loads(file.read_text(encoding="utf-8"))["claims"]
    return [claim for claim in claims if claim["claim"].split(":")[0] not in measured_now]


def put_back(file: Path, claims: list[dict[str, Any]]) -> None:
    """Add them to a file, in the order of the pieces."""
    content = json.loads(file.read_text(encoding="utf-8"))
    order = list(PIECES)
    content["claims"] = sorted(claims + content["claims"], key=lambda claim: order.index(claim["claim"].split(":")[0]))
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


# ---- live


def live(bench: Bench) -> list[Claim]:
    """Levels of sessions for each model; those held are the most at which p99 and the labels that came are good."""
    found: dict[str, list[list[Held]]] = {}
    for name in bench.models:
        with bench.service(name) as up:
            found[name] = elsewhere(
                ladder,
                up.stream_url,
                models.squats(44),
                QUICK_LEVELS if bench.quick else LEVELS,
                hold=3.0 if bench.quick else 12.0,
                runs=1 if bench.quick else 3,
                warm_up=1.0 if bench.quick else 5.0,
                say=f"  {name}, ",
            )
    if bench.plot:
        draw(found, bench.plot)
    return [claim for name, levels in found.items() for claim in of_levels(name, levels, bench)]


def of_levels(name: str, levels: list[list[Held]], bench: Bench) -> list[Claim]:
    fast = f"p99 of label latency under {1000 * FAST:.0f} ms"
    held = 0
    for runs in levels:
        p99, missing = (statistics.median(getattr(run, what) for run in runs) for what in ("p99", "missing"))
        if p99 >= FAST or missing > 1 - COMPLETE:
            break
        held = runs[0].sessions
    goal = None if bench.quick else 300
    claims = [Claim(claim=f"{name}: sessions held with {fast} (aim 1,000)", value=held, unit="sessions", goal=goal)]
    for runs in levels:
        here = f"{name}, {runs[0].sessions} sessions"
        claims += [
            measured(f"{here}: p50 of label latency", [1000 * run.p50 for run in runs], "ms"),
            measured(f"{here}: p99 of label latency", [1000 * run.p99 for run in runs], "ms"),
            measured(f"{here}: labels that did not come", [100 * run.missing for run in runs], "%"),
        ]
    share = [run.generator for run in levels[-1]]
    return [*claims, measured(f"{name}, {levels[-1][0].sessions} sessions: the load generator", share, "of a core")]


# ---- http


def http(bench: Bench) -> list[Claim]:
    claims = []
    for name in bench.models:
        version = bench.versions[name]
        with bench.service(name) as up, peers.both(bench.uri, version) as (bare, mlflow):
            ours = f"{up.url}/v1/classify"
            claims += race(name, version, ours=ours, bare=bare, mlflow=mlflow, quick=bench.quick)
            claims += overhead(name, version, ours, quick=bench.quick)
    return claims


# ---- fuzz, soak, kill, swaps


def fuzzed(bench: Bench) -> list[Claim]:
    messages = 300 if bench.quick else 10_000
    with bench.service("transformer") as up:
        uvloop.run(fuzz.fuzz(up, messages // 10, seed=1))  # what is loaded and allocated once
        before, memory = up.replicas(), resident_mb(up.replicas())
        found = uvloop.run(fuzz.fuzz(up, messages, seed=2))
        after, grown = up.replicas(), resident_mb(up.replicas()) - memory
        print(f"  sent {dict(found.sent)}", flush=True)
        print(f"  closed with {dict(found.closed)}; said {dict(found.said)}", flush=True)
        print(*(f"  {failure}" for failure in found.failed[:10]), sep="\n", flush=True)
        claims = [
            Claim(claim="malformed messages that were sent", value=found.sent.total(), unit="messages"),
            less("connections that failed otherwise than with a refusal", len(found.failed), 0, "connections"),
            less("replicas that ended", len(set(before) - set(after)), 0, "replicas"),
            less("healthy answers that did not come afterwards", 1 - fuzz.answers(up), 0, ""),
            less("growth of the replica's resident memory", grown, 20, "MiB"),
        ]
        tried = fuzz.schemathesis(up, examples=2 if bench.quick else 50)
        if tried is None:
            print("  schemathesis is left out: it is not installed.", flush=True)
        else:
            print("\n".join(tried[1].splitlines()[-15:]), flush=True)
            claims.append(less("schemathesis: whether it found a server error", float(tried[0] != 0), 0, ""))
    return claims


def soaked(bench: Bench) -> list[Claim]:
    with bench.service("transformer") as up:
        found = uvloop.run(soak.soak(up, seconds=bench.soak_seconds, sessions=30 if bench.quick else 200))
    print(f"  {found.asked} requests, {found.failures} failed; {found.refused} sessions refused", flush=True)
    goal = None if bench.quick else 5.0
    return [
        Claim(claim="length", value=found.seconds[-1] / 60, unit="min"),
        Claim(claim="sessions that came and went", value=found.came, unit="sessions"),
        less("sessions refused and requests failed", found.refused + found.failures, 0, ""),
        less("resident memory of the last quarter over the second", 100 * found.growth, goal, "% more"),
        Claim(claim="highest resident memory after the warm-up, over the median", value=found.peak, unit="x"),
        Claim(claim="slope of resident memory over the last three quarters", value=found.slope, unit="MiB/h"),
        Claim(claim="resident memory of the replica at the end", value=found.memory[-1], unit="MiB"),
    ]


def killed(bench: Bench) -> list[Claim]:
    claims = []
    for replicas in (1,) if bench.quick else (1, 2):
        with bench.service("transformer", replicas=replicas) as up:
            streams, length = (4, 30.0) if bench.quick else (20, 120.0)
            given = {"streams": streams, "clients": CLIENTS, "seconds": length, "speed": 3.0}
            found = uvloop.run(kill.kill(up, replicas=replicas, **given))
        print(f"  {found}", flush=True)
        of = f"one of {replicas} replicas" if replicas > 1 else "the only replica"
        goal = 0 if replicas > 1 else None  # while there is none, nobody can answer
        later = found.failed_later.total()
        claims += [
            less(f"{of}: requests in flight on it that failed", found.failed_in_flight, CLIENTS, "requests"),
            less(f"{of}: requests sent after its end that failed", later, goal, "requests"),
            less(f"{of}: until a request is answered again", found.back, 30, "s"),
            less(f"{of}: until all replicas are there again", found.whole, 60, "s"),
            Claim(claim=f"{of}: streams that lost their connection", value=found.reconnected, unit="streams"),
            Claim(claim=f"{of}: repetitions in all streams", value=found.repetitions, unit="repetitions"),
            less(
                f"{of}: streams in which a set or repetition was lost, twice or other", found.miscounted, 0, "streams"
            ),
            Claim(claim=f"{of}: streams in which any event differs", value=found.deviating, unit="streams"),
            Claim(claim=f"{of}: streams with a window left out for lack of time", value=found.behind, unit="streams"),
        ]
    return claims


def swapped(bench: Bench) -> list[Claim]:
    versions = [bench.versions[name] for name in ("transformer", *models.OTHERS)]
    with bench.service("transformer", poll_seconds=0.1) as up:
        found = uvloop.run(swaps.swap(up, versions, bench.swaps, clients=4, streams=4 if bench.quick else 20))
    print(*(f"  {reason}" for reason in [*found.failures[:5], *found.mixed[:5]]), sep="\n", flush=True)
    return [
        Claim(claim="swaps under load", value=len(found.seconds), unit="swaps"),
        Claim(claim="requests meanwhile", value=found.asked, unit="requests"),
        less("requests that failed", len(found.failures), 0, "requests"),
        less("answers of mixed versions", len(found.mixed), 0, "answers"),
        less("streams that were closed", found.streams_lost, 0, "streams"),
        Claim(claim="versions that one stream was answered by", value=len(found.versions_streamed), unit="versions"),
        Claim(claim="swaps", value=len(found.seconds) / found.elapsed, unit="swaps/s"),
        Claim(
            claim="from the moved alias to the new version's answer, median",
            value=statistics.median(found.seconds),
            unit="s",
        ),
    ]


def less(claim: str, value: float, goal: float | None, unit: str) -> Claim:
    """A claim whose value is to stay at or below its goal."""
    return Claim(claim=claim, value=value, goal=goal, unit=unit, better="less")


PIECES: dict[str, Callable[[Bench], list[Claim]]] = {
    "live": live,
    "http": http,
    "fuzz": fuzzed,
    "soak": soaked,
    "kill": killed,
    "swaps": swapped,
}


if __name__ == "__main__":
    main()

"""What the service counts, and how it reaches Ray's metrics (and Prometheus through them).

The hooks are called from the event loop, a thousand times a second: each appends to a queue and no more. A thread
empties it into Ray's metrics about once a second. Gauges are set again each time, since Ray's agent forgets one that is
not set for two of its report intervals.

`DECLARED` is the whole list; Ray puts ``ray_`` before each name (docs/monitoring.md).
"""

import logging
import math
import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

logger = logging.getLogger(__name__)
_FLUSH_SECONDS = 1.0
_MOST_PENDING = 200_000  # what a stuck thread may cost in memory
_MOST_TAGS = 300  # series of one metric; whoever can invent values of a tag must not fill Prometheus

_LATENCY = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0)
_REQUEST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_BATCH = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 48.0, 64.0, 128.0, 256.0)

Tags = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A metric: its name in Ray, what kind, what it says, its tags, and a histogram's boundaries."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    says: str
    tags: Tags = ()
    boundaries: tuple[float, ...] = ()


DECLARED: tuple[Declared, ...] = (
    Declared(
        name="gymspotter_requests_total", kind="counter", says="HTTP requests answered.",
        tags=("method", "route", "status"),
    ),
    Declared(
        name="gymspotter_request_seconds", kind="histogram", says="Time to answer an HTTP request.",
        tags=("route",), boundaries=_REQUEST,
    ),
    Declared(name="gymspotter_sessions", kind="gauge", says="Open streams."),
    Declared(name="gymspotter_windows_total", kind="counter", says="Segments that were classified."),
    Declared(
        name="gymspotter_batch_size", kind="histogram", says="Segments in one forward pass.", boundaries=_BATCH
    ),
    Declared(
        name="gymspotter_forward_seconds", kind="histogram", says="Time of one forward pass.", boundaries=_LATENCY
    ),
    Declared(
        name="gymspotter_label_seconds", kind="histogram",
        says="From the arrival of a window's last frame to its label.", boundaries=_LATENCY,
    ),
    Declared(name="gymspotter_labels_total", kind="counter", says="Labels sent on streams.", tags=("exercise",)),
    Declared(
        name="gymspotter_unknown_share", kind="gauge", says="Share of the last segments that show no known exercise."
    ),
    Declared(name="gymspotter_events_total", kind="counter", says="Events sent on streams.", tags=("type",)),
    Declared(name="gymspotter_notices_total", kind="counter", says="Notices sent on streams.", tags=("code",)),
    Declared(
        name="gymspotter_drift", kind="gauge", says="Population stability index against the training segments.",
        tags=("feature",),
    ),
    Declared(name="gymspotter_model_version", kind="gauge", says="Version that answers."),
    Declared(
        name="gymspotter_shadow_agreement", kind="gauge", says="Share of segments that the challenger names alike."
    ),
    Declared(
        name="gymspotter_swaps_total", kind="counter", says="Changes of the model that were tried.", tags=("outcome",)
    ),
)  # fmt: skip


class Meter:
    """The hooks; each is cheap, never blocks and never raises. What is done with the numbers is the subclass's."""

    _drifted: tuple[str, ...] = ()  # the features that have an index

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """An HTTP request was answered; ``route`` is its template, never a path of a client's making."""
        self._take("gymspotter_requests_total", (method, route, str(status)), 1.0)
        self._take("gymspotter_request_seconds", (route,), seconds)

    def sessions(self, open: int) -> None:
        """So many streams are open."""
        self._set("gymspotter_sessions", (), float(open))

    def label(self, exercise: str, seconds: float) -> None:
        """A label was sent, so long after the last frame of its window came in."""
        self._take("gymspotter_labels_total", (exercise,), 1.0)
        self._take("gymspotter_label_seconds", (), seconds)

    def batch(self, size: int, seconds: float) -> None:
        """A forward pass classified so many segments."""
        self._take("gymspotter_windows_total", (), float(size))
        self._take("gymspotter_batch_size", (), float(size))
        self._take("gymspotter_forward_seconds", (), seconds)

    def event(self, type: str) -> None:
        """An event other than a label was sent on a stream."""
        self._take("gymspotter_events_total", (type,), 1.0)

    def notice(self, code: str) -> None:
        """A notice was sent on a stream."""
        self._take("gymspotter_notices_total", (code,), 1.0)

    def unknown(self, share: float) -> None:
        """Of the last segments, so many (0..1) show no known exercise."""
        self._set("gymspotter_unknown_share", (), share)

    def drift(self, index: Mapping[str, float]) -> None:
        """The population stability index of each feature; the others have none (NaN, which is exported as nothing)."""
        for feature, value in (dict.fromkeys(self._drifted, math.nan) | dict(index)).items():
            self._set("gymspotter_drift", (feature,), value)
        self._drifted = tuple(index)

    def swap(self, outcome: str) -> None:
        """The model was to be changed: ``swapped``, ``refused`` or ``unreachable``."""
        self._take("gymspotter_swaps_total", (outcome,), 1.0)

    def version(self, version: str) -> None:
        """This version answers now."""
        if version.isdigit():
            self._set("gymspotter_model_version", (), float(version))

    def shadow(self, agreement: float) -> None:
        """Of the segments that the challenger answered too, it named so many (0..1) alike."""
        self._set("gymspotter_shadow_agreement", (), agreement)

    def _take(self, name: str, values: Tags, number: float) -> None:
        """Add to a counter, or have a histogram observe; ``values`` are those of its tags."""
        raise NotImplementedError

    def _set(self, name: str, values: Tags, number: float) -> None:
        """Set a gauge."""
        raise NotImplementedError


class Recorded(Meter):
    """For tests: ``taken`` has every number that a counter or histogram was given, ``gauges`` the last of each gauge.

    Both are by name and by the tags' values: ``recorded.taken["gymspotter_labels_total", ("squat",)] == [1.0, 1.0]``.
    """

    def __init__(self) -> None:
        self.taken: dict[tuple[str, Tags], list[float]] = defaultdict(list)
        self.gauges: dict[tuple[str, Tags], float] = {}

    def _take(self, name: str, values: Tags, number: float) -> None:
        self.taken[name, values].append(number)

    def _set(self, name: str, values: Tags, number: float) -> None:
        self.gauges[name, values] = number


class Metrics(Meter):
    """The meter of a replica, which must run inside Ray; see the module's docstring."""

    def __init__(self, flush_seconds: float = _FLUSH_SECONDS, made: Mapping[str, Any] | None = None) -> None:
        """Make Ray's metrics (or use those ``made``, in tests) and start the thread that feeds them."""
        self._made = dict(made) if made is not None else _make()
        self._tags = {declared.name: declared.tags for declared in DECLARED}
        self._pending: deque[tuple[str, Tags, float]] = deque(maxlen=_MOST_PENDING)
        self._gauges: dict[tuple[str, Tags], float] = {}
        self._series: dict[str, set[Tags]] = {}
        self._flushing = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(flush_seconds,), name="metrics", daemon=True)
        self._thread.start()

    def _take(self, name: str, values: Tags, number: float) -> None:
        self._pending.append((name, values, number))

    def _set(self, name: str, values: Tags, number: float) -> None:
        self._gauges[name, values] = number

    def flush(self) -> None:
        """Hand all that is pending to Ray now."""
        with self._flushing:
            counted: dict[tuple[str, Tags], float] = defaultdict(float)
            for _ in range(len(self._pending)):
                name, values, number = self._pending.popleft()
                values = self._bounded(name, values)
                if name.endswith("_total"):
                    counted[name, values] += number
                else:
                    self._made[name].observe(number, tags=self._named(name, values))
            for (name, values), number in counted.items():
                self._made[name].inc(number, tags=self._named(name, values))
            for (name, values), number in list(self._gauges.items()):
                self._made[name].set(number, tags=self._named(name, values))

    def close(self) -> None:
        """Hand over the rest and end the thread."""
        self._ended.set()
        self._thread.join(timeout=5)
        with suppress(Exception):
            self.flush()

    def _run(self, seconds: float) -> None:
        while not self._ended.wait(seconds):
            try:
                self.flush()
            except Exception:  # figures are not worth a service
                logger.exception("metrics could not be handed to Ray")

    def _named(self, name: str, values: Tags) -> dict[str, str]:
        return dict(zip(self._tags[name], values, strict=True))

    def _bounded(self, name: str, values: Tags) -> Tags:
        """The values, or "other" for each where the metric has too many series already."""
        known = self._series.setdefault(name, set())
        if values not in known:
            if len(known) >= _MOST_TAGS:
                return ("other",) * len(values)
            known.add(values)
        return values


def _make() -> dict[str, Any]:
    """Ray's metrics for all that is declared."""
    from ray.util import metrics

    made: dict[str, Any] = {}
    for one in DECLARED:
        if one.kind == "counter":
            made[one.name] = metrics.Counter(one.name, one.says, one.tags)
        elif one.kind == "gauge":
            made[one.name] = metrics.Gauge(one.name, one.says, one.tags)
        else:
            made[one.name] = metrics.Histogram(one.name, one.says, list(one.boundaries), one.tags)
    return made

"""The service's end of what the page asks, as a test tells it: so every state of a view is reached at once and stays.

    stream = ScriptedStream(visit.page)
    visit.start().wait("connecting")
    stream.welcome()
    stream.tell("unknown")

What the page makes of the real service is tested elsewhere (test_web_live.py, test_live_modules.py).
"""

import json
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page, Route, WebSocketRoute

from gymspotter.labels import EXERCISES

_WAIT_S = 30.0
_STANDING = [[0.5, 0.2 + 0.035 * joint] for joint in range(17)]
_SURE = (0.9, 0.06, 0.01)
_TOP = ("squat", "deadlift", "incline bench press")


class ScriptedStream:
    """All of a page's streams: every connection is taken, pictures get their poses and a bye its goodbye."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._route: WebSocketRoute | None = None
        self._seq = 0
        self.pictures = 0  # that have their poses
        self.late = 0.0  # seconds before the picture that its pose is of
        page.route_web_socket("**/v1/stream", self._opened)

    def _opened(self, route: WebSocketRoute) -> None:
        self._route = route

        def heard(message: str | bytes) -> None:
            if isinstance(message, bytes):
                (t,) = struct.unpack_from("<d", message, 4)
                pose = {"type": "pose", "t": t - self.late, "image_xy": _STANDING, "scores": [1.0] * 17}
                route.send(json.dumps(pose))
                self.pictures += 1
            elif json.loads(message)["type"] == "bye":
                self._route = None
                route.send(json.dumps({"type": "goodbye", "seq": self._seq + 1, "seconds": 12.0, "sets": []}))

        route.on_message(heard)

    def _connected(self) -> WebSocketRoute:
        """The connection, once the page has made one."""
        end = time.monotonic() + _WAIT_S
        while self._route is None:
            assert time.monotonic() < end, "the page does not connect"
            self._page.wait_for_timeout(20)
        return self._route

    def _send(self, message: dict[str, Any]) -> None:
        self._connected().send(json.dumps(message))

    @property
    def now(self) -> float:
        """The page's clock, which is that of the frames, in seconds."""
        return float(self._page.evaluate("() => performance.now() / 1000"))

    def welcome(self) -> None:
        """Begin the session."""
        self._seq = 0
        self._send(
            {"type": "welcome", "model_version": "7", "classes": EXERCISES, "resume": "secret", "resumed": False,
             "received": None, "seq": 0}
        )  # fmt: skip

    def tell(self, kind: str, **fields: Any) -> None:
        """An event of now."""
        self._seq += 1
        self._send({"type": kind, "seq": self._seq, "t": self.now} | fields)

    def label(self, exercise: str = "squat") -> None:
        """A label that is sure of an exercise."""
        others = [name for name in _TOP if name != exercise][:2]
        top = [{"exercise": name, "probability": p} for name, p in zip([exercise, *others], _SURE, strict=True)]
        self.tell("label", state="exercise", exercise=exercise, probability=0.9, top=top, saved=None)

    def set_of(self, exercise: str, number: int, *, seconds: float, repetitions: int, over: bool = True) -> None:
        """A set that began so many seconds ago."""
        now = self.now
        self.tell("start", set=number, exercise=exercise, since=now - seconds)
        for count in range(1, repetitions + 1):
            self.tell("rep", set=number, exercise=exercise, count=count, since=now - 2, until=now - 1)
        if over:
            end = {"since": now - seconds, "until": now - 0.5, "repetitions": repetitions}
            self.tell("end", set=number, exercise=exercise, **end)

    def overload(self) -> None:
        """The service is behind: told of from four seconds after the welcome on, so it is said until then."""
        end = time.monotonic() + _WAIT_S
        while self._page.locator("#live").get_attribute("data-state") != "overloaded":
            assert time.monotonic() < end, "the page is never behind"
            self.tell("notice", code="behind", text="the service has too much to do.", count=100)
            self._page.wait_for_timeout(100)

    def close(self, code: int) -> None:
        """Close the connection."""
        route, self._route = self._connected(), None
        route.close(code=code, reason="")


@contextmanager
def held(page: Page, path: str) -> Iterator[None]:
    """Requests for a path are not answered until the block ends."""
    routes: list[Route] = []
    page.route(path, lambda route: routes.append(route))
    yield
    for route in routes:
        route.abort()
    page.unroute(path)

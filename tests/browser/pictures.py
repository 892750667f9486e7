"""Pictures of the page in every state, on a phone and a desktop, light and dark, to be looked at before a release.

    python -m tests.browser.pictures OUT [STORE]     # STORE: an MLflow store whose champion is shown; else always squat

Each state is reached once and taken four times. OUT/<view>-<state>-<look>.png are whole pages, and
OUT/sheet-<look>-<view>.png all states of a view side by side. About two minutes.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
from playwright.sync_api import Browser, Playwright, WebSocketRoute, sync_playwright

from gymspotter import registry
from gymspotter.calibration import logits
from gymspotter.tracking import use_store
from tests import client_service
from tests.browser.fake_camera import FPS, HEIGHT, WIDTH, Scene, as_camera, joined
from tests.browser.scripted import held
from tests.browser.web_page import LOOKS, Visit, chromium
from tests.client_service import Service, serving

_TOKENS = "- {name: page, sha256: " + "0" * 64 + ", sessions: 1, requests_per_minute: 600}\n"
_TILE, _TALLEST = {"phone": 300, "desktop": 640}, 1600
_ACROSS = {"phone": 6, "desktop": 3}


class Pictures:
    """Takes them; goes on with the next state if one is not reached."""

    def __init__(self, playwright: Playwright, service: Service, out: Path, files: Path) -> None:
        self.playwright, self.service, self.out, self.files = playwright, service, out, files
        self.missing: list[str] = []

    def take(self, visit: Visit, name: str) -> None:
        """The state that the visit is in, in every look."""
        for look in LOOKS:
            visit.look(look).page.wait_for_timeout(400)
            visit.page.screenshot(path=self.out / f"{visit.current}-{name}-{look}.png", full_page=True)
        print(f"{visit.current} {name}", *visit.faults, sep="\n  ", flush=True)
        visit.faults.clear()

    @contextmanager
    def state(self, name: str, browser: Browser, service: Service | None = None) -> Iterator[Visit]:
        """A visit that is led to a state; what goes wrong on the way is told and passed over."""
        with Visit(browser, (service or self.service).url) as visit:
            try:
                yield visit
            except Exception as error:
                self.missing.append(f"{name}: {str(error).splitlines()[0]}")
                visit.page.screenshot(path=self.out / f"missing-{name}.png")

    def model(self, browser: Browser) -> None:
        with self.state("model", browser) as visit:
            visit.view("model").wait("ready")
            self.take(visit, "ready")
        with self.state("model loading", browser) as visit, held(visit.page, "**/v1/model/report"):
            visit.view("model").wait("loading")
            self.take(visit, "loading")
        with self.state("model failed", browser) as visit:
            visit.page.route("**/v1/model/report", lambda route: route.abort())
            visit.view("model").wait("failed")
            self.take(visit, "failed")

    def upload(self, browser: Browser, video: Path) -> None:
        with self.state("upload", browser) as visit:
            visit.view("upload").wait("idle")
            self.take(visit, "idle")
            (text := self.files / "notes.txt").write_text("no video")
            visit.upload(text).page.wait_for_timeout(300)
            self.take(visit, "refused")
            (broken := self.files / "broken.mp4").write_bytes(b"no video" * 100)
            visit.upload(broken).wait("failed")
            self.take(visit, "failed")
        with self.state("upload sending", browser) as visit, held(visit.page, "**/v1/classify/video*"):
            visit.upload(video).wait("sending", "working")
            self.take(visit, "sending")
        with self.state("upload done", browser) as visit:
            visit.upload(video).wait("working", seconds=30)
            visit.page.wait_for_timeout(3000)
            self.take(visit, "working")
            visit.wait("done", seconds=60)
            visit.field("timeline").locator("button.bar").first.click()
            visit.page.wait_for_timeout(1500)
            self.take(visit, "done")

    def live(self, browser: Browser) -> None:
        with self.state("live", browser) as visit:
            visit.view("live").wait("idle")
            self.take(visit, "idle")
            visit.start().wait("live")
            visit.counts(2)
            self.take(visit, "live")
            visit.press("Stop")
            visit.wait("ended")
            self.take(visit, "ended")
        hint = {"type": "hint", "seq": 9999, "code": "feet_not_visible", "text": "step back: feet not visible."}
        behind = {"type": "notice", "code": "behind", "text": "the server has too much to do.", "count": 100}
        for name, told in {"hint": hint, "overloaded": behind}.items():
            with self.state(f"live {name}", browser) as visit:
                routes = self._routes(visit, lambda route: route.connect_to_server())
                visit.start().wait("live")
                visit.counts(1)
                routes[0].send(json.dumps({**told, "t": visit.page.evaluate("performance.now() / 1000")}))
                visit.page.wait_for_timeout(300)
                self.take(visit, name)
        with self.state("live connecting", browser) as visit:
            self._routes(visit, lambda route: None)
            visit.start().wait("connecting")
            self.take(visit, "connecting")
        with self.state("live failed", browser) as visit:
            self._routes(visit, lambda route: route.close(code=4403, reason=""))
            visit.start().wait("failed")
            self.take(visit, "failed")
        with (
            serving(max_sessions=1) as service,
            Visit(browser, service.url) as first,
            self.state("live full", browser, service) as visit,
        ):
            first.start().wait("live")
            visit.start().wait("full")
            self.take(visit, "full")
        with self.state("live lost", browser, other := Service()) as visit:
            visit.start().wait("live")
            visit.counts(1)
            other.stop()
            visit.wait("lost")
            self.take(visit, "lost")

    def _routes(self, visit: Visit, handle: Callable[[WebSocketRoute], object]) -> list[WebSocketRoute]:
        routes: list[WebSocketRoute] = []

        def handler(route: WebSocketRoute) -> None:
            routes.append(route)
            handle(route)

        visit.page.route_web_socket("**/v1/stream", handler)
        return routes

    def without_camera(self, browser: Browser) -> None:
        with self.state("live no-camera", browser) as visit:
            visit.start().wait("no-camera")
            self.take(visit, "no-camera")
        (tokens := self.files / "tokens.yaml").write_text(_TOKENS)
        with serving(tokens=tokens) as service, self.state("live token", browser, service) as visit:
            visit.view("live").page.get_by_role("dialog").wait_for()
            self.take(visit, "token")

    def seeing(self, camera: Path, state: str) -> None:
        """A live session before another camera."""
        with chromium(self.playwright, camera) as browser, self.state(f"live {state}", browser) as visit:
            visit.start().wait(state, seconds=40)
            self.take(visit, state)

    def refused(self, camera: Path) -> None:
        with chromium(self.playwright, camera, allowed=False) as browser, self.state("live refused", browser) as visit:
            visit.start().wait("refused")
            self.take(visit, "refused")


def nobody(path: Path) -> Path:
    """A camera that looks at a wall."""
    wall = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    wall[:HEIGHT] = np.linspace(60, 130, WIDTH)
    header = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS:.0f}:1 Ip A1:1 C420jpeg\n".encode()
    path.write_bytes(header + (b"FRAME\n" + wall.tobytes()) * 20)
    return path


def sheets(out: Path) -> None:
    """All states of a view side by side, a file for each view and look."""
    for look in LOOKS:
        for view in ("live", "upload", "model"):
            paths = sorted(out.glob(f"{view}-*-{look}.png"))
            tiles = [_tile(path, _TILE[look.split("-")[0]], path.stem.removesuffix(f"-{look}")) for path in paths]
            across = _ACROSS[look.split("-")[0]]
            rows = [_side_by_side(tiles[k : k + across], across) for k in range(0, len(tiles), across)]
            if rows:
                cv2.imwrite(str(out / f"sheet-{look}-{view}.png"), np.vstack(rows))


def _tile(path: Path, width: int, name: str) -> np.ndarray:
    picture = cv2.imread(str(path))
    height = round(len(picture) * width / picture.shape[1])
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)[:_TALLEST]
    titled = cv2.copyMakeBorder(small, 24, 0, 0, 0, cv2.BORDER_CONSTANT, value=(90, 90, 90))
    return cv2.putText(titled, name, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)


def _side_by_side(tiles: list[np.ndarray], across: int) -> np.ndarray:
    height, width = max(len(tile) for tile in tiles), tiles[0].shape[1]
    row = np.full((height, across * (width + 8), 3), 90, np.uint8)
    for k, tile in enumerate(tiles):
        row[: len(tile), k * (width + 8) : k * (width + 8) + width] = tile
    return row


def champion(store: str | None):
    """What makes the services of the tests answer with the champion of a store."""
    if store is None:
        return nullcontext()
    use_store(store)
    found = registry.load()
    return patch.multiple(client_service, FACTS=found.facts, names_squats=partial(logits, found.module))


def main() -> None:
    """Take all pictures."""
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    store = sys.argv[2] if len(sys.argv) > 2 else None
    with (
        tempfile.TemporaryDirectory() as folder,
        champion(store),
        serving() as service,
        sync_playwright() as playwright,
    ):
        files = Path(folder)
        squat, raise_ = (Scene(name, seconds=24).film(files / f"{name}.mp4") for name in ("squat", "lateral raise"))
        pictures = Pictures(playwright, service, out, files)
        camera = as_camera(squat)
        with chromium(playwright) as browser:
            pictures.model(browser)
            pictures.without_camera(browser)
            pictures.upload(browser, joined(files / "two exercises.mp4", squat, raise_))
        with chromium(playwright, camera) as browser:
            pictures.live(browser)
        pictures.refused(camera)
        pictures.seeing(nobody(files / "nobody.y4m"), "no-person")
        if store:
            pictures.seeing(as_camera(Scene("jumping jacks").film(files / "jacks.mp4")), "unknown")
    sheets(out)
    print(*(pictures.missing or ["every state was reached"]), sep="\n")


if __name__ == "__main__":
    main()

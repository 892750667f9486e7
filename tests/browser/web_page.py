"""The page in a real Chromium: what is done with it, and whatever it must not do is noted.

with chromium(playwright) as browser, Visit(browser, url) as visit:
    visit.view("model").wait("ready")
    assert visit.faults == []
"""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Playwright, Request, WebSocket, expect

from serve.http.page import WEB

PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
LOOKS = {
    "phone-light": (PHONE, "light"),
    "phone-dark": (PHONE, "dark"),
    "desktop-light": (DESKTOP, "light"),
    "desktop-dark": (DESKTOP, "dark"),
}
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox", "--no-first-run", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
_FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
# Another look comes with the next frame. Meters grow, which axe would see half-way; the sign of what is busy turns for
# ever. Only what is asked for comes back: the whole of axe's result is megabytes.
_LOOK_AT = """async (part) => {
  for (let frames = 0; frames < 2; frames++) await new Promise(requestAnimationFrame);
  for (const one of document.getAnimations()) if (one.effect.getTiming().iterations !== Infinity) one.finish();
  const { violations, passes } = await axe.run(part, { resultTypes: ["violations"], preload: false });
  const last = (text) => (text ?? "").trim().split("\\n").at(-1).trim();
  const told = ({ id, nodes }) => nodes.map((node) => `${id} at ${node.target}: ${last(node.failureSummary)}`);
  return [violations.flatMap((rule) => told(rule).map((text) => [rule.impact, text])), passes.map(({ id }) => id)];
}"""
# The browser itself says so of every answer that is no 2xx, which a test may have asked for.
_EXPECTED = "Failed to load resource"


def find_chromium() -> str:
    """Where the browser is."""
    for name in _NAMES:
        if path := shutil.which(name):
            return path
    pytest.fail(f"no browser: none of {', '.join(_NAMES)} is on the PATH; `make browser` installs it.", pytrace=False)


@contextmanager
def chromium(playwright: Playwright, camera: Path | None = None, *, allowed: bool = True) -> Iterator[Browser]:
    """A browser without a camera, or with one that sees the file ``camera``, which pages are ``allowed`` to use."""
    flags = list(_FLAGS)
    if camera:
        flags += [_FAKE_CAMERA[0], f"--use-file-for-fake-video-capture={camera}"]
    if allowed:
        flags.append(_FAKE_CAMERA[1])
    browser = playwright.chromium.launch(executable_path=find_chromium(), args=flags)
    try:
        yield browser
    finally:
        browser.close()


class _Modules(SimpleHTTPRequestHandler):
    """serve/web below /web/, and an empty page at any other place."""

    def do_GET(self) -> None:
        if self.path.startswith("/web/"):
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>modules</title>")

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix("/web"))

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def modules_alone() -> Iterator[str]:
    """The page's modules without the page: the address of a server of them, for tests that import what they test."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Modules, directory=str(WEB))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def axe(page: Page, part: str = "body") -> tuple[list[tuple[str, str]], set[str]]:
    """What axe-core finds in a part of the page as it is now: (impact, fault) of each fault, and the rules kept."""
    if page.evaluate("() => !('axe' in window)"):
        page.evaluate(AXE_SCRIPT)
    faults, kept = page.evaluate(_LOOK_AT, part)
    return [(impact, fault) for impact, fault in faults], set(kept)


class Visit:
    """One visitor of the page, with a context of its own.

    ``faults``: errors on the console or in scripts, what the Content-Security-Policy refused, requests to any other
    host than the service's, and what `check` found.
    """

    def __init__(self, browser: Browser, url: str, **context: Any) -> None:
        self.url = url
        self.faults: list[str] = []
        self._host = urlsplit(url).netloc
        self.context = browser.new_context(viewport=context.pop("viewport", DESKTOP), **context)
        self.page: Page = self.context.new_page()
        self.context.on("request", self._asked)
        self.page.on("websocket", self._asked)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"{error}"))
        self.current = "live"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def _asked(self, what: Request | WebSocket) -> None:
        parts = urlsplit(what.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self._host:
            self.faults.append(f"asked of a stranger: {what.url}")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error" and _EXPECTED not in message.text:
            self.faults.append(message.text)

    def view(self, name: str) -> Self:
        """Go to a view."""
        self.current = name
        if self.page.url.startswith(self.url):
            self.page.locator(f"nav a[href='#{name}']").click()
        else:
            # Without a hash the first Tab leads to the page's beginning, as for whoever types the address.
            self.page.goto(self.url if name == "live" else f"{self.url}/#{name}")
        return self

    @property
    def root(self) -> Locator:
        """The section of the view."""
        return self.page.locator(f"section#{self.current}")

    def state(self) -> str | None:
        """Its data-state."""
        return self.root.get_attribute("data-state")

    def wait(self, *states: str, seconds: float = 15.0) -> Self:
        """Until it is in one of these states."""
        selector = ", ".join(f"section#{self.current}[data-state='{state}']" for state in states)
        self.page.wait_for_selector(selector, timeout=1000 * seconds)
        return self

    def field(self, name: str) -> Locator:
        """An element by its data-field."""
        return self.root.locator(f"[data-field='{name}']")

    def text(self, name: str) -> str:
        """What stands in a field."""
        return self.field(name).inner_text().strip()

    def press(self, name: str) -> None:
        """Press a button of the view, by the name that a screen reader says."""
        self.root.get_by_role("button", name=name, exact=True).first.click()

    def start(self) -> Self:
        """Start a live session."""
        self.view("live").wait("idle")
        self.press("Start")
        return self

    def upload(self, video: Path) -> Self:
        """Choose a video."""
        self.view("upload").wait("idle", "done", "failed")
        chooser = self.root.locator("input[type=file]")
        chooser.set_input_files([])  # as the page does, so that the same file may be chosen again
        chooser.set_input_files(video)
        return self

    def sees(self, exercise: str, seconds: float = 15.0) -> None:
        """Until the live view names an exercise."""
        expect(self.field("exercise")).to_have_text(exercise, timeout=1000 * seconds)

    def counts(self, repetitions: int, seconds: float = 30.0) -> None:
        """Until the live view has counted so many repetitions."""
        # Looked at from here: the page's policy lets nobody evaluate text in it, Playwright's waiting included.
        end = time.monotonic() + seconds
        while int(self.text("count")) < repetitions:
            assert time.monotonic() < end, f"{self.text('count')} repetitions after {seconds:g} s"
            self.page.wait_for_timeout(200)

    def look(self, name: str) -> Self:
        """See the page in one of the ``LOOKS``."""
        viewport, scheme = LOOKS[name]
        self.page.set_viewport_size(viewport)
        self.page.emulate_media(color_scheme=scheme)
        return self

    def check_all(self, *states: str) -> Self:
        """As `check`, in all looks; the view is in one of ``states``, and stays in it."""
        self.wait(*states)
        for name in LOOKS:
            self.look(name).check(name)
        if self.state() not in states:
            self.faults.append(f"{self.current}: {self.state()} came while {states} were looked at")
        return self

    def check(self, look: str = "") -> Self:
        """Note among the faults what is wrong with what is seen now: axe-core's findings, a page that is too wide."""
        where = f"{self.current} {self.state()} {look}".strip()
        found, _ = axe(self.page)
        self.faults += [f"{where}: {fault}" for impact, fault in found if impact in ("serious", "critical")]
        if self.page.evaluate("() => document.documentElement.scrollWidth > innerWidth"):
            self.faults.append(f"{where}: the page is wider than the screen")
        return self

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
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox", "--no-first-run", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
_FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
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
        self.root.locator("input[type=file]").set_input_files(video)
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

    def check(self) -> Self:
        """Note among the faults what is wrong with what is seen now: axe-core's findings, a page that is too wide."""
        where = f"{self.current} {self.state()}"
        self.page.evaluate(AXE_SCRIPT)
        found = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        for rule in found["violations"]:
            if rule["impact"] in ("serious", "critical"):
                for node in rule["nodes"]:
                    why = (node["failureSummary"] or "").splitlines()[-1].strip()
                    self.faults.append(f"{where}: {rule['id']} ({rule['impact']}) at {node['target']}: {why}")
        if self.page.evaluate("() => document.documentElement.scrollWidth > innerWidth"):
            self.faults.append(f"{where}: the page is wider than the screen")
        return self

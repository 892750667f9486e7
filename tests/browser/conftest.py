"""What the end-to-end tests of the page share: a browser, an athlete before its camera, a trained model, the services.

WEB_STORE names an MLflow store to take the model from, for those who work on the page and would rather not wait for the
training each time. Nothing here is used without being asked for: other tests of this folder have browsers of their own.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.browser.fake_camera import Scene, as_camera, joined
from tests.browser.web_page import chromium
from tests.browser.web_service import GYMSPOTTER, RayService
from tests.client_service import Service, serving

# Two exercises that are little like any other, at an ordinary pace.
SQUAT, RAISE = Scene("squat"), Scene("lateral raise")


@pytest.fixture(scope="module")
def web_playwright() -> Iterator[Playwright]:
    """Of a module and not of the session: while it is there, no test of this thread can run an event loop."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def web_browser(web_playwright: Playwright) -> Iterator[Browser]:
    """Without a camera."""
    with chromium(web_playwright) as browser:
        yield browser


class _Files(dict[str, Path]):
    """Files by name, each made when it is first asked for."""

    def __init__(self, make: Callable[[str], Path]) -> None:
        self._make = make

    def __missing__(self, name: str) -> Path:
        return self.setdefault(name, self._make(name))


@pytest.fixture(scope="session")
def web_videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Rendered videos by exercise; "both" has one after the other."""
    folder = tmp_path_factory.mktemp("web_videos")
    scenes = {scene.exercise: scene for scene in (SQUAT, RAISE)}

    def make(name: str) -> Path:
        path = folder / f"{name}.mp4"
        return joined(path, *(files[each] for each in scenes)) if name == "both" else scenes[name].film(path)

    files = _Files(make)
    return files


@pytest.fixture(scope="session")
def web_cameras(web_videos: dict[str, Path]) -> dict[str, Path]:
    """The same as files for the fake camera."""
    return _Files(lambda name: as_camera(web_videos[name]))


@pytest.fixture(scope="session")
def web_camera(squat_video: Path) -> Path:
    """A file for the fake camera: six seconds of a squat, for tests that count nothing."""
    return as_camera(squat_video)


@pytest.fixture(scope="session")
def web_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An MLflow store whose champion was trained on synthetic skeletons with BlazePose's errors: about a minute.

    It has never seen a rendered picture, nor one of the performances that are filmed for the tests.
    """
    if given := os.environ.get("WEB_STORE"):
        return given
    folder = tmp_path_factory.mktemp("web_store")
    skeletons, store = str(folder / "skeletons"), f"sqlite:///{folder / 'mlflow.db'}"
    synth = ["synth", "--out", skeletons, "--kind", "skeletons", "--noise", "1"]
    amount = ["--per-exercise", "40", "--others", "8"]
    train = ["train", skeletons, "--model", "spotter", "--epochs", "12", "--test-share", "0.15"]
    place = ["--tracking-uri", store, "--artifacts", str(folder / "artifacts")]
    for words in ([*synth, *amount], [*train, *place]):
        done = subprocess.run([GYMSPOTTER, *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
    return store


@pytest.fixture(scope="session")
def web_ray(web_store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayService]:
    """`gymspotter serve` with Ray Serve; a test that kills it starts it again."""
    service = RayService(web_store, tmp_path_factory.mktemp("web_ray"))
    try:
        service.start()
        yield service
    finally:
        service.stop()


@pytest.fixture(scope="module")
def web_quick() -> Iterator[Service]:
    """The real API, streams and estimator in this process, with a classifier that is sure of squats."""
    with serving() as service:
        yield service

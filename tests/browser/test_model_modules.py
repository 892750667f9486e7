"""The model's view in a real browser, under the page's own headers, with a service that says what the test wants."""

import copy
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import expect, sync_playwright

from gymspotter.labels import EXERCISES
from gymspotter.skeleton import CANONICAL, LAYOUTS
from serve.http.page import WEB, content_security_policy, media_type
from tests.browser.scripted import held
from tests.browser.web_page import LOOKS, axe, chromium

CLASSES = ["leg extension", "plank", "push-up", "squat"]
CONFUSION = [[17, 0, 0, 3], [0, 30, 1, 0], [0, 2, 23, 0], [3, 0, 0, 17]]
WHOLE: dict[str, Any] = {
    "model_version": "7",
    "model": "spotter",
    "classes": CLASSES,
    "scores": {"accuracy": 0.906, "macro_f1": 0.893, "calibration_error": 0.042, "unknown_auroc": 0.964},
    "confusion": CONFUSION,
    "per_class": {
        "leg extension": {"precision": 0.85, "recall": 0.85, "f1": 0.85, "support": 20},
        "plank": {"precision": 0.94, "recall": 0.97, "f1": 0.95, "support": 31},
        "push-up": {"precision": 0.96, "recall": 0.92, "f1": 0.94, "support": 25},
        "squat": {"precision": 0.85, "recall": 0.85, "f1": 0.85, "support": 20},
    },
    "reliability": {
        "error": 0.042,
        "bins": [
            {"low": 0.6, "high": 0.8, "confidence": 0.71, "accuracy": 0.75, "count": 16},
            {"low": 0.8, "high": 1.0, "confidence": 0.97, "accuracy": 0.94, "count": 80},
        ],
    },
    "uncalibrated": {
        "error": 0.086,
        "bins": [
            {"low": 0.4, "high": 0.6, "confidence": 0.52, "accuracy": 0.5, "count": 4},
            {"low": 0.8, "high": 1.0, "confidence": 0.99, "accuracy": 0.92, "count": 92},
        ],
    },
    "data": {
        "fingerprint": "3f2a9c41",
        "split": "15% of the groups, seed 0",
        "train": {"segments": 1234, "videos": 410, "groups": 99, "per_class": dict.fromkeys(CLASSES, 300)},
        "validation": None,
        "test": {"segments": 96, "videos": 40, "groups": 12, "per_class": dict.fromkeys(CLASSES, 24)},
    },
    "commit": "cb36768",
    "following": "champion",
    "refused": None,
    "mlflow": "https://mlflow.example.com/#/models/gymspotter/versions/7",
}
EMPTY = dict.fromkeys(("confusion", "per_class", "reliability", "uncalibrated", "data", "mlflow"))
NO_MODEL = {
    "type": "urn:gymspotter:unavailable",
    "title": "Service Unavailable",
    "status": 503,
    "detail": "no model is loaded yet: train one, or wait.",
}


def _exercises() -> dict[str, Any]:
    """Each stands on the floor and nods up and down."""
    standing = [[0.1 * (k % 3 - 1), -1.7 * k / len(CANONICAL.joints), 0.0] for k in range(len(CANONICAL.joints))]
    frames = [[[x, y * (1 - 0.05 * step), z] for x, y, z in standing] for step in (0, 1, 2, 3, 4, 3, 2, 1)]
    exercises = [{"name": name, "held": name == "plank", "frames": frames} for name in CLASSES]
    return {"layout": CANONICAL.name, "fps": 10.0, "exercises": exercises}


class Service:
    """Answers what `report` and `problem` say; the page's own files as they are."""

    def __init__(self) -> None:
        self.report: dict[str, Any] = {}
        self.problem: dict[str, Any] | None = None
        self.figures = True
        self.asked: list[str] = []

    def answer(self, path: str) -> tuple[int, str, bytes]:
        self.asked.append(path)
        file = WEB / ("index.html" if path == "/" else path.removeprefix("/web/"))
        said: dict[str, Any] | None = {
            "/web/settings.json": {"video_stays_here": False, "version": "0"},
            "/v1/layouts": {
                "layouts": {name: {"joints": one.joints, "bones": one.bone_indices} for name, one in LAYOUTS.items()}
            },
            "/v1/exercises": _exercises() if self.figures else None,
            "/v1/model/report": self.report,
            "/v1/model": self.report | {"data": "3f2a9c41", "split": "15% of the groups, seed 0"},
        }.get(path)
        if path.startswith("/v1/model") and self.problem:
            return self.problem["status"], "application/problem+json", json.dumps(self.problem).encode()
        if said is not None:
            return 200, "application/json", json.dumps(said).encode()
        if file.is_file() and not path.startswith("/v1/"):
            return 200, media_type(file.name), file.read_bytes()
        return 404, "application/json", b"{}"


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Service, str]]:
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = service.answer(self.path.split("?")[0])
            self.send_response(status)
            for name, value in (("Content-Type", kind), ("Content-Length", str(len(body)))):
                self.send_header(name, value)
            self.send_header("Content-Security-Policy", content_security_policy(self.headers["Host"], pose_pack=False))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield service, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as playwright, chromium(playwright) as browser:
        yield browser


@pytest.fixture
def service(served: tuple[Service, str]) -> Service:
    service = served[0]
    service.report, service.problem, service.figures = copy.deepcopy(WHOLE), None, True
    service.asked.clear()
    return service


@pytest.fixture
def show(browser: Any, served: tuple[Service, str], service: Service) -> Iterator[Callable[..., Any]]:
    """Open the view; at the end nothing may have gone wrong in the page, nor anything been forbidden by its policy."""
    pages, wrong = [], []

    def show(*, width: int = 1280, clock: bool = False, **options: Any) -> Any:
        page = browser.new_page(viewport={"width": width, "height": 844}, **options)
        pages.append(page)
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
        if clock:
            page.clock.install()
        page.goto(f"{served[1]}/#model")
        return page

    yield show
    for page in pages:
        page.close()
    assert not wrong


def field(page: Any, name: str) -> Any:
    return page.locator(f"#model [data-field={name}]")


def state(page: Any, name: str) -> None:
    expect(page.locator("#model")).to_have_attribute("data-state", name)


def frame(page: Any, exercise: str = "squat") -> str:
    """A figure's picture."""
    script = "(name) => document.querySelector(`[data-exercise=${name}] canvas`).toDataURL()"
    return str(page.evaluate(script, exercise))


def moves(page: Any, exercise: str = "squat") -> bool:
    """Whether a figure's picture changes soon. One that has just been stopped may draw what is under way."""
    page.wait_for_timeout(20)
    before = frame(page, exercise)
    for _ in range(4):
        page.wait_for_timeout(60)
        if frame(page, exercise) != before:
            return True
    return False


def test_it_shows_what_the_report_says(show: Callable[..., Any]) -> None:
    page = show()
    state(page, "ready")
    assert field(page, "version").inner_text() == "Version 7"
    assert "alias champion" in page.locator("#model").inner_text()
    shown = {name: field(page, name).inner_text() for name in ("accuracy", "macro-f1", "calibration-error")}
    assert shown == {"accuracy": "91%", "macro-f1": "89%", "calibration-error": "4.2%"}
    assert field(page, "unknown-auroc").inner_text() == "96%"
    assert "names 91 right" in page.locator("#model").inner_text()
    pairs = field(page, "confusion").locator(".pairs li").all_inner_texts()
    assert [pair.split("\n")[0] for pair in pairs][:2] == [
        "Leg extension taken for squat",
        "Squat taken for leg extension",
    ]
    assert "3 of 20 (15%)" in pairs[0]
    assert "2 of 25 (8%)" in pairs[2]
    assert page.locator("[data-exercise=squat] dd").all_inner_texts() == ["85%", "85%", "85%", "20"]
    assert page.locator("[data-exercise] .chip").all_inner_texts() == ["held"]
    train, test = field(page, "data").locator(".side").all_inner_texts()
    assert "1,234" in train
    assert "410 videos, 99 groups" in train
    assert "96" in test
    record = field(page, "record").inner_text()
    assert all(text in record for text in ("cb36768", "15% of the groups, seed 0", "3f2a9c41"))
    link = field(page, "mlflow").get_by_role("link")
    assert link.get_attribute("href") == WHOLE["mlflow"]


def test_the_reliability_is_drawn_told_and_written(show: Callable[..., Any]) -> None:
    page = show()
    panel = field(page, "reliability")
    image = panel.get_by_role("img", name="Reliability diagram")
    expect(image).to_have_accessible_description(
        "How often the model is right, by how sure it is; calibration error 8.6% before "
        "calibration and 4.2% after. After calibration: said 60–80%: right 75% of 16; said 80–100%: right 94% of 80."
    )
    assert image.locator(".before circle").count() == image.locator(".after circle").count() == 2
    low, high = image.locator(".after circle").all()
    assert float(low.get_attribute("cx")) < float(high.get_attribute("cx"))
    assert float(low.get_attribute("cy")) > float(high.get_attribute("cy"))
    assert float(low.get_attribute("r")) < float(high.get_attribute("r"))
    panel.locator("summary").click()
    rows = [row.split("\t") for row in panel.locator("tbody tr").all_inner_texts()]
    # Bins without answers are not sent, so the same place in the two lists need not be the same bin.
    assert rows == [
        ["40–60%", "50%", "4", "–", "0"],
        ["60–80%", "–", "0", "75%", "16"],
        ["80–100%", "92%", "92", "94%", "80"],
    ]


def test_the_matrix_is_walked_with_the_keyboard(show: Callable[..., Any]) -> None:
    page = show()
    state(page, "ready")
    grid = page.get_by_role("grid")
    assert grid.locator("[tabindex='0']").count() == 1
    page.locator("[data-key=matrix] summary").focus()
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    expect(focused).to_have_accessible_name("true leg extension, said leg extension: 17 of 20")
    for key in ("ArrowUp", "ArrowLeft"):  # it ends at the edge
        page.keyboard.press(key)
        expect(focused).to_have_accessible_name("true leg extension, said leg extension: 17 of 20")
    for key in ("ArrowDown", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    expect(focused).to_have_accessible_name("true squat, said leg extension: 3 of 20")
    assert focused.inner_text() == "15"
    expect(page.locator(".readout")).to_have_text("True squat, said leg extension: 3 of 20")
    assert grid.locator("th.here").all_inner_texts() == ["leg extension", "squat"]
    page.keyboard.press("End")
    expect(focused).to_have_accessible_name("true squat, said squat: 17 of 20")
    page.keyboard.press("Control+Home")
    expect(focused).to_have_accessible_name("true leg extension, said leg extension: 17 of 20")
    page.keyboard.press("ArrowRight")
    expect(focused).to_have_accessible_name("true leg extension, said plank: 0 of 20")
    # One stop for the whole grid, and it is remembered.
    page.keyboard.press("Tab")
    assert grid.locator(":focus").count() == 0
    page.keyboard.press("Shift+Tab")
    expect(focused).to_have_accessible_name("true leg extension, said plank: 0 of 20")
    grid.locator("[data-truth='2'][data-said='1']").hover()
    expect(page.locator(".readout")).to_have_text("True push-up, said plank: 2 of 25")


def test_figures_move_while_they_are_seen(show: Callable[..., Any], service: Service) -> None:
    page = show()
    state(page, "ready")
    assert moves(page)
    page.get_by_role("button", name="Squat: pause the figure").click()
    assert not moves(page)
    assert moves(page, "plank")
    page.get_by_role("button", name="Pause all figures").click()
    assert not moves(page, "plank")
    page.get_by_role("button", name="Play all figures").click()
    assert moves(page)
    # Out of view, and in another view, they stand.
    page.locator("#model-record").scroll_into_view_if_needed()
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_timeout(50)
    assert not moves(page)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(100)
    assert moves(page)
    page.evaluate("location.hash = '#upload'")
    expect(page.locator("#model")).to_be_hidden()
    asked = service.asked.count("/v1/exercises")
    assert not moves(page)
    page.evaluate("location.hash = '#model'")
    expect(page.locator("#model")).to_be_visible()
    assert moves(page)
    assert service.asked.count("/v1/exercises") == asked == 1


def test_figures_are_sharp_and_the_two_sides_differ(show: Callable[..., Any]) -> None:
    page = show(width=390, device_scale_factor=2)
    state(page, "ready")
    size = page.locator("[data-exercise=squat] canvas").evaluate("(c) => [c.width / c.clientWidth, c.clientWidth]")
    assert size[0] == pytest.approx(2, abs=0.02)
    assert size[1] > 100
    sides = page.locator(".swatch").evaluate_all("(all) => all.map((one) => getComputedStyle(one).backgroundColor)")
    drawn = page.locator("[data-exercise=squat] canvas").evaluate(
        """(canvas) => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          const seen = new Set();
          for (let k = 0; k < data.length; k += 4)
            if (data[k + 3] === 255) seen.add(`rgb(${data.slice(k, k + 3).join(", ")})`);
          return [...seen];
        }"""
    )
    assert len(set(sides)) == 2
    assert set(sides) <= set(drawn)


def test_with_reduced_motion_figures_stand_until_asked(show: Callable[..., Any]) -> None:
    page = show(reduced_motion="reduce")
    state(page, "ready")
    expect(page.get_by_role("button", name="Play all figures")).to_be_visible()
    page.wait_for_timeout(100)
    assert not moves(page)
    page.get_by_role("button", name="Squat: play the figure").click()
    assert moves(page)
    assert not moves(page, "plank")


def test_a_version_without_a_report_says_what_is_not_known(show: Callable[..., Any], service: Service) -> None:
    service.report |= EMPTY | {"scores": {"accuracy": 0.906}, "following": None}
    page = show()
    state(page, "ready")
    assert field(page, "accuracy").inner_text() == "91%"
    assert field(page, "calibration-error").inner_text() == "–"
    for name in ("confusion", "reliability", "data"):
        assert "registered before reports were kept" in field(page, name).inner_text()
    assert "is not known" in field(page, "figures").inner_text()
    assert "This version is fixed" in page.locator("#model").inner_text()
    assert "15% of the groups, seed 0" in field(page, "record").inner_text()
    assert "mlflow ui" in field(page, "mlflow").inner_text()
    assert page.get_by_role("grid").count() == 0
    assert moves(page)


def test_scores_of_sides_that_overlap_are_not_praised(show: Callable[..., Any], service: Service) -> None:
    warning = "These scores promise too much"
    page = show()
    state(page, "ready")
    assert warning not in page.locator("#model").inner_text()
    assert "No group is on two sides" in field(page, "data").inner_text()
    service.report["data"]["split"] = "paper, 96 of 300 segments tested, seed 0"
    page.reload()
    state(page, "ready")
    assert warning in page.locator("#model").inner_text()
    assert "segments of one video are on several sides" in field(page, "data").inner_text()


def test_a_refused_version_is_explained(show: Callable[..., Any], service: Service) -> None:
    service.report["refused"] = {"version": "8", "why": "version 8 does not give its golden answers."}
    page = show()
    panel = page.get_by_role("group", name="Version 8 was refused")
    expect(panel).to_contain_text("alias champion points to version 8, but it cannot serve: version 8 does not give")
    expect(panel).to_contain_text("Version 7 goes on answering")
    assert panel.get_attribute("data-kind") == "warn"


def test_failure_says_why_and_can_be_tried_again(show: Callable[..., Any], service: Service) -> None:
    service.problem = NO_MODEL
    page = show()
    state(page, "failed")
    expect(page.get_by_role("alert")).to_contain_text("no model is loaded yet: train one, or wait.")
    service.problem = None
    page.get_by_role("button", name="Try again").click()
    state(page, "ready")
    assert field(page, "accuracy").inner_text() == "91%"
    page.wait_for_timeout(50)
    assert moves(page)


def test_without_figures_the_rest_is_shown(show: Callable[..., Any], service: Service) -> None:
    service.figures = False
    page = show()
    state(page, "ready")
    expect(field(page, "figures")).to_contain_text("No figures")
    assert field(page, "accuracy").inner_text() == "91%"
    service.figures = True
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("[data-exercise=squat] canvas")).to_be_visible()
    assert moves(page)


def test_another_version_is_noticed_and_announced(show: Callable[..., Any], service: Service) -> None:
    page = show(clock=True)
    state(page, "ready")
    page.locator("[data-key=reliability] summary").click()
    page.locator("[data-key=matrix] summary").click()
    page.locator("[data-exercise=squat] button").focus()
    service.report["model_version"] = "8"
    service.report["scores"]["accuracy"] = 0.953
    page.clock.run_for(10_500)
    expect(field(page, "version")).to_have_text("Version 8")
    expect(page.locator("#announcer")).to_have_text("Version 8 answers now, instead of 7. Its accuracy: 95%.")
    # What was unfolded, folded and in focus stays so.
    assert page.locator("[data-key=reliability]").get_attribute("open") is not None
    assert page.locator("[data-key=matrix]").get_attribute("open") is None
    expect(page.locator("[data-exercise=squat] button")).to_be_focused()
    # Elsewhere nobody asks.
    page.evaluate("location.hash = '#upload'")
    expect(page.locator("#model")).to_be_hidden()
    service.asked.clear()
    page.clock.run_for(30_000)
    page.wait_for_timeout(50)
    assert "/v1/model" not in service.asked


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_screen(show: Callable[..., Any], service: Service, width: int) -> None:
    k = len(EXERCISES)
    service.report |= {"classes": EXERCISES, "confusion": [[9 * (a == b) for b in range(k)] for a in range(k)]}
    page = show(width=width)
    state(page, "ready")
    page.evaluate("for (const each of document.querySelectorAll('#model details')) each.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # The matrix scrolls in its own box, and the heads of rows and columns stay.
    if width < 400:
        box = page.locator(".matrix-box")
        page.locator("[data-truth='21'][data-said='21']").focus()
        assert box.evaluate("(box) => box.scrollLeft") > 500
        head = page.locator(".matrix tbody th").last.bounding_box()
        assert head["x"] == pytest.approx(box.bounding_box()["x"], abs=2)


def assert_usable(page: Any, *states: str) -> set[str]:
    """No fault that axe-core knows in any look, and the page as wide as the screen; the rules that were kept."""
    kept: set[str] = set()
    for name, (viewport, scheme) in LOOKS.items():
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        faults, passed = axe(page, "#model")
        assert faults == [], name
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        kept |= passed
    assert page.locator("#model").get_attribute("data-state") in states
    return kept


def test_it_can_be_used_by_all_in_every_state(show: Callable[..., Any], service: Service) -> None:
    service.report["refused"] = {"version": "8", "why": "it is broken."}
    page = show(reduced_motion="reduce")
    state(page, "ready")
    page.evaluate("for (const each of document.querySelectorAll('#model details')) each.open = true")
    assert {"color-contrast", "svg-img-alt"} <= assert_usable(page, "ready")
    with held(page, "**/v1/model/report"):
        page.reload()
        state(page, "loading")
        assert_usable(page, "loading")
    state(page, "failed")
    assert_usable(page, "failed")
    service.report |= EMPTY | {"scores": {}}
    service.figures = False
    page.get_by_role("button", name="Try again").click()
    state(page, "ready")
    expect(field(page, "figures")).to_contain_text("No figures")
    assert_usable(page, "ready")

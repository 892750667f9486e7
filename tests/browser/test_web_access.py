"""The page is for everyone, and keeps to itself: axe-core, keyboard, narrow screens, dark, CSP, tokens.

With the real API and streams in this process, so that every state is reached within a minute.
"""

import re
import subprocess

import pytest
from playwright.sync_api import expect

from tests.browser.web_page import DESKTOP, PHONE, Visit, chromium
from tests.browser.web_service import GYMSPOTTER
from tests.client_service import serving

LOOKS = [(PHONE, "light"), (PHONE, "dark"), (DESKTOP, "light"), (DESKTOP, "dark")]
IDS = ["phone-light", "phone-dark", "desktop-light", "desktop-dark"]


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A file that calls itself a video."""
    path = tmp_path_factory.mktemp("broken") / "broken.mp4"
    path.write_bytes(b"no video" * 100)
    return path


@pytest.fixture(scope="module")
def camera_browser(web_playwright, web_cameras):
    with chromium(web_playwright, web_cameras["squat"]) as browser:
        yield browser


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS, ids=IDS)
def test_upload_and_model_have_no_serious_fault_in_any_state(
    web_browser, web_quick, squat_video, broken, viewport, scheme
):
    with Visit(web_browser, web_quick.url, viewport=viewport, color_scheme=scheme) as visit:
        visit.view("upload").wait("idle")
        visit.check()
        visit.upload(broken).wait("failed")
        visit.check()
        visit.upload(squat_video).wait("sending", "working").check()
        visit.wait("done", seconds=30)
        visit.check()
        visit.view("model").wait("ready")
        visit.check()
        assert visit.faults == []


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS, ids=IDS)
def test_a_live_session_has_no_serious_fault_in_any_state(camera_browser, web_quick, viewport, scheme):
    with Visit(camera_browser, web_quick.url, viewport=viewport, color_scheme=scheme) as visit:
        visit.view("live").wait("idle")
        visit.check()
        visit.start().wait("live")
        visit.sees("Squat")
        visit.check()
        visit.press("Stop")
        visit.wait("ended")
        visit.check()
        assert visit.faults == []


def test_without_a_camera_the_page_says_what_to_do(web_browser, web_quick):
    with Visit(web_browser, web_quick.url, viewport=PHONE) as visit:
        visit.start().wait("no-camera")
        expect(visit.root.get_by_role("button", name="Try again")).to_be_focused()
        visit.check()
        assert visit.faults == []


def test_a_refused_camera_is_told(web_playwright, web_quick, web_cameras):
    with (
        chromium(web_playwright, web_cameras["squat"], allowed=False) as browser,
        Visit(browser, web_quick.url, viewport=PHONE) as visit,
    ):
        visit.start().wait("refused")
        visit.check()
        assert visit.faults == []


def test_a_full_service_is_told(camera_browser):
    with serving(max_sessions=1) as service, Visit(camera_browser, service.url, viewport=PHONE) as first:
        first.start().wait("live")
        with Visit(camera_browser, service.url, viewport=PHONE) as second:
            second.start().wait("full").check()
        assert first.faults + second.faults == []


def test_the_keyboard_alone_gets_through_all_views(camera_browser, web_quick, squat_video):
    with Visit(camera_browser, web_quick.url, viewport=DESKTOP, reduced_motion="reduce") as visit:
        visit.view("live").wait("idle")
        visit.page.keyboard.press("Tab")
        assert focused(visit) == "Skip to the content"
        reach(visit, "Start")
        visit.page.keyboard.press("Enter")
        visit.wait("live")
        expect(visit.root.get_by_role("button", name="Stop")).to_be_focused()
        visit.page.keyboard.press("Enter")
        visit.wait("ended", seconds=20)

        reach(visit, "Upload", back=True)
        visit.page.keyboard.press("Enter")
        visit.current = "upload"
        visit.wait("idle")
        reach(visit, "Choose a video")
        with visit.page.expect_file_chooser() as chooser:
            visit.page.keyboard.press("Enter")
        chooser.value.set_files(squat_video)
        visit.wait("done", seconds=30)
        reach(visit, "Set, ")
        visit.page.keyboard.press("ArrowDown")
        assert focused(visit).startswith("Segment, ")
        visit.page.keyboard.press("Enter")

        reach(visit, "Model", back=True)
        visit.page.keyboard.press("Enter")
        visit.current = "model"
        visit.wait("ready")
        reach(visit, "Play all figures")
        visit.page.keyboard.press("Enter")
        assert focused(visit) == "Pause all figures"
        assert visit.faults == []


def test_a_token_is_asked_for_and_used(camera_browser, squat_video, tmp_path):
    tokens = tmp_path / "tokens.yaml"
    made = subprocess.run(
        [GYMSPOTTER, "token", "page", "--file", str(tokens)], capture_output=True, text=True, check=True
    )
    token = re.search(r"\S{30,}", made.stdout)[0]
    with serving(tokens=tokens) as service, Visit(camera_browser, service.url) as visit:
        visit.view("live")
        dialog = visit.page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        visit.check()
        dialog.get_by_label("Token").fill("a wrong one")
        visit.page.keyboard.press("Enter")
        expect(dialog).to_be_visible()  # again
        expect(dialog.get_by_label("Token")).to_have_value("")
        dialog.get_by_label("Token").fill(token)
        visit.page.keyboard.press("Enter")
        visit.wait("idle")
        visit.start().wait("live")
        visit.sees("Squat")
        visit.press("Stop")
        visit.wait("ended")
        visit.upload(squat_video).wait("done", seconds=30)
        visit.view("model").wait("ready")
        assert token not in visit.page.url
        assert visit.faults == []


def test_who_has_no_token_may_cancel_and_try_again(web_browser, tmp_path):
    tokens = tmp_path / "tokens.yaml"
    new_token(tokens)
    with serving(tokens=tokens) as service, Visit(web_browser, service.url, viewport=PHONE) as visit:
        visit.view("model")
        visit.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        visit.wait("failed")
        visit.check()
        visit.press("Try again")
        expect(visit.page.get_by_role("dialog")).to_be_visible()
        assert visit.faults == []


def test_the_page_may_load_nothing_from_elsewhere(web_browser, web_quick):
    """The policy is there and is obeyed: a stranger's script, picture, style and request are refused."""
    with Visit(web_browser, web_quick.url) as visit:
        visit.view("live").wait("idle")
        refused = visit.page.evaluate(
            """async () => {
              const refused = [];
              document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
              const add = (tag, props) => document.head.append(Object.assign(document.createElement(tag), props));
              add("script", { textContent: "window.inline = true" });
              add("script", { src: "http://stranger.invalid/a.js" });
              add("link", { rel: "stylesheet", href: "http://stranger.invalid/a.css" });
              add("img", { src: "http://stranger.invalid/a.png" });
              await fetch("http://stranger.invalid/").catch(() => {});
              await new Promise((resolve) => setTimeout(resolve, 300));
              return [refused.sort(), window.inline === true];
            }"""
        )
        assert refused == [["connect-src", "img-src", "script-src-elem", "script-src-elem", "style-src-elem"], False]


def new_token(path):
    """A token for the page, in a file of tokens."""
    command = [GYMSPOTTER, "token", "page", "--file", str(path)]
    return re.search(r"\S{30,}", subprocess.run(command, capture_output=True, text=True, check=True).stdout)[0]


def focused(visit):
    """What a screen reader would say of what has the focus, about."""
    return visit.page.evaluate(
        """() => {
          const { activeElement: at, body } = document;
          return at === body ? "" : (at.getAttribute("aria-label") ?? at.innerText).trim();
        }"""
    )


def reach(visit, name, back=False, most=120):
    """Press Tab until something of this name has the focus, visibly."""
    for _ in range(most):
        visit.page.keyboard.press("Shift+Tab" if back else "Tab")
        if name in focused(visit):
            width = "getComputedStyle(document.activeElement).outlineStyle"
            assert visit.page.evaluate(f"() => {width}") != "none", f"the focus on {name!r} is not seen"
            return
    pytest.fail(f"{name!r} was not reached with {most} times Tab")

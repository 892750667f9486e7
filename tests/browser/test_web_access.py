"""The page is for everyone, and keeps to itself: axe-core, keyboard, narrow screens, dark, CSP, tokens.

With the real API and streams in this process, so that every state is reached within a minute.
"""

import asyncio
import re
import subprocess
import threading

import pytest
from playwright.sync_api import expect

from tests.browser.scripted import ScriptedStream, held
from tests.browser.web_page import LOOKS, PHONE, Visit, chromium
from tests.browser.web_service import GYMSPOTTER
from tests.client_service import serving
from tests.local_backend import LocalBackend


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A file that calls itself a video."""
    path = tmp_path_factory.mktemp("broken") / "broken.mp4"
    path.write_bytes(b"no video" * 100)
    return path


@pytest.fixture(scope="module")
def camera_browser(web_playwright, web_camera):
    """Its pages have to be allowed to use the camera."""
    with chromium(web_playwright, web_camera, allowed=False) as browser:
        yield browser


def before_camera(browser, url, **context):
    return Visit(browser, url, permissions=["camera"], **context)


def test_the_live_view_has_no_serious_fault_in_any_state(camera_browser, web_quick):
    with before_camera(camera_browser, web_quick.url) as visit:
        stream = ScriptedStream(visit.page)
        visit.view("live").check_all("idle")
        visit.start().check_all("connecting")

        stream.welcome()
        stream.label()
        stream.set_of("squat", 1, seconds=40, repetitions=8)
        stream.set_of("incline bench press", 2, seconds=20, repetitions=3)
        stream.set_of("plank", 3, seconds=10, repetitions=0)
        stream.set_of("squat", 4, seconds=5, repetitions=1, over=False)
        stream.tell("hint", code="feet_not_visible", text="step back: feet not visible.")
        visit.check_all("live")
        stream.tell("end", set=4, exercise="squat", since=stream.now - 5, until=stream.now, repetitions=1)
        stream.tell("unknown", since=stream.now - 2)
        visit.check_all("unknown")
        stream.tell("no_person", since=stream.now - 2)
        visit.check_all("no-person")
        stream.overload()
        visit.check_all("overloaded")
        stream.close(1001)
        visit.check_all("lost")
        stream.welcome()
        visit.wait("live")
        visit.press("Stop")
        visit.check_all("ended")

        visit.press("Start again")
        visit.wait("connecting")
        stream.close(4429)
        visit.check_all("full")
        visit.press("Try now")
        stream.close(4403)
        visit.check_all("failed")
        expect(visit.root.get_by_role("alert")).to_contain_text("Open it at the address")
        assert [button.inner_text() for button in visit.root.get_by_role("button").all()] == ["Start again", "Settings"]
        assert visit.faults == []


def test_the_upload_view_has_no_serious_fault_in_any_state(
    camera_browser, web_quick, squat_video, broken, tmp_path, monkeypatch
):
    (text := tmp_path / "notes.txt").write_text("no video")
    with Visit(camera_browser, web_quick.url) as visit:
        visit.view("upload").check_all("idle")
        visit.upload(broken).check_all("failed")
        with held(visit.page, "**/v1/classify/video*"):
            visit.upload(squat_video).check_all("sending")
            visit.press("Cancel")
        with monkeypatch.context() as patch:
            go_on = threading.Event()
            patch.setattr(LocalBackend, "skeletons", half_way(LocalBackend.skeletons, go_on))
            try:
                visit.upload(squat_video).wait("working", seconds=60)
                expect(visit.root).to_contain_text("of the video is looked at", timeout=60_000)
                visit.check_all("working")
            finally:
                go_on.set()
            visit.wait("done", seconds=60)
        visit.upload(text).check_all("done")
        expect(visit.root).to_contain_text("“notes.txt” is no video")
        assert visit.text("exercise") == "Squat"
        assert visit.faults == []


def half_way(skeletons, go_on):
    """Pose estimation that waits, once it has told some progress, until it may ``go_on``."""

    async def halted(self, video, name):
        async for step in skeletons(self, video, name):
            yield step
            while not go_on.is_set():
                await asyncio.sleep(0.02)

    return halted


def begun(visit):
    """A live session whose service is scripted."""
    stream = ScriptedStream(visit.page)
    visit.start()
    stream.welcome()
    visit.wait("live")
    return stream


def test_the_picture_is_in_view_where_the_button_does_not_fit_below_it(camera_browser, web_quick):
    """A phone whose browser shows its bars; who presses Start has scrolled down to it."""
    with before_camera(camera_browser, web_quick.url, viewport={"width": 390, "height": 664}) as visit:
        begun(visit)
        expect(visit.root.get_by_role("button", name="Stop")).to_be_focused()
        masthead, frame, counter = (
            visit.page.locator(name).bounding_box() for name in (".masthead", ".live-frame", ".live-counter")
        )
        assert masthead["y"] + masthead["height"] <= frame["y"]
        assert frame["y"] + frame["height"] <= 664
        assert frame["y"] < counter["y"]
        assert visit.faults == []


def test_poses_of_long_ago_are_not_drawn_over_the_picture_of_now(camera_browser, web_quick):
    drawn = """(canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return data.some((value) => value > 0);
    }"""
    with before_camera(camera_browser, web_quick.url) as visit:
        stream = ScriptedStream(visit.page)
        stream.late = 10.0
        visit.start()
        stream.welcome()
        canvas = visit.wait("live").root.locator(".live-frame canvas")
        while stream.pictures < 3:
            visit.page.wait_for_timeout(50)
        visit.page.wait_for_timeout(200)
        assert not canvas.evaluate(drawn)
        stream.late = 0.0
        for _ in range(100):
            if canvas.evaluate(drawn):
                break
            visit.page.wait_for_timeout(100)
        else:
            pytest.fail("no skeleton was drawn")
        assert visit.faults == []


def test_a_session_is_not_forgotten_while_another_view_is_shown(camera_browser, web_quick):
    with before_camera(camera_browser, web_quick.url, viewport={"width": 320, "height": 640}) as visit:
        stream = begun(visit)
        link = visit.page.get_by_role("navigation").get_by_role("link")
        visit.view("upload").wait("idle").check_all("idle")
        visit.page.set_viewport_size({"width": 320, "height": 640})
        visit.check("narrow")
        assert link.first.text_content() == "Live, running"
        stream.close(4403)
        expect(link.first).to_have_text("Live")
        expect(visit.page.locator("#announcer")).to_have_text("Live: The session has ended.")
        assert visit.faults == []


def test_the_figure_can_be_paused(web_browser, web_quick):
    with Visit(web_browser, web_quick.url) as visit:
        visit.view("live").wait("idle")
        canvas = visit.root.locator(".live-figure canvas")

        def moves():
            before = canvas.evaluate("(canvas) => canvas.toDataURL()")
            visit.page.wait_for_timeout(400)
            return canvas.evaluate("(canvas) => canvas.toDataURL()") != before

        visit.root.get_by_role("button", name="Pause the figure").wait_for()
        assert moves()
        visit.press("Pause the figure")
        assert not moves()
        visit.view("model").view("live")
        assert not moves(), "it stays so"
        visit.press("Play the figure")
        assert moves()
        assert visit.faults == []


def test_a_page_that_was_not_loaded_whole_says_so_and_loads_anew(web_browser, web_quick):
    with Visit(web_browser, web_quick.url) as visit:
        visit.page.route("**/web/model/scores.js", lambda route: route.abort())
        visit.view("live").wait("failed")
        visit.check("not whole")
        visit.page.unroute("**/web/model/scores.js")
        visit.press("Reload the page")
        visit.wait("idle")
        visit.view("model").wait("ready")
        assert visit.faults == []


def test_a_pose_model_that_does_not_start_says_why(camera_browser, web_quick):
    settings = {"video_stays_here": True, "held": []}
    with before_camera(camera_browser, web_quick.url) as visit:
        visit.page.route("**/web/settings.json", lambda route: route.fulfill(json=settings))
        visit.page.add_init_script("delete globalThis.WebAssembly")
        visit.view("live").wait("idle")
        visit.root.get_by_label("On this device").check()
        visit.press("Start")
        visit.wait("failed")
        expect(visit.root.get_by_role("alert")).to_contain_text(
            "This browser cannot estimate poses by itself: update it"
        )
        assert visit.faults == []


def test_without_a_camera_the_page_says_what_to_do(web_browser, web_quick):
    with Visit(web_browser, web_quick.url) as visit:
        visit.start().check_all("no-camera")
        expect(visit.root.get_by_role("button", name="Try again")).to_be_focused()
        visit.press("Settings")
        expect(visit.root.get_by_role("button", name="Start")).to_be_focused()
        assert visit.faults == []


def test_a_refused_camera_is_told(camera_browser, web_quick):
    with Visit(camera_browser, web_quick.url) as visit:
        visit.start().check_all("refused")
        assert visit.faults == []


def test_a_full_service_is_told(camera_browser):
    with serving(max_sessions=1) as service, before_camera(camera_browser, service.url) as first:
        first.start().wait("live")
        with before_camera(camera_browser, service.url) as second:
            second.start().wait("full")
        assert first.faults + second.faults == []


def test_the_keyboard_alone_gets_through_all_views(camera_browser, web_quick, squat_video):
    with before_camera(camera_browser, web_quick.url, reduced_motion="reduce") as visit:
        visit.page.on("filechooser", lambda _: None)  # from now on: with the key press may be too late
        visit.view("live").wait("idle")
        visit.page.keyboard.press("Tab")
        assert focused(visit) == "Skip to the content"
        reach(visit, "Start")
        visit.page.keyboard.press("Enter")
        visit.wait("live")
        expect(visit.root.get_by_role("button", name="Stop")).to_be_focused()
        visit.page.keyboard.press("Enter")
        visit.wait("ended", seconds=20)
        expect(visit.root.get_by_role("heading", name="Your session")).to_be_focused()

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
    token = new_token(tokens)
    with serving(tokens=tokens) as service, before_camera(camera_browser, service.url) as visit:
        visit.view("live")
        dialog = visit.page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        for name in LOOKS:
            visit.look(name).check(name)
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


def test_a_token_is_used_where_the_browser_keeps_nothing_for_the_page(web_browser, tmp_path):
    tokens = tmp_path / "tokens.yaml"
    token = new_token(tokens)
    with serving(tokens=tokens) as service, Visit(web_browser, service.url) as visit:
        refuse = "get() { throw new DOMException('Access is denied.', 'SecurityError'); }"
        visit.page.add_init_script(f"Object.defineProperty(window, 'sessionStorage', {{ {refuse} }})")
        visit.view("model")
        dialog = visit.page.get_by_role("dialog")
        dialog.get_by_label("Token").fill(token)
        visit.page.keyboard.press("Enter")
        visit.wait("ready")
        expect(dialog).to_have_count(0)
        assert visit.faults == []


def test_whose_places_are_taken_is_told(camera_browser, tmp_path):
    tokens = tmp_path / "tokens.yaml"
    token = new_token(tokens, "--sessions", "0")
    with serving(tokens=tokens) as service, before_camera(camera_browser, service.url) as visit:
        visit.view("live")
        visit.page.get_by_role("dialog").get_by_label("Token").fill(token)
        visit.page.keyboard.press("Enter")
        visit.start().wait("full")
        expect(visit.root).to_contain_text("Page may have no live sessions: use another token. It is tried")
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


def new_token(path, *words):
    """A token for the page, in a file of tokens."""
    command = [GYMSPOTTER, "token", "page", "--file", str(path), *words]
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

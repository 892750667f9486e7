"""The live view, end to end: a rendered athlete before the camera of a real browser, and the whole service with Ray."""

import time

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import RAISE, SQUAT
from tests.browser.web_page import Visit, chromium

# The rendered set is 30 s long and then begins again; whatever is counted is counted before that.
STOP_S = 27.0
# From a picture to its repetition: until the movement is over for sure, the hop, and a machine with much to do.
LATE_S = 3.0
BACK_S, CATCH_UP_S = 240.0, 60.0

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("scene", [SQUAT, RAISE], ids=lambda scene: scene.exercise)
def test_an_exercise_is_named_within_15_seconds_and_its_repetitions_are_counted(
    web_playwright, web_ray, web_cameras, scene
):
    with chromium(web_playwright, web_cameras[scene.exercise]) as browser, Visit(browser, web_ray.url) as visit:
        visit.start().wait("live")
        began = time.monotonic()
        visit.sees(scene.exercise.capitalize())
        assert visit.text("version") == "1"

        visit.page.wait_for_timeout(1000 * (STOP_S - (time.monotonic() - began)))
        seen = time.monotonic() - began
        assert scene.repetitions_by(seen - LATE_S) - 1 <= int(visit.text("count")) <= scene.repetitions_by(seen) + 1
        assert visit.state() == "live"
        # Not before: with the first windows, which are short, it is less sure.
        assert percent(visit.text("probability")) >= 50
        top = visit.field("top").locator("li").all_inner_texts()
        assert len(top) == 3
        assert top[0].startswith(scene.exercise.capitalize())
        visit.press("Stop")
        visit.wait("ended")
        sets = visit.root.locator("tbody tr").all_inner_texts()
        assert len(sets) == 1, sets
        assert scene.exercise.capitalize() in sets[0]
        assert (
            abs(int(visit.root.locator(".live-count-cell").inner_text().split()[0]) - scene.repetitions_by(seen)) <= 1
        )
        assert visit.faults == []


def test_a_killed_replica_costs_no_repetition(web_playwright, web_ray, web_cameras):
    with chromium(web_playwright, web_cameras["squat"]) as browser, Visit(browser, web_ray.url) as visit:
        visit.start().wait("live")
        began = time.monotonic()
        visit.counts(3)
        web_ray.kill_replicas()
        visit.wait("lost", seconds=20)
        assert int(visit.text("count")) >= 3
        visit.wait("live", "overloaded", seconds=BACK_S)
        # The pictures that were taken meanwhile are sent again. Once they are caught up with, nothing is missing.
        end = time.monotonic() + CATCH_UP_S
        while int(visit.text("count")) < (due := loops_of(SQUAT, time.monotonic() - began - LATE_S)) - 1:
            assert time.monotonic() < end, f"{visit.text('count')} repetitions of {due}"
            visit.page.wait_for_timeout(500)
        assert visit.field("sets").locator("li").count() == 1, "the set that was open went on"


def test_the_service_is_killed_and_comes_back(web_playwright, web_ray, web_cameras):
    with chromium(web_playwright, web_cameras["squat"]) as browser, Visit(browser, web_ray.url) as visit:
        visit.start().wait("live")
        visit.sees("Squat")
        visit.counts(2)
        web_ray.kill()
        visit.wait("lost", seconds=15)
        assert visit.root.get_by_text("connection is lost").is_visible()
        before = int(visit.text("count"))
        assert before >= 2, "what was counted stays"
        web_ray.start()
        visit.wait("live", "overloaded", seconds=60)
        expect(visit.field("hint")).to_contain_text("new session")
        # The service has forgotten the session with its processes: a new one, and the sets before it are kept.
        expect(visit.field("sets").locator("li")).to_have_count(2, timeout=60_000)
        visit.sees("Squat", seconds=60)
        visit.press("Stop")
        visit.wait("ended", seconds=30)
        rows = visit.root.locator("tbody tr").all_inner_texts()
        assert len(rows) >= 2
        assert all("Squat" in row for row in rows)
        # The browser itself says of each connection that was refused.
        assert [fault for fault in visit.faults if "WebSocket" not in fault] == []


def loops_of(scene, seconds):
    """Repetitions by so many seconds of a scene that is shown over and over."""
    whole, rest = divmod(seconds, scene.seconds)
    return int(whole) * scene.repetitions_by(scene.seconds) + scene.repetitions_by(rest)


def percent(text):
    return int(text.removesuffix("%"))

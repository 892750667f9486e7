"""The upload view, end to end: a video of two exercises through the whole service with Ray."""

import csv
import json

import pytest

from tests.browser.conftest import RAISE, SQUAT
from tests.browser.web_page import Visit

pytestmark = pytest.mark.slow
# A segment is 12 s long and the next begins 6 s later: so sharply is the change from one exercise to the other seen.
BORDER_S = 6.0


def test_a_video_of_two_exercises_gets_a_timeline_of_two_sets(web_browser, web_ray, web_videos, tmp_path):
    expected = [(scene.exercise, scene.repetitions_by(scene.seconds)) for scene in (SQUAT, RAISE)]
    with Visit(web_browser, web_ray.url, accept_downloads=True) as visit:
        visit.upload(web_videos["both"])
        visit.wait("working", seconds=30)
        assert visit.root.get_by_role("progressbar").count() == 1
        visit.wait("done", seconds=180)
        assert visit.text("exercise") == "Squat, lateral raise"

        bars = visit.field("timeline").locator("button.bar")
        names = [bar.get_attribute("aria-label") for bar in bars.all()]
        assert [name.split(",")[2].strip() for name in names if name.startswith("Set")] == ["Squat", "Lateral raise"]
        segments = [name for name in names if name.startswith("Segment")]
        assert len(segments) >= 8
        bars.nth(1).click()  # the second set: the video goes there
        video = visit.root.locator("video")
        assert visit.page.wait_for_function("v => v.currentTime > 10", arg=video.element_handle(), timeout=5000)
        assert abs(video.evaluate("v => v.currentTime") - SQUAT.seconds) <= BORDER_S

        rows = visit.field("sets").locator("tbody tr").all()
        shown = [[cell.inner_text() for cell in row.get_by_role("cell").all()] for row in rows]
        assert [row[1] for row in shown] == ["Squat", "Lateral raise"]
        sets = [(row[1].lower(), int(row[3])) for row in shown]
        check(sets, expected)

        table = list(csv.DictReader(saved(visit, "Save CSV", tmp_path).read_text().splitlines()))
        in_table = [row for row in table if row["kind"] == "set"]
        check([(row["exercise"], int(row["repetitions"])) for row in in_table], expected)
        assert abs(float(in_table[0]["end"]) - SQUAT.seconds) <= BORDER_S
        assert abs(float(in_table[1]["start"]) - SQUAT.seconds) <= BORDER_S
        assert len([row for row in table if row["kind"] == "segment"]) == len(segments)
        answer = json.loads(saved(visit, "Save JSON", tmp_path).read_text())
        check([(each["exercise"], each["repetitions"]) for each in answer["sets"]], expected)
        assert answer["model_version"] == "1"
        assert visit.faults == []


def check(sets, expected):
    """The exercises in their order, each count within one of the truth."""
    assert [exercise for exercise, _ in sets] == [exercise for exercise, _ in expected]
    for (exercise, counted), (_, truth) in zip(sets, expected, strict=True):
        assert abs(counted - truth) <= 1, (exercise, counted, truth)


def saved(visit, button, folder):
    """The file that a button saves."""
    with visit.page.expect_download() as download:
        visit.press(button)
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path

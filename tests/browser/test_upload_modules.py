"""The upload view in a real browser: its pure modules by themselves, and the whole view with the whole service."""

import colorsys
import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.web_page import axe, chromium, modules_alone
from tests.client_service import Service, wired

Run = Callable[..., Any]


def segment(start: float, exercise: str = "squat", probability: float = 0.9, known: bool = True) -> dict[str, Any]:
    other = {"exercise": "deadlift", "probability": (1 - probability) / 2}
    return {
        "start": start, "end": start + 12, "exercise": exercise, "probability": probability, "known": known,
        "unknown": 0.1 if known else 0.9, "top": [{"exercise": exercise, "probability": probability}, other],
    }  # fmt: skip


SETS = [
    {"exercise": "squat", "start": 0, "end": 18, "probability": 0.9, "repetitions": 1,
     "times": [{"start": 4.5, "end": 9}]},
    {"exercise": "plank", "start": 20, "end": 40, "probability": 0.4, "repetitions": None, "times": []},
]  # fmt: skip
RESULT: dict[str, Any] = {
    "model_version": "7", "estimator": "blazepose", "seconds": 40, "person_seen": 0.9, "exercise": "squat",
    "probability": 0.6, "sets": SETS,
    "segments": [segment(0), segment(6), segment(12, known=False), segment(18, "plank", 0.4), segment(24, "plank")],
}  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as playwright, chromium(playwright) as browser:
        yield browser


@pytest.fixture(scope="module")
def run(browser: Any) -> Iterator[Run]:
    """Runs the body of a function of ``m`` (the modules by name) and ``x`` (what is given) in the browser."""
    with modules_alone() as address:
        page = browser.new_page()
        page.goto(address)
        names = json.dumps(["../colours", "../format", "send", "words", "download", "player", "refusal", "timeline"])
        load = f"Object.assign(m, ...await Promise.all({names}.map((name) => import(`/web/upload/${{name}}.js`))))"
        yield lambda body, x=None: page.evaluate(f"async (x) => {{ const m = {{}}; {load}; {body} }}", x)
        page.close()


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    service = Service(max_body_mb=1)
    yield service
    service.stop()


PARSE = """
    return x.map((pieces) => {
      const found = [];
      const parser = new m.EventParser(({ name, data }) => found.push([name, data]));
      for (const piece of pieces) parser.feed(piece);
      return found;
    });"""


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ('event: progress\ndata: {"share": 0.4}\n\n', [["progress", '{"share": 0.4}']]),
        (": still working\n\ndata: a\n\n: more\n", [["message", "a"]]),
        ("event: result\ndata: a\ndata:b\ndata\ndata:  c\n\n", [["result", "a\nb\n\n c"]]),
        ("\ufeffevent: x\nid: 4\nretry: 5\nother: 6\ndata: a:b\n\n", [["x", "a:b"]]),
        ("event: x\n\ndata: a\n\n", [["message", "a"]]),  # an event without data is none, and its name is forgotten
        ("data: complete\n\ndata: cut off\n", [["message", "complete"]]),
    ],
)
def test_events_are_read_however_they_are_cut(run: Run, text: str, events: list[list[str]]) -> None:
    ways = []
    for end in ("\n", "\r\n", "\r"):
        whole = text.replace("\n", end)
        ways += [[whole], list(whole)] + [[whole[:cut], "", whole[cut:]] for cut in range(1, len(whole))]
    assert run(PARSE, ways) == [events] * len(ways)


def test_a_long_result_of_many_pieces_is_read_in_linear_time(run: Run) -> None:
    took = run("""
        const piece = "x".repeat(1000);
        const began = performance.now();
        let found = 0;
        const parser = new m.EventParser(({ data }) => (found = data.length));
        parser.feed("data: ");
        for (let k = 0; k < 4000; k++) parser.feed(piece);
        parser.feed("\\n\\n");
        return [found, performance.now() - began];""")
    assert took[0] == 4_000_000
    assert took[1] < 5000  # quadratic: minutes


def test_csv_is_what_a_reader_of_csv_reads(run: Run) -> None:
    text = run("return m.toCsv(x, 'my \"best\", squat.mp4')", RESULT)
    assert text.endswith("\r\n")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["kind"] for row in rows] == ["set"] * 2 + ["segment"] * 5
    assert {row["video"] for row in rows} == {'my "best", squat.mp4'}
    assert [row["repetitions"] for row in rows] == ["1"] + [""] * 6
    assert [row["known"] for row in rows] == ["true"] * 4 + ["false"] + ["true"] * 2
    assert (rows[0]["start"], rows[0]["end"], rows[0]["probability"]) == ("0", "18", "0.9")
    assert rows[4]["remark"] == "none of the exercises; nearest is squat"
    assert rows[5]["remark"] == "unsure: it may be deadlift (30%)"


@pytest.mark.parametrize(
    "name", ["=1+1.mp4", "+1.mp4", "-1.mp4", "@a.mp4", "\ta.mp4", '=HYPERLINK("http://x","y").mp4']
)
def test_no_file_name_becomes_a_formula(run: Run, name: str) -> None:
    rows = list(csv.DictReader(io.StringIO(run("return m.toCsv(x[0], x[1])", [RESULT, name]), newline="")))
    assert {row["video"] for row in rows} == {f"'{name}"}


def test_json_is_the_answer_with_the_name(run: Run) -> None:
    assert json.loads(run("return m.toJson(x, 'a.mp4')", RESULT)) == {"video": "a.mp4", **RESULT}


def test_files_are_named_after_the_video(run: Run) -> None:
    names = ["leg day.final.mp4", "a/b\\c:d.mov", ".mp4", "..hidden.mp4", "noextension"]
    found = run("return x.map((name) => m.fileName(name, 'csv'))", names)
    assert found == ["leg day.final.csv", "a_b_c_d.csv", "video.csv", "hidden.csv", "noextension.csv"]


def test_what_is_no_video_is_refused_in_one_sentence(run: Run) -> None:
    files = [["a.mp4", "video/mp4", 9], ["a.MKV", "", 9], ["a.pdf", "application/pdf", 9], ["folder", "", 9],
             ["a.mp4", "video/mp4", 0]]  # fmt: skip
    said = run("return x.map(([name, type, size]) => m.refusal({ name, type, size }))", files)
    assert said[:2] == ["", ""]
    assert [sentence.count(".") > 0 and files[2 + k][0] in sentence for k, sentence in enumerate(said[2:])] == [
        True
    ] * 3


def test_items_lie_where_their_times_are(run: Run) -> None:
    at = run("return x.map((item) => m.place(item, 40))", [{"start": 10, "end": 20}, {"start": 30, "end": 45}])
    assert at == [{"left": 25, "width": 25}, {"left": 75, "width": 25}]
    assert run("return m.rowsOf(x)", RESULT["segments"]) == [0, 1, 0, 1, 0]
    assert run("return m.rowsOf(x)", SETS) == [0, 0]


def contrast(a: str, b: str) -> float:
    """WCAG's contrast of two colours such as "#0f766e"."""

    def luminance(colour: str) -> float:
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def test_colours_are_readable_and_those_of_neighbours_differ(run: Run) -> None:
    names = [f"exercise {k}" for k in range(19)]
    order = [*names, names[0], names[5]]
    colours = run("const colours = new m.Colours(); return x.map((name) => colours.of(name));", order)
    assert len(set(colours)) == 9
    assert (colours[-2], colours[-1]) == (colours[0], colours[5])  # it stays what it was
    for colour in set(colours):
        assert contrast(colour, "#ffffff") >= 4.5
        # The surfaces and backgrounds of style.css, light and dark.
        assert all(contrast(colour, ground) >= 3 for ground in ("#f4f6f5", "#ffffff", "#0f1614", "#18211e"))
    hues = [360 * colorsys.rgb_to_hsv(*(int(colour[k : k + 2], 16) for k in (1, 3, 5)))[0] for colour in colours]
    apart = [min(abs(a - b), 360 - abs(a - b)) for a, b in pairwise(hues[:19])]
    assert min(apart) > 90


@pytest.mark.parametrize(("seconds", "last"), [(4, 4), (24, 20), (48, 40), (600, 600), (7200, 7200)])
def test_the_scale_has_few_round_times(run: Run, seconds: float, last: float) -> None:
    times = run("return m.scale(x)", seconds)
    assert times[0] == 0
    assert times[-1] == last
    assert 2 <= len(times) <= 9
    with_room = run("return m.scale(x, { room: 0.14 })", seconds)
    assert with_room == [time for time in times if time <= 0.86 * seconds]


def test_arrow_keys_lead_along_a_lane_and_to_the_other(run: Run) -> None:
    go = "return x.map(([lane, index, key]) => m.follow([SETS, SEGMENTS], { lane, index }, key))"
    go = go.replace("SETS", json.dumps(SETS)).replace("SEGMENTS", json.dumps(RESULT["segments"]))
    keys = [[1, 1, "ArrowRight"], [1, 0, "ArrowLeft"], [1, 4, "ArrowRight"], [1, 2, "Home"], [1, 2, "End"],
            [0, 1, "ArrowDown"], [1, 4, "ArrowUp"], [0, 0, "ArrowUp"], [0, 0, "a"]]  # fmt: skip
    at = [found and (found["lane"], found["index"]) for found in run(go, keys)]
    assert at == [(1, 2), (1, 0), (1, 4), (1, 0), (1, 4), (1, 3), (0, 1), None, None]


def test_poses_between_the_frames(run: Run) -> None:
    frames = [[[0, 0], [0, 1], None], [[1, 2], None, [1, 1]], None, [[0, 0], [0, 0], [0, 0]]]
    poses = {"fps": 5.0, "image_xy": frames}
    times = [0, 0.05, 0.15, 0.25, 0.35, 0.5, 0.6, 0.65, 9, -1]
    found = run("return x[1].map((time) => m.poseAt(x[0], time))", [poses, times])
    assert found[0] == frames[0]
    assert found[1] == [[pytest.approx(0.25), pytest.approx(0.5)], [0, 1], None]
    assert found[2] == [[pytest.approx(0.75), pytest.approx(1.5)], None, [1, 1]]
    assert found[3] == frames[1]  # the next frame is empty, but further away
    assert found[4] is None
    assert found[6] == frames[3]
    assert found[7] == frames[3]
    assert found[8] is None
    assert found[9] == frames[0]


def test_the_overlay_knows_the_black_bars(run: Run) -> None:
    found = run("return x.map((sizes) => m.pictureBox(...sizes))", [[640, 480, 320, 300], [480, 640, 640, 320]])
    assert found == [{"x": 0, "y": 30, "width": 320, "height": 240}, {"x": 200, "y": 0, "width": 240, "height": 320}]


def test_the_headline_says_what_was_seen_and_what_to_do(run: Run) -> None:
    unknown = RESULT | {"sets": [], "segments": [segment(0, known=False)]}
    alone = RESULT | {"sets": SETS[:1], "probability": 0.9}
    answers = [RESULT, unknown, alone, alone | {"person_seen": 0.3}, alone | {"probability": 0.3}]
    several, none, sure, unseen, unsure = run("return x.map(m.headline)", answers)
    assert several["title"] == "Squat, plank"
    assert several["sure"] == "mostly squat (60%)"
    assert several["sentence"] == "2 sets: squat (1 repetition), plank (held)."
    assert none["title"] == "Unknown movement"
    assert "12 seconds" in none["advice"]
    assert (sure["title"], sure["sure"], sure["advice"]) == ("Squat", "90% sure", "")
    assert "nobody" in unseen["advice"]
    assert "not sure" in unsure["advice"]
    assert run("return x.map(m.standing)", RESULT["segments"]) == ["sure", "sure", "unknown", "unsure", "sure"]


@contextmanager
def upload_view(
    browser: Any, url: str, settings: dict[str, Any] | None = None, **context: Any
) -> Iterator[tuple[Any, Any]]:
    """The page and its section, told ``settings`` in the service's place; what scripts complain of fails the test."""
    visitor = browser.new_context(**context)
    if settings is not None:
        visitor.route("**/web/settings.json", lambda route: route.fulfill(json=settings))
    page, faults = visitor.new_page(), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
    page.goto(f"{url}/#upload")
    root = page.locator("#upload")
    expect(root).to_have_attribute("data-state", "idle")
    yield page, root
    assert faults == []
    visitor.close()


def choose(root: Any, video: Path, state: str) -> None:
    root.locator("input[type=file]").set_input_files(video)
    expect(root).to_have_attribute("data-state", state, timeout=30_000)


def faults_of_access(page: Any) -> list[str]:
    return [fault for _, fault in axe(page, "#upload")[0]]


def test_a_video_from_being_sent_to_its_timeline(browser: Any, service: Service, squat_video: Path) -> None:
    """The connection is lost in the middle of the upload, and the visitor tries again."""
    with wired(service.port, []) as wire, upload_view(browser, wire.url) as (page, root):
        # Twice: a browser tries once more by itself what is lost on a connection that it had before.
        wire.cut_after += [wire.passed + 2000, wire.passed + 2001]
        choose(root, squat_video, "failed")
        expect(root).to_contain_text("The connection was lost")
        assert wire.cuts == 2
        root.get_by_role("button", name="Try again").click()
        expect(root).to_have_attribute("data-state", "done", timeout=30_000)
        expect(root.locator("[data-field=exercise]")).to_have_text("Squat")
        for table in ("sets", "segments"):
            expect(root.locator(f"[data-field={table}] tbody tr")).to_have_count(1)
        assert faults_of_access(page) == []

        pixels = 'canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data'
        drawn = f"(canvas) => {pixels}.some((value) => value > 0)"
        canvas, time = root.locator(".stage canvas"), root.locator(".time")
        assert canvas.evaluate(drawn)
        root.get_by_label("Show skeleton").uncheck()
        assert not canvas.evaluate(drawn)

        scale = root.locator(".scale")
        scale.click(position={"x": scale.bounding_box()["width"] / 2, "y": 10})
        expect(time).to_have_text("0:03 / 0:06")
        root.locator(".bar").first.focus()
        page.keyboard.press("ArrowDown")
        expect(root.locator(".bar").nth(1)).to_be_focused()
        page.keyboard.press("Enter")
        expect(time).to_have_text("0:00 / 0:06")

        with page.expect_download() as download:
            root.get_by_role("button", name="Save CSV").click()
        assert download.value.suggested_filename == f"{squat_video.stem}.csv"
        text = download.value.path().read_text()
        assert text.startswith("\ufeffvideo,kind,")  # or Excel takes it for the machine's old code page
        assert text.splitlines()[1].startswith(f"{squat_video.name},set,0,")


def test_what_the_service_refuses_is_said_in_its_own_words(browser: Any, service: Service, tmp_path: Path) -> None:
    large, broken = tmp_path / "large.mp4", tmp_path / "broken.mp4"
    large.write_bytes(bytes(8 * 2**20))
    broken.write_bytes(b"no video at all")
    phone = {"width": 390, "height": 844}
    # A page that was told of no limit, as by a proxy that has one of its own.
    with upload_view(browser, service.url, {"video_stays_here": False, "held": []}, viewport=phone) as (page, root):
        choose(root, large, "failed")
        expect(root).to_contain_text("larger than 1 MiB")
        choose(root, broken, "failed")
        expect(root).to_contain_text("broken.mp4' cannot be decoded")
        expect(root.get_by_role("button", name="Try again")).to_have_count(0)
        assert faults_of_access(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_file_that_is_refused_leaves_the_answer_as_it_is(browser: Any, service: Service, tmp_path: Path) -> None:
    video, text = tmp_path / "odd.mp4", tmp_path / "notes.txt"
    video.write_bytes(b"nothing that a browser plays")
    text.write_text("no video")
    with upload_view(browser, service.url) as (page, root):
        answer = f"event: result\ndata: {json.dumps(RESULT)}\n\n"
        page.route("**/v1/classify/video*", lambda route: route.fulfill(content_type="text/event-stream", body=answer))
        choose(root, video, "done")
        choose(root, text, "done")
        expect(root.get_by_role("group", name="Choose another file")).to_contain_text("“notes.txt” is no video")
        expect(root.locator("[data-field=exercise]")).to_have_text("Squat, plank")
        choose(root, video, "done")
        expect(root.get_by_role("group", name="Choose another file")).to_have_count(0)


def test_what_is_too_large_is_not_even_sent(browser: Any, service: Service, tmp_path: Path) -> None:
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(8 * 2**20))
    with upload_view(browser, service.url) as (page, root):
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        choose(root, large, "idle")
        expect(root).to_contain_text("“large.mp4” has 8 MiB, and the service takes 1")
        assert asked == []


def test_what_is_too_long_is_not_even_sent(browser: Any, service: Service, squat_video: Path) -> None:
    told = {"video_stays_here": False, "held": [], "max_body_mb": 1, "max_video_seconds": 4}
    with upload_view(browser, service.url, told) as (page, root):
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        root.locator("input[type=file]").set_input_files(squat_video)
        expect(root).to_contain_text(f"“{squat_video.name}” is 0:06 long, and the service takes 0:04")
        expect(root).to_have_attribute("data-state", "idle")
        assert [url for url in asked if "classify" in url] == []


def test_an_answer_that_breaks_off_and_a_video_that_cannot_be_played(
    browser: Any, service: Service, tmp_path: Path
) -> None:
    video = tmp_path / "odd.mp4"
    video.write_bytes(b"nothing that a browser plays")
    image_xy = [[[k / 17, k / 17] for k in range(17)]] * 200
    poses = {"layout": "h36m17", "fps": 5, "width": 480, "height": 640, "times": [0], "image_xy": image_xy}
    whole = (
        f'event: progress\ndata: {{"share": 0.5}}\n\nevent: result\ndata: {json.dumps(RESULT | {"poses": poses})}\n\n'
    )
    with upload_view(browser, service.url) as (page, root):
        answers = [whole[:-20], whole]

        def answer(route: Any) -> None:
            route.fulfill(content_type="text/event-stream", body=answers.pop(0))

        page.route("**/v1/classify/video*", answer)
        choose(root, video, "failed")
        expect(root).to_contain_text("The service went away before it had answered")
        root.get_by_role("button", name="Try again").click()
        expect(root.locator(".player[data-playable=false]")).to_contain_text("on a plain background")
        stage = root.locator(".stage").bounding_box()
        assert stage["width"] / stage["height"] == pytest.approx(3 / 4, abs=0.01)  # of the pictures, not of any screen
        lowest = """(canvas) => {
          const { width, height } = canvas;
          const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
          return data.findLastIndex((value) => value > 0) / (4 * width * height);
        }"""
        assert root.locator(".stage canvas").evaluate(lowest) > 0.85
        assert [bar.get_attribute("data-standing") for bar in root.locator(".bar").all()] == [
            "sure", "unsure", "sure", "sure", "unknown", "unsure", "sure"
        ]  # fmt: skip
        root.get_by_role("button", name="Go to 0:18 – 0:30").click()
        expect(root.locator(".time")).to_have_text("0:18 / 0:40")
        # In full screen too there is a button that pauses.
        root.get_by_role("button", name="Full screen").click()
        expect(root.get_by_role("button", name="Leave full screen")).to_be_visible()
        assert page.evaluate("document.fullscreenElement.contains(document.querySelector('.play'))")
        root.get_by_role("button", name="Play", exact=True).click()
        expect(root.locator(".time")).to_have_text("0:19 / 0:40")
        root.get_by_role("button", name="Pause", exact=True).click()
        root.get_by_role("button", name="Leave full screen").click()
        expect(root.get_by_role("button", name="Full screen")).to_be_visible()
        root.get_by_role("button", name="Play", exact=True).click()
        page.locator("nav a[href='#model']").click()  # what cannot be seen does not play
        page.locator("nav a[href='#upload']").click()
        expect(root.get_by_role("button", name="Play", exact=True)).to_be_visible()
        assert faults_of_access(page) == []

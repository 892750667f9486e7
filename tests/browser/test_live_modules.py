"""The live view's modules without its page, in a real browser: what a session shows, and streams that are cut."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.browser.web_page import chromium, modules_alone
from tests.client_service import serving, wired
from tests.stream_server import squats

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with modules_alone() as address:
        yield address


@pytest.fixture(scope="module")
def run(origin: str) -> Iterator[Run]:
    """Runs an async function of JavaScript on an empty page with one argument; what it returns comes back.

    Playwright has a thread of its own, because one thread has room for one of it only, and other tests may use theirs.
    """
    opened = ExitStack()

    def begin() -> Page:
        browser = opened.enter_context(chromium(opened.enter_context(sync_playwright())))
        page = browser.new_page()
        page.goto(origin)
        return page

    with ThreadPoolExecutor(1) as thread:
        page = thread.submit(begin).result()
        yield lambda script, argument=None: thread.submit(page.evaluate, script, argument).result(60)
        thread.submit(opened.close).result()


# What a session shows.

REPLAY = """async (events) => {
  const session = await import("/web/live/session.js");
  let state = session.begin(["plank"]);
  const said = [];
  for (const event of events) {
    const before = state;
    state = session.reduce(state, event);
    said.push(session.announcement(before, state, event));
  }
  const now = Math.max(0, ...events.map((event) => event.t ?? 0));
  return {
    state,
    said: said.filter(Boolean),
    screen: session.screen(state, now),
    later: session.screen(state, now + 5),
    timer: session.timer(state, now),
    hint: session.hintAt(state, now),
    hintLater: session.hintAt(state, now + 60),
    total: session.total(state),
    all: session.allSets(state, now),
  };
}"""
OPEN = {"type": "connection", "state": "open"}
WELCOME = {"type": "welcome", "model_version": "7", "classes": ["plank", "squat"], "resumed": False}


def label(
    t: float, state: str = "exercise", exercise: str | None = "squat", probability: float = 0.9
) -> dict[str, Any]:
    named = exercise if state == "exercise" else None
    top = [] if state == "no_person" else [{"exercise": exercise, "probability": probability}]
    return {
        "type": "label", "t": t, "exercise": named, "probability": probability if named else 0.0, "top": top,
        "state": state, "model_version": "7", "saved": None,
    }  # fmt: skip


def start(t: float, since: float, exercise: str = "squat", number: int = 1) -> dict[str, Any]:
    return {"type": "start", "t": t, "set": number, "exercise": exercise, "since": since}


def rep(t: float, count: int) -> dict[str, Any]:
    return {"type": "rep", "t": t, "set": 1, "exercise": "squat", "count": count, "since": t - 3, "until": t - 1}


def end(t: float, since: float, until: float, repetitions: int) -> dict[str, Any]:
    return {
        "type": "end", "t": t, "set": 1, "exercise": "squat", "since": since, "until": until, "repetitions": repetitions
    }  # fmt: skip


def test_an_open_set_is_shown_with_its_repetitions_and_its_time(run: Run) -> None:
    events = [OPEN, WELCOME, label(2.0, "unknown"), label(10.0), start(10.0, 2.4), rep(10.0, 1), rep(10.0, 2)]
    shown = run(REPLAY, [*events, rep(12.0, 3), label(12.0)])
    assert shown["screen"] == "live"
    assert shown["state"]["exercise"] == "squat"
    assert shown["state"]["set"]["count"] == 3
    assert shown["timer"] == pytest.approx(12.0 - 2.4)
    assert shown["total"] == {"sets": 1, "repetitions": 3}
    assert shown["all"][-1]["open"] is True
    # The set began before its name was sure: the timeline shows it from its beginning.
    assert shown["state"]["spans"][-1] == {"kind": "exercise", "exercise": "squat", "since": 2.4, "until": 12.0}


def test_sets_are_listed_with_what_the_service_counted_at_their_end(run: Run) -> None:
    events = [OPEN, WELCOME, start(10.0, 2.0), label(10.0), *(rep(10.0 + k, k) for k in range(1, 6)), label(20.0)]
    shown = run(REPLAY, [*events, end(25.0, 2.0, 18.0, 6), label(26.0, "no_person")])
    assert shown["state"]["set"] is None
    assert shown["state"]["sets"] == [
        {"key": "1-1", "exercise": "squat", "since": 2.0, "until": 18.0, "repetitions": 6}
    ]
    assert shown["state"]["spans"][0] == {"kind": "exercise", "exercise": "squat", "since": 2.0, "until": 18.0}
    assert shown["total"] == {"sets": 1, "repetitions": 6}


def test_a_screen_reader_hears_of_sets_and_of_every_fifth_repetition_only(run: Run) -> None:
    events = [OPEN, WELCOME, start(10.0, 2.0), *(rep(10.0 + k, k) for k in range(1, 11)), label(21.0), label(22.0)]
    said = run(REPLAY, [*events, end(25.0, 2.0, 20.0, 11)])["said"]
    assert said == ["Set 1: squat.", "5 repetitions.", "10 repetitions.", "squat: 11 repetitions."]


@pytest.mark.parametrize(
    ("events", "screen"),
    [
        ([], "idle"),
        ([{"type": "connection", "state": "connecting"}], "connecting"),
        ([OPEN, WELCOME], "live"),
        ([OPEN, WELCOME, label(9.0, "no_person"), {"type": "no_person", "t": 9.0, "since": 7.0}], "no-person"),
        ([OPEN, {"type": "no_person", "t": 9.0, "since": 7.0}, label(11.0, "waiting")], "live"),
        ([OPEN, WELCOME, label(9.0, "unknown")], "live"),  # windows begin so
        ([OPEN, WELCOME, {"type": "unknown", "t": 9.0}, label(9.0, "unknown")], "unknown"),
        ([OPEN, WELCOME, {"type": "unknown", "t": 9.0}, label(9.0, "unknown"), label(10.0)], "live"),
        ([OPEN, WELCOME, label(9.0), {"type": "overloaded", "on": True}], "overloaded"),
        ([OPEN, {"type": "overloaded", "on": True}, {"type": "connection", "state": "lost"}, OPEN], "live"),
        ([OPEN, WELCOME, {"type": "connection", "state": "lost"}], "lost"),
        ([OPEN, WELCOME, {"type": "connection", "state": "full"}], "full"),
        ([OPEN, WELCOME, {"type": "ended"}], "ended"),
    ],
)
def test_the_page_shows_what_matters_most(run: Run, events: list[dict[str, Any]], screen: str) -> None:
    assert run(REPLAY, events)["screen"] == screen


def test_before_anybody_was_in_view_empty_pictures_say_so(run: Run) -> None:
    shown = run(REPLAY, [OPEN, WELCOME, {"type": "seen", "t": 1.0, "person": False}])
    assert (shown["screen"], shown["later"]) == ("live", "no-person")


def test_a_hint_goes_by(run: Run) -> None:
    hint = {"type": "hint", "t": 7.8, "code": "feet_not_visible", "text": "step back: feet not visible."}
    shown = run(REPLAY, [OPEN, WELCOME, hint])
    assert shown["hint"] == "Step back: feet not visible."
    assert shown["hintLater"] is None


def test_a_session_that_the_service_forgot_keeps_its_sets(run: Run) -> None:
    events = [OPEN, WELCOME, start(10.0, 2.0), rep(11.0, 1), label(12.0), WELCOME, start(30.0, 22.0), rep(31.0, 1)]
    shown = run(REPLAY, events)
    assert [one["key"] for one in shown["all"]] == ["1-1", "2-1"]
    assert shown["total"] == {"sets": 2, "repetitions": 2}


def test_a_session_that_begins_anew_says_so(run: Run) -> None:
    again = WELCOME | {"t": 20.0}
    shown = run(REPLAY, [OPEN, WELCOME | {"t": 0.0}, label(12.0), again])
    assert "new session" in shown["hint"]
    assert [sentence for sentence in shown["said"] if "new session" in sentence] == [shown["hint"]]
    assert run(REPLAY, [OPEN, WELCOME | {"t": 0.0}, label(12.0), again | {"resumed": True}])["hint"] is None


def test_a_set_whose_start_was_passed_over_is_counted_all_the_same(run: Run) -> None:
    shown = run(REPLAY, [OPEN, WELCOME, label(12.0), rep(12.0, 3)])
    assert shown["total"] == {"sets": 1, "repetitions": 3}
    assert shown["all"][-1]["exercise"] == "squat"


def test_a_session_begins_with_its_service_however_long_that_was_waited_for(run: Run) -> None:
    seen = [{"type": "seen", "t": t, "person": True} for t in (1.0, 600.0)]
    assert run(REPLAY, [*seen, OPEN])["state"]["first"] is None
    assert run(REPLAY, [seen[0], OPEN, WELCOME, seen[1]])["state"]["first"] == 600.0


def test_a_new_span_of_the_timeline_goes_over_what_was_there(run: Run) -> None:
    spans = run("""async () => {
      const { paint } = await import("/web/live/session.js");
      const span = (kind, since, until) => ({ kind, exercise: null, since, until });
      let all = [];
      const few = [span("unknown", 0, 4), span("unknown", 4, 8), span("no_person", 8, 9), span("unknown", 9, 9)];
      for (const one of few) all = paint(all, one);
      return paint(all, span("exercise", 3, 8.5)).map(({ kind, since, until }) => [kind, since, until]);
    }""")
    assert spans == [["unknown", 0, 3], ["exercise", 3, 8.5], ["no_person", 8.5, 9]]


def test_a_file_of_the_sets_has_times_from_the_first_picture(run: Run) -> None:
    text = run("""async () => {
      const { csv, table } = await import("/web/live/summary.js");
      const sets = [
        { exercise: "squat", since: 102.43, until: 118, repetitions: 6 },
        { exercise: "plank", since: 130, until: 150, repetitions: 0 },
      ];
      return csv(table({ first: 100, sets, held: ["plank"] }));
    }""")
    assert text == "set,exercise,start,end,repetitions\r\n1,squat,2.4,18,6\r\n2,plank,30,50,\r\n"


@pytest.mark.parametrize(("told", "seconds"), [(64.5, 64.5), (None, 60.3)])
def test_a_session_is_saved_with_its_length_whether_there_was_a_goodbye_or_not(
    run: Run, told: float | None, seconds: float
) -> None:
    saved, table = run(
        """async (seconds) => {
          const { begin } = await import("/web/live/session.js");
          const { summaryPanel } = await import("/web/live/summary.js");
          const { Colours } = await import("/web/colours.js");
          const blobs = [];
          const make = URL.createObjectURL;
          URL.createObjectURL = (blob) => (blobs.push(blob), make.call(URL, blob));
          const sets = [{ exercise: "squat", since: 102, until: 118, repetitions: 6 }];
          const session = { ...begin(), version: "7", first: 100, last: 160.26, sets, seconds };
          const panel = summaryPanel(session, null, null, new Colours());
          const buttons = [...panel.querySelectorAll("button")];
          for (const button of buttons.filter((one) => one.textContent.startsWith("Save"))) button.click();
          URL.createObjectURL = make;
          const [csv, json] = await Promise.all(blobs.map((blob) => blob.arrayBuffer()));
          return [JSON.parse(new TextDecoder().decode(json)), [...new Uint8Array(csv)]];
        }""",
        told,
    )
    assert (saved["model_version"], saved["seconds"], len(saved["sets"])) == ("7", seconds, 1)
    assert bytes(table).startswith(b"\xef\xbb\xbfset,exercise")  # or Excel takes it for the machine's old code page


def test_an_exercise_has_the_same_colour_in_a_session_and_in_its_summary(run: Run) -> None:
    live, over = run(
        """async () => {
          const { begin } = await import("/web/live/session.js");
          const { Panel } = await import("/web/live/panel.js");
          const { summaryPanel } = await import("/web/live/summary.js");
          const panel = new Panel({});
          const first = { kind: "exercise", exercise: "plank", since: 100, until: 101 };
          const sets = [{ exercise: "squat", since: 102, until: 118, repetitions: 6 }];
          const session = { ...begin(), connection: "open", welcomed: true, first: 100, last: 160, sets };
          panel.show({ ...session, spans: [first] }, 160);
          const after = summaryPanel(session, null, null, panel.colours);
          const colour = (element) => element.querySelector(".dot").style.getPropertyValue("--colour");
          return [colour(panel.element), colour(after)];
        }"""
    )
    assert live
    assert live == over


# Streams, with the service's real end.

STREAM = """async ({ url, frames, pause_ms }) => {
  const { Stream } = await import("/web/live/stream.js");
  const events = [];
  const states = [];
  const stream = new Stream({
    url, layout: "h36m17", joints: 17, fps: 5,
    onEvent: (event) => events.push(event),
    onState: ({ state }) => states.push(state),
    env: { random: () => 0 },
  });
  stream.open();
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  for (const [index, joints] of frames.entries()) {
    stream.sendFrame(index / 5, joints, Array(17).fill(1));
    await wait(pause_ms);
  }
  const goodbye = await stream.bye();
  return { events, states, goodbye, counts: stream.counts };
}"""


def played(run: Run, url: str, seconds: float = 30.0, pause_ms: int = 6) -> dict[str, Any]:
    frames = squats(seconds).astype(float).round(4).tolist()
    address = url.replace("http", "ws") + "/v1/stream"
    answer: dict[str, Any] = run(STREAM, {"url": address, "frames": frames, "pause_ms": pause_ms})
    return answer


def counted(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [event for event in answer["events"] if event["type"] in ("start", "rep", "end")]


def test_a_stream_that_is_cut_loses_and_repeats_no_repetition(run: Run, origin: str) -> None:
    with serving(origins=(origin,)) as service:
        whole = played(run, service.url)
        with wired(service.port, [6_000, 13_000, 20_000]) as wire:
            cut = played(run, wire.url)
            assert wire.cuts == 3
    assert whole["states"] == ["connecting", "open", "ended"]
    assert cut["states"] == ["connecting", "open", "lost", "open", "lost", "open", "lost", "open", "ended"]
    assert [event["type"] for event in counted(whole)].count("rep") >= 5
    assert counted(cut) == counted(whole)
    assert cut["goodbye"] == whole["goodbye"]
    numbers = [event["seq"] for event in cut["events"] if event["type"] != "welcome" and "seq" in event]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [event["resumed"] for event in cut["events"] if event["type"] == "welcome"] == [False, True, True, True]


def test_a_service_without_a_place_is_asked_again(run: Run, origin: str) -> None:
    with serving(origins=(origin,), max_sessions=1) as service:
        states = run(
            """async (url) => {
              const { Stream } = await import("/web/live/stream.js");
              const until = async (done) => { while (!done()) await new Promise((go) => setTimeout(go, 10)); };
              const begun = () => {
                const states = [];
                const onState = ({ state }) => states.push(state);
                const stream = new Stream({ url, layout: "h36m17", joints: 17, onEvent: () => {}, onState });
                stream.open();
                return { stream, states };
              };
              const first = begun();
              await until(() => first.states.includes("open"));
              const second = begun();
              await until(() => second.states.includes("full"));
              await first.stream.bye();
              second.stream.retryNow();
              await until(() => second.states.includes("open"));
              second.stream.close();
              return second.states;
            }""",
            service.url.replace("http", "ws") + "/v1/stream",
        )
    assert states == ["connecting", "full", "open", "ended"]


# Streams, with an end that the test plays: time passes as it says.

PLAY = """
  const { Stream } = await import("/web/live/stream.js");
  let now = 0;
  const timers = new Map();
  const sockets = [];
  class Socket {
    constructor() { this.sent = []; this.bufferedAmount = 0; sockets.push(this); }
    send(data) { this.sent.push(typeof data === "string" ? JSON.parse(data) : new DataView(data).getFloat64(4, true)); }
    close() { this.left = true; }
    hear(message) { this.onmessage({ data: JSON.stringify(message) }); }
    welcome(more = {}) {
      this.onopen({});
      this.hear({ type: "welcome", resume: "secret", resumed: false, received: null, seq: 0, ...more });
    }
    get times() { return this.sent.filter((one) => typeof one === "number"); }
  }
  let id = 0;
  const env = {
    WebSocket: Socket, clock: () => now, random: () => 0,
    setTimeout: (run, seconds) => (timers.set(++id, { at: now + seconds, run }), id),
    clearTimeout: (id) => timers.delete(id),
  };
  const pass = async (seconds) => {
    for (const end = now + seconds; ; ) {
      await new Promise((go) => setTimeout(go, 0));
      const [next] = [...timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
      if (!next) { now = end; return; }
      timers.delete(next[0]);
      now = Math.max(now, next[1].at);
      next[1].run();
    }
  };
  const events = [];
  const states = [];
  const begun = (options = {}) => {
    const onEvent = (event) => events.push(event);
    const onState = ({ state, detail }) => states.push(detail ? `${state}: ${detail}` : state);
    const stream = new Stream({ url: "ws://x", layout: "jpeg", poses: true, env, onEvent, onState, ...options });
    stream.open();
    return stream;
  };
  const jpeg = new ArrayBuffer(1000);
"""


def play(run: Run, script: str) -> Any:
    return run("async () => {" + PLAY + script + "}")


def test_pictures_are_left_out_while_poses_are_late(run: Run) -> None:
    sent, events = play(
        run,
        """
        const stream = begun();
        sockets[0].welcome();
        await pass(5);
        const sent = [];
        for (let k = 0; k < 25; k++) { sent.push(stream.sendPicture(now, jpeg)); await pass(0.2); }
        sockets[0].hear({ type: "pose", t: now, image_xy: [], scores: [] });
        sent.push(stream.sendPicture(now, jpeg));
        for (let k = 0; k < 40; k++) {
          stream.sendPicture(now, jpeg);
          sockets[0].hear({ type: "pose", t: now, image_xy: [], scores: [] });
          await pass(0.2);
        }
        return [sent, events.filter((event) => event.type === "overloaded")];""",
    )
    # 1.5 s are waited for a pose; after 3 s it is given up, and it is tried with more.
    assert sent[:8] == [True] * 8
    assert not any(sent[8:15])
    assert sent[-1] is True
    assert events == [{"type": "overloaded", "on": True}, {"type": "overloaded", "on": False}]


def test_pictures_are_left_out_while_the_network_is_slow(run: Run) -> None:
    sent = play(
        run,
        """
        const stream = begun();
        sockets[0].welcome();
        sockets[0].bufferedAmount = 2500;
        const slow = stream.sendPicture(1, jpeg);
        sockets[0].bufferedAmount = 1500;
        return [slow, stream.sendPicture(2, jpeg), sockets[0].times];""",
    )
    assert sent == [False, True, [2]]


def test_what_was_not_saved_is_sent_again_one_pose_at_a_time(run: Run) -> None:
    hello, before, at_once, later, counts = play(
        run,
        """
        const stream = begun();
        sockets[0].welcome();
        for (let t = 1; t <= 10; t++) {
          stream.sendPicture(t, jpeg);
          sockets[0].hear({ type: "pose", t, image_xy: [], scores: [] });
        }
        sockets[0].hear({ type: "label", seq: 3, t: 8, saved: 4 });
        sockets[0].onclose({ code: 1006 });
        stream.sendPicture(11, jpeg);
        await pass(0.5);
        sockets[1].welcome({ resumed: true, received: 6 });
        const at_once = sockets[1].times;
        for (let t = 7; t <= 11; t++) sockets[1].hear({ type: "pose", t, image_xy: [], scores: [] });
        stream.sendPicture(12, jpeg);
        return [sockets[1].sent[0], sockets[0].times, at_once, sockets[1].times, stream.counts];""",
    )
    assert (hello["resume"], hello["seen"], hello["layout"], hello["poses"]) == ("secret", 3, "jpeg", True)
    assert before == list(range(1, 11))
    assert at_once == [7, 8]  # more would be shed by the service
    assert later == [7, 8, 9, 10, 11, 12]
    assert counts["kept"] == 8  # from 5 on


@pytest.mark.parametrize("code", [1006, 4413])
def test_a_session_that_is_gone_begins_anew_with_what_no_label_spoke_of(run: Run, code: int) -> None:
    script = """
        const stream = begun({ poses: false });
        sockets[0].welcome();
        for (let t = 1; t <= 10; t++) stream.sendPicture(t, jpeg);
        sockets[0].hear({ type: "label", seq: 9, t: 8, saved: null });
        sockets[0].onclose({ code: CODE });
        await pass(0.5);
        sockets[1].welcome({ resume: "other" });
        sockets[1].hear({ type: "label", seq: 1, t: 9, saved: null });
        return [sockets[1].times, events.filter((event) => event.type === "label").map((event) => event.seq)];"""
    times, seen = play(run, script.replace("CODE", str(code)))
    assert times == [9, 10]
    assert seen == [9, 1]


def test_a_service_that_had_no_place_for_minutes_gets_the_latest_seconds_only(run: Run) -> None:
    times = play(
        run,
        """
        const stream = begun({ poses: false });
        for (let t = 0; t <= 120; t += 0.2) stream.sendPicture(t, jpeg);
        sockets[0].welcome();
        return sockets[0].times;""",
    )
    assert min(times) > 107
    assert max(times) > 119


def test_events_seen_before_are_passed_over(run: Run) -> None:
    seen = play(
        run,
        """
        begun();
        sockets[0].welcome();
        for (const seq of [1, 2, 2, 1, 3]) sockets[0].hear({ type: "rep", seq });
        return events.filter((event) => event.type === "rep").map((event) => event.seq);""",
    )
    assert seen == [1, 2, 3]


def test_it_is_tried_again_ever_less_often(run: Run) -> None:
    waits = play(
        run,
        """
        begun();
        const waits = [];
        for (let k = 0; k < 7; k++) {
          sockets.at(-1).onclose({ code: 1006 });
          const [from, before] = [now, sockets.length];
          while (sockets.length === before) await pass(0.1);
          waits.push(now - from);
        }
        return waits;""",
    )
    assert waits == pytest.approx([0.3, 0.6, 1.2, 2.4, 4.8, 5.0, 5.0], abs=0.11)


@pytest.mark.parametrize(
    ("code", "last", "again"),
    [
        (1001, "lost", {"resume": "secret", "seen": 0}),
        (1011, "lost", {"resume": "secret", "seen": 0}),
        (4408, "lost", {"resume": "secret", "seen": 0}),
        (4413, "lost", {}),
        (4429, "full", {"resume": "secret", "seen": 0}),
        (1009, "failed", None),
        (4400, "failed", None),
        (4403, "failed", None),
        (4409, "failed", None),
    ],
)
def test_a_close_code_says_whether_to_try_again(run: Run, code: int, last: str, again: dict[str, Any] | None) -> None:
    script = """
        begun();
        sockets[0].welcome();
        sockets[0].hear({ type: "error", status: 400, detail: "so it is." });
        sockets[0].onclose({ code: CODE });
        await pass(0);
        const state = states.at(-1);
        await pass(7);
        sockets[1]?.onopen({});
        return [state, sockets[1]?.sent[0] ?? null];"""
    state, hello = play(run, script.replace("CODE", str(code)))
    assert state == f"{last}: so it is."
    assert (hello is None) == (again is None)
    if again is not None:
        assert {key: hello[key] for key in ("resume", "seen") if key in hello} == again


def test_a_token_is_asked_for(run: Run) -> None:
    asked, tokens, states = play(
        run,
        """
        const asked = [];
        let token = null;
        const askToken = async (why) => (asked.push(why), asked.length < 2 ? (token = "right") : null);
        begun({ token: () => token, askToken });
        for (const socket of [0, 1]) {
          sockets[socket].onopen({});
          sockets[socket].hear({ type: "error", status: 401, detail: "a token is needed." });
          sockets[socket].onclose({ code: 4401 });
          await pass(0);
        }
        return [asked, sockets.map((socket) => socket.sent[0].token ?? null), states];""",
    )
    assert asked == ["a token is needed."] * 2
    assert tokens == [None, "right"]
    assert states[-1] == "failed: a token is needed."


def test_a_connection_that_falls_silent_is_given_up(run: Run) -> None:
    silent, left = play(
        run,
        """
        const stream = begun();
        sockets[0].welcome();
        sockets[0].hear({ type: "pose", t: 0, image_xy: [], scores: [] });
        await pass(7);
        const before = states.at(-1);
        await pass(1.5);
        return [[before, states.at(-1)], sockets[0].left];""",
    )
    assert silent == ["open", "lost"]
    assert left is True


def test_a_bye_that_is_not_answered_ends_the_session_all_the_same(run: Run) -> None:
    goodbye, states, count = play(
        run,
        """
        const stream = begun();
        sockets[0].onclose({ code: 1006 });
        const leaving = stream.bye();
        await pass(20);
        return [await leaving, states, timers.size];""",
    )
    assert goodbye is None
    assert states[-1] == "ended"
    assert count == 0


def test_a_bye_whose_connection_comes_back_waits_for_what_is_still_to_be_sent(run: Run) -> None:
    early, states, said = play(
        run,
        """
        const stream = begun({ poses: false });
        sockets[0].welcome();
        sockets[0].onclose({ code: 1006 });
        for (let t = 1; t <= 5; t++) stream.sendPicture(t, jpeg);
        const leaving = stream.bye();
        await pass(3.5);
        sockets.at(-1).welcome({ resumed: true });
        await pass(3);
        const early = states.includes("ended");
        sockets.at(-1).hear({ type: "goodbye", sets: [], seconds: 5 });
        await leaving;
        return [early, states, sockets.at(-1).sent.slice(1)];""",
    )
    assert early is False  # four seconds are for a connection that does not come back
    assert states[-1] == "ended"
    assert said == [1, 2, 3, 4, 5, {"type": "bye"}]


def test_a_service_that_is_slower_than_the_camera_is_caught_up_with_by_leaving_frames_out(run: Run) -> None:
    waiting = play(
        run,
        """
        const stream = begun();
        sockets[0].welcome();
        sockets[0].onclose({ code: 1006 });
        let t = 0;
        const film = async (seconds, answers) => {
          for (const end = now + seconds; now < end; ) {
            stream.sendPicture((t += 0.2), jpeg);
            // Four poses a second, where five pictures a second are taken.
            if (answers && Math.round(now * 5) % 5) {
              sockets.at(-1).hear({ type: "pose", t: sockets.at(-1).times.at(-1), image_xy: [], scores: [] });
            }
            await pass(0.2);
          }
        };
        await film(20, false);
        sockets.at(-1).welcome({ resumed: true });
        const before = stream.counts.waiting;
        await film(60, true);
        return [before, stream.counts.waiting];""",
    )
    assert waiting[0] > 80
    assert waiting[1] < 20


@pytest.mark.parametrize(("welcomed", "told"), [(False, "full"), (True, "lost")])
def test_503_says_full_to_newcomers_only(run: Run, welcomed: bool, told: str) -> None:
    """A service that has our session and says so is starting again: half a minute is not to be waited away."""
    script = """
        begun({ probe: async () => 503 });
        if (WELCOMED) {
          sockets[0].welcome();
          sockets[0].onclose({ code: 1006 });
          await pass(0.5);
        }
        sockets.at(-1).onclose({ code: 1006 });
        await pass(0.01);
        return states.at(-1);"""
    assert play(run, script.replace("WELCOMED", "true" if welcomed else "false")) == told


def test_frames_are_written_as_the_protocol_says(run: Run) -> None:
    from gymspotter.skeleton import H36M17
    from gymspotter.stream.protocol import Frames, read_message
    from serve.settings import AppSettings
    from serve.streams.endpoint import limits_of

    data = run("""async () => {
      const { frame } = await import("/web/live/protocol.js");
      const joints = Array.from({ length: 17 }, (_, joint) => (joint === 3 ? null : [joint, joint / 2, -joint]));
      const both = [frame(12.25, joints, 17, Array(17).fill(0.5)), frame(12.5, null, 17)];
      return both.map((one) => [...new Uint8Array(one)]);
    }""")
    whole, empty = (read_message(bytes(one), H36M17, limits_of(AppSettings())) for one in data)
    assert isinstance(whole, Frames)
    assert isinstance(empty, Frames)
    assert whole.times_N.tolist() == [12.25]
    assert whole.joints_NJC[0, 16].tolist() == [16, 8, -16]
    assert whole.joints_NJC[0, 3].tolist() != whole.joints_NJC[0, 3].tolist()  # NaN
    assert whole.scores_NJ is not None
    assert whole.scores_NJ[0, [2, 3]].tolist() == [0.5, 0.0]
    assert (empty.joints_NJC != empty.joints_NJC).all()

import re

import pytest

from gymspotter.client import Disconnected, Reconnected
from gymspotter.stream.events import (
    End,
    ErrorMessage,
    Goodbye,
    Guess,
    Hint,
    Label,
    NoPerson,
    Notice,
    Rep,
    SetSummary,
    Start,
    Unknown,
)
from gymspotter.watch_view import Shown, clock, line, message, render, sentence, summary, updated

TOP = (Guess(exercise="squat", probability=0.93), Guess(exercise="hip thrust", probability=0.05))
EMPTY = Shown(source="squat.mp4", url="http://127.0.0.1:8000", model_version="7")


def label(t, state="exercise", **fields):
    known = state == "exercise"
    return Label(
        **{
            "seq": 1, "t": t, "since": 0.0, "exercise": "squat" if known else None, "unknown": 0.1, "state": state,
            "probability": 0.93 if known else 0.0, "top": TOP, "model_version": "7",
        }
        | fields
    )  # fmt: skip


SET = [
    Start(seq=2, t=14, set=1, exercise="squat", since=12),
    Rep(seq=3, t=16, set=1, exercise="squat", count=1, since=12, until=14),
    Rep(seq=4, t=19, set=1, exercise="squat", count=2, since=14, until=18.5),
]
OVER = End(seq=5, t=40, set=1, exercise="squat", since=12, until=38, repetitions=2)


def after(*events, shown=EMPTY):
    for event in events:
        shown = updated(shown, event)
    return shown


def text(shown, **size):
    return "\n".join(render(shown, colour=False, **size))


def test_before_the_first_label_it_is_looking():
    assert "looking ...".upper() in text(EMPTY)
    assert "● connected" in text(EMPTY)


def test_a_label_shows_its_exercise_with_a_bar_and_the_best_guesses():
    shown = text(after(label(12)))
    assert "SQUAT" in shown
    rows = [row for row in shown.splitlines() if "%" in row]
    assert [re.search(r"\d+%", row)[0] for row in rows] == ["93%", "93%", "5%"]
    lengths = [row.count("█") for row in rows[1:]]
    assert lengths[0] > 10 * lengths[1]


def test_a_running_set_shows_its_count_in_large_digits_and_its_time():
    shown = after(label(12), *SET)
    shown = Shown(**(vars(shown) | {"t": 75.9}))
    picture = text(shown)
    assert "set 1   1:03" in picture
    two = ["██████", "    ██", "██████", "██    ", "██████"]
    rows = picture.splitlines()[2:7]
    assert [row[2:8] for row in rows] == two


def test_a_repetition_of_another_set_changes_nothing():
    shown = after(*SET)
    assert after(Rep(seq=9, t=20, set=7, exercise="squat", count=9, since=1, until=2), shown=shown) == shown


def test_a_set_that_is_over_is_in_the_table_and_no_longer_running():
    shown = after(label(12), *SET, OVER)
    assert shown.running is None
    (row,) = [row for row in text(shown).splitlines() if row.startswith("    1  squat")]
    assert row.split() == ["1", "squat", "0:12", "0:26", "2"]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Hint(seq=1, t=3, code="feet_not_visible", text="step back: feet not visible."), "step back: feet not"),
        (Notice(code="shed", text="5 frames were shed.", count=5), "5 frames were shed"),
        (Unknown(seq=1, t=3), "none of the exercises"),
        (NoPerson(seq=1, t=3, since=1), "nobody is in view"),
        (ErrorMessage(status=422, title="Invalid", detail="t is not finite."), "t is not finite."),
    ],
)
def test_hints_and_notices_are_shown(event, words):
    assert words in text(after(event))


def test_a_lost_connection_is_shown_until_it_is_back():
    lost = after(label(12), *SET, Disconnected(reason="the replica went away"))
    assert "○ connection lost" in text(lost)
    assert "the replica went away" in text(lost)
    back = after(Reconnected(resumed=True, lost_frames=0), shown=lost)
    assert "● connected" in text(back)
    assert back.running == lost.running
    new = after(Reconnected(resumed=False, lost_frames=3), shown=lost)
    assert new.running is None
    assert "a new one begins" in text(new)


def test_states_without_an_exercise_are_said_in_words():
    assert "NOBODY IN VIEW" in text(after(label(12, "no_person", top=())))
    assert "NO EXERCISE" in text(after(label(12, "unknown")))


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10), (200, 60), (57, 14)])
def test_it_fits_the_terminal(width, height):
    events = [label(12), *SET, OVER, *SET]
    many = [
        End(seq=9, t=1, set=k, exercise="decline bench press", since=k, until=k + 1, repetitions=9) for k in range(50)
    ]
    hints = [Hint(seq=1, t=3, code="c", text="a very long hint " * 20)] * 9
    rows = render(after(*events, *many, *hints, *SET), width, height, colour=False)
    assert len(rows) <= height
    assert max(map(len, rows)) <= max(width, 54)  # the table of sets does not shrink


def test_colours_change_no_character():
    shown = after(label(12), *SET, OVER, *SET, Disconnected(reason="x"))
    plain = [re.sub(r"\x1b\[[\d;]*m", "", row) for row in render(shown, colour=True)]
    assert plain == render(shown, colour=False)


def test_a_log_says_what_is_new_only():
    shown = after(label(12))
    assert line(shown, label(13)) is None
    assert line(shown, label(13, "unknown")) == "   0:13  no exercise"
    assert line(EMPTY, label(12)) == "   0:12  squat 93%"
    assert line(EMPTY, OVER) == "   0:40  set 1 is over: squat, 2 repetitions"


def test_the_summary_lists_the_sets():
    sets = (
        SetSummary(set=1, exercise="squat", since=12, until=38, repetitions=8),
        SetSummary(set=2, exercise="plank", since=60, until=125, repetitions=0),
    )
    rows = summary(Goodbye(sets=sets, seconds=130))
    assert rows[1].split() == ["1", "squat", "0:12", "0:26", "8"]
    assert rows[2].split() == ["2", "plank", "1:00", "1:05", "-"]
    assert rows[-1] == "2 sets in 2:10."
    assert summary(Goodbye(sets=(), seconds=3.2)) == ["0 sets in 0:03."]


def test_events_become_json_as_the_service_sent_them():
    assert message(SET[1])["type"] == "rep"
    assert message(Disconnected(reason="x")) == {"type": "disconnected", "reason": "x"}
    assert message(Reconnected(resumed=True, lost_frames=0)) == {
        "type": "reconnected",
        "resumed": True,
        "lost_frames": 0,
    }


def test_every_event_has_a_sentence():
    for event in (label(1), *SET, OVER, Disconnected(reason="x"), Reconnected(resumed=True, lost_frames=2)):
        assert sentence(event)


def test_minutes_and_seconds():
    assert [clock(s) for s in (0, 59.99, 60, 3600, -1)] == ["0:00", "0:59", "1:00", "60:00", "0:00"]

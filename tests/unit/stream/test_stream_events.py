import json

import numpy as np
import pytest

from gymspotter.errors import InputError
from gymspotter.stream import events
from gymspotter.stream.events import (
    EVENTS,
    End,
    ErrorMessage,
    Goodbye,
    Guess,
    Hint,
    Label,
    Limits,
    NoPerson,
    Notice,
    Pose,
    Rep,
    SetSummary,
    Start,
    Unknown,
    Welcome,
    as_message,
    read_event,
)

LIMITS = Limits(
    message_bytes=1, frames_per_message=2, frames_per_second=3.5, session_seconds=4, resume_seconds=5, image_pixels=6
)
ONE_OF_EACH = [
    Welcome(
        protocol=1, session="a", resume="b", model_version="3", classes=("squat", "plank"), frames=60, grid_fps=5.0,
        hop=1.0, resumed=False, received=None, seq=0, limits=LIMITS,
    ),
    Label(
        seq=1, t=0.8, since=0.0, exercise="squat", probability=0.75, top=(Guess(exercise="squat", probability=0.75),),
        unknown=0.1, state="exercise", set=1, model_version="3", saved=0.4,
    ),
    Start(seq=2, t=3.0, set=1, exercise="squat", since=0.5),
    Rep(seq=3, t=4.0, set=1, exercise="squat", count=1, since=0.5, until=3.5),
    End(seq=4, t=9.0, set=1, exercise="squat", since=0.5, until=8.0, repetitions=2),
    Unknown(seq=5, t=10.0),
    NoPerson(seq=6, t=12.0, since=11.0),
    Hint(seq=7, t=13.0, code="feet_not_visible", text="step back: feet not visible."),
    Notice(code="late", text="late.", count=3),
    Pose(t=1.0, image_xy=((0.5, 0.25), None), scores=(0.5, 0.0)),
    ErrorMessage(status=400, title="Bad", detail="bad."),
    Goodbye(sets=(SetSummary(set=1, exercise="squat", since=0.5, until=8.0, repetitions=2),), seconds=13.0),
]  # fmt: skip


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_through_json(event):
    message = json.loads(json.dumps(as_message(event)))
    assert EVENTS[message["type"]] is type(event)
    assert read_event(message) == event
    assert read_event(message | {"added_in_a_later_version": [1]}) == event


def test_there_is_one_of_each():
    assert {type(event) for event in ONE_OF_EACH} == set(EVENTS.values())
    assert set(EVENTS.values()) == set(events.Event.__args__)


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: type(event).__name__)
def test_a_message_with_a_field_missing_or_odd_is_refused(event):
    message = as_message(event)
    for name in set(message) - {"type"}:
        with pytest.raises(InputError, match=rf"\.{name} is missing"):
            read_event({key: value for key, value in message.items() if key != name})
        for odd in ({"a": 1}, object(), float("nan")):
            with pytest.raises(InputError, match=rf"\.{name}"):
                read_event(message | {name: odd})


@pytest.mark.parametrize("message", [None, [], "label", {}, {"type": None}, {"type": []}, {"type": "lable"}])
def test_what_is_no_event_is_refused(message):
    with pytest.raises(InputError):
        read_event(message)


def test_messages_hold_nothing_of_numpy():
    from tests.unit.stream.streams import SQUAT, answer, movement, play, session

    one = session()
    joints = movement("squat", 20.0)
    joints[60:90] = np.nan
    told = [*play(one, np.arange(100) / 5, joints, answer(SQUAT)), *one.finish()]
    for event in told:
        message = as_message(event)
        assert json.loads(json.dumps(message, allow_nan=False))["type"] == message["type"]
        assert read_event(json.loads(json.dumps(message))) == event

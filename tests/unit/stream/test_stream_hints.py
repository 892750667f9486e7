import numpy as np
import pytest

from gymspotter.skeleton import CANONICAL
from gymspotter.stream.events import Hint
from gymspotter.stream.hints import AGAIN_S, EVERY_S
from tests.unit.stream.streams import SQUAT, answer, session

FEET = [CANONICAL.index(joint) for joint in ("l_ankle", "r_ankle")]
HEAD = [CANONICAL.index(joint) for joint in ("head", "neck")]
HANDS = [CANONICAL.index(joint) for joint in ("l_wrist", "r_wrist")]
LEFT = [k for k, joint in enumerate(CANONICAL.joints) if joint.startswith("l_")]


def hints(hidden, seconds=40, *, missing=False, person=True):
    """The hints to an athlete of whom ``hidden(t)`` are the joints that are not in view."""
    one, out = session(), []
    for k in range(seconds * 5):
        joints, scores = np.ones((1, 17, 3), np.float32), np.full((1, 17), 0.9, np.float32)
        scores[0, hidden(k / 5)] = 0.0 if missing else 0.1
        if missing:
            joints[0, hidden(k / 5)] = np.nan
        if not person:
            joints[:], scores[:] = np.nan, 0
        out += one.push([k / 5], joints, scores)
        for window in one.due():
            out += one.answer(window, answer(SQUAT) if window.hop.person else None)
    return [event for event in out if isinstance(event, Hint)]


@pytest.mark.parametrize(
    ("joints", "code"),
    [(FEET, "feet_not_visible"), (HEAD, "head_not_visible"), (HANDS, "hands_not_visible"), (LEFT, "side_not_visible")],
)
def test_what_is_out_of_view_is_told(joints, code):
    (hint,) = hints(lambda t: joints)
    assert hint.code == code
    assert 2.0 < hint.t < 4.0
    assert hint.text.endswith("not visible.")


def test_the_text_for_the_feet_says_what_to_do():
    assert hints(lambda t: FEET)[0].text == "step back: feet not visible."


def test_nothing_is_told_of_an_athlete_in_full_view_or_of_an_empty_picture():
    assert not hints(lambda t: [])
    assert not hints(lambda t: FEET, person=False)


def test_a_moment_out_of_view_is_not_told():
    assert not hints(lambda t: FEET if t % 5 < 1.5 else [])


def test_one_of_two_feet_is_enough():
    assert not hints(lambda t: FEET[:1])


def test_hints_are_seldom():
    told = hints(lambda t: FEET if int(t) % 14 < 7 else HANDS, seconds=130)
    times = [hint.t for hint in told]
    assert min(np.diff(times)) >= EVERY_S
    feet = [hint.t for hint in told if hint.code == "feet_not_visible"]
    assert len(feet) >= 2
    assert min(np.diff(feet)) >= AGAIN_S


def test_a_client_that_never_sends_the_feet_is_not_told_of_them():
    assert not hints(lambda t: FEET, missing=True)


def test_a_client_that_once_sent_the_feet_is():
    assert [hint.code for hint in hints(lambda t: FEET if t > 3 else [], missing=True)] == ["feet_not_visible"]

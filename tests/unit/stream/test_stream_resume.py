"""Exactly once over a resume: a session restored from a copy tells what the uncut one tells."""

import json
from itertools import pairwise

import numpy as np
import pytest

from gymspotter.stream.events import Label, Notice, Rep, Start, as_message
from gymspotter.stream.session import Session, StreamConfig
from tests.unit.stream.streams import CLASSES, by_content, movement, of, play, push, scores_of, session


def carried(value):
    """A snapshot as another process gets it: nothing but plain values and arrays may be in it."""
    if isinstance(value, dict):
        assert all(isinstance(key, str) for key in value)
        return {key: carried(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [carried(item) for item in value]
    if isinstance(value, np.ndarray):
        assert value.dtype.kind in "fiub"
        return np.frombuffer(value.tobytes(), value.dtype).reshape(value.shape).copy()
    assert value is None or type(value) in (bool, int, float, str), type(value)
    return json.loads(json.dumps(value))


def stream(rng):
    """A random stream: exercises, other frame rates, jitter, gaps, jumps of the clock, and somebody who leaves."""
    times, frames, t = [], [], float(rng.choice([0.0, 1.7e9]))
    for _ in range(rng.integers(2, 5)):
        joints = movement(str(rng.choice(["squat", "barbell biceps curl", "walking", "plank"])), 14.0)
        fps = float(rng.choice([3.0, 5.0, 5.0, 12.0, 30.0]))
        n = min(int(14 * fps), 150)
        picked = joints[np.minimum((np.arange(n) / fps * 5).astype(int), len(joints) - 1)].copy()
        at = t + np.arange(n) / fps
        if rng.random() < 0.5:
            at = at + rng.uniform(0, 0.4 / fps, n)
        if rng.random() < 0.3:
            picked[:, 3], picked[rng.random(n) < 0.2] = np.nan, np.nan
        if rng.random() < 0.3:
            picked[n // 2 :] = np.nan
        kept = rng.random(n) > 0.1
        times.append(at[kept])
        frames.append(picked[kept])
        t = at[-1] + float(rng.choice([0.2, 2.5, 14.0, 80.0]))
    return np.concatenate(times), np.concatenate(frames)


def bundles(rng, n):
    """Where messages begin."""
    return [0, *np.unique(rng.integers(1, n, rng.integers(1, n))).tolist(), n]


def told(events):
    return [as_message(event) for event in events if not isinstance(event, Notice)]


@pytest.mark.parametrize("seed", range(24))
def test_a_restored_session_tells_the_same_events_with_the_same_numbers(seed):
    rng = np.random.default_rng(seed)
    config = StreamConfig(classes=CLASSES, hop=float(rng.choice([0.2, 0.3, 1.0, 1.0, 4.0])))
    times, joints = stream(rng)
    uncut = Session(config)
    whole = [*play(uncut, times, joints, by_content), *uncut.finish()]
    assert of(Label, whole)

    one, cut, cuts = Session(config), [], 0
    at = bundles(rng, len(times))
    for begin, end in pairwise(at):
        cut += push(one, times[begin:end], joints[begin:end])
        if rng.random() < 0.2:
            # Later messages are lost with the server; what it told in answer to them came, or did not.
            copy = carried(one.snapshot())
            for _ in range(rng.integers(1, 3)):
                lost = slice(end, end + int(rng.integers(1, 40)))
                push(one, times[lost], joints[lost])
            one = Session.restore(config, copy)
            cuts += 1
    cut += one.finish()
    assert cuts
    assert told(cut) == told(whole)


def test_only_frames_later_than_received_are_needed():
    times, joints = np.arange(150) / 5, movement("squat", 30.0)
    uncut = session()
    whole = play(uncut, times, joints)
    one = session()
    first = play(one, times[:73], joints[:73])
    again = Session.restore(one.config, carried(one.snapshot()))
    assert again.received == times[72]
    assert again.seq == one.seq
    later = times > again.received
    assert told(first) + told(play(again, times[later], joints[later], bundle=77)) == told(whole)


def test_frames_that_are_sent_again_though_they_arrived_change_nothing():
    times, joints = np.arange(150) / 5, movement("squat", 30.0)
    whole = play(session(), times, joints)
    one = session()
    first = play(one, times[:100], joints[:100])
    second = push(one, times[40:], joints[40:])
    assert first + second == whole  # not even a notice


def test_windows_that_were_not_answered_are_due_again():
    times, joints = np.arange(100) / 5, movement("squat", 20.0)
    one, uncut = session(), session()
    whole = play(uncut, times, joints)
    first = play(one, times[:60], joints[:60])
    one.push(times[60:80], joints[60:80], scores_of(joints[60:80]))
    handed_out = one.due()
    first += one.answer(handed_out[0], by_content(handed_out[0]))
    again = Session.restore(one.config, carried(one.snapshot()))
    due = again.due()
    assert [window.t for window in due] == [window.t for window in handed_out[1:]]
    for window, before in zip(due, handed_out[1:], strict=True):
        np.testing.assert_array_equal(window.poses_TJC, before.poses_TJC)
        first += again.answer(window, by_content(window))
    assert not again.due()
    assert told(first + play(again, times[80:], joints[80:])) == told(whole)


def test_a_set_goes_on_over_a_resume_and_loses_no_repetition():
    times, joints = np.arange(300) / 5, movement("squat", 60.0)

    def squat(window):
        from tests.unit.stream.streams import SQUAT, answer

        return answer(SQUAT)

    whole = play(session(), times, joints, squat)
    one = session()
    events = play(one, times[:148], joints[:148], squat)
    one = Session.restore(one.config, carried(one.snapshot()))
    events += play(one, times[148:], joints[148:], squat)
    assert len(of(Start, events)) == 1
    assert [rep.count for rep in of(Rep, events)] == list(range(1, len(of(Rep, whole)) + 1))
    assert len(of(Rep, events)) >= 10


def test_a_copy_does_not_change_with_its_session():
    times, joints = np.arange(100) / 5, movement("squat", 20.0)
    one = session()
    play(one, times[:50], joints[:50])
    copy = one.snapshot()
    before = json.dumps(copy, default=lambda array: array.tolist())
    play(one, times[50:], joints[50:])
    assert json.dumps(copy, default=lambda array: array.tolist()) == before

from itertools import pairwise

import numpy as np
import pytest

from gymspotter.errors import InputError
from gymspotter.stream.events import End, Goodbye, Label, NoPerson, Notice, Rep, Start, Unknown
from gymspotter.stream.session import Answer
from tests.unit.stream.streams import CLASSES, CURL, SQUAT, answer, movement, of, play, push, scores_of, session

SQUATS = movement("squat", 40.0)
GRID = np.arange(200) / 5
KEPT = answer(SQUAT)


def windows_of(one, times, joints, bundle=5):
    """All windows that are due, none of them answered."""
    out = []
    for k in range(0, len(times), bundle):
        one.push(times[k : k + bundle], joints[k : k + bundle], scores_of(joints[k : k + bundle]))
        out += one.due()
    return out


def notices(events):
    return {notice.code: notice.count for notice in of(Notice, events)}


def test_frames_on_the_grid_are_the_windows_as_they_are():
    windows = windows_of(session(), GRID, SQUATS)
    assert [window.t for window in windows] == [0.8 + i for i in range(40)]
    last = windows[-1]
    np.testing.assert_array_equal(last.poses_TJC, SQUATS[140:])
    assert last.since == 28.0
    np.testing.assert_array_equal(windows[20].poses_TJC, SQUATS[45:105])


def test_a_short_history_is_played_to_and_fro():
    first = windows_of(session(), GRID[:5], SQUATS)[0]
    assert first.poses_TJC.shape == (60, 17, 3)
    np.testing.assert_array_equal(first.poses_TJC[:9], SQUATS[[0, 1, 2, 3, 4, 3, 2, 1, 0]])
    assert (first.since, first.t) == (0.0, 0.8)


def test_a_window_is_due_as_soon_as_a_frame_at_its_time_is_there():
    one = session()
    for k, t in enumerate(GRID[:20]):
        one.push([t], SQUATS[k : k + 1], np.ones((1, 17)))
        assert len(one.due()) == (k in (4, 9, 14, 19))
        assert one.received == t
    assert not one.due()  # each once


@pytest.mark.parametrize("hop", [0.2, 0.5, 5.0])
def test_labels_come_every_hop(hop):
    labels = of(Label, play(session(hop=hop), GRID, SQUATS, KEPT))
    np.testing.assert_allclose(np.diff([label.t for label in labels]), hop, atol=1e-6)
    assert len(labels) == int(39.0 / hop + 1e-6) + 1


@pytest.mark.parametrize("fps", [3.0, 7.3, 15.0, 30.0, 120.0])
def test_another_frame_rate_shows_the_same_movement(fps):
    times = np.arange(int(39 * fps)) / fps
    picked = np.stack([[np.interp(times, GRID, SQUATS[:, j, c]) for c in range(3)] for j in range(17)])
    windows = windows_of(session(), times, picked.transpose(2, 0, 1).astype(np.float32))
    ours = windows[-1]
    first = round(ours.since * 5)
    error = np.abs(ours.poses_TJC - SQUATS[first : first + 60]).mean()
    assert error < (0.03 if fps < 5 else 0.015)
    assert not np.isnan(ours.poses_TJC).any()


def test_jitter_is_resampled():
    rng = np.random.default_rng(0)
    times = GRID + rng.uniform(-0.08, 0.08, len(GRID))
    frames = np.broadcast_to((times * 0.1)[:, None, None], (200, 17, 3)).astype(np.float32)  # all joints move evenly
    window = windows_of(session(), times, frames)[-1]
    on_grid = times[0] + np.arange(200) / 5
    at = round((window.since - times[0]) * 5)
    np.testing.assert_allclose(window.poses_TJC[:, 0, 0], on_grid[at : at + 60] * 0.1, atol=2e-3)


def test_a_short_gap_is_bridged_and_a_long_one_is_not():
    short, long = np.ones(200, bool), np.ones(200, bool)
    short[150:154] = False
    long[150:160] = False
    window = windows_of(session(), GRID[short], SQUATS[short])[-1]
    middle = window.poses_TJC[150 - 140 + 1]
    np.testing.assert_allclose(middle, SQUATS[149] + 0.4 * (SQUATS[154] - SQUATS[149]), atol=1e-5)
    window = windows_of(session(), GRID[long], SQUATS[long])[-1]
    assert np.isnan(window.poses_TJC[10:20]).all()
    assert np.isfinite(window.poses_TJC[20:]).all()


def test_a_gap_is_told_and_its_labels_are_not_made_up_for():
    kept = (GRID < 10) | (GRID >= 30)
    events = play(session(), GRID[kept], SQUATS[kept], KEPT)
    assert notices(events) == {"gap": 1}
    times = [label.t for label in of(Label, events)]
    assert [t for t in times if 9.9 < t < 31] == [29.8, 30.8]  # on the same lattice, and only one of those within


def test_frames_out_of_order_are_sorted_in():
    order = np.arange(200)
    order[52:54] = [53, 52]
    order[86:89] = [88, 86, 87]
    one, straight = session(), session()
    events = play(one, GRID[order], SQUATS[order], KEPT, bundle=1)
    assert events == play(straight, GRID, SQUATS, KEPT, bundle=1)


def test_a_frame_whose_place_is_taken_is_left_out_and_told_once_a_bundle():
    one = session()
    play(one, GRID[:97], SQUATS[:97], KEPT)
    events = push(one, np.array([*GRID[97:99], 18.7, 18.75, 19.5]), SQUATS[97:102], KEPT)
    assert notices(events) == {"late": 2}  # the hop at 18.8 needed those at 18.7 and 18.75; 19.5 is new


def test_of_two_frames_of_one_time_the_first_wins():
    times = np.repeat(GRID, 2)
    joints = np.repeat(SQUATS, 2, axis=0)
    joints[1::2] += 1
    events = play(session(), times, joints, KEPT)
    assert events == play(session(), GRID, SQUATS, KEPT)
    np.testing.assert_array_equal(windows_of(session(), times, joints)[-1].poses_TJC, SQUATS[140:])


@pytest.mark.parametrize("stray", [500.0, 9.05, -1e9])
def test_a_single_stray_frame_changes_nothing_but_a_notice(stray):
    times = np.insert(GRID, 100, stray)
    joints = np.insert(SQUATS, 100, 0.0, axis=0)
    events = play(session(), times, joints, KEPT)
    assert notices(events) == {"late": 1}
    rest = [event for event in events if not isinstance(event, Notice)]
    assert rest == play(session(), GRID, SQUATS, KEPT)


@pytest.mark.parametrize("jump", [100.0, -25.0, -1e6, 1e9])
def test_a_jump_of_the_clock_begins_anew_and_ends_the_set(jump):
    times = GRID + np.where(GRID >= 20, jump, 0.0)
    events = play(session(), times, SQUATS, KEPT)
    assert notices(events) == {"clock": 1}
    ends, starts = of(End, events), of(Start, events)
    assert [end.set for end in ends] == [1]
    assert 18 < ends[0].until < 20
    assert [start.set for start in starts] == [1, 2]
    assert starts[1].since >= 20 + jump
    labels = of(Label, events)
    assert labels[-1].since == pytest.approx(28 + jump, abs=1e-3)
    after = next(label for label in labels if label.seq > ends[0].seq)
    assert after.since == pytest.approx(20 + jump, abs=1e-3)  # nothing of the old clock is in the window
    assert [event.seq for event in events if hasattr(event, "seq")] == list(range(1, labels[-1].seq + 1))


def test_a_person_who_leaves_is_told_and_ends_the_set():
    joints = SQUATS.copy()
    joints[100:] = np.nan
    one = session()
    events = play(one, GRID, joints, KEPT)
    (left,) = of(NoPerson, events)
    assert left.since == pytest.approx(19.8)
    assert left.t < 22.5
    (end,) = of(End, events)
    assert end.until == pytest.approx(19.8)
    assert end.t < 24
    assert of(Label, events)[-1].state == "no_person"
    assert of(Label, events)[-1].exercise is None
    assert [type(event) for event in one.finish()] == [Goodbye]


def test_a_person_who_is_back_soon_goes_on_with_the_set():
    joints = SQUATS.copy()
    joints[100:110] = np.nan
    events = play(session(), GRID, joints, KEPT)
    assert len(of(Start, events)) == 1
    assert not of(End, events)


def test_an_empty_picture_is_told_from_the_beginning():
    joints = np.full((50, 17, 3), np.nan, np.float32)
    events = play(session(), GRID[:50], joints, KEPT)
    assert len(of(NoPerson, events)) == 1
    assert {label.state for label in of(Label, events)} == {"no_person"}


def test_a_set_has_a_start_counted_repetitions_and_an_end():
    one = session()
    events = [*play(one, GRID, SQUATS, KEPT), *one.finish()]
    (start,) = of(Start, events)
    reps, (end,), goodbye = of(Rep, events), of(End, events), events[-1]
    assert start.exercise == end.exercise == "squat"
    assert 0 <= start.since < 5
    assert [rep.count for rep in reps] == list(range(1, len(reps) + 1))
    assert end.repetitions == len(reps) >= 6
    assert all(a.until <= b.since + 0.5 for a, b in pairwise(reps))
    assert (goodbye.sets[0].repetitions, goodbye.seconds) == (len(reps), pytest.approx(39.8))
    assert [event.seq for event in events[:-1]] == list(range(1, one.seq + 1))


def test_another_exercise_takes_over():
    joints = np.concatenate([SQUATS, movement("barbell biceps curl", 40.0)])
    events = play(
        session(), np.arange(400) / 5, joints, lambda window: answer(SQUAT if window.t < 48 else CURL)
    )  # fmt: skip
    first, second = of(Start, events)
    (end,) = of(End, events)
    assert (first.exercise, second.exercise) == ("squat", "barbell biceps curl")
    assert end.seq == second.seq - 1
    assert 36 < second.since < 45
    assert end.until <= second.since
    assert {rep.exercise for rep in of(Rep, events) if rep.set == 2} == {"barbell biceps curl"}
    assert len([rep for rep in of(Rep, events) if rep.set == 2]) >= 5


@pytest.mark.parametrize("hop", [0.2, 1.0])
def test_a_moment_of_another_label_changes_no_set(hop):
    def model(window):
        return answer(CURL if 20 < window.t < 21.5 else None if 30 < window.t < 31.5 else SQUAT)

    events = play(session(hop=hop), GRID, SQUATS, model)
    assert len(of(Start, events)) == 1
    assert not of(End, events)


def test_every_hop_gives_the_same_sets():
    joints = np.concatenate([SQUATS, movement("walking", 30.0)])
    times = np.arange(len(joints)) / 5
    found = []
    for hop in (0.2, 0.5, 1.0, 2.0):
        one = session(hop=hop)
        play(one, times, joints, lambda window: answer(SQUAT if window.t < 45 else None))
        found.append(one.finish()[-1].sets)
    assert [len(sets) for sets in found] == [1, 1, 1, 1]
    for name in ("since", "until"):
        assert np.ptp([getattr(sets[0], name) for sets in found]) <= 3
    assert np.ptp([sets[0].repetitions for sets in found]) <= 1


def test_unknown_movement_is_told_when_it_lasts_and_ends_the_set():
    events = play(session(), GRID, SQUATS, lambda window: answer(SQUAT if window.t < 20 else None))
    (unknown,) = of(Unknown, events)
    assert 21 < unknown.t < 25
    assert len(of(End, events)) == 1
    last = of(Label, events)[-1]
    assert (last.state, last.exercise, last.set) == ("unknown", None, None)
    assert last.unknown > 0.9
    assert len(last.top) == 3


def test_a_held_exercise_has_no_repetitions():
    one = session()
    plank = answer(CLASSES.index("plank"))
    events = [*play(one, GRID, movement("plank", 40.0), plank), *one.finish()]
    assert not of(Rep, events)
    assert of(End, events)[0].repetitions == 0


def test_probabilities_are_smoothed_and_ordered():
    labels = of(Label, play(session(top=5), GRID, SQUATS, lambda w: answer(SQUAT if int(w.t) % 2 else CURL)))
    assert all(0.3 < label.probability < 0.8 for label in labels[3:])
    for label in labels:
        values = [guess.probability for guess in label.top]
        assert values == sorted(values, reverse=True)
        assert len(values) == 5
        assert sum(values) + label.unknown < 1.001


def test_without_an_answer_the_session_waits_and_counts_on():
    events = play(session(), GRID, SQUATS, lambda window: None if 15 < window.t < 25 else KEPT)
    assert {label.state for label in of(Label, events) if 15 < label.t < 25} == {"waiting"}
    assert len(of(Start, events)) == 1
    assert not of(End, events)
    whole = play(session(), GRID, SQUATS, KEPT)
    assert [rep.until for rep in of(Rep, events)] == [rep.until for rep in of(Rep, whole)]


def test_windows_are_answered_in_order_and_once():
    one = session()
    one.push(GRID[:20], SQUATS[:20], np.ones((20, 17)))
    first, second, *_ = one.due()
    assert one.answer(second, KEPT)
    assert one.answer(first, KEPT) == []  # passed over
    assert one.answer(second, KEPT) == []


def test_an_answer_of_another_model_is_refused():
    one = session()
    one.push(GRID[:20], SQUATS[:20], np.ones((20, 17)))
    with pytest.raises(InputError, match=r"21 probabilities: the session has 22 classes"):
        one.answer(one.due()[0], Answer(probabilities_K=np.full(21, 1 / 21), unknown=0.0, version="1"))


def test_how_frames_are_bundled_changes_nothing():
    rng = np.random.default_rng(3)
    times = np.sort(rng.uniform(0, 40, 260))
    joints = SQUATS[np.minimum((times * 5).astype(int), 199)]
    expected = [event for event in play(session(), times, joints, KEPT, bundle=1) if not isinstance(event, Notice)]
    for bundle in (2, 7, 260):
        events = play(session(), times, joints, KEPT, bundle=bundle)
        assert [event for event in events if not isinstance(event, Notice)] == expected


@pytest.mark.parametrize("seed", range(6))
def test_no_frames_make_it_raise_or_grow(seed):
    rng = np.random.default_rng(seed)
    one = session(hop=float(rng.choice([0.2, 1.0, 5.0])))
    t, largest = 0.0, 0
    for _ in range(150):
        n = int(rng.integers(1, 200))
        scale = float(rng.choice([1e-9, 1e-3, 0.03, 0.2, 5.0, 59.0, 1e5]))
        times = t + np.cumsum(rng.uniform(-0.3, 1, n)) * scale
        times[rng.random(n) < 0.05] = rng.choice([np.nan, np.inf, -np.inf, 1e300, -5.0, 1e9])
        joints = rng.normal(size=(n, 17, 3)) * rng.choice([1.0, 1e30])
        joints[rng.random(joints.shape) < rng.choice([0.0, 0.3])] = rng.choice([np.nan, np.inf])
        joints[rng.random(n) < 0.2] = np.nan
        for event in push(one, times, joints.astype(np.float32)):
            if isinstance(event, Label):
                assert np.isfinite([event.t, event.since, event.probability, event.unknown]).all()
        t = float(np.nan_to_num(times[-1], posinf=0.0, neginf=0.0))
        largest = max(largest, size(one.snapshot()))
    assert isinstance(one.finish()[-1], Goodbye)
    assert largest < 400_000


def size(value):
    """Bytes of the arrays in a snapshot, and 50 for each other value."""
    if isinstance(value, dict):
        return sum(size(item) for item in value.values())
    if isinstance(value, list):
        return sum(size(item) for item in value)
    return value.nbytes if isinstance(value, np.ndarray) else 50


def test_a_session_that_was_sent_nothing_says_goodbye():
    assert session().finish() == [Goodbye(sets=(), seconds=0.0)]
    assert session().received is None

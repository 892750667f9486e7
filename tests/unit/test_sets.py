from dataclasses import replace

import numpy as np
import pytest

from gymspotter.classify import Guess, LabelledSegment
from gymspotter.sets import find_sets
from gymspotter.synth.generate import Item, SynthOptions, make_track, stage
from gymspotter.tracks import Track


def segment(start, exercise, probability=0.9, unknown=0.1, other="deadlift"):
    rest = 1 - probability
    guesses = (Guess(exercise=exercise, probability=probability), Guess(exercise=other, probability=rest))
    return LabelledSegment(start=start, end=start + 12.0, guesses=guesses, unknown=unknown)


def track(frames=300, t0=0.0, span=0):
    """A hip that goes up and down every 2 s; the rest hangs on it."""
    t = t0 + np.arange(frames) / 5
    joints = np.zeros((frames, 17, 3), np.float32)
    joints[..., 1] += np.arange(17) / 17 * (1 + 0.3 * np.cos(np.pi * t))[:, None]
    return Track(
        video_id="v", span=span, uri="v.mp4", label=None, group="v", fps=5.0, t0=t0, joints=joints,
        scores=np.ones((frames, 17), np.float32), image_xy=np.zeros((frames, 17, 2), np.float32),
        layout="h36m17", estimator="none", estimator_version="1",
    )  # fmt: skip


def shown(sets):
    return [(one.exercise, one.start, one.end) for one in sets]


def test_segments_of_one_exercise_are_one_set():
    (one,) = find_sets([segment(start, "squat", p) for start, p in ((0, 0.9), (6, 0.7), (12, 0.8))], [track(120)])
    assert (one.exercise, one.start, one.end) == ("squat", 0, 24)
    assert one.probability == pytest.approx((0.9 * 6 + 0.8 * 6 + 0.75 * 6 + 0.8 * 6) / 24)


def test_two_exercises_are_two_sets_and_overlapping_segments_vote_where_one_ends():
    segments = [segment(0, "squat", 0.9), segment(6, "squat", 0.55, other="push-up"), segment(12, "push-up", 0.95)]
    assert shown(find_sets(segments, [track(120)])) == [("squat", 0, 12), ("push-up", 12, 24)]


def test_one_doubtful_segment_does_not_part_a_set():
    segments = [segment(0, "squat"), segment(6, "push-up", 0.55, other="squat"), segment(12, "squat")]
    assert shown(find_sets(segments, [track(120)])) == [("squat", 0, 24)]


def test_what_shows_none_of_the_exercises_makes_no_set():
    segments = [
        segment(0, "squat"),
        segment(12, "squat", unknown=0.9),
        segment(24, "squat"),
        segment(36, "squat", unknown=0.51),
    ]
    assert shown(find_sets(segments, [track(240)])) == [("squat", 0, 12), ("squat", 24, 36)]
    assert find_sets(segments[1:2], [track(120)]) == []


def test_where_nothing_is_seen_for_a_while_a_set_ends():
    assert shown(find_sets([segment(0, "squat"), segment(30, "squat")], [track()])) == [
        ("squat", 0, 12),
        ("squat", 30, 42),
    ]


def test_a_video_without_segments_has_no_sets():
    assert find_sets([], [track()]) == []


def test_an_exercise_that_is_held_has_no_repetitions():
    (one,) = find_sets([segment(0, "plank")], [track(60)])
    assert one.repetitions is None


def test_the_repetitions_of_each_set_are_counted_where_it_is():
    """Two exercises of the synthetic gym, one after the other, in two spans."""
    options = SynthOptions(kind="skeletons", seconds=24)
    items = [Item(exercise=exercise, number=0, seed=0) for exercise in ("squat", "push-up")]
    tracks = [
        replace(make_track(item, options), video_id="v", span=span, t0=24.0 * span) for span, item in enumerate(items)
    ]
    segments = [segment(6.0 * k, items[k >= 4].exercise) for k in (0, 1, 2, 4, 5, 6)]
    sets = find_sets(segments, tracks)
    assert shown(sets) == [("squat", 0, 24), ("push-up", 24, 48)]
    for one, item in zip(sets, items, strict=True):
        whole = sum(b <= 24 for _, b in stage(item, options)[0].repetitions)
        assert whole > 2
        assert abs(len(one.repetitions) - whole) <= 1
        assert all(one.start <= each.start < each.end <= one.end for each in one.repetitions)

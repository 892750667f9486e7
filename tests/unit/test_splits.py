from dataclasses import replace

import numpy as np
import pytest

from gymspotter.errors import InputError
from gymspotter.splits import folds, leak, refuse_leak, split, train_on_more
from gymspotter.windows import Segments


def some_segments(groups_per_label, segments_per_group=3):
    """One video a group; its segments are 12 s long and begin 6 s apart."""
    labels, groups, starts = [], [], []
    for label, count in groups_per_label.items():
        for g in range(count):
            labels += [label] * segments_per_group
            groups += [f"{label}-{g}"] * segments_per_group
            starts += [6.0 * k for k in range(segments_per_group)]
    return Segments(
        poses=np.zeros((len(labels), 60, 17, 3), np.float32),
        labels=np.array(labels),
        groups=np.array(groups),
        video_ids=np.array(groups),
        starts=np.array(starts),
        ends=np.array(starts) + 12.0,
    )


def groups_of(*sides):
    return [set(side.groups.tolist()) for side in sides]


GYM = {"squat": 10, "plank": 20, "push-up": 4, "deadlift": 2, "pull up": 1}


@pytest.mark.parametrize("seed", range(5))
def test_a_split_keeps_groups_whole_and_divides_every_exercise(seed):
    segments = some_segments(GYM)
    sides = split(segments, seed=seed)
    assert len(sides.train) + len(sides.test) == len(segments)
    train, test = groups_of(sides.train, sides.test)
    assert not train & test
    counts = {label: sum(group.startswith(label) for group in test) for label in GYM}
    assert counts == {"squat": 3, "plank": 6, "push-up": 1, "deadlift": 1, "pull up": 0}


def test_a_group_with_several_exercises_stays_whole():
    segments = some_segments({"squat": 10, "plank": 10})
    people = replace(segments, groups=np.array([name.split("-")[1] for name in segments.groups]))
    train, test = groups_of(split(people, seed=1).train, split(people, seed=1).test)
    assert not train & test
    assert len(test) == 3


def test_a_validation_side_is_apart_from_both_others():
    sides = split(some_segments({"squat": 10, "plank": 10}), validation_share=0.3, seed=2)
    train, validation, test = groups_of(sides.train, sides.validation, sides.test)
    assert not train & validation
    assert not validation & test
    assert not train & test
    assert len(validation) == 4


def test_the_test_side_does_not_depend_on_the_validation_share():
    segments = some_segments(GYM)
    assert groups_of(split(segments, seed=3).test) == groups_of(split(segments, validation_share=0.2, seed=3).test)


def test_the_seed_decides_the_split():
    segments = some_segments({"squat": 10, "plank": 10})
    prints = [split(segments, seed=seed).fingerprint for seed in (0, 0, 1, 2, 3)]
    assert prints[0] == prints[1]
    assert len(set(prints)) > 2


def test_every_group_is_tested_in_one_fold_but_an_exercise_of_a_single_group():
    segments = some_segments(GYM)
    all_sides = folds(segments, 3, seed=1)
    tested = [group for sides in all_sides for group in groups_of(sides.test)[0]]
    assert len(tested) == len(set(tested))
    assert set(segments.groups) - set(tested) == {"pull up-0"}
    for sides in all_sides:
        train, test = groups_of(sides.train, sides.test)
        assert not train & test
        assert train | test == set(segments.groups)
        squats = sum(group.startswith("squat") for group in test)
        assert 3 <= squats <= 4


def test_folds_of_too_few_groups_are_refused():
    with pytest.raises(InputError, match="folds is 1: use at least 2"):
        folds(some_segments(GYM), 1)
    with pytest.raises(InputError, match="folds is 9, and 5 of them would be empty"):
        folds(some_segments({"squat": 4}), 9)


def test_the_papers_protocol_divides_at_random_and_leaks():
    segments = some_segments({"squat": 20, "plank": 20}, segments_per_group=8)
    sides = split(segments, "paper", seed=4)
    assert len(sides.test) == round(0.3 * len(segments))
    # With 70% of both neighbours to train on, 1 - 0.3 * 0.3 of the segments within a video overlap with one.
    assert leak(sides.train, sides.test) == pytest.approx(0.9, abs=0.08)
    by_group = split(segments, "group", seed=4)
    assert leak(by_group.train, by_group.test) == 0


def test_segments_that_only_meet_do_not_overlap():
    segments = some_segments({"squat": 1})
    first, second, third = (segments[np.array([k])] for k in range(3))
    assert leak(first, third) == 0
    assert leak(first, second) == 1


def test_a_leak_is_refused_by_its_kind():
    segments = some_segments({"squat": 2})
    with pytest.raises(InputError, match="video 'squat-0' from 6 to 18 s is on the test side, and the training side"):
        refuse_leak(segments[np.array([0, 3])], segments[np.array([1])])
    with pytest.raises(InputError, match="video 'squat-0' is on the training and on the validation side"):
        refuse_leak(segments[np.array([0])], segments[np.array([2])], "validation")
    same_group = replace(segments, video_ids=np.array([f"v{k}" for k in range(6)]))
    with pytest.raises(InputError, match="group 'squat-1' is on the training and on the test side"):
        refuse_leak(same_group[np.array([3])], same_group[np.array([4])])


def test_a_split_with_a_leak_cannot_be_made():
    sides = split(some_segments({"squat": 4}))
    with pytest.raises(InputError, match="is on the test side"):
        replace(sides, train=sides.test)


def test_more_to_train_on_must_not_be_on_another_side():
    segments = some_segments({"squat": 4})
    others = some_segments({"plank": 2})
    for protocol in ("group", "paper"):
        sides = split(segments, protocol)
        assert len(train_on_more(sides, others).train) == len(sides.train) + len(others)
        with pytest.raises(InputError, match="side"):
            train_on_more(sides, sides.test)


def test_nothing_to_test_on_is_refused():
    for share in (0.3, 0.6):
        with pytest.raises(InputError, match="add a second video"):
            split(some_segments({"squat": 1, "plank": 1}), test_share=share)
    with pytest.raises(InputError, match="no segments to split"):
        split(some_segments({"squat": 1})[np.zeros(3, bool)])


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(InputError, match="test-share is"):
        split(some_segments(GYM), test_share=share)


def test_an_unknown_protocol_is_refused():
    with pytest.raises(InputError, match="protocol is 'random': use one of group, paper"):
        split(some_segments(GYM), "random")

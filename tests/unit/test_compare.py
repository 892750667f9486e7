import numpy as np
import pytest
from sklearn.metrics import f1_score

from gymspotter.compare import compare, macro_f1, mcnemar
from gymspotter.errors import InputError

CLASSES = ("squat", "plank", "deadlift", "pull up")


def answers_of(truth, accuracy, seed):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(len(truth)) < accuracy, truth, rng.integers(0, 3, len(truth)))


@pytest.fixture(scope="module")
def truth():
    return np.random.default_rng(0).integers(0, 3, 300)


def compared(truth, champion, challenger, per_group=1, **more):
    groups = np.array([f"g{k // per_group}" for k in range(len(truth))])
    return compare(truth, champion, challenger, groups=groups, classes=CLASSES, **more)


def test_the_same_answers_are_no_gain(truth):
    answers = answers_of(truth, 0.8, 1)
    found = compared(truth, answers, answers)
    assert (found.gain.value, found.gain.low, found.gain.high) == (0, 0, 0)
    assert (found.only_champion, found.only_challenger, found.p_value) == (0, 0, 1.0)


def test_a_clear_gain_is_told_from_chance_either_way(truth):
    worse, better = answers_of(truth, 0.6, 1), answers_of(truth, 0.9, 2)
    found = compared(truth, worse, better)
    assert 0 < found.gain.low < found.gain.value < found.gain.high
    assert found.gain.value == pytest.approx(found.challenger.f1 - found.champion.f1)
    assert found.p_value < 0.001
    back = compared(truth, better, worse)
    assert back.gain.high < 0
    assert (back.only_champion, back.only_challenger) == (found.only_challenger, found.only_champion)


def test_segments_of_few_groups_are_less_evidence(truth):
    worse, better = answers_of(truth, 0.7, 1), answers_of(truth, 0.8, 2)
    alone = compared(truth, worse, better).gain
    # The same 300 answers as 30 different ones, each ten times over.
    again = [np.repeat(answers[:30], 10) for answers in (truth, worse, better)]
    together = compared(*again, per_group=10).gain
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_an_interval_holds_the_true_gain_about_as_often_as_it_says():
    rng = np.random.default_rng(3)
    held = 0
    for seed in range(60):
        truth = rng.integers(0, 3, 200)
        # Equally good: the true gain is 0.
        found = compared(truth, answers_of(truth, 0.7, 2 * seed), answers_of(truth, 0.7, 2 * seed + 1), resamples=300)
        held += found.gain.low <= 0 <= found.gain.high
    assert held >= 52


def test_macro_f1_of_counts_is_that_of_scikit_learn(truth):
    answers = answers_of(truth, 0.7, 4)
    counts = np.concatenate(
        [
            [((truth == k) & (answers == k)).sum() for k in range(4)],
            np.bincount(truth, minlength=4),
            np.bincount(answers, minlength=4),
        ]
    )
    expected = f1_score(truth, answers, labels=[0, 1, 2], average="macro")
    assert macro_f1(counts[None], 4)[0] == pytest.approx(expected)


def test_mcnemars_p_value_by_hand():
    # 9 against 1: two tails of (1 + 10) / 2^10 each.
    assert mcnemar(9, 1) == pytest.approx(2 * 11 / 1024)
    assert mcnemar(5, 5) == pytest.approx(1)


def test_classes_that_do_not_occur_are_left_out(truth):
    found = compared(truth, truth, answers_of(truth, 0.9, 5))
    assert [row.name for row in found.classes] == list(CLASSES[:3])
    assert sum(row.support for row in found.classes) == found.segments == 300
    assert all(row.change < 0 for row in found.classes)


def test_nothing_to_compare_on_is_refused(truth):
    with pytest.raises(InputError, match="no test segments"):
        compared(truth[:0], truth[:0], truth[:0])
    with pytest.raises(InputError, match="let both answer the same"):
        compared(truth, truth, truth[1:])

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from gymspotter.calibration import softmax
from gymspotter.unknown import THRESHOLD, detection, knownness, passing, unknown

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 3, (50, 22)).astype(np.float32)


def test_unknown_is_the_probability_of_a_further_class_whose_logit_is_zero() -> None:
    further = softmax(np.concatenate([LOGITS, np.zeros((50, 1), np.float32)], axis=1))
    np.testing.assert_allclose(unknown(LOGITS), further[:, -1], rtol=1e-5)


def test_a_number_added_to_all_logits_moves_unknown_and_no_probability() -> None:
    np.testing.assert_allclose(softmax(LOGITS - 5), softmax(LOGITS), atol=1e-6)
    assert (unknown(LOGITS - 5) > unknown(LOGITS)).all()
    np.testing.assert_allclose(knownness(LOGITS - 5), knownness(LOGITS) - 5, atol=1e-5)


def test_logits_of_any_size_have_a_score() -> None:
    extreme = np.array([[1e4, -1e4], [-1e4, -2e4], [0, 0]], np.float32)
    np.testing.assert_allclose(unknown(extreme), [0, 1, 1 / 3])


def test_the_threshold_lets_at_least_its_share_of_the_known_pass() -> None:
    for n in (1, 7, 20, 100, 333):
        known = RNG.normal(size=n)
        passed = (known >= passing(known)).mean()
        assert 0.95 <= passed <= 0.95 + 1 / n + 1e-9


def test_the_threshold_of_knownness_and_of_unknown_is_the_same_one() -> None:
    np.testing.assert_array_equal(unknown(LOGITS) <= THRESHOLD, knownness(LOGITS) >= 0)


def test_detection_by_hand() -> None:
    # Of 3 x 4 pairs the known one is higher in 9 and ties in 1; the threshold is the lowest known score.
    found = detection(np.array([3.0, 2.0, 1.0]), np.array([2.0, 0.0, 0.5, -1.0]))
    assert found.auroc == pytest.approx(10.5 / 12)
    assert found.false_positives == 0.25


def test_detection_agrees_with_scikit_learn_and_knows_its_extremes() -> None:
    known, other = RNG.normal(1, 1, 400).round(1), RNG.normal(0, 1, 300).round(1)
    truth = np.repeat([1, 0], [400, 300])
    assert detection(known, other).auroc == pytest.approx(roc_auc_score(truth, np.concatenate([known, other])))
    apart, swapped = detection(known + 100, other), detection(known - 100, other)
    assert (apart.auroc, apart.false_positives) == (1, 0)
    assert (swapped.auroc, swapped.false_positives) == (0, 1)

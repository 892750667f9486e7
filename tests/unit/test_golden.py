"""Golden answers: the same segments everywhere, and a model that answers otherwise is told."""

import numpy as np
import pytest

from gymspotter.golden import GOLDEN_SEGMENTS, TOLERANCE, golden_answers, golden_gap, golden_poses

GOLDEN_SUM = -165.8398
GOLDEN_JOINT = [-0.171627, 0.408954, 0.160661]


def answers(poses):
    """Some function of all that was seen."""
    flat = np.nan_to_num(poses).reshape(len(poses), -1)
    return np.stack([flat.mean(axis=1), flat.std(axis=1)], axis=1)


def test_the_segments_are_the_same_at_every_call_and_have_gaps():
    poses = golden_poses(60)
    assert poses.shape == (GOLDEN_SEGMENTS, 60, 17, 3)
    assert poses.dtype == np.float32
    np.testing.assert_array_equal(poses, golden_poses(60))
    assert np.isfinite(poses[0]).all()
    nobody = np.isnan(poses).all(axis=(2, 3)).sum(axis=1)
    assert nobody.tolist()[:2] == [0, 0]
    assert nobody[2] > 0
    assert np.isnan(poses[1, :, 13]).all()
    assert np.nanmax(np.abs(poses)) < 2


def test_the_segments_are_those_of_the_formula():
    """Recorded once; registered models hold answers to exactly these."""
    poses = golden_poses(60)
    recorded = {"sum": float(np.nansum(poses.astype(np.float64))), "one": poses[0, 7, 2].tolist()}
    assert recorded["sum"] == pytest.approx(GOLDEN_SUM, abs=1e-2)
    assert recorded["one"] == pytest.approx(GOLDEN_JOINT, abs=1e-5)


def test_the_same_classifier_has_no_gap():
    expected = golden_answers(answers, 60)
    assert len(expected) == GOLDEN_SEGMENTS
    assert golden_gap(expected, answers, 60) < 1e-6


def test_another_classifier_has_a_gap():
    expected = golden_answers(answers, 60)
    assert golden_gap(expected, lambda poses: answers(poses) + 0.01, 60) == pytest.approx(0.01, abs=1e-5)
    assert golden_gap(expected, lambda poses: answers(poses) + 0.01, 60) > TOLERANCE


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_answers_that_are_no_numbers_are_infinitely_far(wrong):
    expected = golden_answers(answers, 60)
    assert golden_gap(expected, lambda poses: answers(poses) * wrong, 60) == np.inf


@pytest.mark.parametrize("expected", [[], [[1.0, 2.0]], [["a", "b"]] * GOLDEN_SEGMENTS, [[1.0], [1.0, 2.0]]])
def test_golden_answers_of_another_shape_are_infinitely_far(expected):
    assert golden_gap(expected, answers, 60) == np.inf

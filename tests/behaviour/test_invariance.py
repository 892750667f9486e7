"""What must not change a model's answer: the athlete's place and size, a joint that is lost for a while."""

import numpy as np
import pytest

from gymspotter.fit import fit, predict
from gymspotter.labels import EXERCISES
from gymspotter.loop import FitConfig
from gymspotter.synth.generate import Item, SynthOptions, make_track
from gymspotter.windows import cut_segments

CHOSEN = ("squat", "plank", "lateral raise", "pull up", "bench press")


def segments_of(numbers):
    options = SynthOptions(kind="skeletons", seed=9)
    tracks = [make_track(Item(exercise=e, number=k, seed=9), options) for e in CHOSEN for k in numbers]
    return cut_segments(tracks)[0]


@pytest.fixture(scope="module")
def classifier():
    return fit(segments_of(range(40)), FitConfig(epochs=25)).classifier


@pytest.fixture(scope="module")
def unseen():
    return segments_of(range(40, 50))


def answers(classifier, poses):
    return predict(classifier, poses.astype(np.float32)).argmax(axis=1)


def test_it_names_what_it_has_not_seen(classifier, unseen):
    truth = [EXERCISES[k] for k in answers(classifier, unseen.poses)]
    assert np.mean(np.array(truth) == unseen.labels) > 0.9


@pytest.mark.parametrize("scale", [0.7, 1.4])
def test_size_does_not_matter(classifier, unseen, scale):
    np.testing.assert_array_equal(answers(classifier, scale * unseen.poses), answers(classifier, unseen.poses))


def test_place_does_not_matter(classifier, unseen):
    moved = unseen.poses + np.array([0.5, -1.0, 3.0], np.float32)
    np.testing.assert_array_equal(answers(classifier, moved), answers(classifier, unseen.poses))


def test_a_few_lost_frames_hardly_matter(classifier, unseen):
    holed = unseen.poses.copy()
    holed[:, 10:13] = np.nan
    holed[:, 40:42, 5] = np.nan
    assert np.mean(answers(classifier, holed) == answers(classifier, unseen.poses)) >= 0.95


def test_a_small_shift_in_time_hardly_matters(classifier, unseen):
    shifted = np.roll(unseen.poses, 2, axis=1)
    assert np.mean(answers(classifier, shifted) == answers(classifier, unseen.poses)) >= 0.95

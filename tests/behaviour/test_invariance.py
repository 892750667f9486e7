"""What must not change an answer: place, size, side, camera and moment; and what must: lying down."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gymspotter.augment import mirror
from gymspotter.fit import fit, predict
from gymspotter.labels import EXERCISES
from gymspotter.recipes import recipe
from gymspotter.skeleton import CANONICAL
from gymspotter.synth.generate import Item, SynthOptions, make_track
from gymspotter.transform import turn_upright
from gymspotter.windows import cut_segments

CHOSEN = ("squat", "plank", "lateral raise", "pull up", "bench press", "push-up")


def segments_of(numbers):
    options = SynthOptions(kind="skeletons", seed=9)
    tracks = [make_track(Item(exercise=e, number=k, seed=9), options) for e in CHOSEN for k in numbers]
    return cut_segments(tracks)[0]


@pytest.fixture(scope="module")
def classifier():
    return fit(segments_of(range(30)), replace(recipe("spotter"), epochs=25, batch_size=16)).classifier


@pytest.fixture(scope="module")
def unseen():
    return segments_of(range(40, 50))


def answers(classifier, poses):
    return predict(classifier, np.asarray(poses, np.float32)).argmax(axis=1)


def turned(poses, degrees):
    angle = torch.full((len(poses),), np.radians(degrees))
    return turn_upright(torch.from_numpy(poses), angle.cos().float(), angle.sin().float()).numpy()


def test_it_names_what_it_has_not_seen(classifier, unseen):
    named = np.array([EXERCISES[k] for k in answers(classifier, unseen.poses)])
    assert np.mean(named == unseen.labels) > 0.9


@pytest.mark.parametrize("scale", [0.7, 1.4])
def test_size_does_not_matter(classifier, unseen, scale):
    np.testing.assert_array_equal(answers(classifier, scale * unseen.poses), answers(classifier, unseen.poses))


def test_place_does_not_matter(classifier, unseen):
    moved = unseen.poses + np.array([0.5, -1.0, 3.0], np.float32)
    np.testing.assert_array_equal(answers(classifier, moved), answers(classifier, unseen.poses))


@pytest.mark.parametrize("degrees", [-90, -20, 45, 180])
def test_where_the_camera_stands_does_not_matter(classifier, unseen, degrees):
    same = answers(classifier, turned(unseen.poses, degrees)) == answers(classifier, unseen.poses)
    assert np.mean(same) >= 0.98


def test_left_and_right_do_not_matter(classifier, unseen):
    other_side = mirror(torch.from_numpy(unseen.poses), CANONICAL.mirror).numpy()
    assert np.mean(answers(classifier, other_side) == answers(classifier, unseen.poses)) >= 0.95


@pytest.mark.parametrize("frames", [-7, 2, 15])
def test_the_moment_at_which_a_segment_begins_hardly_matters(classifier, frames):
    options = SynthOptions(kind="skeletons", seconds=20, seed=9)
    tracks = [make_track(Item(exercise=e, number=k, seed=9), options) for e in CHOSEN for k in range(60, 68)]
    poses = np.stack([track.joints for track in tracks])
    first = answers(classifier, poses[:, 20:80])
    assert np.mean(answers(classifier, poses[:, 20 + frames : 80 + frames]) == first) >= 0.95


def test_a_few_lost_frames_hardly_matter(classifier, unseen):
    holed = unseen.poses.copy()
    holed[:, 10:13] = np.nan
    holed[:, 40:42, 5] = np.nan
    assert np.mean(answers(classifier, holed) == answers(classifier, unseen.poses)) >= 0.95


def test_lying_and_standing_stay_different(classifier, unseen):
    standing = unseen[unseen.labels == "squat"].poses
    lying = np.stack([standing[..., 0], -standing[..., 2], standing[..., 1]], axis=-1)
    assert np.mean(answers(classifier, lying) == answers(classifier, standing)) <= 0.5

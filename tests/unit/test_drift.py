"""Features of segments that anybody can picture, and how far their spread has moved."""

import json

import numpy as np
import pytest

from gymspotter.drift import ENOUGH, FEATURES, Reference, Watch, features, index
from gymspotter.errors import InputError
from gymspotter.golden import golden_poses


def of(poses):
    return {name: column.tolist() for name, column in zip(FEATURES, features(poses).T, strict=True)}


def people(n, seed=0, *, scale=1.0, missing=0.05):
    """Standing figures that move, of several sizes and facings, some joints unseen."""
    rng = np.random.default_rng(seed)
    base = np.repeat(golden_poses(60)[:1], n, axis=0) * rng.normal(scale, 0.1, size=(n, 1, 1, 1))
    poses = base + rng.normal(scale=0.02, size=base.shape) * rng.uniform(0.5, 1.5, size=(n, 1, 1, 1))
    angle = rng.uniform(0, np.pi, size=(n, 1, 1))
    x, z = poses[..., 0].copy(), poses[..., 2].copy()
    poses[..., 0], poses[..., 2] = x * np.cos(angle) + z * np.sin(angle), z * np.cos(angle) - x * np.sin(angle)
    poses[rng.random(poses.shape[:3]) < missing * rng.uniform(size=(n, 1, 1))] = np.nan
    return poses.astype(np.float32)


@pytest.fixture
def still():
    """A standing figure that faces the camera: hip at the origin, thorax 0.5 m above it, feet 0.9 m below."""
    poses = np.zeros((1, 60, 17, 3), np.float32)
    poses[0, :, 8, 1], poses[0, :, 10, 1] = -0.5, -0.7
    poses[0, :, [3, 6], 1] = 0.9
    poses[0, :, 1, 0], poses[0, :, 4, 0] = -0.1, 0.1
    return poses


def test_features_of_a_figure_that_stands_still(still):
    assert of(still) == {
        "missing": [0.0],
        "torso": pytest.approx([0.5]),
        "extent": pytest.approx([1.6]),
        "motion": [0.0],
        "upright": pytest.approx([1.0]),
        "facing": pytest.approx([1.0]),
    }


def test_features_of_a_figure_that_lies_and_is_seen_from_the_side(still):
    lying = still[..., [1, 0, 2]]
    assert of(lying)["upright"] == pytest.approx([0.0], abs=1e-6)
    aside = still[..., [2, 1, 0]]
    assert of(aside)["facing"] == pytest.approx([0.0], abs=1e-6)
    assert of(aside)["upright"] == pytest.approx([1.0])


def test_features_of_a_figure_that_moves_and_is_half_seen(still):
    still[:, 1::2, 13, 0] += 0.17
    assert of(still)["motion"] == pytest.approx([0.01], rel=1e-3)
    still[:, :30] = np.nan
    assert of(still)["missing"] == [0.5]


def test_a_segment_without_anybody_says_nothing_but_that(still):
    found = of(np.full_like(still, np.nan))
    assert found.pop("missing") == [1.0]
    assert all(np.isnan(value) for (value,) in found.values())
    assert features(still[:0]).shape == (0, len(FEATURES))


def test_the_same_people_have_not_drifted_and_others_have():
    reference = Reference.of(people(800))
    same, smaller = Watch(reference, window=500), Watch(reference, window=500)
    same.add(people(500, seed=1))
    smaller.add(people(500, seed=2, scale=0.6))
    assert max(same.psi().values()) < 0.1
    found = smaller.psi()
    assert found["torso"] > 0.25
    assert found["extent"] > 0.25
    assert found["facing"] < 0.1


def test_only_the_last_segments_count():
    watch = Watch(Reference.of(people(400)), window=200)
    watch.add(people(200, seed=2, scale=0.6))
    assert watch.psi()["torso"] > 0.25
    watch.add(people(200, seed=1))
    assert len(watch) == 200
    assert watch.psi()["torso"] < 0.25


def test_a_few_segments_say_nothing_yet():
    watch = Watch(Reference.of(people(400)))
    watch.add(people(ENOUGH - 1, seed=1))
    assert watch.psi() == {}
    watch.add(people(1, seed=3))
    assert set(watch.psi()) == set(FEATURES)


def test_the_index_of_shares_worked_by_hand():
    assert index([0.5, 0.5], [0.5, 0.5]) == 0
    assert index([0.5, 0.5], [0.25, 0.75]) == pytest.approx(0.25 * np.log(2) + 0.25 * np.log(1.5))
    assert np.isfinite(index([1.0, 0.0], [0.0, 1.0]))


def test_a_reference_travels_as_json():
    reference = Reference.of(people(300))
    text = json.dumps(reference.as_dict())
    assert Reference.from_dict(json.loads(text)) == reference
    assert len(text) < 4000


@pytest.mark.parametrize(
    "found", [{}, {"segments": 3, "cuts": {"torso": [1.0]}, "shares": {}}, {"segments": 1, "cuts": 3, "shares": {}}]
)
def test_what_is_no_reference_is_refused(found):
    with pytest.raises(InputError, match="reference"):
        Reference.from_dict(found)


def test_a_reference_of_nothing_is_refused():
    with pytest.raises(InputError, match="no segments"):
        Reference.of(people(0))

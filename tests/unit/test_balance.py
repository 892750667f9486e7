import numpy as np
import pytest
import torch

from gymspotter.balance import balanced_order, class_weights, undersample
from gymspotter.errors import InputError
from tests.unit.test_splits import some_segments

SIZES = {"plank": 20, "squat": 9, "deadlift": 4, "pull up": 3}


def sizes(segments):
    return {label: int((segments.labels == label).sum()) for label in SIZES}


@pytest.mark.parametrize(
    ("variant", "left"),
    [
        ("none", SIZES),
        ("plank-half", SIZES | {"plank": 10}),
        ("to-median", {"plank": 6, "squat": 6, "deadlift": 4, "pull up": 3}),
        ("to-min", dict.fromkeys(SIZES, 3)),
    ],
)
def test_undersampling_leaves_out_of_the_large_classes(variant, left):
    assert sizes(undersample(some_segments(SIZES, segments_per_group=1), variant)) == left


def test_undersampling_keeps_the_order_and_follows_the_seed():
    segments = some_segments(SIZES, segments_per_group=1)
    first, again, other = (undersample(segments, "to-min", seed=seed).groups.tolist() for seed in (0, 0, 1))
    assert first == again != other
    position = {group: k for k, group in enumerate(segments.groups)}
    assert [position[group] for group in first] == sorted(position[group] for group in first)


def test_an_unknown_variant_is_refused():
    with pytest.raises(InputError, match="undersample is 'half': use one of none, plank-half"):
        undersample(some_segments(SIZES), "half")


def test_weights_give_every_class_the_same_say():
    targets = np.array([0] * 6 + [1] * 3 + [3])
    weights = class_weights(targets, 4)
    np.testing.assert_allclose(weights[:2] * [6, 3], [10 / 3, 10 / 3])
    assert weights[3] == pytest.approx(10 / 3)
    assert weights[2] == 1
    assert weights[targets].mean() == pytest.approx(1)


def test_a_balanced_order_shows_small_classes_as_often():
    targets = torch.tensor([0] * 900 + [1] * 100)
    torch.manual_seed(0)
    order = balanced_order(targets, torch.from_numpy(class_weights(targets.numpy(), 2)))
    assert len(order) == 1000
    assert (targets[order] == 1).float().mean() == pytest.approx(0.5, abs=0.06)

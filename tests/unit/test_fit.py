import numpy as np
import pytest

from gymspotter.errors import InputError
from gymspotter.fit import FitConfig, class_indices, evaluate, fit, predict
from gymspotter.labels import EXERCISES
from gymspotter.metrics import score
from gymspotter.synth.generate import Item, SynthOptions, make_track
from gymspotter.windows import cut_segments, split_by_group


@pytest.fixture(scope="module")
def sides():
    options = SynthOptions(seed=5)
    chosen = ("squat", "plank", "lateral raise")
    tracks = [make_track(Item(exercise=e, number=k, seed=5), options) for e in chosen for k in range(12)]
    return split_by_group(cut_segments(tracks)[0], seed=0)


def test_exercises_that_look_different_are_learnt(sides):
    train, test = sides
    losses = []
    fitted = fit(train, FitConfig(epochs=25, batch_size=8), on_epoch=lambda epoch, loss: losses.append(loss))
    assert losses == fitted.losses
    assert losses[-1] < 0.3 < losses[0]
    assert evaluate(fitted.classifier, test).accuracy >= 0.9


def test_the_seed_decides_the_weights(sides):
    train, test = sides
    first, again, other = (
        predict(fit(train, FitConfig(epochs=2, seed=seed)).classifier, test.poses) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_predictions_do_not_depend_on_the_batch(sides):
    train, test = sides
    classifier = fit(train, FitConfig(epochs=1)).classifier
    np.testing.assert_allclose(
        predict(classifier, test.poses, batch_size=2), predict(classifier, test.poses), atol=1e-5
    )


def test_nothing_to_train_on_and_unknown_labels_are_refused(sides):
    train, _ = sides
    with pytest.raises(InputError, match="no segments"):
        fit(train[np.zeros(len(train), bool)], FitConfig())
    with pytest.raises(InputError, match="label 'x'"):
        class_indices(np.array(["squat", "x"]), EXERCISES)


@pytest.mark.parametrize(
    ("field", "value"), [("model", "gpt"), ("epochs", 0), ("batch_size", 0), ("learning_rate", 0.0)]
)
def test_a_bad_configuration_names_its_field(field, value):
    with pytest.raises(InputError, match=field.replace("_", "-")):
        FitConfig(**{field: value})


def test_scores_by_hand():
    # a: 2 of 3 right, b: 1 of 1 right but predicted twice, c does not occur, d is never right.
    scores = score(np.array([0, 0, 0, 1, 3]), np.array([0, 0, 1, 1, 0]), ["a", "b", "c", "d"])
    assert scores.accuracy == pytest.approx(3 / 5)
    assert scores.recall == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert scores.precision == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert scores.f1 == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert scores.confusion.tolist() == [[2, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert scores.per_class["c"]["support"] == 0

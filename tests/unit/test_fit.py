from dataclasses import replace

import numpy as np
import pytest
import torch

from gymspotter.augment import AugmentConfig
from gymspotter.errors import InputError
from gymspotter.fit import class_indices, evaluate, fit, predict
from gymspotter.labels import EXERCISES
from gymspotter.loop import FitConfig
from gymspotter.metrics import score
from gymspotter.splits import split
from gymspotter.synth.generate import Item, SynthOptions, make_track
from gymspotter.windows import cut_segments


@pytest.fixture(scope="module")
def sides():
    options = SynthOptions(seed=5)
    chosen = ("squat", "plank", "lateral raise")
    tracks = [make_track(Item(exercise=e, number=k, seed=5), options) for e in chosen for k in range(30)]
    return split(cut_segments(tracks)[0], seed=0)


def test_exercises_that_look_different_are_learnt(sides):
    epochs = []
    fitted = fit(sides.train, FitConfig(epochs=30, batch_size=8), on_epoch=epochs.append)
    assert epochs == fitted.epochs
    assert [epoch.number for epoch in epochs] == list(range(1, 31))
    assert fitted.best == 30
    assert fitted.losses[-1] < 0.3 < fitted.losses[0]
    assert evaluate(fitted.classifier, sides.test).accuracy >= 0.9


EVERYTHING = FitConfig(
    model="spotter",
    epochs=12,
    batch_size=8,
    optimizer="adamw",
    weight_decay=0.05,
    schedule="one-cycle",
    label_smoothing=0.1,
    clip=1.0,
    ema=0.9,
    balance="sampler",
    undersample="to-median",
    augment=AugmentConfig(),
    mixup=0.2,
    align_facing=True,
)


def test_every_option_at_once_learns_too(sides):
    assert evaluate(fit(sides.train, EVERYTHING).classifier, sides.test).accuracy >= 0.9


def test_the_best_epoch_on_the_validation_side_is_kept(sides):
    fitted = fit(sides.train, FitConfig(epochs=6, learning_rate=0.01), validation=sides.test)
    f1 = [epoch.validation_f1 for epoch in fitted.epochs]
    assert evaluate(
        fitted.classifier,
        sides.test,
    ).f1 == pytest.approx(max(f1))
    assert f1[fitted.best - 1] == max(f1)


def test_training_stops_when_the_validation_gets_no_better(sides):
    fitted = fit(sides.train, FitConfig(epochs=200, batch_size=8, patience=3), validation=sides.test)
    assert len(fitted.epochs) == fitted.best + 3 < 200


def test_the_seed_decides_the_weights(sides):
    first, again, other = (
        predict(fit(sides.train, replace(EVERYTHING, epochs=2, seed=seed)).classifier, sides.test.poses)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


@pytest.mark.parametrize("model", ["mlp", "transformer", "spotter"])
def test_a_model_may_be_shown_fewer_frames_than_a_segment_has(sides, model):
    fitted = fit(sides.train, replace(EVERYTHING, model=model, frames=20), validation=sides.test)
    assert sides.test.poses.shape[1] == 60
    assert evaluate(fitted.classifier, sides.test).f1 == pytest.approx(fitted.epochs[fitted.best - 1].validation_f1)
    assert evaluate(fitted.classifier, sides.test).accuracy >= 0.8


def test_as_many_frames_as_a_segment_has_are_the_segment(sides):
    config = FitConfig(model="transformer", epochs=2)
    assert fit(sides.train, replace(config, frames=60)).losses == fit(sides.train, config).losses


def test_predictions_do_not_depend_on_the_batch(sides):
    classifier, poses = fit(sides.train, FitConfig(epochs=1)).classifier, sides.test.poses
    np.testing.assert_allclose(predict(classifier, poses, batch_size=2), predict(classifier, poses), atol=1e-5)


def test_nothing_to_train_on_and_unknown_labels_are_refused(sides):
    with pytest.raises(InputError, match="no segments"):
        fit(sides.train[np.zeros(len(sides.train), bool)], FitConfig())
    with pytest.raises(InputError, match="label 'x'"):
        class_indices(np.array(["squat", "x"]), EXERCISES)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "gpt"),
        ("epochs", 0),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("optimizer", "sgd"),
        ("schedule", "linear"),
        ("balance", "smote"),
        ("undersample", "half"),
        ("weight_decay", -0.1),
        ("clip", -1.0),
        ("patience", -1),
        ("label_smoothing", 1.0),
        ("ema", 1.0),
        ("mixup", 0.6),
        ("frames", 4),
        ("frames", -60),
    ],
)
def test_a_bad_configuration_names_its_field(field, value):
    with pytest.raises(InputError, match=field.replace("_", "-")):
        FitConfig(**{field: value})


def test_what_needs_another_side_or_device_is_refused(sides):
    with pytest.raises(InputError, match="patience is 3: set a validation-share"):
        fit(sides.train, FitConfig(patience=3))
    if not torch.cuda.is_available():
        for name in ("bf16", "compile", "cuda_graph"):
            with pytest.raises(InputError, match=f"{name.replace('_', '-')} is on and there is no CUDA device"):
                fit(sides.train, FitConfig(**{name: True}))


def test_a_loss_that_is_no_number_ends_with_a_sentence(sides):
    with pytest.raises(InputError, match="lower learning-rate"):
        fit(sides.train, FitConfig(epochs=30, learning_rate=1e18))


def test_scores_by_hand():
    # a: 2 of 3 right, b: 1 of 1 right but predicted twice, c does not occur, d is never right.
    scores = score(np.array([0, 0, 0, 1, 3]), np.array([0, 0, 1, 1, 0]), ["a", "b", "c", "d"])
    assert scores.accuracy == pytest.approx(3 / 5)
    assert scores.recall == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert scores.precision == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert scores.f1 == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert scores.confusion.tolist() == [[2, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert scores.per_class["c"]["support"] == 0

import json
from dataclasses import replace

import optuna
import pytest
import torch

from gymspotter.augment import AugmentConfig
from gymspotter.errors import InputError
from gymspotter.fit import new_classifier
from gymspotter.labels import EXERCISES
from gymspotter.models import MODELS
from gymspotter.recipes import SPOTTER, recipe
from gymspotter.skeleton import CANONICAL
from gymspotter.sweeps.domain import Choice, Real, Whole
from gymspotter.sweeps.space import Space, read_space, scaled, settings

SPACE = Space()


def a_study(sampler=None):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="maximize", sampler=sampler or optuna.samplers.RandomSampler(seed=0))


def classifier_of(point):
    how = settings(point, epochs=2, seed=0)
    return new_classifier(how.fit, EXERCISES, CANONICAL, frames=60, others=False, model_config=how.model_config)


def read(text, tmp_path):
    (tmp_path / "space.yaml").write_text(text)
    return read_space(tmp_path / "space.yaml")


def test_the_cells_are_every_model_and_undersampling_at_the_model_s_recipe():
    cells = SPACE.cells()
    assert len({(cell["model"], cell["undersample"]) for cell in cells}) == len(cells) == 7 * 3
    for cell in cells:
        found = settings(cell, epochs=5, seed=3)
        name, undersample = cell["model"], cell["undersample"]
        # Adam is AdamW without weight decay, and 60 frames are all that a segment has.
        same = {"epochs": 5, "undersample": undersample, "optimizer": "adamw", "frames": 60}
        assert found.fit == replace(recipe(name, seed=3), **same)
        assert found.fit.optimizer == recipe(name).optimizer or found.fit.weight_decay == 0
        assert found.model_config == MODELS[name][1]()
        assert found.stride == 30


def test_every_point_that_is_suggested_builds_and_answers():
    study = a_study()
    models = set()
    for _ in range(200):
        point = SPACE.suggest(study.ask())
        models.add(point["model"])
        logits = classifier_of(point)(torch.randn(2, 60, 17, 3))
        assert logits.shape == (2, len(EXERCISES))
        assert logits.isfinite().all()
    assert models == set(MODELS)


def test_only_the_chosen_model_s_architecture_is_asked_for():
    for _ in range(20):
        trial = a_study(optuna.samplers.RandomSampler()).ask()
        point = SPACE.suggest(trial)
        assert trial.params == point
        assert {name.split(".")[0] for name in point if "." in name} == {point["model"]}


@pytest.mark.parametrize("sampler", [optuna.samplers.RandomSampler(seed=0), optuna.samplers.TPESampler(seed=0)])
def test_points_in_the_queue_are_run_first_and_exactly(sampler, recwarn):
    study, points = a_study(sampler), SPACE.cells()
    points += [SPACE.suggest(a_study().ask()) for _ in range(3)]  # as a sweep that is resumed proposes its points
    for point in points:
        study.enqueue_trial(json.loads(json.dumps(point)))
    assert [json.dumps(SPACE.suggest(study.ask())) for _ in points] == [json.dumps(point) for point in points]
    assert not [str(warning.message) for warning in recwarn if "out of range" in str(warning.message)]


@pytest.mark.parametrize("space", [SPACE, SPACE.only(["lstm", "spotter"])])
def test_a_printed_space_reads_back_as_itself(space, tmp_path):
    assert read(str(space), tmp_path) == space


def test_a_file_overrides_what_it_names_and_nothing_else(tmp_path):
    space = read(
        """
        models: [transformer, mlp]
        undersample: to-min
        training:
          learning_rate: {low: 1e-3, high: 1, log: true}
          stride: {low: 20, high: 60, step: 20}
          frames: 30
        architecture:
          transformer:
            heads: [3, 5]
        """,
        tmp_path,
    )
    assert space.models == ("transformer", "mlp")
    assert space.undersample == ("to-min",)
    changed = {
        "learning_rate": Real(low=1e-3, high=1.0, log=True),
        "stride": Whole(low=20, high=60, step=20),
        "frames": Choice(options=(30,)),
    }
    assert space.training == SPACE.training | changed
    assert space.architecture == {
        "transformer": SPACE.architecture["transformer"] | {"heads": Choice(options=(3, 5))},
        "mlp": SPACE.architecture["mlp"],
    }
    assert read("", tmp_path) == SPACE


def test_cells_lie_in_the_space_where_the_recipe_does_not(tmp_path):
    space = read(
        """
        models: [spotter]
        training:
          learning_rate: {low: 0.002, high: 0.01}
          frames: {low: 10, high: 45, step: 5}
          batch_size: [100, 20]
          schedule: cosine
          align_facing: false
        """,
        tmp_path,
    )
    cell = space.cells()[0]
    expected = {"learning_rate": 0.002, "frames": 45, "batch_size": 100, "schedule": "cosine", "align_facing": False}
    assert {name: cell[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("stride", "finest"),
    [("[15, 30, 60]", 15), ("[20, 30]", 10), ("{low: 10, high: 50, step: 20}", 10), ("30", 30)],
)
def test_windows_are_cut_so_finely_that_every_stride_can_be_had(stride, finest, tmp_path):
    assert read(f"training: {{stride: {stride}}}", tmp_path).finest_stride == finest


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("models: [gpt]", "space: models has 'gpt', which is not known: use mlp, cnn1d"),
        ("models: []", r"space: models is \[\]: name one or more, each once"),
        ("undersample: [none, none]", "each once"),
        ("trainings: {}", "space: the file has 'trainings', which is not known: use models, undersample, training"),
        ("training: {momentum: 0.9}", "space: training has 'momentum', which is not known: use learning_rate"),
        ("training: 5", "space: training is 5: write lines with learning_rate"),
        ("[1, 2]", r"space: the file is \[1, 2\]: write lines with models"),
        ("architecture: {gpt: {layers: 3}}", "space: architecture has 'gpt', which is not known"),
        ("{models: [mlp], architecture: {lstm: {units: 8}}}", "space: architecture has 'lstm'.*use mlp"),
        ("architecture: {mlp: {heads: 3}}", "space: mlp has 'heads', which is not known: use hidden, layers, dropout"),
        ("training: {learning_rate: {low: 1, high: 0.1}}", "learning_rate: low is 1 and high 0.1: use a low that is"),
        ("training: {learning_rate: {low: 0, high: 1, log: true}}", "learning_rate: low is 0 and log is on"),
        ("training: {learning_rate: {low: 0.1}}", "learning_rate: it has low: use low and high"),
        ("training: {learning_rate: fast}", "learning_rate: 'fast' is not a number"),
        ("training: {learning_rate: .nan}", "learning_rate: learning-rate is nan"),
        ("training: {learning_rate: {low: 0.1, high: 1, log: 10}}", "learning_rate: log is 10: use true or false"),
        ("training: {learning_rate: []}", r"learning_rate: options are \[\]: name one or more"),
        ("training: {batch_size: [32, 64.0]}", "batch_size: 64.0 is not a whole number"),
        ("training: {batch_size: [0, 64]}", "batch_size: batch-size is 0"),
        ("training: {frames: {low: 20, high: 60, step: 30}}", "frames: step is 30: use one that leads from 20 to 60"),
        ("training: {frames: {low: 3, high: 60}}", "frames: frames is 3: use 0, or at least 5"),
        ("training: {stride: [30, 90]}", "stride is 90: use 1 to 60"),
        ("training: {align_facing: {low: 0, high: 1}}", "align_facing: it has low, high: use a list of values"),
        ("training: {align_facing: 1}", "align_facing: 1 is not true or false"),
        ("training: {schedule: [linear]}", "schedule: schedule is 'linear'"),
        ("training: {augment: [0, 9]}", "augment: turn is 270"),
        ("architecture: {mlp: {dropout: {low: 0, high: 1}}}", "mlp.dropout: dropout is 1"),
        (
            "architecture: {spotter: {head_width: {low: 8, high: 32}}}",
            "spotter.head_width: width is 36: use a multiple",
        ),
        ("architecture: {rnn: {layers: true}}", "rnn.layers: True is not a whole number"),
        ("training: [", "space '.*' cannot be read"),
    ],
)
def test_a_bad_file_is_refused_with_a_sentence(text, sentence, tmp_path):
    with pytest.raises(InputError, match=sentence):
        read(text, tmp_path)


def test_a_file_that_is_not_there_and_a_model_that_is_not_in_the_space_are_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_space(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="models has 'mlp', which is not known: use rnn"):
        SPACE.only(["rnn"]).only(["mlp"])


def test_a_space_that_could_give_an_invalid_point_cannot_be_made():
    with pytest.raises(InputError, match="use values such as 64"):
        Space(training=SPACE.training | {"batch_size": Real(low=1, high=64)})
    with pytest.raises(InputError, match="'momentum' is not known"):
        Space(training=SPACE.training | {"momentum": Real(low=0, high=1)})


@pytest.mark.parametrize("name", ["momentum", "rnn.units"])
def test_a_point_with_a_name_of_no_or_another_model_is_refused(name):
    with pytest.raises(InputError, match=f"point: '{name}' is not known"):
        settings({"model": "mlp", name: 3}, epochs=1, seed=0)


def test_an_augmentation_has_a_strength():
    full = SPOTTER.augment
    assert scaled(full, 0.0) is None
    assert scaled(full, 1.0) == full
    half = scaled(AugmentConfig(), 0.5)
    assert (half.mirror, half.turn, half.noise) == (0.25, 15.0, 0.01)
    assert scaled(full, 1.5).mirror == 0.5
    with pytest.raises(InputError, match="augment is -1"):
        scaled(full, -1.0)

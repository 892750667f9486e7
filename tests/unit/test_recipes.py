from dataclasses import asdict

import pytest

from gymspotter.errors import InputError
from gymspotter.loop import FitConfig
from gymspotter.models import MODELS
from gymspotter.recipes import RECIPES, recipe, sequence_recipe


def test_every_model_has_a_recipe_that_names_it():
    assert list(RECIPES) == list(MODELS)
    assert all(config.model == name for name, config in RECIPES.items())


@pytest.mark.parametrize("name", [name for name in MODELS if name != "spotter"])
def test_the_papers_models_are_trained_as_in_the_paper(name):
    paper = asdict(FitConfig(model=name, optimizer="adam", learning_rate=0.001, epochs=100, batch_size=64, seed=3))
    assert asdict(recipe(name, seed=3)) == paper


def test_mirror_images_are_left_out_where_left_is_not_right():
    usual, sided = (sequence_recipe("spotter", seed=2, sided=sided) for sided in (False, True))
    assert usual.augment.mirror > 0
    assert sided.augment.mirror == 0
    assert sided.augment.turn == usual.augment.turn
    assert (sided.seed, sided.weight_decay) == (2, usual.weight_decay)


def test_the_gym_has_mirror_images_and_an_athlete_who_faces_the_camera():
    config = recipe("spotter", seed=4)
    assert config.augment.mirror > 0
    assert (config.align_facing, config.seed) == (True, 4)
    assert sequence_recipe("mlp") == recipe("mlp")


def test_an_unknown_model_is_refused_with_those_there_are():
    with pytest.raises(InputError, match="model 'gru' is not known: use one of mlp, cnn1d"):
        recipe("gru")

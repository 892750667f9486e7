from dataclasses import replace

import pytest

from gymspotter.errors import InputError
from gymspotter.sweeps.choosing import Tried, finalists_of, winners_of
from gymspotter.sweeps.options import TuneOptions, refuse_other_sweep


def tried(key, model, undersample, f1, failed=False):
    return Tried(key=key, point={"model": model, "undersample": undersample}, f1=f1, failed=failed)


TRIALS = [
    tried("a", "mlp", "none", 0.9),
    tried("b", "mlp", "none", 0.8),
    tried("c", "mlp", "to-median", 0.7),
    tried("d", "transformer", "none", 0.6),
    tried("e", "spotter", "none", 0.5),
    tried("f", "rnn", "none", 0.99, failed=True),
]


def keys(trials):
    return [trial.key for trial in trials]


def test_the_best_of_every_cell_goes_to_the_finals():
    assert keys(finalists_of(TRIALS)) == ["a", "c", "d", "e"]


def test_the_best_few_go_to_the_finals_and_the_best_transformer():
    assert keys(finalists_of(TRIALS, 2)) == ["a", "b", "d"]
    assert keys(finalists_of(TRIALS, 4)) == ["a", "b", "c", "d"]
    assert keys(finalists_of(TRIALS[:3], 1)) == ["a"]


def test_a_sweep_whose_trials_all_failed_has_no_finals():
    with pytest.raises(InputError, match="every trial of the sweep failed"):
        finalists_of([replace(trial, failed=True) for trial in TRIALS])


def test_the_mean_over_the_seeds_wins():
    finals = {"a": [0.9, 0.1], "d": [0.6, 0.6], "e": [0.7, 0.6]}
    assert winners_of(finals, TRIALS) == {"e": ["transformers", "all models"]}
    assert winners_of(finals | {"a": [0.9, 0.8]}, TRIALS) == {"e": ["transformers"], "a": ["all models"]}


def test_without_a_transformer_there_is_one_winner():
    assert winners_of({"a": [0.5], "c": [0.6]}, TRIALS[:3]) == {"c": ["all models"]}


def test_finals_that_all_failed_have_no_winner():
    with pytest.raises(InputError, match="every final of the sweep failed"):
        winners_of({"a": []}, TRIALS)


def test_a_sweep_goes_on_only_as_what_it_was():
    then = TuneOptions(epochs=5).recorded()
    refuse_other_sweep(TuneOptions(epochs=5, trials=99, minutes=7.0, resume=True).recorded(), then)
    with pytest.raises(InputError, match="epochs was 5 when the sweep began and is 6"):
        refuse_other_sweep(TuneOptions(epochs=6).recorded(), then)


def test_what_is_recorded_survives_json():
    import json

    recorded = TuneOptions(also=("a", "b"), models=("mlp",)).recorded()
    assert json.loads(json.dumps(recorded)) == recorded


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"search": "grid"}, "search is 'grid'"),
        ({"scheduler": "hyperband"}, "scheduler is 'hyperband'"),
        ({"trials": 0}, "trials is 0"),
        ({"reduction": 1}, "reduction is 1"),
        ({"cpus_per_trial": 0.0}, "cpus-per-trial is 0"),
        ({"minutes": -1.0}, "minutes is -1"),
        ({"name": "a/b"}, "name is 'a/b'"),
    ],
)
def test_impossible_options_are_refused_in_a_sentence(wrong, sentence):
    with pytest.raises(InputError, match=sentence):
        TuneOptions(**wrong)

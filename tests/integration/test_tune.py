"""A small sweep through a real Ray Tune and a real MLflow store: what it records, and what it does not do twice."""

from collections import Counter
from dataclasses import replace
from typing import NamedTuple

import mlflow
import numpy as np
import pytest

from gymspotter import registry
from gymspotter.errors import InputError
from gymspotter.labelled import read_labelled
from gymspotter.store import write_tracks
from gymspotter.sweeps.domain import Choice
from gymspotter.sweeps.options import TuneOptions
from gymspotter.sweeps.record import read_sweep
from gymspotter.sweeps.space import Space
from gymspotter.synth.generate import Item, SynthOptions, make_track
from gymspotter.tracking import use_store
from gymspotter.tune import Sweep, sides_for, tune
from gymspotter.windows import cut_segments

pytestmark = pytest.mark.slow  # three sweeps, a minute each
EXERCISES = ("squat", "plank", "lateral raise")
# At so high a learning rate nothing is a number any more: such a trial fails.
SPACE = """
models: [mlp, transformer]
undersample: [none, plank-half]
training:
  learning_rate: [0.001, 1.0e+30]
  schedule: constant
"""


class Ran(NamedTuple):
    options: TuneOptions
    sweep: Sweep


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    made = SynthOptions(kind="skeletons", seed=3, seconds=24.0)
    store = tmp_path_factory.mktemp("sweep") / "tracks"
    write_tracks([make_track(Item(exercise=e, number=k, seed=3), made) for e in EXERCISES for k in range(10)], store)
    return store


def options_in(folder, tracks, **changes):
    (folder / "space.yaml").write_text(SPACE)
    asked = TuneOptions(
        tracks=str(tracks),
        name="small",
        space=folder / "space.yaml",
        search="random",
        trials=8,
        epochs=3,
        grace=2,
        seeds=2,
        finalists=1,
        cpus_per_trial=0.5,
        folder=str(folder / "sweeps"),
        tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
        artifacts=folder / "artifacts",
    )
    return replace(asked, **changes)


@pytest.fixture(scope="module")
def ran(tracks, tmp_path_factory):
    options = options_in(tmp_path_factory.mktemp("tune"), tracks)
    return Ran(options, tune(options))


def record_of(options, sweep):
    return read_sweep(use_store(options.tracking_uri), sweep.run_id)


def test_every_cell_is_tried_first_and_the_budget_is_kept(ran):
    trials = [run for run in record_of(*ran).runs if run.kind == "trial"]
    assert len(trials) == ran.options.trials
    assert len({run.cell for run in trials[:4]}) == 4


def test_runs_are_nested_and_hold_points_epochs_and_where_they_come_from(ran):
    record = record_of(*ran)
    client = mlflow.MlflowClient(use_store(ran.options.tracking_uri).uri)
    for run in record.runs:
        tags = client.get_run(run.run_id).data.tags
        assert tags["mlflow.parentRunId"] == ran.sweep.run_id
        assert {"data", "split", "commit", "device", "python", "torch"} <= set(tags)
        assert {"model", "undersample", "learning_rate", "frames", "stride"} <= set(run.point)
        if not run.failed:
            assert [number for number, _ in run.epochs] == list(range(1, run.epochs_run + 1))
            assert run.f1 == pytest.approx(max(f1 for _, f1 in run.epochs))
            assert run.seconds > 0
    assert record.status == "FINISHED"
    assert record.space.startswith("models:")
    assert record.metrics["leak_group"] == 0 < record.metrics["leak_random"]
    assert record.metrics["epochs_spent"] < record.metrics["epochs_full"]


def test_only_trials_without_all_epochs_were_ended_early(ran):
    trials = [run for run in record_of(*ran).runs if run.kind == "trial" and not run.failed]
    assert {run.stopped for run in trials if run.epochs_run == ran.options.epochs} == {""}
    assert {run.stopped for run in trials if run.epochs_run < ran.options.epochs} <= {"early"}


def test_a_trial_that_raises_is_recorded_and_the_sweep_goes_on(ran):
    failed = [run for run in record_of(*ran).runs if run.failed]
    assert failed
    for run in failed:
        assert run.kind == "trial"
        assert run.point["learning_rate"] == 1e30
        assert "lower learning-rate" in run.error


def test_finals_have_every_seed_pictures_and_the_test_side(ran):
    finals = [run for run in record_of(*ran).runs if run.kind == "finalist"]
    assert set(Counter(run.trial for run in finals).values()) == {ran.options.seeds}
    assert any(run.model == "transformer" for run in finals)
    client = mlflow.MlflowClient(use_store(ran.options.tracking_uri).uri)
    pictures = {"confusion_matrix.png", "reliability.png", "learning_curves.png", "per_class.png", "per_class.json"}
    for run in finals:
        assert pictures <= {file.path for file in client.list_artifacts(run.run_id)}
        assert 0 <= run.metrics["test_macro_f1"] <= 1


def test_trials_never_see_the_test_side(ran):
    for run in record_of(*ran).runs:
        assert run.kind != "trial" or not any(name.startswith("test_") for name in run.metrics)


def test_winners_are_registered_and_classify(ran):
    winners = [run for run in record_of(*ran).runs if run.kind == "winner"]
    assert {run.version for run in winners} == set(ran.sweep.versions.values())
    assert sorted(won for run in winners for won in run.won.split(", ")) == ["all models", "transformers"]
    use_store(ran.options.tracking_uri)
    challenger = registry.load(registry.CHALLENGER)
    assert challenger.facts.model == "transformer"
    assert challenger.facts.report["validation"]["segments"] > 0
    assert challenger.version in ran.sweep.versions.values()


def test_a_finished_sweep_is_not_run_again(ran):
    before = record_of(*ran)
    again = tune(replace(ran.options, resume=True))
    assert again == ran.sweep
    assert [run.run_id for run in record_of(*ran).runs] == [run.run_id for run in before.runs]


def test_a_sweep_that_is_given_more_trials_runs_only_those(tracks, tmp_path):
    options = options_in(tmp_path, tracks, models=("mlp",), trials=3, scheduler="none", finalists=1, seeds=1)
    first = record_of(options, tune(options))
    more = replace(options, trials=5, resume=True)
    then = record_of(more, tune(more))
    old, new = ({run.run_id for run in one.runs if run.kind == "trial"} for one in (first, then))
    assert old < new
    assert len(new) == 5
    ended = {run.run_id: run.epochs for run in first.runs if run.kind == "trial"}
    assert {run.run_id: run.epochs for run in then.runs if run.run_id in ended} == ended


def test_a_population_goes_on_from_its_best(tracks, tmp_path):
    (tmp_path / "constant.yaml").write_text("models: [mlp]\ntraining: {schedule: constant}")
    options = options_in(tmp_path, tracks, trials=4, scheduler="pbt", epochs=6, finalists=1, seeds=1)
    options = replace(options, space=tmp_path / "constant.yaml")
    record = record_of(options, tune(options))
    trials = [run for run in record.runs if run.kind == "trial"]
    assert len(trials) == 4
    client = mlflow.MlflowClient(use_store(options.tracking_uri).uri)
    rates = [np.array([m.value for m in client.get_metric_history(run.run_id, "learning_rate")]) for run in trials]
    assert any(len(np.unique(rate)) > 1 for rate in rates)  # someone changed


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "was begun already: go on with --resume"),
        ({"resume": True, "epochs": 4}, "epochs was 3 when the sweep began and is 4"),
        ({"resume": True, "name": "other"}, "no sweep was begun"),
    ],
)
def test_a_sweep_is_neither_begun_twice_nor_resumed_as_another(ran, changes, sentence):
    with pytest.raises(InputError, match=sentence):
        tune(replace(ran.options, **changes))


def test_every_stride_is_exact_whatever_those_of_the_space(tracks):
    space = Space(training=Space().training | {"stride": Choice(options=(20, 40))})
    options, data = TuneOptions(tracks=str(tracks), stride=30), read_labelled(str(tracks))
    sides = sides_for(options, space, data)
    whole, _ = cut_segments(data.tracks, stride=30)
    for side in (sides.validation, sides.test):
        wanted = whole[np.isin(whole.video_ids, side.video_ids)]
        assert sorted(zip(side.video_ids, side.starts, strict=True)) == sorted(
            zip(wanted.video_ids, wanted.starts, strict=True)
        )

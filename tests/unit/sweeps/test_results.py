import math

import numpy as np
import pytest

from gymspotter.sweeps.results import SweepRecord, SweepRun, front, importance, scored, searched


def run(key="a", *, f1=None, seconds=None, kind="trial", status="FINISHED", epochs=(), trial="", won="", **point):
    metrics = {} if f1 is None else {"best_validation_macro_f1": f1}
    metrics |= {} if seconds is None else {"seconds": seconds}
    return SweepRun(
        run_id=f"id-{key}", key=key, kind=kind, status=status, point={"model": "mlp", "undersample": "none"} | point,
        metrics=metrics, epochs=tuple(epochs), trial=trial, won=won,
    )  # fmt: skip


def sweep(*runs, store="sqlite:////tmp/a b.db"):
    return SweepRecord(
        name="s", run_id="p", address="", store=store, status="FINISHED", begun="", params={}, tags={}, metrics={},
        space="", runs=runs,
    )  # fmt: skip


def noise_trials(count, effect):
    """Trials whose F1 hangs on the learning rate by ``effect`` and else on chance."""
    rng = np.random.default_rng(3)
    drawn = rng.uniform(-4, -2, (count, 2))
    return [
        run(str(k), f1=0.5 + effect * rate + float(rng.normal(0, 0.02)), learning_rate=10**rate, augment=float(other))
        for k, (rate, other) in enumerate(drawn)
    ]


def test_a_run_under_way_is_judged_by_its_epochs_so_far():
    assert run(epochs=[(1, 0.2), (2, 0.5), (3, 0.4)], status="RUNNING").f1 == 0.5
    assert run(epochs=[(1, 0.2), (2, 0.5)], status="RUNNING").epochs_run == 2
    assert math.isnan(run().f1)
    assert math.isnan(run().seconds)


def test_failed_and_killed_trials_and_those_without_a_score_are_not_scored():
    trials = [run("good", f1=0.5), run("bad", f1=0.9, status="FAILED"), run("killed", f1=0.9, status="KILLED"), run()]
    assert [trial.key for trial in scored(trials)] == ["good"]


def test_nothing_beats_a_trial_on_the_front_in_both():
    trials = [
        run("cheap", f1=0.3, seconds=1), run("dearer and worse", f1=0.2, seconds=2), run("better", f1=0.6, seconds=3),
        run("as good but dearer", f1=0.6, seconds=4), run("as dear but worse", f1=0.5, seconds=3),
        run("best", f1=0.7, seconds=9), run("never timed", f1=0.9),
    ]  # fmt: skip
    assert [trial.key for trial in front(trials)] == ["cheap", "better", "best"]


def test_only_what_every_model_has_and_what_differs_is_compared():
    trials = [
        run("a", model="mlp", undersample="none", frames=15, stride=6),
        run("b", model="spotter", undersample="none", frames=60, stride=6, **{"spotter.heads": 4}),
    ]
    assert searched(trials) == ["model", "frames"]


def test_finalists_are_those_whose_fits_ended_best_by_validation_first():
    runs = [
        run("1", kind="finalist", trial="x", f1=0.5), run("2", kind="finalist", trial="x", f1=0.7),
        run("3", kind="finalist", trial="x", status="FAILED"), run("5", kind="finalist", trial="z", status="FAILED"),
        run("4", kind="finalist", trial="y", f1=0.8, model="rnn"), run("6", kind="winner", trial="y", won="all models"),
    ]  # fmt: skip
    first, second = sweep(*runs).finalists
    assert (first.key, first.winner.won, first.failed) == ("y", "all models", 0)
    assert (second.key, second.winner, second.failed) == ("x", None, 1)
    assert second.spread("best_validation_macro_f1").mean == pytest.approx(0.6)
    assert second.spread("test_accuracy") is None
    assert sweep(*runs).finalist("rnn", "none") == first
    assert sweep(*runs).finalist("rnn", "plank-half") is None


def test_what_matters_is_found_and_what_does_not_is_not():
    found = importance(noise_trials(60, effect=0.2))
    assert list(found.drop) == ["learning_rate", "augment"]
    assert found.drop["learning_rate"].mean > 10 * found.drop["augment"].mean
    assert 0.5 < found.r2 <= 1


def test_a_forest_that_predicts_nothing_says_so():
    assert importance(noise_trials(40, effect=0.0)).r2 <= 0


def test_with_few_trials_or_equal_ones_nothing_matters():
    assert importance(noise_trials(9, effect=0.2)) is None
    assert importance([run(str(k), f1=0.5, frames=k) for k in range(20)]) is None
    assert importance([run(str(k), f1=k / 20) for k in range(20)]) is None


def test_words_numbers_and_what_is_missing_may_be_mixed():
    trials = [run(str(k), f1=k / 20, width="auto" if k % 3 else 64, **({"lr": k} if k % 2 else {})) for k in range(20)]
    assert set(importance(trials).drop) == {"width", "lr"}


def test_a_store_without_a_server_is_shown_by_a_command():
    assert sweep().server_command == "mlflow ui --backend-store-uri 'sqlite:////tmp/a b.db'"
    assert sweep(store="https://host").server_command == ""

"""Training on stores, into a real MLflow: what is refused before anything is fitted, and what a run leaves behind."""

from dataclasses import replace

import mlflow
import pytest
import torch

from gymspotter import registry
from gymspotter.distributed import Workers
from gymspotter.drift import Reference
from gymspotter.errors import InputError
from gymspotter.labelled import LabelledTracks
from gymspotter.labels import EXERCISES
from gymspotter.loop import FitConfig
from gymspotter.splits import leak
from gymspotter.store import write_tracks
from gymspotter.synth.generate import SynthOptions, make_track, plan
from gymspotter.train import TrainOptions, train
from gymspotter.unknown import NONE


@pytest.fixture(scope="module")
def tracks():
    options = SynthOptions(kind="skeletons", per_exercise=3, seed=8)
    return [make_track(item, options) for item in plan(options)]


def options_for(folder, **changes):
    store = f"sqlite:///{folder / 'mlflow.db'}"
    common = {"tracks": folder / "tracks", "tracking_uri": store, "artifacts": folder / "files"}
    return TrainOptions(**common | {"fit": FitConfig(epochs=1)} | changes)


def test_a_test_performance_in_a_further_store_is_a_leak(tracks, tmp_path):
    write_tracks(tracks, tmp_path / "tracks")
    # The same performances under other ids, as the skeletons of rendered videos would be.
    write_tracks([replace(t, video_id=t.video_id[::-1]) for t in tracks], tmp_path / "again")
    with pytest.raises(InputError, match=r"group '.*' is on the training and on the test side"):
        train(options_for(tmp_path, also=(tmp_path / "again",)))
    assert not (tmp_path / "mlflow.db").exists()


def test_other_performances_in_a_further_store_are_trained_on(tracks, tmp_path):
    write_tracks(tracks, tmp_path / "tracks")
    others = SynthOptions(kind="skeletons", per_exercise=1, seed=9)
    more = [make_track(item, others) for item in plan(others)]
    write_tracks(more, tmp_path / "more")
    result = train(options_for(tmp_path, also=(tmp_path / "more",)))
    assert len(result.train) == 2 * 22 + 22
    assert len(result.test) == 22
    assert not set(result.test.groups) & set(result.train.groups)
    facts = registry.load(registry.CHALLENGER).facts
    assert Reference.from_dict(facts.reference) == Reference.of(result.train.poses)
    assert facts.data == LabelledTracks(tracks=tracks, more=more).fingerprint
    assert facts.scores == result.assessment.summary()
    assert facts.report["confusion"] == result.scores.confusion.tolist()
    assert facts.report["train"]["segments"] == len(result.train)
    assert facts.report["test"]["per_class"] == dict.fromkeys(EXERCISES, 1)
    assert registry.load(registry.CHAMPION).version == result.version == "1"


def test_other_movements_are_learnt_and_the_probabilities_calibrated(tmp_path):
    options = SynthOptions(kind="skeletons", per_exercise=10, others=8, seed=10)
    write_tracks([make_track(item, options) for item in plan(options)], tmp_path / "tracks")
    result = train(options_for(tmp_path, fit=FitConfig(model="cnn1d", epochs=4)))
    assert NONE in result.test.labels
    found = registry.load(registry.CHALLENGER)
    logits = found.module(torch.from_numpy(result.test.poses))
    assert logits.shape == (len(result.test), 22)
    assert found.facts.scores["unknown_auroc"] == result.assessment.detection.auroc > 0.7
    run = mlflow.get_run(result.run_id)
    assert run.data.metrics["calibration_temperature"] == pytest.approx(result.fitted.classifier.temperature.item())
    assert {"reliability.png", "confusion_matrix.png"} <= {
        file.path for file in mlflow.MlflowClient().list_artifacts(result.run_id)
    }


@pytest.mark.slow
def test_training_on_ray_train_registers_too(tracks, tmp_path):
    write_tracks(tracks, tmp_path / "tracks")
    cluster = Workers(workers=1, checkpoints=str(tmp_path / "checkpoints"))
    result = train(options_for(tmp_path, cluster=cluster))
    assert len(result.fitted.epochs) == 1
    assert registry.load(registry.CHALLENGER).facts.scores == result.assessment.summary()


def test_what_cannot_be_validated_on_is_refused_when_asked_for(tracks, tmp_path):
    write_tracks(tracks, tmp_path / "tracks")
    with pytest.raises(InputError, match="no group can be spared for the validation"):
        train(options_for(tmp_path, validation_share=0.15))
    with pytest.raises(InputError, match="patience is 3: set a validation-share"):
        options_for(tmp_path, fit=FitConfig(patience=3), validation_share=0.0)


@pytest.mark.slow
@pytest.mark.parametrize(("protocol", "leaks"), [("paper", True), ("folds", False)])
def test_other_protocols_split_otherwise(tmp_path, protocol, leaks):
    options = SynthOptions(kind="skeletons", per_exercise=3, seconds=30, seed=12)
    write_tracks([make_track(item, options) for item in plan(options)], tmp_path / "tracks")
    result = train(options_for(tmp_path, protocol=protocol, folds=3))
    assert (leak(result.train, result.test) > 0) == leaks
    assert registry.load(registry.CHALLENGER).facts.split.startswith("paper" if leaks else "fold 1 of 3")


def test_tracks_without_labels_and_mixed_grids_are_refused(tracks, tmp_path):
    write_tracks([replace(track, label=None) for track in tracks], tmp_path / "tracks")
    with pytest.raises(InputError, match="has no labels"):
        train(options_for(tmp_path))
    write_tracks(
        [replace(t, video_id="x" + t.video_id[1:], fps=10.0 if k else 5.0) for k, t in enumerate(tracks)],
        tmp_path / "b" / "tracks",
    )
    with pytest.raises(InputError, match="grids of 5 and 10"):
        train(options_for(tmp_path / "b"))


def test_the_fingerprint_changes_with_the_data(tracks):
    def fingerprint(them):
        return LabelledTracks(tracks=them, more=[]).fingerprint

    assert fingerprint(tracks) == fingerprint(tracks[::-1])
    assert fingerprint(tracks) != fingerprint(tracks[1:])
    assert fingerprint(tracks) != fingerprint([replace(tracks[0], label="plank"), *tracks[1:]])

"""Training on stores, into a real MLflow: what is refused before anything is fitted, and what a run leaves behind."""

from dataclasses import replace

import pytest

from gymspotter import registry
from gymspotter.errors import InputError
from gymspotter.loop import FitConfig
from gymspotter.store import write_tracks
from gymspotter.synth.generate import SynthOptions, make_track, plan
from gymspotter.train import TrainOptions, fingerprint, train


@pytest.fixture(scope="module")
def tracks():
    options = SynthOptions(kind="skeletons", per_exercise=3, seed=8)
    return [make_track(item, options) for item in plan(options)]


def options_for(folder, **changes):
    quick = FitConfig(epochs=1)
    store = f"sqlite:///{folder / 'mlflow.db'}"
    return TrainOptions(tracks=folder / "tracks", fit=quick, tracking_uri=store, artifacts=folder / "files", **changes)


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
    assert facts.data == fingerprint([*tracks, *more])
    assert facts.scores == result.scores.summary()
    assert registry.load(registry.CHAMPION).version == result.version == "1"


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
    assert fingerprint(tracks) == fingerprint(tracks[::-1])
    assert fingerprint(tracks) != fingerprint(tracks[1:])
    assert fingerprint(tracks) != fingerprint([replace(tracks[0], label="plank"), *tracks[1:]])

"""The gate with real runs: a worse challenger is refused, a better one promoted, a rollback restores the old one."""

import json
from dataclasses import replace
from types import SimpleNamespace

import mlflow
import numpy as np
import pytest
import torch

from gymspotter import registry
from gymspotter.aliases import history, version_at
from gymspotter.cli import main
from gymspotter.errors import InputError
from gymspotter.labels import EXERCISES
from gymspotter.loop import FitConfig
from gymspotter.models import MODELS, build
from gymspotter.names import CHAMPION, MODEL_NAME
from gymspotter.promote import REFUSED, HistoryOptions, PromoteOptions, RollbackOptions, promote, rollback, show_history
from gymspotter.skeleton import CANONICAL
from gymspotter.store import read_tracks, write_tracks
from gymspotter.synth.generate import Item, SynthOptions, make_track
from gymspotter.tracking import use_experiment, use_store
from gymspotter.train import TrainOptions, train

CHOSEN = ("squat", "plank", "lateral raise", "push-up")
ROUGH, GOOD = FitConfig(model="cnn1d", epochs=1, learning_rate=1e-5), FitConfig(model="cnn1d", epochs=15)


def make(numbers):
    options = SynthOptions(kind="skeletons", seed=9)
    return [make_track(Item(exercise=e, number=k, seed=9), options) for e in CHOSEN for k in numbers]


@pytest.fixture(scope="module")
def gym(tmp_path_factory):
    """Tracks to train on and others to judge by; version 2 has learned something, 1 and 3 nothing."""
    folder = tmp_path_factory.mktemp("gate")
    write_tracks(make(range(20)), folder / "tracks")
    write_tracks(make(range(12, 32)), folder / "fresh")  # some of it was trained on
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    options = TrainOptions(tracks=str(folder / "tracks"), tracking_uri=uri, artifacts=folder / "artifacts")
    for fit in (ROUGH, GOOD, replace(ROUGH, seed=1)):
        train(replace(options, fit=fit))
    use_store(uri)
    return SimpleNamespace(folder=folder, uri=uri, fresh=str(folder / "fresh"))


@pytest.fixture
def asked(gym):
    """The champion is version 1 again after each test."""
    # Who knows nothing and says so is better calibrated than who has learned a little from a few videos.
    (gym.folder / "policy.yaml").write_text("calibration: 0.1")
    yield PromoteOptions(tracks=gym.fresh, tracking_uri=gym.uri, policy=gym.folder / "policy.yaml")
    if version_at(CHAMPION) != "1":
        rollback(RollbackOptions(to="1", why="the next test", tracking_uri=gym.uri))


def test_a_better_challenger_is_promoted_and_a_rollback_restores_the_old_one(asked, gym, capsys):
    before = len(history())
    evidence = promote(replace(asked, challenger="2"))
    assert evidence.verdict.promote
    assert version_at(CHAMPION) == "2"
    rollback(RollbackOptions(why="a try", who="someone", tracking_uri=gym.uri))
    assert version_at(CHAMPION) == "1"
    moves = history()[before:]
    assert [(move.before, move.after) for move in moves] == [("1", "2"), ("2", "1")]
    assert moves[0].why.startswith("passed the gate against version 1, macro F1 +0.")
    assert (moves[1].kind, moves[1].who, moves[1].why) == ("rollback", "someone", "a try")
    capsys.readouterr()
    assert show_history(HistoryOptions(tracking_uri=gym.uri)) == history()
    assert "rollback: 2 -> 1 by someone: a try" in capsys.readouterr().out
    assert show_history(HistoryOptions(json=True, tracking_uri=gym.uri))
    assert json.loads(capsys.readouterr().out.splitlines()[0])["why"] == "the first version of all"


def test_a_worse_challenger_is_refused_and_the_reasons_are_kept(asked, gym):
    promote(replace(asked, challenger="2"))
    with pytest.raises(SystemExit) as ended:
        main(["promote", gym.fresh, "--challenger", "3", "--tracking-uri", gym.uri])
    assert ended.value.code == REFUSED == 3
    assert version_at(CHAMPION) == "2"
    version = mlflow.MlflowClient().get_model_version(MODEL_NAME, "3")
    assert version.tags["gate.verdict"] == "refuse"
    assert version.tags["gate.against"] == "2"
    assert "gain" in version.tags["gate.failed"]
    found = mlflow.artifacts.load_dict(f"runs:/{version.run_id}/gate.json")
    assert found["verdict"] == "refuse"
    assert found["gain"]["value"] < 0
    page = mlflow.artifacts.load_text(f"runs:/{version.run_id}/gate.html")
    assert "is refused" in page
    assert "Recall by class" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_what_a_model_was_trained_on_is_no_evidence(asked):
    evidence = promote(replace(asked, challenger="2", dry_run=True))
    seen = registry.unseen("1", SimpleNamespace(**_ids(asked.tracks)))
    assert 0 < evidence.left_out <= 8 * len(CHOSEN)  # of performances 12 to 19, those that were not on the test side
    assert evidence.segments + evidence.left_out == len(seen) == 20 * len(CHOSEN)
    with pytest.raises(InputError, match="one of the models was trained on"):
        promote(replace(asked, challenger="2", tracks=_store_of_seen(asked)))


def _ids(store):
    tracks = read_tracks(store)
    return {
        "video_ids": np.array([track.video_id for track in tracks]),
        "groups": np.array([track.group for track in tracks]),
    }


def _store_of_seen(asked):
    tracks = read_tracks(asked.tracks)
    seen = ~registry.unseen("1", SimpleNamespace(**_ids(asked.tracks)))
    folder = asked.tracks + "-seen"
    write_tracks([track for track, known in zip(tracks, seen, strict=True) if known], folder)
    return folder


def test_a_dry_run_moves_and_writes_nothing(asked, capsys):
    before = history()
    assert promote(replace(asked, challenger="2", dry_run=True)).verdict.promote
    assert history() == before
    assert version_at(CHAMPION) == "1"
    assert "nothing was moved or written" in capsys.readouterr().out


def test_the_champion_need_not_be_promoted(asked, capsys):
    assert promote(replace(asked, challenger="1")) is None
    assert "the champion already" in capsys.readouterr().out


def test_there_must_be_somewhere_to_go(asked, gym):
    with pytest.raises(InputError, match="which is the champion"):
        rollback(RollbackOptions(to="1", why="why not", tracking_uri=gym.uri))
    with pytest.raises(InputError, match=r"gymspotter@99 is not in the registry"):
        rollback(RollbackOptions(to="99", why="why not", tracking_uri=gym.uri))
    with pytest.raises(InputError, match=r"gymspotter@nobody is not in the registry"):
        promote(replace(asked, challenger="nobody"))


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"classes": list(EXERCISES[:-1])}, "its classes is 21 classes"),
        ({"layout": "coco17"}, "its layout is coco17"),
        ({"grid_fps": 10.0}, "its grid_fps is 10"),
        ({"frames": 30}, "its frames is 30"),
    ],
)
def test_what_does_not_fit_the_server_is_neither_promoted_nor_rolled_back_to(asked, gym, facts, sentence):
    use_experiment("gymspotter")
    base = registry.ModelFacts(model="rnn", classes=list(EXERCISES), frames=60, grid_fps=5.0)
    made = replace(base, **facts)
    torch.manual_seed(0)
    with mlflow.start_run():
        version = registry.register(
            build("rnn", classes=len(made.classes), frames=made.frames), made, aliases=["misfit"]
        )
    with pytest.raises(InputError, match=sentence):
        promote(replace(asked, challenger="misfit"))
    with pytest.raises(InputError, match=sentence):
        rollback(RollbackOptions(to=version, why="a mistake", tracking_uri=gym.uri))
    assert version_at(CHAMPION) == "1"


class Restless(torch.nn.Module):
    """Never answers the same twice."""

    def __init__(self, fusion):
        super().__init__()
        self.fusion = fusion

    def forward(self, poses):
        logits = self.fusion(poses)
        return logits + torch.rand_like(logits)


@pytest.mark.parametrize("broken", ["restless", "NaN"])
def test_what_answers_otherwise_than_in_training_is_not_registered(gym, broken):
    use_experiment("gymspotter")
    classifier = build("rnn", classes=len(EXERCISES), frames=60)
    if broken == "NaN":
        torch.nn.init.constant_(next(classifier.fusion.parameters()), float("nan"))
    else:
        classifier.fusion = Restless(classifier.fusion)
    facts = registry.ModelFacts(model="rnn", classes=list(EXERCISES), frames=60, grid_fps=5.0)
    before = {version.version for version in mlflow.MlflowClient().search_model_versions()}
    with mlflow.start_run(), pytest.raises(InputError, match="answers otherwise than in training"):
        registry.register(classifier, facts, aliases=["broken"])
    assert {version.version for version in mlflow.MlflowClient().search_model_versions()} == before


def test_what_a_model_was_trained_on_must_be_known_or_vouched_for(asked, capsys):
    use_experiment("gymspotter")
    facts = registry.ModelFacts(model="rnn", classes=list(EXERCISES), frames=60, grid_fps=5.0)
    with mlflow.start_run():
        registry.register(build("rnn", classes=len(EXERCISES), frames=60), facts, aliases=["stranger"])
    with pytest.raises(InputError, match=r"it is not known what version \d+ was trained on"):
        promote(replace(asked, challenger="stranger"))
    evidence = promote(replace(asked, challenger="stranger", trust_tracks=True, dry_run=True))
    assert evidence.left_out == 0


def test_other_movements_of_the_store_are_the_unknown_ones(asked, gym):
    options = SynthOptions(kind="skeletons", seed=9)
    walking = [make_track(Item(exercise="walking", number=k, seed=9), options) for k in range(5)]
    write_tracks([*make(range(30, 34)), *walking], gym.folder / "with-others")
    there = replace(asked, challenger="2", tracks=str(gym.folder / "with-others"), dry_run=True)
    assert promote(there).unknown_from == "the tracks"
    assert promote(replace(asked, challenger="2", dry_run=True)).unknown_from == "the synthetic gym"


@pytest.mark.slow
@pytest.mark.parametrize("model", list(MODELS))
def test_a_registered_model_answers_as_in_training(gym, model):
    use_experiment("gymspotter")
    torch.manual_seed(0)
    classifier = build(model, classes=len(EXERCISES), frames=60, others=True).eval()
    facts = registry.ModelFacts(model=model, classes=list(EXERCISES), frames=60, grid_fps=5.0)
    with mlflow.start_run():
        version = registry.register(classifier, facts, aliases=["tried"])
    loaded = registry.load(version)
    assert registry.largest_difference(classifier, loaded.module, facts) <= 1e-4
    assert registry.largest_difference(build(model, classes=22, frames=60).eval(), loaded.module, facts) > 1e-4
    assert loaded.facts.layout == CANONICAL.name

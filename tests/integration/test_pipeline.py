"""The whole pipeline on a real Ray, a real MLflow store and rendered videos: what is run, and what is not run again."""

from dataclasses import replace

import mlflow
import pytest

from gymspotter import registry
from gymspotter.aliases import history, version_at
from gymspotter.labelled import is_held_out
from gymspotter.names import CHALLENGER, CHAMPION
from gymspotter.pipeline import STAGES, PipelineOptions, pipeline
from gymspotter.store import read_index
from gymspotter.synth.generate import Item, SynthOptions, make_video
from gymspotter.tracking import use_store

pytestmark = pytest.mark.slow  # three small sweeps
EXERCISES = ("squat", "lateral raise", "plank")
HELD_OUT = 0.3


PEOPLE = [f"person {number}" for number in range(7)]


@pytest.fixture(scope="module")
def performances(tmp_path_factory):
    """A short rendered video of each exercise by each person: by person, rows of a manifest."""
    folder = tmp_path_factory.mktemp("pipeline") / "videos"
    made = SynthOptions(out=str(folder), seconds=12, fps=5, width=320, height=240)
    rows = {
        person: [
            f"{make_video(Item(exercise=exercise, number=number, seed=11), made)},{exercise},{person}"
            for exercise in EXERCISES
        ]
        for number, person in enumerate(PEOPLE)
    }
    assert any(is_held_out(person, HELD_OUT) for person in PEOPLE[:6])
    return rows


def listed(path, performances, people):
    """Write the manifest of these people's videos."""
    rows = [row for person in people for row in performances[person]]
    path.write_text("\n".join(["uri,label,group", *rows]) + "\n")
    return str(path)


def ran(capsys):
    """The stages that were run, in their order."""
    lines = capsys.readouterr().out.splitlines()
    return [name for name in STAGES if any(line.startswith(f"{name}: done") for line in lines)]


def test_new_videos_become_a_judged_challenger(performances, tmp_path, capsys):
    options = PipelineOptions(
        videos=listed(tmp_path / "videos.csv", performances, PEOPLE[:6]),
        out=str(tmp_path / "out"),
        models=("mlp",),
        trials=2,
        epochs=4,
        finalists=1,
        seeds=1,
        held_out=HELD_OUT,
        cpus_per_trial=0.5,
        tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}",
        artifacts=tmp_path / "artifacts",
    )
    # It is stopped after two stages, then goes on.
    pipeline(replace(options, until="tune"))
    assert ran(capsys) == ["extract", "tune"]
    first = pipeline(options)
    assert ran(capsys) == ["evaluate", "gate", "promote"]
    assert first["extract"] == {"videos": 18, "tracks": 18, "quarantined": 0}
    assert first["gate"]["verdict"] == "champion"  # the first model of all
    assert first["promote"]["champion"] == version_at(CHAMPION) == "1"
    held_out = {person for person in PEOPLE if is_held_out(person, HELD_OUT)}
    assert not held_out & set(trained_on("1")["groups"])
    client = mlflow.MlflowClient(use_store(options.tracking_uri).uri)
    assert "sweep.html" in [file.path for file in client.list_artifacts(first["tune"]["run_id"])]

    # Nothing is new.
    assert pipeline(options) == first
    assert ran(capsys) == []

    # Asked for again, it is another sweep of the same videos, and another challenger.
    again = pipeline(replace(options, again="tune"))
    assert ran(capsys) == ["tune", "evaluate", "gate", "promote"]
    assert again["tune"]["sweep"] != first["tune"]["sweep"]
    assert again["tune"]["challenger"] == version_at(CHALLENGER) == "2"
    assert pipeline(options) == again
    assert ran(capsys) == []
    stays = version_at(CHAMPION)

    # Another person's videos.
    listed(tmp_path / "videos.csv", performances, PEOPLE)
    second = pipeline(options)
    out = capsys.readouterr().out
    assert second["extract"]["tracks"] == 21
    assert "18 of them from before" in out
    assert len(read_index(options.tracks)) == 21
    assert second["tune"]["challenger"] == version_at(CHALLENGER) == "3"
    assert second["tune"]["sweep"] != first["tune"]["sweep"]
    assert second["gate"]["verdict"] in ("promote", "refuse")
    assert second["gate"]["champion"] == stays
    assert not held_out & set(trained_on("3")["groups"])
    wanted = "3" if second["gate"]["verdict"] == "promote" else stays
    assert version_at(CHAMPION) == wanted
    assert [move.after for move in history()] == sorted({"1", stays, wanted})

    # A model that was rolled back is not promoted again by a run that has nothing new.
    mlflow.MlflowClient().set_registered_model_alias(registry.MODEL_NAME, CHAMPION, "1")
    assert pipeline(options) == second
    assert ran(capsys) == []
    assert version_at(CHAMPION) == "1"

    # A stricter policy has the same challenger judged anew, and nothing else done.
    (tmp_path / "policy.yaml").write_text("gain: 0.9\n")
    third = pipeline(replace(options, policy=tmp_path / "policy.yaml"))
    otherwise = (second["gate"]["verdict"], second["gate"]["champion"]) != ("refuse", "1")
    assert ran(capsys) == ["gate"] + ["promote"] * otherwise
    assert third["gate"]["verdict"] == "refuse"


def trained_on(version):
    run_id = mlflow.MlflowClient().get_model_version(registry.MODEL_NAME, version).run_id
    return mlflow.artifacts.load_dict(f"runs:/{run_id}/trained_on.json")

"""The whole path at a reduced size: rendered videos, a real Ray, a real MLflow store, real HTTP requests."""

import json
import re

import mlflow
import pytest
import ray

from gymspotter import tracking
from gymspotter.labels import EXERCISES
from gymspotter.store import read_quarantine, read_tracks


def test_the_summary_adds_up(demo_run):
    written = json.loads((demo_run.out / "summary.json").read_text())
    assert written["videos"] == written["spans"] == 44
    assert written["tracks"] + written["quarantined"] == written["spans"]
    assert written["segments"] >= written["tracks"]
    assert written["served"] == 22
    assert set(written["seconds"]) == {"render", "skeletons", "extract", "train", "serve", "post", "stop"}
    assert written["model_version"] == "1"
    assert written["accuracy"] == demo_run.summary.accuracy


def test_every_input_is_a_track_or_in_quarantine(demo_run):
    tracks, quarantine = read_tracks(demo_run.out / "tracks"), read_quarantine(demo_run.out / "tracks")
    videos = {str(path) for path in (demo_run.out / "videos").rglob("*.mp4")}
    assert {track.uri for track in tracks} | {row.uri for row in quarantine} == videos
    assert len(tracks) + len(quarantine) == 44
    assert {track.label for track in tracks} == set(EXERCISES)
    assert all(len(track.joints) == 20 and track.layout == "blazepose33" for track in tracks)


def test_it_learns_far_more_than_chance(demo_run):
    # 1/22 would be chance; videos of four seconds and one training video of each exercise are little to learn from.
    assert demo_run.summary.accuracy > 0.3
    assert demo_run.summary.served_correct > 0.3 * 22


def test_the_table_shows_every_posted_video(demo_run):
    rows = re.findall(r"^(?:x | {2})(\S.{20}\S?)\s+.*\d\.\d\d\s+\d+$", demo_run.printed, flags=re.MULTILINE)
    assert {row.split("  ")[0].strip() for row in rows} == set(EXERCISES)
    assert len(rows) == 22
    assert "served 22 videos" in demo_run.printed


def test_the_run_is_in_mlflow(demo_run):
    tracking.use_store(f"sqlite:///{demo_run.out / 'mlflow.db'}")
    (run,) = mlflow.search_runs(experiment_names=["gymspotter"], output_format="list")
    assert run.data.metrics["test_accuracy"] == pytest.approx(demo_run.summary.accuracy)
    assert {"test_macro_f1", "test_macro_precision", "test_macro_recall", "train_loss"} <= set(run.data.metrics)
    assert run.data.params["model"] == "spotter"
    assert len(mlflow.MlflowClient().get_metric_history(run.info.run_id, "train_loss")) == 20
    files = {file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id)}
    assert {"confusion_matrix.png", "learning_curves.png", "per_class.json"} <= files
    picture = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="confusion_matrix.png")
    with open(picture, "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"


def test_the_report_holds_its_pictures_and_needs_nothing_else(demo_run):
    page = (demo_run.out / "report.html").read_text()
    assert page.count("data:image/") == 4
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    assert all(exercise in page for exercise in EXERCISES)


def test_nothing_is_left_running(demo_run):
    import socket

    assert not ray.is_initialized()
    port = int(re.search(r"answers at http://127\.0\.0\.1:(\d+)", demo_run.printed)[1])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0

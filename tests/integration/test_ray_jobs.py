"""The verbs by `ray job submit` on a real cluster with a token: storage on S3, MLflow's server, no path of ours."""

import json
import shutil

import mlflow
import pytest
from pyarrow import fs

from gymspotter import storage
from gymspotter.promote import REFUSED
from gymspotter.store import read_quarantine, read_tracks
from gymspotter.synth.generate import Item, SynthOptions, make_video
from tests.integration.mlflow_picture import mlflow_server, wait_until
from tests.job_cluster import ROOT, job_cluster

pytestmark = pytest.mark.slow
EXERCISES = ("squat", "plank", "lateral raise")
VIDEOS, SKELETONS = "s3://gym/videos", "s3://gym/skeletons"
# Deployed by somebody else; and an application of our name, which is then taken down as `gymspotter serve` does it.
OTHERS = """
from ray import serve

@serve.deployment(ray_actor_options={'num_cpus': 0})
class Other:
    def __call__(self, request):
        return 'another'

serve.run(Other.bind(), name='other', route_prefix='/other')
"""
OURS = """
from serve.run import APPLICATION, stop
serve.run(Other.bind(), name=APPLICATION, route_prefix='/ours')
stop()
"""
TUNE = ("jobs/tune.py", SKELETONS, "--models", "mlp", "--folder", "s3://gym/sweeps")
FINALS = ("--finalists", "1", "--seeds", "1")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The URL of MLflow's server."""
    folder = tmp_path_factory.mktemp("mlflow")
    with mlflow_server(f"sqlite:///{folder}/mlflow.db", folder / "files") as url:
        yield url


@pytest.fixture(scope="module")
def cluster(s3_server, server, tmp_path_factory):
    """A cluster whose nodes know of the two; who submits does not."""
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    told = {**keys, "AWS_ENDPOINT_URL": s3_server, "MLFLOW_TRACKING_URI": server}
    with job_cluster(tmp_path_factory.mktemp("cluster"), **told) as started:
        yield started


@pytest.fixture(scope="module")
def videos(s3_server, tmp_path_factory):
    """Twelve of four seconds, on S3."""
    made = SynthOptions(out=str(tmp_path_factory.mktemp("videos")), seconds=4, width=320, height=240)
    for exercise in EXERCISES:
        for number in range(4):
            path = make_video(Item(exercise=exercise, number=number, seed=0), made)
            storage.write_whole(storage.join(VIDEOS, exercise, path.name), path.read_bytes())
    return VIDEOS


@pytest.fixture(scope="module")
def skeletons(cluster):
    """Made by the first job."""
    job = cluster.submit("jobs/synth.py", "--kind", "skeletons", "--out", SKELETONS, "--per-exercise", "6")
    assert f"132 performances (skeletons) in {SKELETONS}" in job.succeeded()
    return SKELETONS


def runs(server, **tags):
    """The runs with these tags that MLflow holds."""
    found = mlflow.MlflowClient(server).search_runs(["0", "1"], max_results=1000)
    return [run for run in found if all(run.data.tags.get(name) == value for name, value in tags.items())]


def hidden_files(store):
    """What a store hides: claims, and what is not whole."""
    system, path = storage.filesystem(store)
    found = system.get_file_info(fs.FileSelector(path, recursive=True))
    return [row.path for row in found if row.type == fs.FileType.File and "/." in row.path]


def test_without_the_token_nothing_is_taken(cluster, tmp_path):
    job = cluster.submit("jobs/history.py", RAY_AUTH_MODE="disabled", RAY_AUTH_TOKEN_PATH="")
    assert job.ended() == 1
    assert "no authentication token was found" in job.log
    (tmp_path / "token").write_text("0" * 64)
    job = cluster.submit("jobs/history.py", RAY_AUTH_TOKEN_PATH=str(tmp_path / "token"))
    assert job.ended() == 1
    assert "the authentication token is invalid or incorrect" in job.log
    assert not any(submitted["entrypoint"] == "python jobs/history.py" for submitted in cluster.get("/api/jobs/"))


def test_two_jobs_at_once_and_a_sweep_of_all_that_follows(cluster, server, videos, skeletons):
    extraction = cluster.submit("jobs/extract.py", videos, "--out", "s3://gym/tracks")
    training = cluster.submit("jobs/train.py", skeletons, "--model", "mlp", "--epochs", "3")
    assert "12 videos: 12 spans = 12 tracks + 0 quarantined" in extraction.succeeded()
    assert "version 1 of gymspotter" in training.succeeded()
    assert {track.label for track in read_tracks("s3://gym/tracks")} == set(EXERCISES)

    sweep = cluster.submit(*TUNE, "--name", "small", "--trials", "2", "--epochs", "2", *FINALS)
    assert "version 2 (" in sweep.succeeded()
    reported = cluster.submit("jobs/report.py", "small", "--out", "s3://gym/reports/small.html")
    judged = cluster.submit("jobs/promote.py", skeletons, "--trust-tracks", "--dry-run")
    assert "report: s3://gym/reports/small.html" in reported.succeeded()
    assert b"Leaderboard" in storage.read_bytes("s3://gym/reports/small.html")
    judged.ended()
    assert "version 2 against the champion, version 1" in judged.log
    # The verb tells a refusal (3) from bad input (2); `ray job submit` says 1 of both.
    assert judged.info()["driver_exit_code"] == (REFUSED if "it is refused" in judged.log else 0)
    rolled = cluster.submit("jobs/rollback.py", "--to", "2", "--why", "to see whether it goes", "--who", "the tests")
    assert "rollback: 1 -> 2 by the tests" in rolled.succeeded()
    log = cluster.submit("jobs/history.py", "--json").succeeded()
    moves = [json.loads(line) for line in log.splitlines() if line.startswith('{"')]
    assert [(move["before"], move["after"]) for move in moves] == [("", "1"), ("1", "2")]
    assert {run.info.status for run in runs(server)} == {"FINISHED"}


def test_bad_input_is_one_sentence_in_the_log_and_the_verbs_own_status(cluster, skeletons):
    jobs = {
        "'s3://gym/nowhere' does not exist": ("jobs/extract.py", "s3://gym/nowhere", "--out", "s3://gym/none"),
        "out is 'runs/tracks', in the job's own folder": ("jobs/extract.py", VIDEOS),
        "folder is 'runs/sweeps', in the job's own folder": ("jobs/tune.py", skeletons),
        "checkpoints is 'runs/checkpoints', in the job's own": ("jobs/train.py", skeletons, "--workers", "1"),
        "is not empty: remove it or name a new folder": ("jobs/synth.py", "--kind", "skeletons", "--out", skeletons),
    }
    submitted = {said: cluster.submit(*words) for said, words in jobs.items()}
    for said, job in submitted.items():
        assert job.ended() == 1
        assert said in job.log
        assert "Traceback" not in job.log
        assert (job.info()["status"], job.info()["driver_exit_code"]) == ("FAILED", 2)


def test_a_changed_file_is_what_runs(cluster, tmp_path):
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("jobs", "platform", "serve", "cluster", "pyproject.toml", ".gitignore", ".rayignore"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, checkout / name)
    (checkout / "tests").mkdir()
    (checkout / "tests" / "large.bin").write_bytes(bytes(6_000_000))
    changed = checkout / "platform" / "gymspotter" / "promote.py"
    changed.write_text(changed.read_text() + "\nprint('changed', MODEL_NAME, __file__, flush=True)\n")
    log = cluster.submit("jobs/history.py", checkout=checkout).succeeded()
    (place,) = [line.split()[-1] for line in log.splitlines() if line.startswith("changed gymspotter")]
    package = cluster.temp_dir / place.split("/platform/")[0]
    assert package.is_relative_to(cluster.temp_dir)  # the upload, and neither this checkout nor what is installed
    assert {path.name for path in package.iterdir()} >= {"jobs", "platform", "serve", "cluster"}
    assert not (package / "tests").exists()
    assert sum(path.stat().st_size for path in package.rglob("*.py")) < 5_000_000
    assert "changed gymspotter" not in cluster.submit("jobs/history.py").succeeded()


def test_stopped_jobs_leave_nothing_and_are_gone_on_with(cluster, server, videos, skeletons):
    words = {
        "train": ("jobs/train.py", skeletons, "--model", "mlp", "--epochs", "1000000", "--patience", "0"),
        "spread": (
            *("jobs/train.py", skeletons, "--model", "mlp", "--epochs", "3000", "--patience", "0"),
            *("--workers", "1", "--checkpoints", "s3://gym/checkpoints", "--checkpoint-seconds", "1"),
        ),
        "tune": (*TUNE, "--name", "stopped", "--trials", "2", "--epochs", "600", "--grace", "600", *FINALS),
        "extract": ("jobs/extract.py", videos, "--out", "s3://gym/stopped", "--actors", "1"),
    }
    before = {run.info.run_id for run in runs(server)}

    def news(**tags):
        return [run for run in runs(server, **tags) if run.info.run_id not in before]

    jobs = {}

    def at_work(name):
        return cluster.processes_of(jobs[name].name)

    under_way = {  # each is stopped as soon as it is at work
        "train": lambda: jobs["train"].until("to train on"),
        "extract": lambda: wait_until(lambda: any("PoseWorker" in shown for shown in at_work("extract")), 600),
        "tune": lambda: wait_until(lambda: any(run.data.metrics for run in news(kind="trial")), 600),
        "spread": lambda: wait_until(lambda: storage.files("s3://gym/checkpoints", below=True), 600),
    }
    for name, wait in under_way.items():
        jobs[name] = cluster.submit(*words[name])  # one after the other, lest one ends while another is waited for
        wait()
        assert jobs[name].info()["status"] == "RUNNING"  # its log came while it ran
        done = cluster.ray("job", "stop", jobs[name].name)
        assert done.returncode == 0, done.stderr
    for job in jobs.values():
        assert job.ended() == 0  # Ray's way: it did what it was told
        assert job.info()["status"] == "STOPPED"
        cluster.wait_for_the_end_of(job.name)
    assert len(news()) >= 4
    assert {run.info.status for run in news()} <= {"KILLED", "FINISHED"}
    assert {run.info.status for run in news() if "kind" not in run.data.tags} == {"KILLED"}
    assert {run.info.status for run in news(kind="sweep")} == {"KILLED"}
    assert hidden_files("s3://gym/stopped") == []

    words["tune"] += ("--resume",)
    jobs = {name: cluster.submit(*words[name]) for name in ("spread", "tune", "extract")}
    assert "12 videos: 12 spans = 12 tracks" in jobs["extract"].succeeded()
    assert "is claimed by process" not in jobs["extract"].log  # the claim was given back
    assert len(read_tracks("s3://gym/stopped")) == 12
    assert read_quarantine("s3://gym/stopped") == []
    assert "version " in jobs["spread"].succeeded()
    assert storage.files("s3://gym/checkpoints", below=True) == []
    jobs["tune"].succeeded()
    assert [run.info.status for run in news(kind="trial")] == ["FINISHED"] * 2
    assert {run.info.status for run in news(kind="sweep")} == {"FINISHED"}


def test_the_pipeline(cluster, videos, skeletons):
    words = ("jobs/pipeline.py", videos, "--out", "s3://gym/pipeline", "--also", skeletons, "--models", "mlp")
    job = cluster.submit(*words, "--trials", "2", "--epochs", "2", *FINALS, "--held-out", "0.3")
    job.ended()
    assert job.info()["driver_exit_code"] == (REFUSED if "it is refused" in job.log else 0), job.log
    names = {storage.name(place).removesuffix(".json") for place in storage.files("s3://gym/pipeline/stages")}
    assert names >= {"extract", "tune", "evaluate", "gate", "promote"}


def test_the_demo_serves_where_nobody_else_does(cluster, tmp_path):
    cluster.submit("-c", OTHERS).succeeded()
    words = ("jobs/demo.py", "--out", str(tmp_path / "demo"), "--per-exercise", "2", "--seconds", "4")
    words += ("--skeletons", "0", "--epochs", "2", "--post", "4")
    job = cluster.submit(*words)
    job.ended()
    assert "RAY_ADDRESS names a cluster that serves already (other): run the demo on another." in job.log
    assert job.info()["driver_exit_code"] == 2
    assert not (tmp_path / "demo").exists()
    cluster.submit("-c", OTHERS + OURS).succeeded()
    served = cluster.get("/api/serve/applications/")["applications"]
    assert {name: app["status"] for name, app in served.items()} == {"other": "RUNNING"}

    cluster.submit("-c", "from ray import serve; serve.shutdown()").succeeded()
    assert "served 4 videos that were never trained on" in cluster.submit(*words).succeeded()
    assert cluster.get("/api/serve/applications/")["applications"] == {}

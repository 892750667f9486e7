"""The commands of manifests, the launcher and compose: each is read by the program that it is for."""

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tyro
import yaml
from pyarrow import fs

from gymspotter import storage
from gymspotter.cli import VERBS
from gymspotter.promote import REFUSED
from gymspotter.store import read_tracks
from tests.unit.cluster.cluster_files import CLUSTER, ROOT, load, of_kind, one

DOCS = ROOT / "docs" / "cluster.md"


def verbs_in(text):
    """Each `python .../jobs/<verb>.py ...` in a shell command, as its words."""
    if text.startswith("sh -c "):
        (*_, text) = shlex.split(text)
    commands = re.split(r"\s*(?:\|\||&&)\s*", text)
    return [shlex.split(command) for command in commands if "jobs/" in command]


def jobs():
    """Every command of a job, with where it stands."""
    for document in of_kind("RayJob"):
        for words in verbs_in(document["spec"]["entrypoint"]):
            yield pytest.param(words, id=f"RayJob {document['metadata']['name']}: {' '.join(words[-2:])}")
    for path in (DOCS, ROOT / "docs" / "guides" / "on-a-cluster.md", ROOT / "docs" / "pipeline.md"):
        for line in re.findall(r"(?:-- +|\$submit )(python jobs/.*)", path.read_text().replace("\\\n", " ")):
            yield pytest.param(shlex.split(line, comments=True), id=f"{path.name}: {line[:40]}")


@pytest.mark.parametrize("words", jobs())
def test_a_job_is_a_verb_with_options_that_it_takes(words):
    program, script, *arguments = words
    assert program == "python"
    verb = script.removeprefix("/app/").removeprefix("jobs/").removesuffix(".py")
    assert script in (f"/app/jobs/{verb}.py", f"jobs/{verb}.py")
    assert (ROOT / "jobs" / f"{verb}.py").is_file()
    module, options, _ = VERBS[verb]
    options_class = getattr(importlib.import_module(module), options)
    default = options_class.defaults_for(arguments) if hasattr(options_class, "defaults_for") else tyro.MISSING_NONPROP
    parsed = tyro.cli(options_class, args=arguments, default=default)
    for name in ("videos", "tracks", "out", "folder"):
        assert str(getattr(parsed, name, "s3://")).startswith("s3://"), f"{name} is a path of one machine"
    assert getattr(parsed, "actors", 1), "where nodes come with the work, next to no CPU is there to be counted"
    if getattr(parsed, "estimator", "") == "blazepose":
        assert not parsed.gpus_per_actor, "it runs on CPUs"


def test_the_image_has_the_jobs_where_the_manifests_look():
    assert "COPY jobs /app/jobs\n" in (CLUSTER / "Dockerfile").read_text()


def test_a_job_script_runs_by_itself():
    """As the cluster runs it: in another folder, with the source root in PYTHONPATH."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "platform")}
    command = [sys.executable, str(ROOT / "jobs" / "synth.py"), "--help"]
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "gymspotter synth" in done.stdout


def driver_command(name):
    """What Ray's job supervisor gives its shell of a RayJob's entrypoint.

    KubeRay writes it unquoted into a script of the submitter's bash, `ray job submit --no-wait ... -- ENTRYPOINT ; fi`;
    Ray quotes each word that it is given then.
    """
    entrypoint = one("RayJob", name)["spec"]["entrypoint"].strip()
    script = f"submit() {{ printf '%s\\0' \"$@\"; }} ; if true ; then submit {entrypoint} ; fi"
    done = subprocess.run(["bash", "-ce", script], capture_output=True, text=True, check=True)
    return shlex.join(done.stdout.split("\0")[:-1])


def run_with(stand_in, name, folder):
    """The shell's part of an entrypoint, with a program in python's place."""
    (folder / "python").write_text(f"#!/bin/sh\n{stand_in}\n")
    (folder / "python").chmod(0o755)
    environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    return subprocess.run(
        driver_command(name), shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_entrypoint_of_tune_goes_on_with_a_sweep_that_was_begun(tmp_path):
    """With a program that knows whether a sweep was begun."""
    first, second = verbs_in(one("RayJob", "tune")["spec"]["entrypoint"])
    assert second == [*first, "--resume"]
    stand_in = 'case "$*" in *--resume) echo resumed;; *) test ! -e begun && touch begun && exit 9; exit 2;; esac'
    for _ in range(2):  # it dies under way, or was begun by an attempt before
        done = run_with(stand_in, "tune", tmp_path)
        assert (done.returncode, done.stdout) == (0, "resumed\n")


@pytest.mark.parametrize(("status", "fine"), [(0, True), (REFUSED, True), (1, False), (2, False), (137, False)])
def test_a_refused_challenger_is_no_failure_of_the_job(tmp_path, status, fine):
    """Which KubeRay would try again, on a new cluster, to the same end."""
    assert (run_with(f"exit {status}", "pipeline", tmp_path).returncode == 0) == fine


@pytest.mark.slow
def test_the_entrypoint_of_extract_extracts(squat_video, s3_server):
    """All of it, by a shell, on a bucket of that name; the jobs lie in the repository instead of the image."""
    server = fs.S3FileSystem(endpoint_override=s3_server, allow_bucket_creation=True, allow_bucket_deletion=True)
    server.create_dir("gymspotter")
    storage.write_whole("s3://gymspotter/videos/squat/a.mp4", squat_video.read_bytes())
    command = driver_command("extract").replace("/app/jobs/", "jobs/")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "1 videos: 1 spans = 1 tracks" in done.stdout
    assert [track.label for track in read_tracks("s3://gymspotter/tracks")] == ["squat"]


def test_image_bucket_and_region_are_put_in_by_the_commands_of_the_documentation(tmp_path):
    shutil.copytree(CLUSTER, tmp_path / "cluster")
    commands = re.findall(r"^grep -rl .* cluster \| xargs sed -i .*$", DOCS.read_text(), re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    for path in (tmp_path / "cluster").rglob("*.yaml"):
        text = path.read_text()
        assert not re.search(r"image: *gymspotter:|s3://gymspotter/|eu-central-1", text), path
        assert list(yaml.safe_load_all(text))
    assert "region: us-east-1\n" in (tmp_path / "cluster" / "ray-aws.yaml").read_text()


def test_every_kubectl_command_names_our_namespace_or_a_file():
    """And what it waits for and follows is of a RayJob."""
    texts = [path.read_text() for path in (DOCS, *(CLUSTER / "kuberay").glob("*.yaml"))]
    commands = [line for text in texts for line in re.findall(r"(?:^|#   |`)(kubectl [^`\n#]*)", text, re.MULTILINE)]
    assert len(commands) > 15
    for command in commands:
        assert re.search(r" -n gymspotter\b| -[fk] |gymspotter-tokens \.\.\.", command), command
        assert not re.search(r"(?<!replace --force) -f \S*ray-job", command), command  # one that ended stays
    jobs = {document["metadata"]["name"] for document in of_kind("RayJob")}
    named = {name for command in commands for name in re.findall(r"job-name=(\w+)|rayjob[/ ](\w+)", command)}
    assert {one or other for one, other in named} <= jobs


def mlflow_commands():
    spec = one("Deployment", "mlflow")["spec"]["template"]["spec"]
    for container in (*spec["initContainers"], *spec["containers"]):
        yield container["command"][1:]
    script = load("docker-compose.yaml")["services"]["mlflow"]["command"][-1].replace("$$", "$")
    for command in script.split("&&"):
        yield [word for word in shlex.split(command) if word != "exec"][1:]


@pytest.mark.parametrize("words", mlflow_commands(), ids=" ".join)
def test_mlflow_takes_its_options(words):
    from mlflow.cli import cli

    command, words = cli, list(words)
    while hasattr(command, "get_command"):  # db upgrade is a command of a group
        command = command.get_command(None, words.pop(0))
    context = command.make_context("mlflow", words)
    if command.name == "server":
        assert context.params["host"] == "0.0.0.0"
        assert context.params["port"] == 5000
        assert context.params["serve_artifacts"]


def test_mlflow_answers_to_the_name_that_our_processes_call_it_by():
    from mlflow.server.security_utils import is_allowed_host_header

    allowed = next(word for words in mlflow_commands() for word in words if word.startswith("--allowed-hosts="))
    hosts = allowed.removeprefix("--allowed-hosts=").split(",")
    called = one("ConfigMap", "gymspotter-environment")["data"]["MLFLOW_TRACKING_URI"].removeprefix("http://")
    assert is_allowed_host_header(hosts, called)
    assert not is_allowed_host_header(hosts, "attacker.example.com:5000")


def ray_commands():
    launcher = load("ray-aws.yaml")
    for command in (*launcher["head_start_ray_commands"], *launcher["worker_start_ray_commands"]):
        yield from command.split(";")
    script = load("docker-compose.yaml")["services"]["node"]["command"][-1]
    yield script.split("&&")[0]
    for document in of_kind("RayCluster", "RayService"):
        spec = document["spec"].get("rayClusterConfig", document["spec"])
        for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
            yield " ".join(
                ["ray start --address=head:6379", *(f"--{k}={v}" for k, v in group["rayStartParams"].items())]
            )


@pytest.mark.parametrize("text", [text.strip() for text in ray_commands() if text.strip().startswith("ray ")])
def test_ray_takes_its_options(text):
    from ray.scripts.scripts import cli

    _, name, *words = shlex.split(text)
    assert cli.get_command(None, name).make_context(f"ray {name}", words).params


def test_gymspotter_serve_takes_the_options_of_compose():
    script = load("docker-compose.yaml")["services"]["node"]["command"][-1]
    command = re.search(r"until ([^;]*);", script)[1]
    from serve.run import ServeOptions

    _, verb, *words = shlex.split(command)
    options = tyro.cli(ServeOptions, args=words)
    assert (verb, options.host, options.tokens) == ("serve", "0.0.0.0", "/etc/gymspotter/tokens.yaml")
    volumes = load("docker-compose.yaml")["services"]["node"]["volumes"]
    assert f"./tokens.yaml:{options.tokens}:ro" in volumes


def test_ray_job_submit_takes_the_options_of_the_documentation():
    from ray.dashboard.modules.job.cli import submit

    text = DOCS.read_text().replace("\\\n", " ")
    commands = [shlex.split(line) for line in re.findall(r"^ray job submit .*", text, re.MULTILINE)]
    assert commands
    for words in commands:
        context = submit.make_context("ray job submit", words[3:])
        assert context.params["runtime_env"] == "cluster/runtime_env.yaml"
        assert context.params["working_dir"] == "."
        assert context.params["entrypoint"][0] == "python"


def test_every_shell_command_is_one_that_a_shell_can_read():
    commands = [service.get("command", []) for service in load("docker-compose.yaml")["services"].values()]
    scripts = [command[-1] for command in commands if command[:2] == ["/bin/sh", "-c"]]
    scripts += [document["spec"]["entrypoint"] for document in of_kind("RayJob")]
    assert len(scripts) == 5
    for script in scripts:
        assert subprocess.run(["sh", "-n", "-c", script], capture_output=True, check=False).returncode == 0, script

"""The commands of manifests, the launcher and compose: each is read by the program that it is for."""

import importlib
import os
import re
import shlex
import subprocess
import sys

import pytest
import tyro

from gymspotter.cli import VERBS
from tests.unit.cluster.cluster_files import CLUSTER, ROOT, load, of_kind, one

DOCS = ROOT / "docs" / "cluster.md"


def verbs_in(text):
    """Each `python .../jobs/<verb>.py ...` in a shell command, as the words after `python`."""
    commands = re.split(r"\s*(?:\|\||&&)\s*", text)
    return [shlex.split(command) for command in commands if "jobs/" in command]


def jobs():
    """Every command of a job, with where it stands."""
    for document in of_kind("RayJob"):
        for words in verbs_in(document["spec"]["entrypoint"]):
            yield pytest.param(words, id=f"RayJob {document['metadata']['name']}: {' '.join(words[-2:])}")
    for line in re.findall(r"-- (python jobs/.*)", DOCS.read_text().replace("\\\n", " ")):
        yield pytest.param(shlex.split(line, comments=True), id=f"docs: {line[:40]}")


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


def test_the_image_has_the_jobs_where_the_manifests_look():
    assert "COPY jobs /app/jobs\n" in (CLUSTER / "Dockerfile").read_text()


def test_a_job_script_runs_by_itself():
    """As the cluster runs it: in another folder, with the source root in PYTHONPATH."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "platform")}
    command = [sys.executable, str(ROOT / "jobs" / "synth.py"), "--help"]
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "gymspotter synth" in done.stdout


def test_the_entrypoint_of_tune_goes_on_with_a_sweep_that_was_begun(tmp_path):
    """The shell's part of it, with a program in python's place that knows whether a sweep was begun."""
    entrypoint = one("RayJob", "tune")["spec"]["entrypoint"]
    first, second = verbs_in(entrypoint)
    assert second == [*first, "--resume"]
    stand_in = tmp_path / "python"
    stand_in.write_text(
        '#!/bin/sh\ncase "$*" in *--resume) echo resumed;; *) test ! -e begun && touch begun && exit 9; exit 2;; esac\n'
    )
    stand_in.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for _ in range(2):  # it dies under way, or was begun by an attempt before
        done = subprocess.run(entrypoint, shell=True, cwd=tmp_path, env=environment, capture_output=True, check=False)
        assert (done.returncode, done.stdout) == (0, b"resumed\n")


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

"""docker-compose.yaml: what it mounts exists, what it waits for becomes ready, and only this machine gets in."""

import re

import pytest

from tests.unit.cluster.cluster_files import CLUSTER, load

COMPOSE = load("docker-compose.yaml")
SERVICES = COMPOSE["services"]
# Of the Compose specification, what is used here; anything else is a typo until it is added.
KEYS = {
    "build", "command", "depends_on", "env_file", "environment", "healthcheck", "image", "init", "ports", "restart",
    "shm_size", "stop_grace_period", "volumes",
}  # fmt: skip
TEXT = (CLUSTER / "docker-compose.yaml").read_text()


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_written_with_known_words(name):
    assert set(SERVICES[name]) <= KEYS
    assert set(COMPOSE) == {"name", "services", "volumes"}
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_ports_are_open_to_this_machine_alone():
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for port in published)


def test_mounts_are_files_of_the_repository_or_named_volumes():
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source, target, *mode = volume.split(":")
            assert target.startswith("/")
            if source.startswith("./"):
                assert mode == ["ro"]
                assert (CLUSTER / source).is_file() or source == "./tokens.yaml"  # made by `gymspotter token`
            else:
                assert source in COMPOSE["volumes"]
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert set(COMPOSE["volumes"]) <= used


def test_our_volumes_are_at_folders_that_our_user_may_write():
    """A new volume takes on the owner of the image's folder; without one it is root's."""
    owned = re.search(
        r"install --directory --owner=spotter --group=spotter (.*)", (CLUSTER / "Dockerfile").read_text()
    )[1]
    for service in SERVICES.values():
        if service["image"].startswith("gymspotter:"):
            targets = [volume.split(":")[1] for volume in service["volumes"] if not volume.startswith("./")]
            assert set(targets) <= set(owned.split())


def test_what_is_waited_for_has_a_health_check():
    """Ours is in the image (Dockerfile), the others' beside them."""
    for service in SERVICES.values():
        for name, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}
            assert "healthcheck" in SERVICES[name] or SERVICES[name]["image"].startswith("gymspotter:")


def test_no_secret_is_written_down_and_each_is_asked_for():
    wanted = set(re.findall(r"\$\{(\w+)", TEXT))
    assert wanted == {"RAY_AUTH_TOKEN", "POSTGRES_PASSWORD", "GRAFANA_PASSWORD", "TORCH_INDEX"}
    assert len(re.findall(r"\$\{\w+:\?", TEXT)) == len(re.findall(r"\$\{", TEXT))  # a missing one stops compose
    made = set(re.findall(r"^#\s+(\w+)=(?:\$\(openssl|URL)", TEXT, re.MULTILINE))
    assert made == wanted


def test_the_image_is_built_with_arguments_that_it_has():
    """Without the index pip would take the build with CUDA, at which this variant stops."""
    build = SERVICES["node"]["build"]
    declared = re.findall(r"^ARG (.*)$", (CLUSTER / "Dockerfile").read_text(), re.MULTILINE)
    assert set(build["args"]) == {"TORCH_INDEX"} <= {word.split("=")[0] for line in declared for word in line.split()}


def test_credentials_of_a_bucket_may_be_given_and_are_not_kept():
    (given,) = SERVICES["node"]["env_file"]
    assert not given["required"]
    assert f"cluster/{given['path']}" in TEXT
    assert f"/{given['path']}" in (CLUSTER / ".gitignore").read_text().split()


def test_prometheus_and_the_service_find_each_other():
    jobs = load("monitoring/prometheus-compose.yaml")["scrape_configs"]
    (target,) = next(job for job in jobs if job["job_name"] == "ray")["static_configs"][0]["targets"]
    host, port = target.split(":")
    assert f"--metrics-export-port={port}" in SERVICES[host]["command"][-1]
    assert SERVICES["node"]["environment"]["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"

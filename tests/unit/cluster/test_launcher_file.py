"""The file of Ray's cluster launcher, by Ray's own schema and by what the AWS client knows of instances."""

import re

import boto3
import pytest
from botocore.validate import ParamValidator
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.unit.cluster.cluster_files import CLUSTER, ROOT, load

CONFIG = load("ray-aws.yaml")


@pytest.fixture(scope="module")
def prepared():
    """As `ray up` has it after its defaults."""
    whole = prepare_config(load("ray-aws.yaml"))
    validate_config(whole)
    return whole


def test_ray_takes_it(prepared):
    assert prepared["provider"]["type"] == "aws"
    assert prepared["head_node_type"] == "head"


@pytest.mark.parametrize("kind", sorted(CONFIG["available_node_types"]))
def test_aws_takes_the_instances(kind):
    client = boto3.client("ec2", region_name="eu-central-1", aws_access_key_id="none", aws_secret_access_key="none")
    shape = client.meta.service_model.operation_model("RunInstances").input_shape
    wanted = CONFIG["available_node_types"][kind]["node_config"] | {"MinCount": 1, "MaxCount": 1}
    report = ParamValidator().validate(wanted, shape)
    assert not report.has_errors(), report.generate_report()
    assert ParamValidator().validate(wanted | {"InstanceTyp": "a"}, shape).has_errors()


def test_workers_come_and_go_and_are_spot_instances(prepared):
    kinds = prepared["available_node_types"]
    workers = {name: kind for name, kind in kinds.items() if name != "head"}
    assert set(workers) == {"cpu", "gpu"}
    for kind in workers.values():
        assert kind["min_workers"] == 0 < kind["max_workers"]
        assert kind["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert sum(kind["max_workers"] for kind in workers.values()) == prepared["max_workers"]
    assert "InstanceMarketOptions" not in kinds["head"]["node_config"]  # the head may not be taken away
    assert kinds["head"]["resources"]["CPU"] == 0


def test_the_head_may_start_workers_and_workers_may_not(prepared):
    """A profile that is named is taken as it is: Ray gives the head no rights beside."""
    kinds = prepared["available_node_types"]
    profiles = {name: kind["node_config"]["IamInstanceProfile"]["Name"] for name, kind in kinds.items()}
    assert profiles["cpu"] == profiles["gpu"] != profiles["head"]
    for text in ((CLUSTER / "ray-aws.yaml").read_text(), (ROOT / "docs" / "cluster.md").read_text()):
        assert "iam:PassRole" in text


def test_every_node_has_a_machine_image_that_was_chosen_and_room_for_ours(prepared):
    """Ray's default is an old one of 140 GB, whose driver knows nothing of these GPUs."""
    for kind in prepared["available_node_types"].values():
        config = kind["node_config"]
        assert config["ImageId"] == "ami-REPLACE-ME"
        assert config["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] >= 150


def test_every_node_has_the_token_and_the_dashboard_is_the_heads_alone(prepared):
    assert "--env RAY_AUTH_MODE=token" in prepared["docker"]["run_options"]
    assert prepared["file_mounts"].keys() == {"~/.ray/auth_token"}
    starts = prepared["head_start_ray_commands"]
    assert any("--dashboard-host=127.0.0.1" in command for command in starts)


def test_nodes_agree_on_their_ports(prepared):
    for option in ("--object-manager-port", "--metrics-export-port"):
        found = {
            re.search(rf"{option}=(\d+)", command)[1]
            for commands in (prepared["head_start_ray_commands"], prepared["worker_start_ray_commands"])
            for command in commands
            if "ray start" in command
        }
        assert len(found) == 1, option
    (head,) = [command for command in prepared["head_start_ray_commands"] if "ray start" in command]
    (worker,) = [command for command in prepared["worker_start_ray_commands"] if "ray start" in command]
    assert "--port=6379" in head
    assert "$RAY_HEAD_IP:6379" in worker

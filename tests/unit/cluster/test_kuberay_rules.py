"""What KubeRay's operator refuses although its schema allows it, after its own checks of release 1.6; in our words."""

import copy
import re

import pytest

from tests.unit.cluster.cluster_files import of_kind, ray_clusters, title

DOCUMENTS = of_kind("RayCluster", "RayJob", "RayService")
IDS = [title(document) for document in DOCUMENTS]


def refusals(document):
    """Why the operator would not take a manifest."""
    found, spec = [], document["spec"]
    if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name := document["metadata"]["name"]) or len(name) > 47:
        found.append("name")
    if spec.get("ttlSecondsAfterFinished", 0) and not spec.get("shutdownAfterJobFinishes"):
        found.append("time to live without shutdown")
    for cluster in ray_clusters(document):
        found += _of_cluster(cluster)
        if "upgradeStrategy" in cluster and document["kind"] != "RayCluster":
            found.append("upgradeStrategy of a cluster that is not its own")
    return found


def _of_cluster(cluster):
    found, head = [], cluster["headGroupSpec"]
    groups = [head, *cluster["workerGroupSpecs"]]
    second = cluster.get("autoscalerOptions", {}).get("version") == "v2"
    if cluster["authOptions"]["mode"] == "token" and _numbers(cluster["rayVersion"]) < (2, 52):
        found.append("token authentication needs Ray 2.52")
    names = [group["groupName"] for group in cluster["workerGroupSpecs"]]
    if len(set(names)) < len(names):
        found.append("two groups of one name")
    for group in groups:
        if group.get("resources") and {"num-cpus", "num-gpus", "memory", "resources"} & set(group["rayStartParams"]):
            found.append("resources said twice")
        if "labels" in group["rayStartParams"]:
            found.append("labels among the parameters")
        if second and group["template"]["spec"].get("restartPolicy", "Never") != "Never":
            found.append("restartPolicy with the second autoscaler")
        if "idleTimeoutSeconds" in group and not second:
            found.append("idleTimeoutSeconds of a group without the second autoscaler")
        if group.get("minReplicas", 0) > group.get("maxReplicas", 0):
            found.append("more at least than at most")
    if "gcsFaultToleranceOptions" in cluster:
        variables = {variable["name"] for variable in head["template"]["spec"]["containers"][0].get("env", [])}
        if (
            variables & {"REDIS_PASSWORD", "REDIS_USERNAME", "RAY_REDIS_ADDRESS"}
            or "redis-password" in head["rayStartParams"]
        ):
            found.append("Redis said twice")
    return found


def _numbers(version):
    return tuple(map(int, version.split(".")))[:2]


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_the_operator_takes_it(document):
    assert refusals(document) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_the_container_of_ray_is_the_first(document):
    """The operator adds its own behind it, and knows Ray's by its place."""
    for cluster in ray_clusters(document):
        assert cluster["headGroupSpec"]["template"]["spec"]["containers"][0]["name"] == "ray-head"
        for group in cluster["workerGroupSpecs"]:
            assert group["template"]["spec"]["containers"][0]["name"] == "ray-worker"


def test_services_of_clusters_do_not_collide():
    """Each makes NAME-head-svc, and the service NAME-serve-svc, too."""
    names = [document["metadata"]["name"] for document in DOCUMENTS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda cluster: cluster.update(rayVersion="2.51.0"), "token authentication needs Ray 2.52"),
        (lambda cluster: cluster["autoscalerOptions"].pop("version"), "idleTimeoutSeconds of a group"),
        (lambda cluster: cluster["headGroupSpec"]["template"]["spec"].update(restartPolicy="Always"), "restartPolicy"),
        (lambda cluster: cluster["headGroupSpec"].update(resources={"CPU": "0"}), "resources said twice"),
        (lambda cluster: cluster.update(upgradeStrategy={"type": "Recreate"}), "upgradeStrategy"),
    ],
)
def test_the_rules_find_what_they_are_for(change, reason):
    service = copy.deepcopy(of_kind("RayService")[0])
    (cluster,) = ray_clusters(service)
    change(cluster)
    assert any(found.startswith(reason) for found in refusals(service))

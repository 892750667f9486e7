"""Every manifest is what Kubernetes and KubeRay take: by our schemas, and by Kubernetes' own."""

import copy

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.unit.cluster import cluster_files
from tests.unit.cluster.cluster_files import CLUSTER, OTHERS, manifests, of_kind, pod_templates, problems, title

IDS = [f"{name}: {title(document)}" for name, document in manifests()]
DOCUMENTS = [document for _, document in manifests()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_a_manifest_fits_its_schema(document):
    assert problems(document) == []


@pytest.mark.parametrize("document", [one for one in DOCUMENTS if one["kind"] != "Kustomization"], ids=title)
def test_a_manifest_fits_kubernetes_own_schema(document):
    """Ray's kinds are not in it, but the pods of Ray's nodes are; a kustomization is no object of Kubernetes."""
    known = [document]
    if document["apiVersion"].startswith("ray.io/"):
        known = [
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", **one["metadata"]}, "spec": one["spec"]}
            for one in pod_templates(document)
        ]
    for one in known:
        kubernetes_validate.validate(one, "1.35", strict=True)


def test_the_schemas_are_schemas():
    for path in cluster_files.SCHEMAS.glob("*.json"):
        Draft202012Validator.check_schema(yaml.safe_load(path.read_text()))


def test_all_kinds_that_were_asked_for_are_there():
    kinds = {document["kind"] for document in DOCUMENTS}
    assert {"RayCluster", "RayJob", "RayService", "NetworkPolicy", "Secret", "Deployment", "StatefulSet"} <= kinds
    assert {"extract", "tune", "pipeline"} == {document["metadata"]["name"] for document in of_kind("RayJob")}
    assert all((CLUSTER / name).is_file() for name in OTHERS)


def places(value, path=()):
    """The path to every object in a document."""
    if isinstance(value, dict):
        yield path
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))


# Where Kubernetes takes any key.
FREE = {
    "labels",
    "annotations",
    "matchLabels",
    "data",
    "stringData",
    "requests",
    "limits",
    "rayStartParams",
    "selector",
}


@pytest.mark.parametrize(
    "document", [one for one in DOCUMENTS if one["kind"] in ("RayService", "Deployment")], ids=title
)
def test_a_misspelt_field_is_found_wherever_it_is(document):
    for path in places(document):
        if path and path[-1] in FREE:
            continue
        broken = copy.deepcopy(document)
        inner = broken
        for step in path:
            inner = inner[step]
        inner["mispelt"] = 1
        assert problems(broken), path


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("RayService", lambda spec: spec["rayClusterConfig"].pop("authOptions")),
        ("RayService", lambda spec: spec["rayClusterConfig"]["authOptions"].update(mode="disabled")),
        ("RayService", lambda spec: spec["upgradeStrategy"].update(type="BlueGreen")),
        ("RayJob", lambda spec: spec.pop("entrypoint")),
        ("RayCluster", lambda spec: spec["workerGroupSpecs"][0].update(minReplicas=-1)),
        ("RayCluster", lambda spec: spec["headGroupSpec"]["rayStartParams"].update({"num-cpus": 0})),
        ("Deployment", lambda spec: spec["template"]["spec"]["containers"][0].pop("resources")),
        ("Deployment", lambda spec: spec["template"]["spec"]["securityContext"].update(runAsUser=0)),
        ("Deployment", lambda spec: spec["template"]["spec"]["containers"][0].update(image="gymspotter")),
    ],
)
def test_what_must_not_be_is_refused(kind, change):
    document = copy.deepcopy(of_kind(kind)[0])
    change(document["spec"])
    assert problems(document)

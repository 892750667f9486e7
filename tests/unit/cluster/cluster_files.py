"""What the tests of cluster/ share: its manifests, their pods and containers, and the schemas beside this file."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

ROOT = Path(__file__).parents[3]
CLUSTER = ROOT / "cluster"
SCHEMAS = Path(__file__).parent / "schemas"
# What is not a manifest of Kubernetes.
OTHERS = {
    "docker-compose.yaml",
    "ray-aws.yaml",
    "runtime_env.yaml",
    "monitoring/alerts.yaml",
    "monitoring/grafana-dashboards.yaml",
    "monitoring/grafana-datasources.yaml",
    "monitoring/prometheus-compose.yaml",
    "monitoring/prometheus.yaml",
}

Document = dict[str, Any]


def load(name: str) -> Any:
    """The one document of a file below cluster/."""
    return yaml.safe_load((CLUSTER / name).read_text())


@cache
def manifests() -> tuple[tuple[str, Document], ...]:
    """Each manifest with the name of its file, relative to cluster/."""
    found = []
    for path in sorted(CLUSTER.rglob("*.yaml")):
        name = path.relative_to(CLUSTER).as_posix()
        if name not in OTHERS:
            found += [(name, document) for document in yaml.safe_load_all(path.read_text())]
    return tuple(found)


def of_kind(*kinds: str) -> list[Document]:
    """The manifests of these kinds."""
    return [document for _, document in manifests() if document["kind"] in kinds]


def one(kind: str, name: str) -> Document:
    """The manifest of that kind and name."""
    (found,) = [document for document in of_kind(kind) if document["metadata"]["name"] == name]
    return found


def title(document: Document) -> str:
    """Kind and name, for messages."""
    return f"{document['kind']} {document.get('metadata', {}).get('name', '')}"


def ray_clusters(document: Document) -> list[Document]:
    """The RayClusterSpec in a manifest of Ray's; none in others."""
    spec = document.get("spec", {})
    given = {"RayCluster": spec, "RayJob": spec.get("rayClusterSpec"), "RayService": spec.get("rayClusterConfig")}
    return [found] if (found := given.get(document["kind"])) else []


def pod_templates(document: Document) -> list[Document]:
    """Every template of pods in a manifest."""
    templates = []
    for cluster in ray_clusters(document):
        templates += [group["template"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
    spec = document.get("spec", {})
    templates += [spec[key] for key in ("template", "submitterPodTemplate") if key in spec]
    return templates


def containers(template: Document) -> list[Document]:
    """All containers of a pod, those that run before the others included."""
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]


def all_containers() -> Iterator[tuple[Document, Document, Document]]:
    """Manifest, template and container of everything that runs."""
    for _, document in manifests():
        for template in pod_templates(document):
            for container in containers(template):
                yield document, template, container


@cache
def _schemas() -> tuple[Registry, dict[str, str]]:
    """The schemas, and for each ``apiVersion/kind`` where it is defined."""
    contents = {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")}
    places = {
        kind: f"{name}#/$defs/{kind.replace('/', '~1')}" for name, one in contents.items() for kind in one["$defs"]
    }
    return Registry().with_resources((name, Resource.from_contents(one)) for name, one in contents.items()), places


def problems(document: Document) -> list[str]:
    """What the schema of its kind says against a manifest: each with the path to it."""
    registry, places = _schemas()
    place = places.get(f"{document['apiVersion']}/{document['kind']}")
    if place is None:
        return [f"there is no schema for {document['apiVersion']} {document['kind']}"]
    errors = Draft202012Validator({"$ref": place}, registry=registry).iter_errors(document)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in errors]

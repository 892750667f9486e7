"""Prometheus finds what our pods offer, alerts ask for what is counted, and Grafana shows the dashboard."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from serve.metrics import DECLARED
from tests.unit.cluster.cluster_files import CLUSTER, ROOT, load, manifests, one, pod_templates

# Of Ray's own metrics and of Prometheus', those that we ask for.
OF_OTHERS = {"ray_component_rss_bytes": {"Component", "pod"}, "up": {"job", "pod"}}
OF_RAY = {"le", "WorkerId", "Component", "NodeAddress", "SessionName"}
RULES = load("monitoring/alerts.yaml")["groups"][0]["rules"]
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")


def exported():
    """Every series of ours by its name in Prometheus, with its labels."""
    names = dict(OF_OTHERS)
    for declared in DECLARED:
        ends = ("_bucket", "_sum", "_count") if declared.kind == "histogram" else ("",)
        names |= {f"ray_{declared.name}{end}": set(declared.tags) for end in ends}
    return names


def expressions():
    dashboard = json.loads((CLUSTER / "grafana" / "gymspotter.json").read_text())
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    return [*(rule["expr"] for rule in RULES), *shown]


def series(expression):
    return set(re.findall(r"\b(ray_\w+|up)\b(?=[\[{)\s]|$)", re.sub(r'"[^"]*"', '""', expression)))


@pytest.mark.parametrize("expression", expressions())
def test_every_series_that_is_asked_for_is_offered_with_these_labels(expression):
    known = exported()
    named = {name for name in series(expression) if name != "ray_cluster"}
    assert named
    assert named <= set(known)
    labels = set().union(*(known[name] for name in named)) | OF_RAY
    asked = {label for group in re.findall(r"\{([^}]*)\}", expression) for label in re.findall(r"(\w+)\s*=", group)}
    asked |= {label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")}
    assert asked <= labels


def test_alerts_are_those_of_the_documentation_and_a_few_of_the_cluster():
    documented = (ROOT / "docs" / "monitoring.md").read_text().split("## Alerts worth having")[1]
    flat = [" ".join(rule["expr"].split()) for rule in RULES]
    for expression in re.findall(r"^\| [^|]+\| `([^`]+)`", documented, re.MULTILINE):
        assert any(expression in ours for ours in flat), expression
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names) >= 8
    for rule in RULES:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["look_at"]
        used = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert used <= set(re.findall(r"\w+", rule["expr"])) | {"pod"}


def test_every_alert_is_tried_by_promtools_tests():
    text = (Path(__file__).parent / "alerts_test.yaml").read_text()
    tests = yaml.safe_load(text)["tests"]
    fired = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case.get("exp_alerts")}
    silent = {case["alertname"] for test in tests for case in test["alert_rule_test"] if not case.get("exp_alerts")}
    assert fired == silent == {rule["alert"] for rule in RULES}


@needs_promtool
def test_alerts_fire_when_they_should_and_not_when_all_is_well():
    path = Path(__file__).parent / "alerts_test.yaml"
    done = subprocess.run([PROMTOOL, "test", "rules", path], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize("name", ["prometheus.yaml", "prometheus-compose.yaml"])
def test_prometheus_takes_its_configuration(name, tmp_path):
    """Debian's promtool has no Kubernetes in it: its discovery stands in as a fixed target, the rest is as it is."""
    configuration = load(f"monitoring/{name}")
    for job in configuration["scrape_configs"]:
        if job.pop("kubernetes_sd_configs", None):
            job["static_configs"] = [{"targets": ["10.0.0.1:8080"]}]
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    shutil.copy(CLUSTER / "monitoring" / "alerts.yaml", tmp_path)
    command = [PROMTOOL, "check", "config", tmp_path / "prometheus.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 rules found" in done.stdout


def scraped(template):
    """The ports of a pod that the job `ray` keeps, by Prometheus' own rules of relabelling; KubeRay's labels added."""
    (job,) = [one for one in load("monitoring/prometheus.yaml")["scrape_configs"] if one["job_name"] == "ray"]
    labels = {"ray.io/is-ray-node": "yes", "ray.io/cluster": "c", "ray.io/node-type": "worker"} | template["metadata"][
        "labels"
    ]
    kept = []
    for container in template["spec"]["containers"]:
        for port in container.get("ports", []):
            meta = {
                f"__meta_kubernetes_pod_label_{re.sub('[^a-zA-Z0-9_]', '_', key)}": value
                for key, value in labels.items()
            }
            meta["__meta_kubernetes_pod_container_port_name"] = port.get("name", "")
            meta["__meta_kubernetes_pod_name"] = "p"
            for rule in job["relabel_configs"]:
                assert set(rule["source_labels"]) <= set(meta)
            keeping = [rule for rule in job["relabel_configs"] if rule.get("action") == "keep"]
            if all(re.fullmatch(rule["regex"], meta[rule["source_labels"][0]]) for rule in keeping):
                kept.append(port["containerPort"])
    return kept


def test_every_ray_node_is_read_once():
    templates = [
        template
        for _, document in manifests()
        if document["apiVersion"] == "ray.io/v1"
        for template in pod_templates(document)
        if template["metadata"]["labels"]["app.kubernetes.io/component"] != "submitter"
    ]
    assert len(templates) >= 10
    for template in templates:
        assert scraped(template) == [8080]


def test_grafana_is_given_its_source_and_our_dashboard():
    (source,) = load("monitoring/grafana-datasources.yaml")["datasources"]
    (provider,) = load("monitoring/grafana-dashboards.yaml")["providers"]
    services = {"prometheus": one("Service", "prometheus")["spec"]["ports"][0]["port"]}
    host, port = re.fullmatch(r"http://(\w+):(\d+)", source["url"]).groups()
    assert services[host] == int(port)
    assert source["isDefault"]
    template = one("Deployment", "grafana")["spec"]["template"]
    (container,) = template["spec"]["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts["dashboards"] == provider["options"]["path"]
    compose = load("docker-compose.yaml")["services"]["grafana"]["volumes"]
    assert f"./grafana/gymspotter.json:{provider['options']['path']}/gymspotter.json:ro" in compose
    dashboard = json.loads((CLUSTER / "grafana" / "gymspotter.json").read_text())
    # The dashboard lets one choose among the sources of this type, and begins with the default one.
    assert [variable["query"] for variable in dashboard["templating"]["list"]] == [source["type"]]

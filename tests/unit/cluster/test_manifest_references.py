"""What one manifest says of another, or of the code, is so: names, keys, ports, images, who may reach whom."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from ray._private import ray_constants
from ray.serve.schema import ServeDeploySchema

from gymspotter.pose.weights import blazepose_files
from serve.settings import AppSettings
from tests.unit.cluster.cluster_files import (
    CLUSTER,
    ROOT,
    all_containers,
    containers,
    load,
    manifests,
    of_kind,
    one,
    pod_templates,
    ray_clusters,
    title,
)

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
OURS = {f"gymspotter:{VERSION}-{variant}" for variant in ("cpu", "cuda", "cuda-mmpose")}
# Images of others by name; the tag has to be the same everywhere.
THEIRS = {"grafana/grafana", "postgres", "prom/prometheus", "redis"}
SOURCES = [path.read_text() for root in ("platform", "serve") for path in (ROOT / root).rglob("*.py")]
# Variables that other programs than ours and Ray and MLflow read.
OF_OTHERS = {
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION",  # boto3
    "GF_ANALYTICS_CHECK_FOR_UPDATES", "GF_ANALYTICS_REPORTING_ENABLED", "GF_SECURITY_ADMIN_PASSWORD",  # Grafana
    "PGDATA", "POSTGRES_DB", "POSTGRES_PASSWORD", "POSTGRES_USER",  # the image of PostgreSQL
    "REDIS_PASSWORD",  # goes into the command beside it
}  # fmt: skip


def secrets():
    return {document["metadata"]["name"]: set(document["stringData"]) for document in of_kind("Secret")}


def config_maps():
    made = {document["metadata"]["name"]: set(document["data"]) for document in of_kind("ConfigMap")}
    for generated in load("kustomization.yaml")["configMapGenerator"]:
        made[generated["name"]] = {name.split("/")[-1] for name in generated["files"]}
    return made


def services():
    return {document["metadata"]["name"]: document["spec"] for document in of_kind("Service")}


def labels_of_pods():
    return [(template["metadata"]["labels"], template) for _, d in manifests() for template in pod_templates(d)]


def fits(selector, labels):
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", []))


def test_every_image_is_ours_of_this_version_or_one_of_few_with_one_tag_each():
    compose = load("docker-compose.yaml")["services"].values()
    used = {container["image"] for _, _, container in all_containers()} | {service["image"] for service in compose}
    launcher = load("ray-aws.yaml")
    used |= {launcher["docker"]["image"], launcher["available_node_types"]["gpu"]["docker"]["worker_image"]}
    others = [image.split(":") for image in used - OURS]
    assert sorted(name for name, _ in others) == sorted(THEIRS)
    assert not {tag for _, tag in others} & {"latest", "stable", "main"}
    built = re.findall(r"-t (gymspotter:\S+)", (CLUSTER / "Dockerfile").read_text())
    assert set(built) == OURS
    assert f'org.opencontainers.image.version="{VERSION}"' in (CLUSTER / "Dockerfile").read_text()


def test_ray_is_of_the_version_that_the_image_holds():
    locked = re.search(r"^ray==(.*)$", (ROOT / "requirements.lock").read_text(), re.MULTILINE)[1]
    clusters = [cluster for _, document in manifests() for cluster in ray_clusters(document)]
    assert {cluster["rayVersion"] for cluster in clusters} == {locked} == {importlib.metadata.version("ray")}


def test_secrets_and_their_keys_exist():
    known = secrets()
    for document, template, container in all_containers():
        for variable in container.get("env", []):
            if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                assert reference["key"] in known[reference["name"]], title(document)
        for source in container.get("envFrom", []):
            if "secretRef" in source:
                assert source["secretRef"]["name"] in known, title(document)
        for volume in template["spec"].get("volumes", []):
            if "secret" in volume:
                assert volume["secret"]["secretName"] in known, title(document)
    for _, document in manifests():
        for cluster in ray_clusters(document):
            assert "auth_token" in known[cluster["authOptions"]["secretName"]]  # the key is KubeRay's
            if fault_tolerance := cluster.get("gcsFaultToleranceOptions"):
                reference = fault_tolerance["redisPassword"]["valueFrom"]["secretKeyRef"]
                assert reference["key"] in known[reference["name"]]


def test_no_real_secret_is_in_the_repository():
    for document in of_kind("Secret"):
        assert set(document["stringData"].values()) <= {"REPLACE-ME", "[]"}, title(document)
    assert "secrets.example.yaml" not in load("kustomization.yaml")["resources"]
    assert {"/.env", "/tokens.yaml"} <= set((CLUSTER / ".gitignore").read_text().split())


def test_config_maps_volumes_and_claims_exist():
    known, claims = config_maps(), {document["metadata"]["name"] for document in of_kind("PersistentVolumeClaim")}
    accounts = {document["metadata"]["name"] for document in of_kind("ServiceAccount")}
    for document, template, container in all_containers():
        spec = template["spec"]
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                assert source["configMapRef"]["name"] in known, title(document)
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        volumes |= {made["metadata"]["name"] for made in document["spec"].get("volumeClaimTemplates", [])}
        assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes, title(document)
        for volume in spec.get("volumes", []):
            if "configMap" in volume:
                keys = known[volume["configMap"]["name"]]
                assert {item["key"] for item in volume["configMap"].get("items", [])} <= keys
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims
        assert spec.get("serviceAccountName") in {None, *accounts}


def test_kustomization_names_files_that_exist_and_all_that_stays():
    kustomization = load("kustomization.yaml")
    generated = [name for generator in kustomization["configMapGenerator"] for name in generator["files"]]
    assert all((CLUSTER / name).is_file() for name in (*kustomization["resources"], *generated))
    by_hand = {"kustomization.yaml", "secrets.example.yaml", "kuberay/ray-cluster.yaml", "kuberay/ray-service.yaml"}
    by_hand |= {name for name, document in manifests() if document["kind"] == "RayJob"}
    assert set(kustomization["resources"]) == {name for name, _ in manifests()} - by_hand


def test_the_service_is_started_after_a_champion_was_made():
    text = (ROOT / "docs" / "cluster.md").read_text()
    steps = ("apply -k cluster ", "-f cluster/kuberay/ray-job-pipeline.yaml", "-f cluster/kuberay/ray-service.yaml")
    places = [text.index(step) for step in steps]
    assert places == sorted(places)


def test_services_select_pods_that_listen_where_they_say():
    for name, spec in services().items():
        pods = [template for labels, template in labels_of_pods() if spec["selector"].items() <= labels.items()]
        assert len(pods) == 1, name
        named = {port["name"] for container in containers(pods[0]) for port in container.get("ports", [])}
        assert {port["targetPort"] for port in spec["ports"]} <= named, name
    for document in of_kind("StatefulSet"):
        assert document["spec"]["serviceName"] in services()


def test_a_set_of_pods_selects_the_pods_of_its_own_template_and_no_others():
    for document in of_kind("Deployment", "StatefulSet"):
        selector = document["spec"]["selector"]
        chosen = [template for labels, template in labels_of_pods() if fits(selector, labels)]
        assert chosen == [document["spec"]["template"]], title(document)
    (budget,) = of_kind("PodDisruptionBudget")
    service = one("RayService", "gymspotter")
    chosen = [template for labels, template in labels_of_pods() if fits(budget["spec"]["selector"], labels)]
    assert chosen == [group["template"] for group in service["spec"]["rayClusterConfig"]["workerGroupSpecs"]]


def test_a_node_of_the_service_can_be_drained():
    """By a number of pods that stay: what a RayCluster wants at most or in per cent nobody can tell Kubernetes."""
    (budget,) = of_kind("PodDisruptionBudget")
    (group,) = one("RayService", "gymspotter")["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert set(budget["spec"]) == {"selector", "minAvailable"}
    assert isinstance(budget["spec"]["minAvailable"], int)
    assert 0 < budget["spec"]["minAvailable"] < group["minReplicas"]


def test_probes_ask_ports_that_the_container_or_rays_agent_listens_on():
    for document, _, container in all_containers():
        ports = container.get("ports", [])
        known = {port["containerPort"] for port in ports} | {port.get("name") for port in ports}
        if container["name"].startswith("ray-"):
            known.add(52365)  # the agent of a node
        for kind in ("readinessProbe", "livenessProbe"):
            probe = container.get(kind, {})
            if request := probe.get("httpGet") or probe.get("tcpSocket"):
                assert request["port"] in known, title(document)


@pytest.mark.parametrize(
    ("host", "port"),
    [("mlflow", 5000), ("postgres", 5432), ("redis", 6379), ("prometheus", 9090)],
)
def test_addresses_are_those_of_services(host, port):
    assert port in {one["port"] for one in services()[host]["ports"]}
    said = "".join(path.read_text() for path in CLUSTER.rglob("*.yaml"))
    assert f"{host}:{port}" in said
    assert {int(number) for number in re.findall(rf"(?<![\w.-]){host}:(\d{{4,5}})\b", said)} == {port}


def _variables():
    for document, _, container in all_containers():
        yield from ((title(document), variable["name"]) for variable in container.get("env", []))
    for document in of_kind("ConfigMap"):
        yield from ((title(document), name) for name in document["data"])
    for name, service in load("docker-compose.yaml")["services"].items():
        yield from ((f"compose {name}", variable) for variable in service.get("environment", {}))
    yield from (("runtime_env", name) for name in load("runtime_env.yaml")["env_vars"])
    for option in load("ray-aws.yaml")["docker"]["run_options"]:
        yield from (("launcher", name) for name in re.findall(r"^--env (\w+)=", option))
    for line in re.findall(r"^(?:ENV|    )\s*((?:[A-Z_]+=\S+\s*\\?\s*)+)$", (CLUSTER / "Dockerfile").read_text(), re.M):
        yield from (("Dockerfile", name) for name in re.findall(r"([A-Z][A-Z_]+)=", line))


def test_variables_are_ones_that_somebody_reads(installed_sources):
    """Ours by our own source, Ray's and MLflow's by theirs."""
    seen = set(_variables())
    assert {"RAY_SERVE_ENABLE_HA_PROXY", "MLFLOW_TRACKING_URI", "GYMSPOTTER_WEIGHTS"} <= {name for _, name in seen}
    for where, name in seen:
        if name in OF_OTHERS or name.startswith(("PIP_", "PYTHON", "NVIDIA_")) or name == "PATH":
            continue
        sources = SOURCES if name.startswith("GYMSPOTTER_") else [*SOURCES, *installed_sources]
        assert any(name in source for source in sources), f"{where}: {name}"


@pytest.fixture(scope="module")
def installed_sources():
    """The modules of Ray and MLflow that read their variables."""
    site = Path(importlib.metadata.distribution("ray").locate_file(""))
    of_ray = [
        "ray/_private/ray_constants.py",
        "ray/_common/usage/usage_constants.py",
        "ray/serve/_private/constants.py",
    ]
    of_ray += ["ray/_private/authentication/authentication_token_setup.py", "ray/exceptions.py"]
    of_ray += ["ray/dashboard/modules/job/job_supervisor.py"]
    of_mlflow = ["mlflow/environment_variables.py", "mlflow/cli/__init__.py"]
    return [(site / name).read_text() for name in (*of_ray, *of_mlflow)]


def test_the_weights_lie_where_the_image_says():
    """GYMSPOTTER_CACHE at build time, GYMSPOTTER_WEIGHTS at run time: the folder between them is the code's."""
    text = (CLUSTER / "Dockerfile").read_text()
    cache = re.search(r"GYMSPOTTER_CACHE=(\S+) gymspotter weights", text)[1]
    said = re.search(r"GYMSPOTTER_WEIGHTS=(\S+)", text)[1]
    assert said == f"{cache}/{blazepose_files().detector.parent.name}"
    assert f"COPY --from=builder {cache} {cache}\n" in text


def served():
    return yaml.safe_load(one("RayService", "gymspotter")["spec"]["serveConfigV2"])


def test_serve_config_agrees_with_the_one_of_one_machine():
    ours, theirs = served(), yaml.safe_load((ROOT / "serve" / "config.yaml").read_text())
    assert ours["http_options"].pop("host") == "0.0.0.0"
    assert theirs["http_options"].pop("host") == "127.0.0.1"
    (here,), (there,) = ours["applications"], theirs["applications"]
    assert here["args"].pop("tokens") == "/etc/gymspotter/tokens.yaml"
    scaling = here["deployments"][0]["autoscaling_config"], there["deployments"][0]["autoscaling_config"]
    assert [one.pop("min_replicas") for one in scaling] == [2, 1]
    assert ours == theirs


def test_serve_config_is_what_ray_and_the_application_take():
    schema = ServeDeploySchema.model_validate(served())
    (application,) = schema.applications
    settings = AppSettings(**application.args)
    pods = pod_templates(one("RayService", "gymspotter"))
    for template in pods:
        (container,) = template["spec"]["containers"]
        (mount,) = container["volumeMounts"]
        assert settings.tokens == f"{mount['mountPath']}/tokens.yaml"
        assert "tokens.yaml" in secrets()[template["spec"]["volumes"][0]["secret"]["secretName"]]
    port = schema.http_options.port
    group = one("RayService", "gymspotter")["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]
    (worker,) = group["template"]["spec"]["containers"]
    assert {"name": "serve", "containerPort": port} in worker["ports"]
    assert worker["readinessProbe"]["httpGet"] == {"path": "/-/healthz", "port": port}


def test_every_node_of_the_service_is_told_the_same():
    pods = pod_templates(one("RayService", "gymspotter"))
    first, *rest = [template["spec"]["containers"][0] for template in pods]
    for key in ("envFrom", "volumeMounts", "image"):
        assert all(container[key] == first[key] for container in rest), key
    assert all(variable in container["env"] for container in rest for variable in first["env"])


def test_there_is_room_for_every_replica_of_the_service():
    """CPUs by the deployments' own needs, at the most and at the least of the autoscaling."""
    from serve import app

    (cluster,) = ray_clusters(one("RayService", "gymspotter"))
    (group,) = cluster["workerGroupSpecs"]
    cpus = int(group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"])
    needed = {"min": 0.0, "max": 0.0}
    for deployment in served()["applications"][0]["deployments"]:
        own = getattr(app, deployment["name"])
        each = own.ray_actor_options["num_cpus"]
        scaling = deployment.get("autoscaling_config", {})
        for bound in needed:
            needed[bound] += each * scaling.get(f"{bound}_replicas", deployment.get("num_replicas", 1))
    assert needed["min"] <= cpus * group["minReplicas"]
    assert needed["max"] <= cpus * group["maxReplicas"]


def test_a_pod_has_time_to_end():
    """Its preStop hook and Ray's draining of the node (on SIGTERM, 30 s unless told otherwise) fit before SIGKILL."""
    for _, document in manifests():
        for cluster in ray_clusters(document):
            for group in cluster["workerGroupSpecs"]:
                needed, spec = ending(group)
                assert needed < spec["terminationGracePeriodSeconds"], title(document)
    service = one("RayService", "gymspotter")["spec"]
    (group,) = service["rayClusterConfig"]["workerGroupSpecs"]
    # HAProxy lets the streams of a replica that goes live on for two minutes (docs/serving.md).
    assert ending(group)[0] >= 120
    assert service["rayClusterDeletionDelaySeconds"] > 120


def ending(group):
    """How many seconds a worker takes to end at most, and its pod."""
    spec = group["template"]["spec"]
    container = spec["containers"][0]
    hook = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])
    assert hook[0] == "sleep"
    told = {variable["name"]: variable["value"] for variable in container.get("env", [])}
    name = "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"
    return int(hook[1]) + float(told.get(name, getattr(ray_constants, name))), spec


def test_gpu_groups_have_what_gpu_nodes_ask_for_and_cpu_groups_do_not():
    for _, document in manifests():
        for cluster in ray_clusters(document):
            for group in cluster["workerGroupSpecs"]:
                spec = group["template"]["spec"]
                container = spec["containers"][0]
                gpus = container["resources"]["limits"].get("nvidia.com/gpu")
                tolerated = {one["key"] for one in spec.get("tolerations", [])}
                assert ("nvidia.com/gpu" in tolerated) == bool(gpus)
                assert ("cuda" in container["image"]) == bool(gpus)
                assert group["rayStartParams"].get("num-gpus") == (str(gpus) if gpus else None)
                assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
            head = cluster["headGroupSpec"]
            assert head["rayStartParams"]["num-cpus"] == "0"


def rules_for(direction, labels):
    """What the policies allow pods with these labels."""
    return [
        rule
        for policy in (document["spec"] for document in of_kind("NetworkPolicy"))
        if direction in policy["policyTypes"] and fits(policy["podSelector"], labels)
        for rule in policy.get(direction.lower(), [])
    ]


def reachable(source, target, port):
    """Whether policies let pods with these labels talk to those, on both sides."""

    def allowed(direction, subject, peer):
        key = "from" if direction == "Ingress" else "to"
        for rule in rules_for(direction, subject):
            peers = rule.get(key)
            to_peer = peers is None or any("podSelector" in one and fits(one["podSelector"], peer) for one in peers)
            if to_peer and ("ports" not in rule or port in {one["port"] for one in rule["ports"]}):
                return True
        return False

    return allowed("Egress", source, target) and allowed("Ingress", target, source)


NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"


@pytest.mark.parametrize(
    ("source", "target", "port", "wanted"),
    [
        ({COMPONENT: "worker"}, {COMPONENT: "head"}, 6379, True),
        ({COMPONENT: "serve"}, {COMPONENT: "serve-head"}, 30123, True),
        ({COMPONENT: "worker"}, {NAME: "mlflow"}, 5000, True),
        ({COMPONENT: "serve"}, {NAME: "mlflow"}, 5000, True),
        ({COMPONENT: "serve-head"}, {NAME: "redis"}, 6379, True),
        ({COMPONENT: "submitter"}, {COMPONENT: "head"}, 8265, True),
        ({NAME: "mlflow"}, {NAME: "postgres"}, 5432, True),
        ({NAME: "prometheus"}, {COMPONENT: "worker"}, 8080, True),
        ({NAME: "grafana"}, {NAME: "prometheus"}, 9090, True),
        ({COMPONENT: "serve"}, {NAME: "postgres"}, 5432, False),
        ({COMPONENT: "submitter"}, {NAME: "mlflow"}, 5000, False),
        ({NAME: "grafana"}, {COMPONENT: "head"}, 8265, False),
        ({NAME: "prometheus"}, {COMPONENT: "head"}, 8265, False),
        ({NAME: "anybody"}, {COMPONENT: "head"}, 8265, False),
        ({NAME: "anybody"}, {COMPONENT: "serve"}, 8000, False),
    ],
)
def test_who_may_reach_whom(source, target, port, wanted):
    known = [labels for labels, _ in labels_of_pods()]
    for given in (source, target):
        assert given == {NAME: "anybody"} or any(given.items() <= labels.items() for labels in known)
    assert reachable(source, target, port) == wanted


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        ({COMPONENT: "head"}, True),
        ({COMPONENT: "worker"}, True),
        ({COMPONENT: "serve"}, True),
        ({NAME: "mlflow"}, True),
        ({COMPONENT: "submitter"}, False),
        ({NAME: "grafana"}, False),
        ({NAME: "prometheus"}, False),
    ],
)
@pytest.mark.parametrize("address", ["169.254.169.254", "169.254.170.23"])
def test_who_uses_storage_can_have_a_role_and_nobody_else(labels, wanted, address):
    """Credentials of a role come from EC2's metadata or EKS Pod Identity, on port 80."""
    reached = any(
        {"protocol": "TCP", "port": 80} in rule["ports"]
        and {"ipBlock": {"cidr": f"{address}/32"}} in rule.get("to", [{"ipBlock": {"cidr": f"{address}/32"}}])
        for rule in rules_for("Egress", labels)
        if "ports" in rule
    )
    assert reached == wanted


def test_every_pod_is_denied_by_default():
    policy = one("NetworkPolicy", "deny-all")["spec"]
    assert policy == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}

"""Every panel of the dashboard shows something: a real Prometheus reads a real service under traffic and is asked what
Grafana would ask it.
"""

import json
import re
import shutil
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import httpx
import mlflow
import numpy as np
import pytest
import ray
import yaml

from gymspotter import registry
from gymspotter.client import Client, LiveSession
from gymspotter.drift import Reference
from gymspotter.labels import EXERCISES
from gymspotter.registry import CHAMPION
from gymspotter.synth.generate import Item, SynthOptions, make_track
from serve.run import ServeOptions, free_port, start, stop
from tests.registered import FACTS, decided, new_store, put

PROMETHEUS = shutil.which("prometheus")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed (Debian: prometheus)"),
]

DASHBOARD = json.loads((Path(__file__).parents[2] / "cluster" / "grafana" / "gymspotter.json").read_text())
TRAFFIC_S = 90.0
SCRAPE_S = 5
RATE_INTERVAL = f"{4 * SCRAPE_S}s"  # as Grafana sets it


@pytest.fixture(scope="module")
def squat():
    """Forty seconds on the grid, [200, 17, 3]."""
    return make_track(Item(exercise="squat", number=3, seed=4), SynthOptions(kind="skeletons", seconds=40)).joints


@pytest.fixture(scope="module")
def url(tmp_path_factory, squat):
    uri = new_store(tmp_path_factory.mktemp("panels"))
    facts = replace(FACTS, reference=Reference.of(np.stack([squat[k : k + 60] for k in range(100)])).as_dict())
    for favourite in ("squat", "push-up"):
        put(decided(EXERCISES.index(favourite)), facts, aliases=("challenger",))
    yield start(ServeOptions(port=0, tracking_uri=uri, poll_seconds=0.5, shadow=1.0))
    stop()


@pytest.fixture(scope="module")
def prometheus(url, tmp_path_factory):
    """The address of one that reads this machine's Ray."""
    folder = tmp_path_factory.mktemp("prometheus")
    node = f"127.0.0.1:{ray.nodes()[0]['MetricsExportPort']}"
    config = {
        "global": {"scrape_interval": f"{SCRAPE_S}s"},
        "scrape_configs": [{"job_name": "ray", "static_configs": [{"targets": [node]}]}],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port('127.0.0.1')}"
    command = [PROMETHEUS, f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={address}"], stdout=log, stderr=log)
        try:
            yield f"http://{address}"
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def traffic(url, prometheus, squat):
    """A minute and a half of streams, requests, bad requests and new champions; when it began and ended."""
    begin = time.time()
    over = threading.Event()
    threads = [threading.Thread(target=work, args=(url, squat, over)) for work in (streams, requests, champions)]
    for thread in threads:
        thread.start()
    time.sleep(TRAFFIC_S)
    end = time.time()
    over.set()
    for thread in threads:
        thread.join(120)
    return begin, end


def streams(url, squat, over):
    """One after the other, each at ten times its speed; one sends a gap."""
    while not over.is_set():
        with LiveSession(url, layout="h36m17", fps=5.0) as live:
            for second in range(40):
                frames = np.arange(5 * second, 5 * second + 5)
                live.send(frames / 5 + 20 * (second > 30), squat[frames])
                live.poll()
                if over.wait(0.1):
                    break


def requests(url, squat, over):
    with Client(url) as client:
        while not over.wait(0.5):
            client.classify(squat[None, :60])
            httpx.get(f"{url}/v2")


def champions(url, squat, over):
    """A new one every fifteen seconds."""
    versions = ["1", "2"]
    while not over.wait(15):
        versions.reverse()
        mlflow.MlflowClient().set_registered_model_alias(registry.MODEL_NAME, CHAMPION, versions[0])


def queries():
    shown = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return [*shown, *((one["name"], one["expr"]) for one in DASHBOARD["annotations"]["list"])]


def values(address, expression, begin, end):
    """The finite values of all series over that time."""
    asked = {"query": expression.replace("$__rate_interval", RATE_INTERVAL), "start": begin, "end": end, "step": 5}
    answer = httpx.get(f"{address}/api/v1/query_range", params=asked, timeout=60).json()
    assert answer["status"] == "success", answer
    found = [float(value) for one in answer["data"]["result"] for _, value in one["values"]]
    return [value for value in found if np.isfinite(value)]


@pytest.mark.parametrize(("title", "expression"), queries())
def test_a_panel_has_something_to_show(title, expression, traffic, prometheus):
    found = values(prometheus, expression, *traffic)
    assert len(found) >= (2 if "> 0" in expression else 6), title
    assert not re.search(r"latency|Time|memory|streams|a second", title) or max(found) > 0

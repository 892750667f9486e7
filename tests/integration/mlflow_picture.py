"""Pictures of MLflow's web page in a real browser: the table of runs with a sweep opened, and the sweep's own page.

    python tests/integration/mlflow_picture.py TRACKING_URI EXPERIMENT OUT.png

TRACKING_URI is a server's, or that of a store, for which one is started. The second picture is OUT-sweep.png. The sweep
is the newest one of the experiment. Needs Chromium.
"""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import mlflow
from websockets.sync.client import ClientConnection, connect

WIDTH, HEIGHT = 1400, 900
COLUMNS = ["tags.`kind`", "params.`model`", "params.`undersample`", "params.`learning_rate`"]
COLUMNS += ["metrics.`best_validation_macro_f1`", "metrics.`epochs_run`", "metrics.`test_macro_f1`"]
_PARENT = "mlflow.parentRunId"


def main(tracking_uri: str, experiment: str, out: str) -> None:
    """Take both pictures."""
    with nullcontext(tracking_uri) if tracking_uri.startswith("http") else mlflow_server(tracking_uri) as url:
        take_pictures(url, experiment, Path(out))


def take_pictures(url: str, experiment: str, out: Path) -> dict[str, list[str]]:
    """Both pictures, from the server at ``url``; the names of the runs that the table and the sweep's page link to."""
    client = mlflow.MlflowClient(tracking_uri=url)
    number = client.get_experiment_by_name(experiment).experiment_id
    sweep = client.search_runs([number], "tags.kind = 'sweep'", max_results=1)[0].info.run_id
    below = client.search_runs([number], f"tags.`{_PARENT}` = '{sweep}'", max_results=3)
    names = json.dumps([run.info.run_name for run in below])
    runs = f"{url}/#/experiments/{number}/runs"
    there = f"{names}.every(name => document.body.innerText.includes(name))"
    seen = {}
    with browser() as page:
        page.show(url, "document.body.innerText.includes('Experiments')")
        # What the page remembers of the last visit: which runs were opened, which columns were wanted.
        page.remember(f'MLflowLocalStorage-1.1-ExperimentPage-["{number}"]-ReactComponentState', _view(sweep))
        page.remember("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", True)
        page.remember("mlflow.assistant.panelOpen_v1", False)
        page.show(f"{runs}?workflowType=machine_learning", there)
        seen["table"] = page.links()
        page.save(out)
        page.show(f"{runs}/{sweep}?workflowType=machine_learning", there)
        seen["sweep"] = page.links()
        page.save(out.with_stem(f"{out.stem}-sweep"))
    return seen


def _view(sweep: str) -> dict[str, Any]:
    return {
        "searchFilter": "",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": COLUMNS,
        "columnOrder": [],
        "columnWidths": {},
        "runsExpanded": {sweep: True},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "FIRST_10_RUNS",
        "viewMaximized": False,
        "runListHidden": False,
        "groupBy": None,
        "groupsExpanded": {},
        "autoRefreshEnabled": False,
    }


class Page:
    """A page of the browser, by the DevTools protocol."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection, self.number = connection, 0

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Let the browser do something; its answer."""
        self.number += 1
        self.connection.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            answer = json.loads(self.connection.recv(timeout=60))
            if answer.get("id") == self.number:
                return answer["result"]

    def value(self, expression: str) -> Any:
        """What a JavaScript expression comes to."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def show(self, url: str, condition: str) -> None:
        """Load a page anew and wait until the expression is true."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=url)
        end = time.monotonic() + 90
        while self.value(condition) is not True:
            assert time.monotonic() < end, (
                f"{url} does not show what it should: {self.value('document.body.innerText')}"
            )
            time.sleep(0.2)
        time.sleep(2)  # what is still being drawn

    def remember(self, key: str, value: Any) -> None:
        """Put a value into the page's local storage."""
        self.value(f"localStorage.setItem({json.dumps(key)}, {json.dumps(json.dumps(value))})")

    def links(self) -> list[str]:
        """The texts of the links to runs, in their order."""
        return self.value("[...document.querySelectorAll('a[href*=\"/runs/\"]')].map(link => link.innerText)")

    def save(self, place: Path) -> None:
        """Write a picture of what is seen."""
        place.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def browser() -> Iterator[Page]:
    """A page of a headless Chromium, until the block ends."""
    name = shutil.which("chromium") or shutil.which("google-chrome")
    assert name, "Chromium is not installed (apt install chromium)"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [name, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}"]
        command += [f"--window-size={WIDTH},{HEIGHT}", "--remote-debugging-port=0", "about:blank"]
        with running(command):
            port = Path(folder, "DevToolsActivePort")
            wait_until(lambda: port.exists() and len(port.read_text().splitlines()) > 1)
            with urllib.request.urlopen(f"http://127.0.0.1:{port.read_text().splitlines()[0]}/json") as pages:
                address = next(page["webSocketDebuggerUrl"] for page in json.load(pages) if page["type"] == "page")
            with connect(address, max_size=None) as connection:
                page = Page(connection)
                page.call(
                    "Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT, deviceScaleFactor=1, mobile=False
                )
                yield page


@contextmanager
def mlflow_server(store: str, files: Path | None = None, port: int | None = None) -> Iterator[str]:
    """MLflow's server on this machine until the block ends, its files in the folder ``files``; its URL."""
    port = port or free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--artifacts-destination", str(files)] if files else []
    with running(command, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"):
        wait_until(lambda: answers(port), 300)
        yield f"http://127.0.0.1:{port}"


@contextmanager
def running(command: list[str], **environment: str) -> Iterator[None]:
    """A process and those that it starts, until the block ends."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield
        except TimeoutError as error:
            log.seek(0)
            raise RuntimeError(f"{command} did not start: {log.read()[-2000:]}") from error
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until(condition: Any, seconds: float = 120) -> None:
    """Until it is true; a TimeoutError if that takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.1)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The container's own health check, against a real little server."""

import importlib.util
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.unit.cluster.cluster_files import CLUSTER

SPEC = importlib.util.spec_from_file_location("cluster_healthcheck", CLUSTER / "healthcheck.py")
healthcheck = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(healthcheck)


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(self.path[1:]))
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def url():
    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def closed():
    """An address where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/200"


def test_one_that_answers_is_enough(url, closed):
    assert healthcheck.healthy((closed, f"{url}/200"))


def test_nothing_that_answers_is_not(closed):
    assert not healthcheck.healthy((closed,))


def test_one_that_is_unwell_counts_however_well_the_other_is(url):
    assert not healthcheck.healthy((f"{url}/503", f"{url}/200"))


def test_one_that_hangs_is_unwell(url):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hanging = f"http://127.0.0.1:{silent.getsockname()[1]}/200"
        assert not healthcheck.healthy((hanging, f"{url}/200"), seconds=0.2)


def test_it_asks_where_the_image_listens():
    ports = {int(address.split(":")[2].split("/")[0]) for address in healthcheck.URLS}
    assert ports == {8000, 52365, 5000}
    assert 'CMD ["python", "/app/healthcheck.py"]' in (CLUSTER / "Dockerfile").read_text()

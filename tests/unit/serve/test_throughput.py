"""Throughput mode without Ray: what one service is given of its own, and what is refused."""

import os
import socket

import pytest

from gymspotter.errors import InputError
from serve import throughput
from serve.run import ServeOptions, start


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """An environment in which nobody has decided anything."""
    for name in [name for name in os.environ if name.startswith("RAY_SERVE_")]:
        monkeypatch.delenv(name)


def ports(made):
    return {name: int(value) for name, value in made.items() if "_PORT" in name and "PERIOD" not in name}


def test_sockets_and_ports_are_the_service_s_own(tmp_path):
    made = throughput.environment(tmp_path)
    assert throughput.switched_on(made)
    paths = [value for value in made.values() if value.startswith("/")]
    assert len(paths) == 5
    assert all(value.startswith(str(tmp_path)) for value in paths)
    assert len(set(ports(made).values())) == len(ports(made))
    # Ray's workers take 10002 to 19999, and whatever connects somewhere those from 32768 on.
    assert all(20_000 <= port < 32_768 for port in ports(made).values())


def test_a_block_of_ports_that_somebody_listens_on_is_passed_over(tmp_path):
    first = throughput.environment(tmp_path)["RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(first)))
        taken.listen()
        assert throughput.environment(tmp_path)["RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT"] != first


def test_what_the_environment_says_already_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_SERVE_HAPROXY_METRICS_PORT", "9200")
    assert throughput.environment(tmp_path)["RAY_SERVE_HAPROXY_METRICS_PORT"] == "9200"


def test_only_the_folder_of_this_mode_is_removed(tmp_path, monkeypatch):
    ours, theirs = tmp_path / "gs-1", tmp_path / "haproxy"
    for folder, left in ((ours, False), (theirs, True)):
        folder.mkdir()
        monkeypatch.setenv("RAY_SERVE_HAPROXY_CONFIG_FILE_LOC", str(folder / "haproxy.cfg"))
        throughput.tidy_up()
        assert folder.exists() == left


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"throughput": True}, "throughput is read when Ray starts: .*"),
        ({"host": "0.0.0.0"}, "host is 0.0.0.0: without tokens only this machine may ask; .*"),
        ({"origins": ("app.example.com",)}, r"origins\[0\] is 'app.example.com': .*"),
        ({"tokens": "nowhere.yaml"}, ".*nowhere.yaml.*"),
    ],
)
def test_what_cannot_be_served_is_said_before_ray_starts(options, sentence):
    with pytest.raises(InputError, match=f"^{sentence}\\.$"):
        start(ServeOptions(**options))


@pytest.mark.parametrize(
    "options",
    [{"port": -1}, {"replicas": 0}, {"poll_seconds": 0.0}, {"shadow": 1.5}],
    ids=lambda given: next(iter(given)),
)
def test_an_option_that_cannot_be_is_named(options):
    (name,) = options
    with pytest.raises(InputError, match=f"^{name.replace('_', '-')} is "):
        ServeOptions(**options)

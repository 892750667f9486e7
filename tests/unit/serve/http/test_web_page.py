"""The page's files over HTTP: which are there, by which headers they are guarded, and who may have them."""

import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.middleware import Middleware

from gymspotter import __version__
from serve.access.guard import GuardMiddleware
from serve.http.api import build_api
from serve.http.asgi import Count
from serve.http.page import WEB, add_page, content_security_policy, media_type
from serve.http.problems import add_problems
from serve.settings import AppSettings
from tests.local_backend import LocalBackend, QuickEstimator, refusal, sentence
from tests.unit.serve.access.test_guard import HERE, guard

FILES = {
    "index.html": "<title>gymspotter</title>",
    "app.js": "export const x = 1;",
    "live/live.css": "p { color: red }",
    "vendor/LICENSE": "Apache",
    ".hidden": "secret",
    "live/.hidden.js": "secret",
}


class Seen:
    def __init__(self) -> None:
        self.requests: list[tuple[str, str, int]] = []

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        self.requests.append((method, route, status))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    web = tmp_path / "web"
    for name, text in FILES.items():
        (web / name).parent.mkdir(parents=True, exist_ok=True)
        (web / name).write_text(text)
    (tmp_path / "outside.js").write_text("secret")
    (web / "link.js").symlink_to(tmp_path / "outside.js")
    return web


def page(folder: Path, *middleware: Middleware) -> FastAPI:
    api = FastAPI(middleware=list(middleware))
    add_problems(api, lambda: "7")
    add_page(api, folder)
    return api


@pytest.fixture
def client(folder: Path) -> TestClient:
    return TestClient(page(folder), base_url="http://127.0.0.1:8000")


@pytest.mark.parametrize(
    ("path", "name", "kind"),
    [
        ("/", "index.html", "text/html; charset=utf-8"),
        ("/web/index.html", "index.html", "text/html; charset=utf-8"),
        ("/web/app.js", "app.js", "text/javascript; charset=utf-8"),
        ("/web/live/live.css", "live/live.css", "text/css; charset=utf-8"),
        ("/web/vendor/LICENSE", "vendor/LICENSE", "application/octet-stream"),
    ],
)
def test_a_file_is_sent_as_what_it_is(client: TestClient, path: str, name: str, kind: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (200, FILES[name], kind)
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert {**head.headers} == {**answer.headers}


def test_files_of_a_browser_s_own_estimator_are_sent_as_what_they_are() -> None:
    kinds = {
        name: media_type(name) for name in ("x.wasm", "x.JSON", "x.mjs", "x.svg", "pose.task", "x.tflite", "x.data")
    }
    assert kinds == {
        "x.wasm": "application/wasm", "x.JSON": "application/json", "x.mjs": "text/javascript",
        "x.svg": "image/svg+xml", "pose.task": "application/octet-stream", "x.tflite": "application/octet-stream",
        "x.data": "application/octet-stream",
    }  # fmt: skip
    assert media_type("x.binarypb") == "application/octet-stream"


@pytest.mark.parametrize(
    "path",
    [
        "nope.js", "", "live", "live/", "/app.js", "app.js/", "..", "../outside.js", "../web/app.js", "live/../app.js",
        "./app.js", "..\\outside.js", "live\0.js", "app\n.js", ".hidden", "live/.hidden.js", "link.js", "~root", "C:/x",
        "x" * 5000, "\u00e9.js", "/etc/passwd", "%2e%2e/outside.js",
    ],
)  # fmt: skip
def test_all_else_is_not_there(folder: Path, path: str) -> None:
    sent: list[Any] = []

    # Not a client, which would tidy the path up before it is sent.
    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": f"/web/{path}", "raw_path": b"", "query_string": b"", "root_path": "",
        "headers": [(b"host", b"127.0.0.1")], "scheme": "http", "server": ("127.0.0.1", 80), "http_version": "1.1",
    }  # fmt: skip
    asyncio.run(page(folder)(scope, receive, send))
    assert sent[0]["status"] == 404
    assert "see /docs" in sentence(json.loads(sent[1]["body"]), 404)


def test_other_methods_are_refused(client: TestClient) -> None:
    for path in ("/", "/web/app.js", "/web/settings.json"):
        assert {"GET", "HEAD"} <= set(re.findall(r"[A-Z]+", refusal(client.post(path), 405)))


def test_a_browser_asks_again_and_gets_only_what_has_changed(client: TestClient, folder: Path) -> None:
    first = client.get("/web/app.js")
    assert first.headers["cache-control"] == "no-cache"
    tag = first.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get("/web/app.js", headers={"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers["content-security-policy"] == first.headers["content-security-policy"]
    assert client.get("/web/app.js", headers={"if-none-match": '"other"'}).status_code == 200
    (folder / "app.js").write_text("export const x = 2;")
    os.utime(folder / "app.js", ns=(1, 1))
    changed = client.get("/web/app.js", headers={"if-none-match": tag})
    assert (changed.status_code, changed.text) == (200, "export const x = 2;")
    (folder / "app.js").write_text(FILES["app.js"])
    os.utime(folder / "app.js", ns=(2, 2))
    assert client.get("/web/app.js").headers["etag"] == tag  # on another machine it is the same


def test_nobody_else_s_code_runs_in_the_page_and_nobody_frames_it(client: TestClient) -> None:
    for path in ("/", "/web/app.js", "/web/settings.json"):
        headers = client.get(path).headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self' blob: data:",
            "media-src": "'self' blob:",
            "connect-src": "'self' ws://127.0.0.1:8000 wss://127.0.0.1:8000",
            "worker-src": "'self'",
            "font-src": "'self'",
            "manifest-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        allowed = dict(part.split("=") for part in headers["permissions-policy"].split(", "))
        assert allowed.pop("camera") == "(self)"
        assert set(allowed.values()) == {"()"}
        assert "microphone" in allowed


@pytest.mark.parametrize("host", ["", "a b", "x; script-src *", "x'unsafe-inline'", "[::1]:8000", "x\r\ny", "*"])
def test_a_made_up_host_adds_nothing_to_the_policy(host: str) -> None:
    assert "connect-src 'self';" in content_security_policy(host, pose_pack=False)


def test_web_assembly_is_allowed_once_there_is_some(client: TestClient, folder: Path) -> None:
    told = {"version": __version__, "held": ["plank"], "max_body_mb": None, "max_video_seconds": None}
    assert client.get("/web/settings.json").json() == {"video_stays_here": False, **told}
    (folder / "vendor" / "pose").mkdir()
    answer = client.get("/web/settings.json")
    assert answer.json() == {"video_stays_here": True, **told}
    assert answer.headers["cache-control"] == "no-cache"
    assert "script-src 'self' 'wasm-unsafe-eval';" in client.get("/").headers["content-security-policy"]
    assert "unsafe-inline" not in client.get("/").headers["content-security-policy"]


def test_a_part_of_a_large_file_may_be_asked_for(client: TestClient) -> None:
    part = client.get("/web/app.js", headers={"range": "bytes=0-5"})
    assert (part.status_code, part.text) == (206, "export")


def test_files_are_counted_by_one_route_whatever_they_are_called(folder: Path) -> None:
    seen = Seen()
    client = TestClient(page(folder, Middleware(Count, metrics=seen)))
    for path in ("/", "/web/app.js", "/web/live/live.css", "/web/made-up", "/web/settings.json"):
        client.get(path)
    assert seen.requests == [
        ("GET", "/", 200),
        ("GET", "/web/{path:path}", 200),
        ("GET", "/web/{path:path}", 200),
        ("GET", "/web/{path:path}", 404),
        ("GET", "/web/settings.json", 200),
    ]


def test_where_tokens_are_needed_the_page_is_open_and_counts_against_nobody(folder: Path, tmp_path: Path) -> None:
    keeper = guard(tmp_path, per_minute=1)
    far = TestClient(page(folder, Middleware(GuardMiddleware, guard=keeper)), client=("203.0.113.7", 1))
    for _ in range(3):
        assert far.get("/", headers={"authorization": "Bearer phone's"}).status_code == 200
        assert far.get("/web/app.js", headers={"host": "gym.example.com"}).status_code == 200
        assert far.head("/web/settings.json").status_code == 200
    assert far.get("/v1/model", headers={"authorization": "Bearer phone's"}).status_code == 404  # its first
    for path in ("/v1/model", "/v1/layouts", "/v1/exercises", "/v1/model/report", "/web/../v1/model"):
        answer = far.get(path)
        assert answer.status_code == 401, path


def test_without_tokens_only_this_machine_has_the_page(folder: Path, tmp_path: Path) -> None:
    api = page(folder, Middleware(GuardMiddleware, guard=guard(tmp_path, tokens=False)))
    here = TestClient(api, client=HERE, base_url="http://127.0.0.1:8000")
    assert here.get("/").status_code == 200
    assert here.get("/", headers={"host": "evil.example"}).status_code == 403  # DNS rebinding
    assert here.get("/web/app.js", headers={"origin": "https://evil.example"}).status_code == 403
    assert TestClient(api, client=("203.0.113.7", 1), base_url="http://127.0.0.1").get("/").status_code == 403


def test_the_service_serves_the_page_of_its_own_package_and_its_documentation_passes_over_it() -> None:
    assert WEB.parent.name == "serve"
    client = TestClient(build_api(LocalBackend(estimator=QuickEstimator()), AppSettings()))
    assert client.get("/web/settings.json").json()["version"] == __version__
    told, settings = client.get("/web/settings.json").json(), AppSettings()
    assert (told["max_body_mb"], told["max_video_seconds"]) == (settings.max_body_mb, settings.max_video_seconds)
    assert "<title>gymspotter</title>" in client.get("/").text
    assert not [path for path in client.get("/openapi.json").json()["paths"] if path == "/" or "web" in path]

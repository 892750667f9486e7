"""Who is let in and who is not, by requests as they come through a server, and by headers for streams."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from fastapi import FastAPI, Request
from starlette.middleware import Middleware

from gymspotter.errors import InputError
from serve.access.guard import THIS_MACHINE, Guard, GuardMiddleware, Refused, check_listening, check_origins
from serve.access.tokens import Tokens
from serve.http.api import build_api
from serve.settings import AppSettings

HERE = ("127.0.0.1", 4711)
HOST = {"host": "127.0.0.1:8000"}
APP = "https://app.example.com"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def guard(tmp_path: Path, *, tokens: bool = True, origins: tuple[str, ...] = (), per_minute: int = 60) -> Guard:
    """A guard that knows the tokens "phone's" and "watch's", or wants none; its clock is ``guard.clock``."""
    path = tmp_path / "tokens.yaml"
    entries = [
        {
            "name": name,
            "sha256": hashlib.sha256(f"{name}'s".encode()).hexdigest(),
            "sessions": 2,
            "requests_per_minute": per_minute,
        }
        for name in ("phone", "watch")
    ]
    path.write_text(yaml.safe_dump(entries))
    clock = Clock()
    loaded = Tokens.load(path if tokens else None, clock)
    made = Guard(loaded, AppSettings(origins=origins), clock, version=lambda: "7")
    made.clock = clock  # type: ignore[attr-defined]
    return made


def service(keeper: Guard) -> FastAPI:
    api = FastAPI(middleware=[Middleware(GuardMiddleware, guard=keeper)])
    for path in ("/healthz", "/readyz", "/v1/model", "/metrics"):

        @api.get(path)
        async def answer(request: Request) -> dict[str, Any]:
            client = request.state.client
            return {"client": client.name if client else None}

    @api.post("/v1/classify")
    async def classify(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    return api


def ask(
    keeper: Guard,
    path: str = "/v1/model",
    headers: dict[str, str] | None = None,
    client: tuple[str, int] = HERE,
    method: str = "GET",
    host: str = "127.0.0.1:8000",
    api: FastAPI | None = None,
) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(api or service(keeper), client=client)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
            # Whole, because "//healthz" alone would be the page / of a host.
            address = f"http://127.0.0.1:8000{path}"
            return await http.request(method, address, headers={"host": host} | (headers or {}))

    return asyncio.run(asked())


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def assert_problem(answer: httpx.Response, status: int, named: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["model_version"]) == (status, "7")
    assert named in problem["detail"]
    assert problem["detail"].endswith(".")
    assert {"type", "title"} <= set(problem)


def test_a_good_token_is_let_in_from_anywhere_and_known_to_the_service(tmp_path: Path) -> None:
    keeper = guard(tmp_path)
    for headers in (bearer("phone's"), {"authorization": "bearer   phone's "}):
        answer = ask(keeper, headers=headers, client=("203.0.113.7", 1), host="gym.example.com")
        assert answer.json() == {"client": "phone"}


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({}, "a token is needed"),
        ({"Authorization": ""}, "not known"),
        ({"Authorization": "Bearer"}, "a token is needed"),
        ({"Authorization": "Bearer wrong"}, "not known"),
        ({"Authorization": "Basic phone's"}, "not known"),
        ({"Authorization": "phone's"}, "not known"),
        ({"Cookie": "token=phone's"}, "a token is needed"),
    ],
)
def test_without_a_good_token_it_is_401_even_on_this_machine(
    tmp_path: Path, headers: dict[str, str], named: str
) -> None:
    answer = ask(guard(tmp_path), headers=headers)
    assert_problem(answer, 401, named)
    assert answer.headers["www-authenticate"].startswith("Bearer ")


def test_a_token_in_the_query_is_none(tmp_path: Path) -> None:
    assert ask(guard(tmp_path), "/v1/model?token=phone's").status_code == 401


@pytest.mark.parametrize(
    "path", ["/v1/model", "/metrics", "/nowhere", "//healthz", "/healthz/", "/V1/model", "//", "/web", "/webs/app.js"]
)
def test_all_that_is_not_named_open_wants_a_token(tmp_path: Path, path: str) -> None:
    assert ask(guard(tmp_path), path).status_code == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs", "/openapi.json"])
def test_health_and_the_documentation_are_open(tmp_path: Path, path: str) -> None:
    assert ask(guard(tmp_path), path, client=("203.0.113.7", 1), host="gym.example.com").status_code == 200


def test_health_is_open_without_tokens_too_but_the_rest_is_not(tmp_path: Path) -> None:
    keeper = guard(tmp_path, tokens=False)
    stranger: dict[str, Any] = {"client": ("203.0.113.7", 1)}
    assert [ask(keeper, path, **stranger).status_code for path in ("/healthz", "/readyz")] == [200, 200]
    assert [ask(keeper, path, **stranger).status_code for path in ("/docs", "/openapi.json")] == [403, 403]


def test_a_mounted_service_is_guarded_by_the_path_below_its_root(tmp_path: Path) -> None:
    async def answer() -> list[int]:
        transport = httpx.ASGITransport(service(guard(tmp_path)), client=HERE, root_path="/gym")
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            return [(await http.get(path)).status_code for path in ("/gym/healthz", "/gym/v1/model")]

    assert asyncio.run(answer()) == [200, 401]


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:8000", "[::1]:8000", "gym.localhost"])
def test_without_tokens_this_machine_is_let_in(tmp_path: Path, peer: str, host: str) -> None:
    keeper = guard(tmp_path, tokens=False)
    assert ask(keeper, client=(peer, 1), host=host).json() == {"client": "this machine"}


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-For": "::1, 127.0.0.1:999"},
        {"X-Real-IP": "127.0.0.1"},
        {"Forwarded": 'for=127.0.0.1;proto=http, for="[::1]:4711"'},
    ],
)
def test_without_tokens_a_proxy_may_ask_for_this_machine(tmp_path: Path, headers: dict[str, str]) -> None:
    assert ask(guard(tmp_path, tokens=False), headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "203.0.113.7"},
        {"X-Forwarded-For": "127.0.0.1, 203.0.113.7"},
        {"X-Forwarded-For": "203.0.113.7, 127.0.0.1"},
        {"X-Forwarded-For": "unknown"},
        {"X-Real-IP": "10.0.0.1"},
        {"Forwarded": "for=203.0.113.7"},
        {"Forwarded": 'for=127.0.0.1, for="[2001:db8::1]:4711"'},
        {"Forwarded": "for=_hidden"},
        {"Forwarded": "proto=https"},
        {"Forwarded": "xfor=127.0.0.1;for=203.0.113.7"},
    ],
)
def test_without_tokens_a_proxy_may_not_ask_for_strangers(tmp_path: Path, headers: dict[str, str]) -> None:
    assert_problem(ask(guard(tmp_path, tokens=False), headers=headers), 403, "only this machine")


@pytest.mark.parametrize("peer", ["203.0.113.7", "10.0.0.1", "0.0.0.0", "::", "fe80::1%eth0", "", "localhost", "x"])
def test_without_tokens_strangers_are_refused(tmp_path: Path, peer: str) -> None:
    keeper = guard(tmp_path, tokens=False)
    assert_problem(ask(keeper, client=(peer, 1)), 403, "only this machine")
    # A token does not help where none are known.
    assert_problem(ask(keeper, headers=bearer("phone's"), client=(peer, 1)), 403, "only this machine")


@pytest.mark.parametrize("host", ["evil.example.com", "127.0.0.1.evil.com", "localhost.evil.com", "0.0.0.0", ""])
def test_a_name_that_was_made_to_point_here_is_refused(tmp_path: Path, host: str) -> None:
    assert_problem(ask(guard(tmp_path, tokens=False), host=host), 403, "host")


def test_several_hosts_or_none_are_refused(tmp_path: Path) -> None:
    keeper = guard(tmp_path, tokens=False)
    for hosts in ([], [b"localhost", b"evil.example.com"]):
        with pytest.raises(Refused):
            keeper.admit_request("/v1/model", [(b"host", host) for host in hosts], HERE)
    with pytest.raises(Refused):
        keeper.admit_request("/v1/model", HOST, None)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example.com",
        "http://127.0.0.1:3000",
        "https://127.0.0.1:8000.evil.com",
        "null",
        "file://",
        "http://[",
    ],
)
@pytest.mark.parametrize("tokens", [True, False])
def test_pages_of_others_are_refused_in_both_modes(tmp_path: Path, origin: str, tokens: bool) -> None:
    keeper = guard(tmp_path, tokens=tokens, origins=(APP,))
    answer = ask(keeper, "/v1/classify", bearer("phone's") | {"Origin": origin}, method="POST")
    assert_problem(answer, 403, "may not ask here")
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("HTTP://LocalHost", "localhost:80"),
        ("https://localhost:443", "localhost"),
        (APP, "127.0.0.1:8000"),
        (APP.upper(), "127.0.0.1:8000"),
    ],
)
@pytest.mark.parametrize("tokens", [True, False])
def test_own_pages_and_named_origins_may_ask(tmp_path: Path, origin: str, host: str, tokens: bool) -> None:
    keeper = guard(tmp_path, tokens=tokens, origins=(APP,))
    assert ask(keeper, headers=bearer("phone's") | {"Origin": origin}, host=host).status_code == 200


class NoModelYet:
    """A backend that never answers; who is let in is told that."""

    current = None


def whole_service(keeper: Guard) -> FastAPI:
    """The service's own application behind the guard, with CORS as its settings say."""
    guarded = [Middleware(GuardMiddleware, guard=keeper)]
    return build_api(NoModelYet(), AppSettings(origins=keeper.origins), middleware=guarded)  # type: ignore[arg-type]


def preflight(keeper: Guard, origin: str) -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "authorization"
    return ask(keeper, "/v1/classify", asked, method="OPTIONS", api=whole_service(keeper))


def test_cors_is_off_by_default(tmp_path: Path) -> None:
    keeper = guard(tmp_path)
    asked = preflight(keeper, APP)
    assert asked.status_code == 403
    own = ask(keeper, headers=bearer("phone's") | {"Origin": "http://127.0.0.1:8000"}, api=whole_service(keeper))
    assert own.status_code == 503
    assert not [name for answer in (asked, own) for name in answer.headers if name.startswith("access-control")]


def test_named_origins_get_cors_headers_with_refusals_too(tmp_path: Path) -> None:
    keeper = guard(tmp_path, origins=(APP,))
    asked = preflight(keeper, APP)
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == APP
    assert "authorization" in asked.headers["access-control-allow-headers"].lower()
    refused = ask(keeper, headers={"Origin": APP}, api=whole_service(keeper))
    assert_problem(refused, 401, "a token is needed")
    assert refused.headers["access-control-allow-origin"] == APP
    assert preflight(keeper, "https://evil.example.com").status_code == 400


def test_too_many_requests_are_429_each_token_by_itself_and_only_for_a_while(tmp_path: Path) -> None:
    keeper = guard(tmp_path, per_minute=3)
    assert [ask(keeper, headers=bearer("phone's")).status_code for _ in range(3)] == [200] * 3
    refused = ask(keeper, headers=bearer("phone's"))
    assert_problem(refused, 429, "phone may send 3 requests a minute")
    assert refused.headers["retry-after"] == "20"
    assert ask(keeper, headers=bearer("watch's")).status_code == 200
    assert ask(keeper, "/healthz", headers=bearer("phone's")).status_code == 200
    keeper.clock.now += 20  # type: ignore[attr-defined]
    assert [ask(keeper, headers=bearer("phone's")).status_code for _ in range(2)] == [200, 429]


def test_this_machine_has_no_rate(tmp_path: Path) -> None:
    keeper = guard(tmp_path, tokens=False, per_minute=1)
    for _ in range(1000):
        assert keeper.admit_request("/v1/model", HOST, HERE) is THIS_MACHINE


def test_a_stream_is_let_in_by_its_header_or_its_hello(tmp_path: Path) -> None:
    keeper = guard(tmp_path, per_minute=1)
    raw = [(b"Host", b"gym.example.com"), (b"Authorization", b"Bearer phone's")]
    for _ in range(20):  # not counted as requests: all come back at once after a failure
        assert keeper.admit_stream(raw, ("203.0.113.7", 1), None).name == "phone"
    assert keeper.admit_stream(HOST, "203.0.113.7", "watch's").name == "watch"
    # A wrong header is not mended by the hello.
    with pytest.raises(Refused):
        keeper.admit_stream(HOST | bearer("wrong"), HERE, "watch's")


@pytest.mark.parametrize(
    ("tokens", "headers", "peer", "hello", "status", "code"),
    [
        (True, HOST, HERE, None, 401, 4401),
        (True, HOST, HERE, "", 401, 4401),
        (True, HOST, HERE, "wrong", 401, 4401),
        (True, HOST | {"origin": "https://evil.example.com"}, HERE, "phone's", 403, 4403),
        (False, HOST, ("203.0.113.7", 1), None, 403, 4403),
        (False, {"host": "evil.example.com"}, HERE, None, 403, 4403),
        (False, HOST | {"x-forwarded-for": "203.0.113.7"}, HERE, None, 403, 4403),
        (False, HOST | {"origin": "http://localhost:3000"}, HERE, None, 403, 4403),
    ],
)
def test_a_stream_is_refused_with_its_close_code(
    tmp_path: Path, tokens: bool, headers: dict[str, str], peer: Any, hello: str | None, status: int, code: int
) -> None:
    with pytest.raises(Refused) as caught:
        guard(tmp_path, tokens=tokens).admit_stream(headers, peer, hello)
    assert (caught.value.status, caught.value.close_code) == (status, code)
    assert caught.value.detail == str(caught.value)


def test_without_tokens_a_stream_of_this_machine_is_let_in(tmp_path: Path) -> None:
    assert guard(tmp_path, tokens=False).admit_stream(HOST, HERE, "whatever") is THIS_MACHINE


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", None, "192.168.1.5", "gym.example.com"])
def test_nothing_listens_for_strangers_without_tokens(tmp_path: Path, host: str | None) -> None:
    with pytest.raises(InputError, match=rf"host is {host or '0.0.0.0'}: without tokens .*`gymspotter token`"):
        check_listening(host, Tokens.load(None))
    (tmp_path / "tokens.yaml").write_text("[]")
    check_listening(host, Tokens.load(tmp_path / "tokens.yaml"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1", "[::1]"])
def test_this_machine_may_be_listened_to_without_tokens(host: str) -> None:
    check_listening(host, Tokens.load(None))


@pytest.mark.parametrize("origin", ["*", "app.example.com", "https://a.example.com/", "https://*.a.com", "", "null"])
def test_what_is_no_origin_is_refused_at_the_start(tmp_path: Path, origin: str) -> None:
    with pytest.raises(InputError, match=r"origins\[1\]"):
        check_origins((APP, origin))
    with pytest.raises(InputError, match=r"origins\[0\]"):
        guard(tmp_path, origins=(origin,))
    check_origins((APP, "http://localhost:3000", "capacitor://localhost"))

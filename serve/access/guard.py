"""Who is let in: by token, or, where there are none, whoever is on this machine; and no web page of somebody else's.

A page in a browser on this machine may send requests to 127.0.0.1, too. It is told by its Origin, which browsers add
to WebSockets and to requests that change something; and one that made its own name point to 127.0.0.1 by its Host.
"""

import ipaddress
import json
import math
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gymspotter.errors import InputError
from serve.access.limits import Rates
from serve.access.tokens import Client, Tokens
from serve.http.page import is_page
from serve.http.problems import MEDIA_TYPE, problem
from serve.settings import AppSettings

# Anybody may ask these, wherever from: they are what a load balancer asks.
_HEALTH = frozenset({"/healthz", "/readyz"})
# And these without a token, to read how to ask; the web page, too, which holds nothing and then asks for one.
_OPEN = frozenset({"/docs", "/openapi.json"})
_PORTS = {"http": ":80", "https": ":443"}
_CLOSE_CODES = {401: 4401, 403: 4403, 429: 4429}
_CHALLENGE = 'Bearer realm="gymspotter"'
# Who asks where no tokens are wanted. There is one of it, bounded by what a replica takes.
THIS_MACHINE = Client(name="this machine", sessions=sys.maxsize, requests_per_minute=sys.maxsize)

RawHeaders = Headers | Mapping[str, str] | Iterable[tuple[bytes, bytes]]
Address = Sequence[str | int] | str | None


class Refused(Exception):  # noqa: N818 - it is the answer, not a defect
    """A request or a stream is not let in; ``detail`` is one sentence for the client."""

    def __init__(self, status: int, close_code: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.close_code = close_code
        self.detail = detail
        self.headers = dict(headers or {})


class Guard:
    """Decides for each request and each stream whether its client is let in, and who that is."""

    def __init__(
        self,
        tokens: Tokens,
        settings: AppSettings,
        clock: Callable[[], float] = time.monotonic,
        version: Callable[[], str | None] | None = None,
    ) -> None:
        """``version`` tells the model's, for the problem documents; InputError if one of ``origins`` is none."""
        check_origins(settings.origins)
        self.origins = tuple(origin.lower() for origin in settings.origins)
        self.version = version
        self._tokens = tokens
        self._rates = Rates(clock)

    def admit_request(self, path: str, headers: RawHeaders, client_addr: Address) -> Client | None:
        """Who sends a request to ``path``; None where anybody may.

        Raises:
            Refused: 401 without a good token, 403 for strangers and their pages, 429 for too many requests.
        """
        if path in _HEALTH:
            return None
        known = _headers(headers)
        if self._tokens.required and (path in _OPEN or is_page(path)):
            return None
        client = self._admit(known, client_addr, None)
        # Each token has its own limit; this machine has none.
        if client is not THIS_MACHINE and (wait := self._rates.take(client.name, client.requests_per_minute)):
            seconds = math.ceil(wait)
            raise _refused(
                429,
                f"{client.name} may send {client.requests_per_minute} requests a minute: try again in {seconds} s.",
                {"Retry-After": str(seconds)},
            )
        return client

    def admit_stream(self, headers: RawHeaders, client_addr: Address, hello_token: str | None = None) -> Client:
        """Who opens a stream: by the token in ``headers``, or else by that in its hello.

        The number of a client's streams is the sessions' business, and opening them is not counted as requests: after a
        failure all of them come back at once.

        Raises:
            Refused: 401 (close 4401) without a good token, 403 (4403) for strangers and their pages.
        """
        return self._admit(_headers(headers), client_addr, hello_token)

    def _admit(self, headers: Headers, client_addr: Address, hello_token: str | None) -> Client:
        self._check_origin(headers)
        if not self._tokens.required:
            _check_loopback(headers, client_addr)
            return THIS_MACHINE
        secret = _bearer(headers) or hello_token
        if not secret:
            raise _refused(
                401, "a token is needed: send it as `Authorization: Bearer TOKEN`.", {"WWW-Authenticate": _CHALLENGE}
            )
        client = self._tokens.client(secret)
        if client is None:
            raise _refused(
                401,
                "the token is not known here, or was revoked: ask for a new one.",
                {"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'},
            )
        return client

    def _check_origin(self, headers: Headers) -> None:
        for origin in headers.getlist("origin"):
            if origin.lower() not in self.origins and _netloc(origin) != _with_port(origin, headers.get("host", "")):
                raise _refused(
                    403, f"pages of {origin[:100]!r} may not ask here: the service's setting origins says which may."
                )


class GuardMiddleware:
    """ASGI middleware that answers for requests that are not let in; WebSockets pass, they are asked after a hello.

    It belongs outside of all that reads a body, and inside of CORS: a browser's question whether a page may ask comes
    without a token, and refusals need CORS headers, too.
    """

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self.app = app
        self.guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its `Client` as ``request.state.client``, or answer with a problem document."""
        if scope["type"] == "http":
            path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
            try:
                client = self.guard.admit_request(path, scope["headers"], scope.get("client"))
            except Refused as refused:
                await _answer(send, refused, self.guard.version)
                return
            scope.setdefault("state", {})["client"] = client
        await self.app(scope, receive, send)


def check_listening(host: str | None, tokens: Tokens) -> None:
    """Raise `InputError` if strangers could reach a service that wants no tokens.

    Behind a proxy all requests come from this machine, and not every proxy (Ray Serve's HAProxy does not) says from
    where they came; so without tokens nothing may listen for others in the first place.
    """
    if not tokens.required and not _is_loopback_name(host or ""):
        raise InputError(
            f"host is {host or '0.0.0.0'}: without tokens only this machine may ask; make tokens with `gymspotter "
            "token` and name the file with --tokens, or listen on 127.0.0.1."
        )


def check_origins(origins: Iterable[str]) -> None:
    """Raise `InputError` unless all are origins as browsers send them."""
    for number, origin in enumerate(origins):
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#@*\s]+", origin):
            raise InputError(
                f"origins[{number}] is {origin[:100]!r}: write it as a browser sends it, like https://app.example.com."
            )


def _check_loopback(headers: Headers, client_addr: Address) -> None:
    peer = client_addr if isinstance(client_addr, str) else str(client_addr[0]) if client_addr else ""
    if not all(_is_loopback(address) for address in (peer, *_forwarded(headers))):
        raise _refused(403, "without tokens only this machine may ask: give the service a file of tokens.")
    names = headers.getlist("host")
    if len(names) != 1 or not _is_loopback_name(_without_port(names[0])):
        raise _refused(403, "without tokens the host must be this machine by name: ask 127.0.0.1 or localhost.")


def _forwarded(headers: Headers) -> list[str]:
    """The addresses that proxies say they ask for; "" for each that is hidden."""
    plain = [part for name in ("x-forwarded-for", "x-real-ip") for part in ",".join(headers.getlist(name)).split(",")]
    # RFC 7239: for=192.0.2.60;proto=http, for="[2001:db8::1]:4711"
    elements = ",".join(headers.getlist("forwarded")).split(",")
    found = [(re.search(r'(?i:(?:^|[;\s])for)="?([^";\s]+)', element), element) for element in elements]
    return [part for part in plain if part] + [match[1] if match else "" for match, element in found if element]


def _is_loopback(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(_without_port(address.strip()).strip("[]"))
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)
    return bool((mapped or ip).is_loopback)


def _is_loopback_name(host: str) -> bool:
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost") or _is_loopback(name)


def _without_port(host: str) -> str:
    """The host of "host:port"; an IPv6 address keeps its brackets."""
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::[0-9]*)?", host)
    return match[1] if match else host


def _netloc(origin: str) -> str:
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return ""
    return parts.netloc.removesuffix(_PORTS.get(parts.scheme, ""))


def _with_port(origin: str, host: str) -> str | None:
    """A Host header as it compares to `_netloc` of an origin; None if there is none."""
    return host.lower().removesuffix(_PORTS.get(origin.partition(":")[0].lower(), "")) or None


def _bearer(headers: Headers) -> str | None:
    """The token of an Authorization header; of several, or of another scheme, one that is not known."""
    given = headers.getlist("authorization")
    if not given:
        return None
    scheme, _, secret = given[0].strip().partition(" ")
    return secret.strip() if len(given) == 1 and scheme.lower() == "bearer" else "?"


def _headers(headers: RawHeaders) -> Headers:
    if isinstance(headers, Headers):
        return headers
    if isinstance(headers, Mapping):
        return Headers(headers)
    return Headers(raw=[(bytes(name).lower(), bytes(value)) for name, value in headers])


def _refused(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Refused:
    return Refused(status, _CLOSE_CODES[status], detail, headers)


async def _answer(send: Send, refused: Refused, version: Callable[[], str | None] | None) -> None:
    """An RFC 9457 problem document."""
    body = json.dumps(problem(refused.status, refused.detail, version() if version else None)).encode()
    headers = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body))} | refused.headers
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refused.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})

"""ASGI middleware of the HTTP API: how large a body may be, and what is counted of each request."""

import time
from typing import Protocol

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.http.problems import BusyError

_LARGEST_TOGETHER = 8  # bodies of the largest size that may be in memory at once
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class RequestMetrics(Protocol):
    """What the API tells of its requests; ``serve.metrics`` has one."""

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request was answered; ``route`` is its path as in /docs, or "none"."""
        ...


class NoMetrics:
    """Counts nothing."""

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """See `RequestMetrics`."""


class Count:
    """Tells ``metrics`` of requests. Paths and methods that clients make up are not told: each would be a series."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; 499 is that of a client that went before it was answered."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 499

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except ClientDisconnect:
            status = 499  # also where an answer had begun; there is nobody to be told
        except Exception:
            status = 500
            raise
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = getattr(scope.get("route"), "path", "none")
            self.metrics.request(method, route, status, time.perf_counter() - started)


class BodyLimit:
    """Ends a request with 413 as soon as its body grows beyond ``limit`` bytes, or says that it will.

    And with 503 where the bodies of all requests that are under way would have more than some such bodies together.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app, self.limit = app, limit
        self._together = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting its bytes."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"")
        received = int(declared) if declared.isdigit() and len(declared) < 20 else 0
        too_large, received = received > self.limit, 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            size = len(message.get("body", b""))
            received += size
            self._together += size
            # An HTTPException that is raised while the body is read gets to the application's handler.
            if (too_large and message["type"] == "http.request") or received > self.limit:
                raise HTTPException(413, f"the body is larger than {self.limit / 2**20:.0f} MiB: send less at once.")
            if self._together > _LARGEST_TOGETHER * self.limit:
                raise BusyError
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            self._together -= received

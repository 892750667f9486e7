"""Ask a service over HTTP: about segments of skeletons, and about videos.

with Client("http://127.0.0.1:8000") as client:
    client.classify(poses_STJC).segments[0].exercise
    client.classify_video("squat.mp4", on_progress=print).sets
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from numpy.typing import ArrayLike

from gymspotter.client import exchange
from gymspotter.client.exchange import Answer, Ask, Conversation, EventParser
from gymspotter.client.results import Classification, Model, Timeline
from gymspotter.errors import InputError

T = TypeVar("T")
# Reading waits for pose estimation of a whole video; connecting does not.
_TIMEOUT = httpx.Timeout(300.0, connect=10.0)


class Client:
    """A service over HTTP. To be used by one thread at a time, and closed, or used with ``with``.

    All calls raise `ServiceError` if the service refuses, fails or is not there. What is asked changes nothing in the
    service, so that it is asked again, ``retries`` times at most, when the service is busy or the connection is lost.
    """

    def __init__(self, url: str, *, token: str | None = None, retries: int = 3, timeout: Any = _TIMEOUT) -> None:
        """Nothing is sent yet.

        Args:
            url: the service, http://host:8000.
            token: the service's token, if it wants one.
            retries: how often a request is sent again.
            timeout: seconds, or an httpx.Timeout.

        Raises:
            InputError: ``url`` is no address, or ``retries`` is negative.
        """
        self._retries = _checked(url, retries)
        self._http = httpx.Client(base_url=url, headers=_headers(token), timeout=timeout)

    def classify(
        self, segments: ArrayLike | Sequence[ArrayLike], *, layout: str = "h36m17", fps: float = 5.0, top: int = 3
    ) -> Classification:
        """Name the exercise of segments.

        Args:
            segments: [S, T, J, 3], or a list of [T, J, 3] with T of their own: metres, NaN where not seen.
            layout: which joints J are.
            fps: frames a second.
            top: guesses for each segment.
        """
        return self._talk(exchange.asked_segments(segments, layout, fps, top, self._retries))

    def classify_video(
        self, video: str | Path, *, on_progress: Callable[[float], None] | None = None, poses: bool = False
    ) -> Timeline:
        """The timeline of a video.

        Args:
            video: a file to upload; or a URI (file://, s3://, gs://) that the service fetches itself, if it may.
            on_progress: is called with the share of the work done, 0..1.
            poses: whether the joints of every sampled frame are told too (`VideoPoses`), to be drawn over the video.
        """
        return self._talk(exchange.asked_video(video, on_progress, poses, self._retries))

    def model(self) -> Model:
        """The model that answers."""
        return self._talk(exchange.asked_model(self._retries))

    def healthy(self) -> bool:
        """Whether the service answers, and has a model."""
        return self._talk(exchange.asked_health())

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _talk(self, conversation: Conversation[T]) -> T:
        outcome: Answer | httpx.TransportError | None = None
        try:
            while True:
                step = conversation.send(outcome)
                outcome = None
                if isinstance(step, float):
                    time.sleep(step)
                else:
                    outcome = self._send(step)
        except StopIteration as end:
            return end.value

    def _send(self, ask: Ask) -> Answer | httpx.TransportError:
        with contextlib.ExitStack() as stack:
            try:
                response = stack.enter_context(self._http.stream(**_request(ask, stack)))
                if ask.on_event and _is_events(response):
                    parser = EventParser()
                    for line in response.iter_lines():
                        if event := parser.feed(line):
                            ask.on_event(*event)
                    return Answer(status=response.status_code, headers=response.headers, content=b"")
                return Answer(status=response.status_code, headers=response.headers, content=response.read())
            except httpx.TransportError as error:
                return error


class AsyncClient:
    """As `Client`, with ``await``; used with ``async with``. It may be asked several things at once."""

    def __init__(self, url: str, *, token: str | None = None, retries: int = 3, timeout: Any = _TIMEOUT) -> None:
        """See `Client`."""
        self._retries = _checked(url, retries)
        self._http = httpx.AsyncClient(base_url=url, headers=_headers(token), timeout=timeout)

    async def classify(
        self, segments: ArrayLike | Sequence[ArrayLike], *, layout: str = "h36m17", fps: float = 5.0, top: int = 3
    ) -> Classification:
        """See `Client.classify`."""
        return await self._talk(exchange.asked_segments(segments, layout, fps, top, self._retries))

    async def classify_video(
        self, video: str | Path, *, on_progress: Callable[[float], None] | None = None, poses: bool = False
    ) -> Timeline:
        """See `Client.classify_video`."""
        return await self._talk(exchange.asked_video(video, on_progress, poses, self._retries))

    async def model(self) -> Model:
        """See `Client.model`."""
        return await self._talk(exchange.asked_model(self._retries))

    async def healthy(self) -> bool:
        """See `Client.healthy`."""
        return await self._talk(exchange.asked_health())

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _talk(self, conversation: Conversation[T]) -> T:
        outcome: Answer | httpx.TransportError | None = None
        while True:
            try:
                step = conversation.send(outcome)
            except StopIteration as end:
                return end.value
            outcome = None
            if isinstance(step, float):
                await asyncio.sleep(step)
            else:
                outcome = await self._send(step)

    async def _send(self, ask: Ask) -> Answer | httpx.TransportError:
        with contextlib.ExitStack() as stack:
            try:
                async with self._http.stream(**_request(ask, stack)) as response:
                    if ask.on_event and _is_events(response):
                        parser = EventParser()
                        async for line in response.aiter_lines():
                            if event := parser.feed(line):
                                ask.on_event(*event)
                        return Answer(status=response.status_code, headers=response.headers, content=b"")
                    content = await response.aread()
                    return Answer(status=response.status_code, headers=response.headers, content=content)
            except httpx.TransportError as error:
                return error


def _checked(url: str, retries: int) -> int:
    if not url.lower().startswith(("http://", "https://")):
        raise InputError(f"url is {url!r}: give the address of a service, like http://127.0.0.1:8000.")
    if retries < 0:
        raise InputError(f"retries is {retries}: give at least 0.")
    return retries


def _headers(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _request(ask: Ask, stack: contextlib.ExitStack) -> dict[str, Any]:
    """The arguments of httpx's ``stream``; a file is open until ``stack`` is left."""
    request: dict[str, Any] = {"method": ask.method, "url": ask.path, "params": ask.params, "headers": ask.headers}
    if ask.file is not None:
        return request | {"files": {"file": (ask.file.name, stack.enter_context(ask.file.open("rb")))}}
    return request | {"content": ask.content}


def _is_events(response: httpx.Response) -> bool:
    return response.status_code < 400 and response.headers.get("Content-Type", "").startswith("text/event-stream")

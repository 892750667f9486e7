"""Many clients that ask over HTTP, each again as soon as it is answered: one client code for all servers."""

import asyncio
import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np
from numpy.typing import NDArray

Check = Callable[[Any], str]
_TIMEOUT = aiohttp.ClientTimeout(total=60)


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request that is sent over and over again."""

    url: str
    body: bytes
    content_type: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Answered:
    """What came of it: the seconds of each good answer, the moments (begin, end, reason) of each that failed."""

    seconds: list[float] = field(default_factory=list)
    failures: list[tuple[float, float, str]] = field(default_factory=list)
    elapsed: float = 0.0

    def rate(self, size: int) -> float:
        """Segments a second, of requests with ``size`` each."""
        return size * len(self.seconds) / self.elapsed


def as_json(url: str, poses_STJC: NDArray[np.float32], name: str = "segments") -> Ask:
    """Segments as JSON, under the name that the server expects."""
    text = json.dumps({name: np.round(poses_STJC.astype(np.float64), 4).tolist()}, separators=(",", ":"))
    return Ask(url=url, body=text.encode(), content_type="application/json")


def as_npy(url: str, poses_STJC: NDArray[np.float32], content_type: str = "application/x-npy") -> Ask:
    """Segments as a .npy file."""
    file = io.BytesIO()
    np.save(file, poses_STJC, allow_pickle=False)
    return Ask(url=url, body=file.getvalue(), content_type=content_type)


async def once(ask: Ask) -> Any:
    """The answer to one request; RuntimeError if it is refused."""
    async with aiohttp.ClientSession() as session, session.post(ask.url, **_request(ask)) as response:
        if response.status != 200:
            raise RuntimeError(f"{ask.url} answers {response.status}: {(await response.text())[:300]}")
        return await response.json(content_type=None)


async def asked(ask: Ask, *, clients: int, seconds: float, least: int = 16) -> Answered:
    """So many clients ask for so long, or until there are so many answers; what comes after that does not count."""
    answered = Answered()
    begin = time.perf_counter()

    def counts() -> bool:
        """Whether an answer at this moment counts, and another is asked for."""
        if not answered.elapsed and len(answered.seconds) >= least and time.perf_counter() - begin > seconds:
            answered.elapsed = time.perf_counter() - begin
        return not answered.elapsed

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=_TIMEOUT) as session:

        async def client() -> None:
            while counts() and not answered.failures:
                await _ask(session, ask, answered, time.perf_counter(), counts)

        await asyncio.gather(*(client() for _ in range(clients)))
    return answered


class Askers:
    """Clients in the background of a test, with a pause after each answer; ``check`` says what is wrong with one."""

    def __init__(self, ask: Ask, *, clients: int, pause: float, check: Check = lambda _: "") -> None:
        self.ask, self.clients, self.pause, self.check = ask, clients, pause, check
        self.answered = Answered()
        self.wrong: list[str] = []
        self.began: dict[int, float] = {}
        """When each client's request that is under way was sent."""
        self.last_sent = 0.0
        """When the latest of the answered requests was sent."""
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Askers":
        """Begin."""
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=_TIMEOUT)
        self._tasks = [asyncio.create_task(self._client(number)) for number in range(self.clients)]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    async def _client(self, number: int) -> None:
        while True:
            self.began[number] = sent = time.perf_counter()
            answer = await _ask(self._session, self.ask, self.answered, sent)
            del self.began[number]
            if answer is not None:
                self.last_sent = max(self.last_sent, sent)
                if wrong := self.check(answer):
                    self.wrong.append(wrong)
            await asyncio.sleep(self.pause)


async def _ask(
    session: aiohttp.ClientSession,
    ask: Ask,
    answered: Answered,
    sent: float,
    counts: Callable[[], bool] = lambda: True,
) -> Any:
    """The answer, or None; noted in ``answered`` if it still ``counts`` when it is there."""
    try:
        async with session.post(ask.url, **_request(ask)) as response:
            content = await response.read()
            status = response.status
        problem = "" if status == 200 else f"{status} {content[:200].decode(errors='replace')}"
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        problem = f"{type(error).__name__} {error}"
    now = time.perf_counter()
    if problem:
        answered.failures.append((sent, now, problem))
        return None
    if counts():
        answered.seconds.append(now - sent)
    return json.loads(content)


def _request(ask: Ask) -> dict[str, Any]:
    return {"data": ask.body, "headers": {"Content-Type": ask.content_type, **ask.headers}}

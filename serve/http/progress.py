"""Long work: done in a thread and told of from there, ended when nobody waits for it any more, sent as events."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeVar

import anyio
from fastapi import Request
from starlette.requests import ClientDisconnect

T = TypeVar("T")
_NEWS_EVERY = 0.01  # shares of the work
_ALIVE_EVERY_S = 10.0  # proxies end a connection that is silent


class _NobodyWaitsError(Exception):
    pass


async def in_thread(work: Callable[[Callable[[float], None]], T]) -> AsyncIterator[float | T]:
    """Do ``work(tell)`` in a thread: yields the shares 0..1 that it tells, and last what it returns.

    When the iteration is closed or cancelled, the next ``tell`` raises in the thread; this ends when the thread has.
    """
    loop, news = asyncio.get_running_loop(), asyncio.Queue[float | None]()
    stopped, told = threading.Event(), -1.0

    def tell(share: float) -> None:
        nonlocal told
        if stopped.is_set():
            raise _NobodyWaitsError
        if share - told >= _NEWS_EVERY:
            told = share
            loop.call_soon_threadsafe(news.put_nowait, share)

    done = asyncio.ensure_future(asyncio.to_thread(work, tell))
    done.add_done_callback(lambda _: news.put_nowait(None))
    try:
        while (share := await news.get()) is not None:
            yield share
        yield done.result()
    finally:
        stopped.set()
        # The thread still uses what the caller is about to take away: a file, an estimator.
        with anyio.CancelScope(shield=True):
            await asyncio.wait({done})
        if not done.cancelled():
            done.exception()  # looked at, so that asyncio does not complain


async def until_gone(request: Request, work: Awaitable[T]) -> T:
    """The result of ``work``, which is cancelled when the client goes; the request's body must have been read.

    Raises:
        ClientDisconnect: the client has gone.
    """

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        with anyio.CancelScope(shield=True):
            for task in (working, watching):
                task.cancel()
            await asyncio.wait({working, watching})
        if not working.cancelled():
            working.exception()


def event(name: str, data: dict[str, Any]) -> str:
    """One server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


async def events(
    work: AsyncIterator[float | dict[str, Any]], problem: Callable[[Exception], dict[str, Any]]
) -> AsyncIterator[str]:
    """``work`` as server-sent events: `progress` for each share, `result` for the last, `problem` if it fails.

    A comment is sent when nothing happens for some seconds. Closing or cancelling this cancels the work.
    """
    next_step: asyncio.Task[Any] | None = None
    async with aclosing(work) as steps:  # type: ignore[type-var]
        try:
            while True:
                next_step = asyncio.ensure_future(anext(steps))
                while not (await asyncio.wait({next_step}, timeout=_ALIVE_EVERY_S))[0]:
                    yield ": still working\n\n"
                step = next_step.result()
                if isinstance(step, dict):
                    yield event("result", step)
                    return
                yield event("progress", {"share": round(step, 3)})
        except Exception as error:
            yield event("problem", problem(error))
        finally:
            if next_step is not None and not next_step.done():
                next_step.cancel()
                with anyio.CancelScope(shield=True):
                    await asyncio.wait({next_step})

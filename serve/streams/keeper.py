"""Where copies of sessions outlive the replica that serves them: a deployment of one replica around a `Shelf`.

When a replica dies, its clients come back to another, which takes their sessions over from here. When the keeper dies
its copies are lost and no session is: each is copied again within seconds. So both must not die at once: the keeper is
on the head of the cluster, which goes last, and never on a worker node that takes a replica with it.
"""

import asyncio
import time
from typing import Protocol

from ray import serve
from ray.serve.handle import DeploymentHandle

from serve.settings import AppSettings
from serve.streams.sessions import Shelf

_MAX_BYTES = 512 * 2**20
_ANSWER_SECONDS = 5.0
_ON_THE_HEAD = {"node:__internal_head__": 0.001}  # a resource that Ray gives to the head alone, one of it


class Copies(Protocol):
    """What keeps copies: see `Shelf` for each method."""

    async def put(self, copies: dict[str, tuple[int, bytes]]) -> list[str]:
        """Keep copies; returns the keys that were resumed elsewhere since."""
        ...

    async def take(self, key: str) -> tuple[int, bytes] | None:
        """Take a session over."""
        ...

    async def drop(self, generations: dict[str, int]) -> None:
        """Keep these no longer."""
        ...


def shelf_for(settings: AppSettings) -> Shelf:
    """A shelf that keeps a copy until its session could no longer be open or parked anywhere.

    A session is copied only when it changes, so the copy of a silent one is as old as its silence.
    """
    seconds = settings.idle_seconds + settings.resume_seconds + settings.copy_seconds
    return Shelf(time.monotonic, seconds=seconds, max_bytes=_MAX_BYTES)


class LocalKeeper:
    """Copies in this process: for one replica alone, and for tests."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    async def put(self, copies: dict[str, tuple[int, bytes]]) -> list[str]:
        """See `Copies`."""
        return self.shelf.put(copies)

    async def take(self, key: str) -> tuple[int, bytes] | None:
        """See `Copies`."""
        return self.shelf.take(key)

    async def drop(self, generations: dict[str, int]) -> None:
        """See `Copies`."""
        self.shelf.drop(generations)


@serve.deployment(
    num_replicas=1, max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0, "resources": _ON_THE_HEAD}
)
class Keeper(LocalKeeper):
    """The deployment. It never looks into a copy."""

    def __init__(self, settings: AppSettings) -> None:
        super().__init__(shelf_for(settings))


class RemoteKeeper:
    """The copies of the `Keeper` deployment, seen from a replica of another.

    Each method raises TimeoutError, or what Ray raises, if the keeper does not answer.
    """

    def __init__(self, handle: DeploymentHandle) -> None:
        self._handle = handle

    async def put(self, copies: dict[str, tuple[int, bytes]]) -> list[str]:
        """See `Copies`."""
        async with asyncio.timeout(_ANSWER_SECONDS):
            return list(await self._handle.put.remote(copies))

    async def take(self, key: str) -> tuple[int, bytes] | None:
        """See `Copies`."""
        async with asyncio.timeout(_ANSWER_SECONDS):
            found: tuple[int, bytes] | None = await self._handle.take.remote(key)
            return found

    async def drop(self, generations: dict[str, int]) -> None:
        """See `Copies`."""
        async with asyncio.timeout(_ANSWER_SECONDS):
            await self._handle.drop.remote(generations)

"""The deployment that keeps copies, called through a handle as a replica of another deployment calls it."""

import asyncio

import pytest
from ray import serve

from serve.settings import AppSettings
from serve.streams.keeper import Keeper, RemoteKeeper


@pytest.fixture
def keeper():
    """Serve's own stand-in for a cluster: the handle is real, the replica runs in this process."""
    return RemoteKeeper(serve.run(Keeper.bind(AppSettings()), name="keeper", _local_testing_mode=True))


def test_copies_are_kept_taken_over_and_dropped(keeper):
    async def use():
        assert await keeper.put({"a": (0, b"state"), "b": (0, b"other")}) == []
        assert await keeper.take("a") == (1, b"state")
        assert await keeper.put({"a": (0, b"late")}) == ["a"]
        await keeper.drop({"a": 1, "b": 0})
        return await keeper.take("a"), await keeper.take("b")

    assert asyncio.run(use()) == (None, None)

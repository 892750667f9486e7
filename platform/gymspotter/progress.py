"""News of a training that goes on elsewhere in the cluster, epoch by epoch."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ray

from gymspotter.cluster import on_this_node
from gymspotter.fit import Epoch

_ASK_S = 0.5  # how often progress is asked for


class _Progress:
    """An actor that epochs are told to, and asked for; after a worker's death some are told again."""

    def __init__(self) -> None:
        self._epochs: dict[int, Epoch] = {}

    def tell(self, epoch: Epoch) -> None:
        self._epochs[epoch.number] = epoch

    def after(self, number: int) -> list[Epoch]:
        return [epoch for n, epoch in sorted(self._epochs.items()) if n > number]


def start_progress() -> Any:
    """A handle for workers to ``tell.remote(epoch)`` to, and for `listening`."""
    return ray.remote(_Progress).options(num_cpus=0, scheduling_strategy=on_this_node()).remote()


@contextmanager
def listening(progress: Any, on_epoch: Callable[[Epoch], None]) -> Iterator[None]:
    """While it is open, ``on_epoch`` is called with every epoch that was told of, once and in order, by a thread."""
    ended, last = threading.Event(), 0

    def ask() -> None:
        nonlocal last
        for epoch in ray.get(progress.after.remote(last)):
            on_epoch(epoch)
            last = epoch.number

    def listen() -> None:
        while not ended.wait(_ASK_S):
            ask()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield
    finally:
        ended.set()
        listener.join()
        ask()

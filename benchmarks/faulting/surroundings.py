"""The environment of a cell: its cluster, storage and MLflow are named by variables."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from gymspotter.errors import InputError
from gymspotter.tracking import Store, use_store

_PATIENCE = 240.0


@contextmanager
def environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """With these variables in this process' environment, for the length of the block."""
    before = dict(os.environ)
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def opened(uri: str) -> Store:
    """MLflow's store: a server that has just been started may be slow to answer the first time."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return use_store(uri)
        except InputError:
            if time.monotonic() > end:
                raise

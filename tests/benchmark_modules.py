"""The modules of the benchmarks, for tests: their folder is on the path only while they are imported."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = str(Path(__file__).parents[1] / "benchmarks")


@contextmanager
def importable() -> Iterator[None]:
    """Import them in this block; left on the path, their serve.py would shadow the service."""
    sys.path.insert(0, FOLDER)
    try:
        yield
    finally:
        sys.path.remove(FOLDER)

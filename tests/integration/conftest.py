"""One reduced demo for all integration tests: it is the whole path, and the others look at what it made."""

from pathlib import Path
from typing import NamedTuple

import pytest

from gymspotter.demo import DemoOptions, Summary, demo


class DemoRun(NamedTuple):
    out: Path
    summary: Summary
    printed: str


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory) -> DemoRun:
    """Two four-second videos of each exercise, one of them for the test, and a few synthetic skeletons."""
    out = tmp_path_factory.mktemp("demo") / "run"
    # pytest's own capture is per test, a session's fixture needs its own.
    import contextlib
    import io

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        summary = demo(DemoOptions(out=out, per_exercise=2, seconds=4, skeletons=20, epochs=20, post=22, seed=1))
    return DemoRun(out, summary, printed.getvalue())

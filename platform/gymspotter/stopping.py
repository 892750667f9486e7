"""How a verb ends that is told to: SIGTERM as Ctrl-C, whatever handlers Ray puts in between."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_STOPPED = 128 + signal.SIGTERM  # the exit status by which shells know it


def end_in_order() -> None:
    """Let SIGTERM end this process as Ctrl-C does: what is open is closed, runs in MLflow and claims to stores too.

    It comes from `ray job stop`, which kills what has not ended some seconds later, and from Kubernetes.
    """
    if _ours() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _stop)


@contextmanager
def handler_kept(number: signal.Signals) -> Iterator[None]:
    """Put the handler of a signal back after the block, in which others may have set theirs."""
    before = signal.getsignal(number)
    try:
        yield
    finally:
        if _ours() and before is not None:
            signal.signal(number, before)


def _ours() -> bool:
    """Only the main thread sets handlers."""
    return threading.current_thread() is threading.main_thread()


def _stop(_: int, frame: FrameType | None) -> None:
    on_ctrl_c = signal.getsignal(signal.SIGINT)
    try:
        if callable(on_ctrl_c):  # while it trains, Ray Train's: it ends actors that would stay
            on_ctrl_c(signal.SIGINT, frame)
    finally:
        sys.exit(_STOPPED)

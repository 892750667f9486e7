"""What is different where a verb runs as a job of `ray job submit`: its folder, and who ends it.

The job's folder is a copy of the checkout on one node. What is written there goes with the job, unseen; so a verb that
would leave its results there is refused before it begins.
"""

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from gymspotter import storage
from gymspotter.errors import InputError

_TOLD_BY_RAY = "RAY_JOB_CONFIG_JSON_ENV_VAR"
_STOPPED = 128 + signal.SIGTERM  # the exit status by which shells know it
# The options that name where a verb leaves what it makes.
_PLACES = ("out", "folder")


def as_a_job() -> bool:
    """Whether this process is the driver of a submitted job."""
    return _TOLD_BY_RAY in os.environ


def refuse_own_folder(options: Any) -> None:
    """Raise `InputError` where a job would leave what it makes in its own folder; `options` are a verb's."""
    if not as_a_job():
        return
    places = {name: str(getattr(options, name)) for name in _PLACES if hasattr(options, name)}
    cluster = getattr(options, "cluster", None)
    if cluster and cluster.workers and "folder" not in places and "out" not in places:
        places["checkpoints"] = cluster.checkpoints
    for name, place in places.items():
        if storage.is_local(place) and not storage.local(place).is_absolute():
            raise InputError(
                f"{name} is {place!r}, in the job's own folder, which goes with the job: name a bucket (s3://, gs://) "
                "or the whole path of a folder that all nodes share."
            )


def end_in_order() -> None:
    """Let SIGTERM end this process as Ctrl-C does: what is open is closed, runs in MLflow and claims to stores too.

    It comes from `ray job stop`, which kills what has not ended some seconds later, and from Kubernetes.
    """
    ours = threading.current_thread() is threading.main_thread()
    if ours and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _stop)


def _stop(_: int, frame: FrameType | None) -> None:
    on_ctrl_c = signal.getsignal(signal.SIGINT)
    try:
        if callable(on_ctrl_c):  # while it trains, Ray Train's: it ends actors that would stay
            on_ctrl_c(signal.SIGINT, frame)
    finally:
        sys.exit(_STOPPED)

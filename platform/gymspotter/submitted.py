"""What is different where a verb runs as a job of `ray job submit`: its folder.

The job's folder is a copy of the checkout on one node. What is written there goes with the job, unseen; so a verb that
would leave its results there is refused before it begins.
"""

import os
from typing import Any

from gymspotter import storage
from gymspotter.errors import InputError

_TOLD_BY_RAY = "RAY_JOB_CONFIG_JSON_ENV_VAR"
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

"""One way to reach Ray: the cluster that RAY_ADDRESS names, else one that starts here and now."""

import logging
import os
import signal

# Read when Ray is first imported: keep its workers' view of accelerators as it is, which Ray 2.60 otherwise warns of.
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from gymspotter.stopping import handler_kept

# Enough for skeletons, and small enough for a laptop; a cluster's own setting is not touched.
_LOCAL_OBJECT_STORE_BYTES = 400 * 2**20
# They announce, up to warning level, what is as it should be: tokens are on, our progress bar replaces theirs.
_CHATTY = (
    "ray._private.authentication",
    "ray.data._internal.progress",
    "ray.data._internal.execution",
    "ray.serve",
    "ray.tune.analysis",  # misses its own CSV files, which nobody else does
)


def connect() -> None:
    """Join the cluster of RAY_ADDRESS, or start a local one that ends with this process; once is enough."""
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    if ray.is_initialized():
        return
    with handler_kept(signal.SIGTERM):  # Ray's own prints a stack and dies, and nothing is closed
        if os.environ.get("RAY_ADDRESS"):
            ray.init(logging_level=logging.WARNING)
        else:
            ray.init(
                address="local",  # not one that somebody has started on this machine for something else
                include_dashboard=False,
                # What goes wrong with an input is in the quarantine, the rest in Ray's session folder.
                log_to_driver=False,
                logging_level=logging.WARNING,
                object_store_memory=_LOCAL_OBJECT_STORE_BYTES,
            )


def on_this_node() -> NodeAffinitySchedulingStrategy:
    """Where an actor goes that the driver needs to the end: no other node may take it away."""
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)

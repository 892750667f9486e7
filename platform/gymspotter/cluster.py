"""One way to reach Ray: the cluster that RAY_ADDRESS names, else one that starts here and now."""

import logging
import os
import warnings

# Ray reads these when it is first imported. Ray 2.60 warns about each of them on every start.
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS", "0")

import ray

# Enough for skeletons, and small enough for a laptop; a cluster's own setting is not touched.
_LOCAL_OBJECT_STORE_BYTES = 400 * 2**20


def connect() -> None:
    """Join the cluster of RAY_ADDRESS, or start a local one that ends with this process; once is enough."""
    if ray.is_initialized():
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if os.environ.get("RAY_ADDRESS"):
            ray.init(log_to_driver=True, logging_level=logging.WARNING)
        else:
            ray.init(
                include_dashboard=False,
                logging_level=logging.WARNING,
                object_store_memory=_LOCAL_OBJECT_STORE_BYTES,
            )

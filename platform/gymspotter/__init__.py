"""gymspotter: gym video to 3D skeletons, skeletons to the name of the exercise, on a laptop or a Ray cluster."""

import os

# MLflow reports its use to its vendor unless it is told otherwise before it is imported; nothing of a user's is sent
# anywhere by us.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# It would show a bar for every small file that is read.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

__version__ = "0.1.0"

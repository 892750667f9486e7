"""Exit 0 if what this container runs is well: the service, a Ray node or MLflow, whichever answers. For Docker alone.

Kubernetes asks by probes of its own (cluster/kuberay/, cluster/mlflow/).
"""

import sys
import urllib.error
import urllib.request

URLS = (
    "http://127.0.0.1:8000/healthz",  # gymspotter serve, or any other way to the application
    "http://127.0.0.1:52365/api/healthz",  # the agent of a Ray node: its raylet, and the GCS on the head
    "http://127.0.0.1:5000/health",  # mlflow server
)


def healthy(urls: tuple[str, ...] = URLS, seconds: float = 2.0) -> bool:
    """Whether one that answers says that it is well; one that answers anything else makes it unwell."""
    answers = [status for url in urls if (status := _status(url, seconds)) is not None]
    return bool(answers) and all(status == 200 for status in answers)


def _status(url: str, seconds: float) -> int | None:
    """The status of the answer; None where nothing listens."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError as error:
        return None if isinstance(error.reason, ConnectionRefusedError) else 0
    except OSError:
        return 0


if __name__ == "__main__":
    sys.exit(0 if healthy() else 1)

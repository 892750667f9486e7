"""How the service is started for a benchmark: `gymspotter serve`, in a process of its own.

All that depends on the command line of the service, and on how Ray names its processes, is here.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from processes import Child, family, running, title

ANSWERS = "gymspotter answers at "
INGRESS = "ray::ServeReplica:gymspotter:Gymspotter"  # how the processes of ingress replicas call themselves


@dataclass(frozen=True)
class Service:
    """A service that answers at ``url``."""

    url: str
    child: Child

    @property
    def host(self) -> str:
        """Host and port."""
        return urlsplit(self.url).netloc

    @property
    def stream_url(self) -> str:
        """Where streams connect."""
        return f"ws://{self.host}/v1/stream"

    def replicas(self) -> list[int]:
        """The ids of the processes that are ingress replicas at this moment."""
        return sorted(pid for pid, _ in family(self.child.pid) if title(pid).startswith(INGRESS))


@contextmanager
def start(
    *,
    tracking_uri: str,
    model: str = "champion",
    throughput: bool = True,
    replicas: int = 1,
    poll_seconds: float = 5.0,
    tokens: str | None = None,
) -> Iterator[Service]:
    """A service of its own that answers; it ends with the block.

    Args:
        tracking_uri: MLflow's store.
        model: alias or version.
        throughput: with HAProxy in front of the replicas, as in production.
        replicas: of the ingress, all from the beginning.
        poll_seconds: how often the alias is looked up.
        tokens: a file of tokens.
    """
    words = ["--port", "0", "--tracking-uri", tracking_uri, "--model", model, "--replicas", str(replicas)]
    words += ["--poll-seconds", str(poll_seconds), *(["--tokens", tokens] if tokens else [])]
    words += ["--throughput"] * throughput
    with running([str(Path(sys.executable).with_name("gymspotter")), "serve", *words]) as child:
        service = Service(child.until(lambda: child.word_after(ANSWERS)), child)
        child.until(lambda: len(service.replicas()) >= replicas)
        yield service

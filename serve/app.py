"""The Ray Serve application: the replicas that answer, with the model and the sessions in them, and what they ask.

serve run serve.app:build            # the champion of MLFLOW_TRACKING_URI, http://127.0.0.1:8000/docs

The model is in the ingress, because its forward pass is shorter than a hop between deployments.
"""

import gc
import logging
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import ray
import torch
from fastapi import FastAPI
from ray import serve
from ray.serve import Application
from ray.serve.context import _get_global_client
from ray.serve.handle import DeploymentHandle
from starlette.middleware import Middleware

from gymspotter import tracking
from gymspotter.pose.live import Athlete
from gymspotter.skeleton import Floats
from serve.access.guard import Guard, GuardMiddleware, check_listening
from serve.access.tokens import Tokens
from serve.estimators import LivePoses, Skeletons, Work, ask_pose, ask_skeletons
from serve.http.api import build_api
from serve.http.problems import BusyError
from serve.metrics import Metrics
from serve.model.batcher import Answers, Batcher
from serve.model.champion import Champion, Loaded
from serve.model.drifting import Drifting
from serve.model.shadow import Shadow
from serve.settings import AppSettings
from serve.skeletons import Skeletonised
from serve.streams.endpoint import add_streams
from serve.streams.keeper import Keeper, RemoteKeeper
from serve.streams.sessions import Sessions

# A stream counts as one request for as long as it is open, and pins its replica.
_MOST_REQUESTS = 1500
# Where what waits will take longer, requests are refused: they can be sent again, and streams, which cannot, go first.
_REQUESTS_WAIT_SECONDS = 0.5
_SWITCH_SECONDS = 0.0002  # 0.005 by default


@serve.deployment(
    max_ongoing_requests=_MOST_REQUESTS,
    max_queued_requests=256,
    graceful_shutdown_timeout_s=5,  # streams never end by themselves; they are resumed elsewhere
    ray_actor_options={"num_cpus": 0.5},
)
@serve.ingress()
class Gymspotter:
    """A replica, with the model and the sessions: `http.api.Backend` and `streams.backend.StreamBackend` in one."""

    def __init__(
        self, settings: AppSettings, skeletons: DeploymentHandle, poses: DeploymentHandle, keeper: DeploymentHandle
    ) -> None:
        _log_through_ray()
        torch.set_num_threads(1)
        # Threads beside the event loop (metrics, the registry's poll, Ray's own) compute in Python now and then. The
        # loop lets go of the GIL at every message it sends, and would each time wait so long to get it back.
        sys.setswitchinterval(_SWITCH_SECONDS)
        tracking.use_store(settings.tracking_uri)
        tokens = Tokens.load(settings.tokens)
        check_listening(_host(), tokens)
        self.settings = settings
        self._skeletons, self._poses = skeletons, poses
        self.metrics = Metrics()
        self.champion = Champion.load(settings, self.metrics)
        self.champion.start()
        self.batcher = Batcher(self.champion, self.metrics, settings.max_batch)
        self.batcher.watch(Drifting(self.metrics).see)
        self.shadow: Shadow | None = None
        if settings.shadow:
            self.shadow = Shadow(settings, self.metrics, idle=lambda: self.batcher.idle)
            self.shadow.start()
            self.batcher.watch(self.shadow.offer)
        self.sessions = Sessions(time.monotonic, limit=settings.max_sessions, resume_seconds=settings.resume_seconds)
        self.keeper = RemoteKeeper(keeper)
        self.guard = Guard(tokens, settings, version=lambda: self.current.version)
        # A full garbage collection would walk all of torch, MLflow and Ray, and stop the event loop for it (1.8 s on a
        # busy machine, 0.03 s after this). What is there now stays; what is loaded later is still collected.
        gc.collect()
        gc.freeze()

    async def __del__(self) -> None:
        """Called by Ray Serve when the replica ends and its requests have, which streams do not: those are resumed."""
        if not hasattr(self, "guard"):  # its beginning has failed
            return
        if hasattr(self, "streams"):
            await self.streams.close()
        if self.shadow:
            self.shadow.stop()
        self.champion.stop()
        self.batcher.close()
        self.metrics.close()

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Called by Ray Serve in the replica, once the model is loaded."""
        guarded = [Middleware(GuardMiddleware, guard=self.guard)]
        api = build_api(self, self.settings, middleware=guarded, metrics=self.metrics)
        self.streams = add_streams(api, self)
        return api

    @property
    def current(self) -> Loaded:
        """See `http.api.Backend`."""
        return self.champion.current

    def status(self) -> dict[str, Any]:
        """See `http.api.Backend`."""
        return self.champion.status()

    async def classify(self, poses_STJC: Floats) -> Answers:
        """See `http.api.Backend`."""
        if self.batcher.will_take(_REQUESTS_WAIT_SECONDS):
            raise BusyError
        return await self.batcher.classify(poses_STJC)

    def skeletons(self, video: Path, name: str) -> AsyncIterator[float | Skeletonised]:
        """See `http.api.Backend`."""
        return ask_skeletons(self._skeletons, video, name, self.current.facts.grid_fps)

    async def pose(self, jpeg: bytes, state: Athlete | None) -> Work:
        """See `streams.backend.StreamBackend`."""
        return await ask_pose(self._poses, jpeg, state)


def application(settings: AppSettings, replicas: int | None = None) -> Application:
    """The application with so many replicas, or as many as the deployment's configuration says."""
    ingress: Any = Gymspotter
    if replicas is not None:
        ingress = ingress.options(num_replicas=replicas)
    others: tuple[Any, ...] = (Skeletons, LivePoses, Keeper)
    return ingress.bind(settings, *(deployment.bind(settings) for deployment in others))


def build(args: dict[str, Any] | AppSettings) -> Application:
    """The application for ``serve run`` and ``serve deploy``; ``args`` are the fields of `AppSettings`."""
    return application(args if isinstance(args, AppSettings) else AppSettings(**args))


def _host() -> str | None:
    """The address that Serve listens on."""
    client: Any = _get_global_client()
    host: str | None = ray.get(client._controller.get_http_config.remote()).host
    return host


def _log_through_ray() -> None:
    """Our own logs go where the replica's go, in the form that was asked for (text, or a line of JSON each)."""
    of_ray = logging.getLogger("ray.serve")
    for name in ("serve", "gymspotter"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = of_ray.handlers, False
        logger.setLevel(of_ray.level)

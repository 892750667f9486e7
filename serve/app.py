"""The Ray Serve application: an HTTP ingress with the model in it, and pose estimators as their own deployment.

serve run serve.app:build            # the champion of MLFLOW_TRACKING_URI, http://127.0.0.1:8000/docs
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import torch
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.serve import Application
from ray.serve.exceptions import BackPressureError
from ray.serve.handle import DeploymentHandle

from gymspotter import registry, tracking
from gymspotter.classify import Guess, LabelledSegment, classify, timeline
from gymspotter.errors import InputError
from gymspotter.pose import load_estimator
from gymspotter.skeleton import Floats
from gymspotter.tracks import Track
from serve.api import UPLOAD, BusyError, Skeletonised, build_api, skeletonise


class AppSettings(BaseModel):
    """Arguments of the application (``args:`` in config.yaml)."""

    model_config = ConfigDict(extra="forbid")

    model: str = registry.CHAMPION
    tracking_uri: str | None = None
    estimator: str = "blazepose"
    max_body_mb: int = 64
    max_video_seconds: float = 600.0


@serve.deployment(max_ongoing_requests=2, max_queued_requests=32, ray_actor_options={"num_cpus": 0.5})
class Skeletons:
    """Videos to tracks. Each replica holds one estimator and works on one video at a time."""

    def __init__(self, settings: AppSettings) -> None:
        import cv2

        cv2.setNumThreads(1)
        self.settings = settings
        self.estimator = load_estimator(settings.estimator)
        self.one_at_a_time = asyncio.Lock()

    async def __call__(self, name: str, content: bytes, fps: float) -> Skeletonised | InputError:
        """The tracks of a video, or (returned, since Ray would wrap it in a traceback) what is wrong with it."""
        async with self.one_at_a_time:
            return await asyncio.to_thread(self._tracks, name, content, fps)

    def _tracks(self, name: str, content: bytes, fps: float) -> Skeletonised | InputError:
        with tempfile.TemporaryDirectory(prefix="gymspotter-") as folder:
            video = Path(folder) / UPLOAD
            video.write_bytes(content)
            limit = self.settings.max_video_seconds
            try:
                return skeletonise(video, name, self.estimator, fps=fps, max_seconds=limit)
            except InputError as error:
                return error


@serve.deployment(max_ongoing_requests=64, max_queued_requests=256, ray_actor_options={"num_cpus": 0.5})
@serve.ingress()
class Gymspotter:
    """The ingress: HTTP, and the model itself, since its forward pass is shorter than a hop between deployments."""

    def __init__(self, settings: AppSettings, skeletons: DeploymentHandle) -> None:
        torch.set_num_threads(1)
        tracking.use_store(settings.tracking_uri)
        self.settings = settings
        self._skeletons = skeletons
        loaded = registry.load(settings.model)
        self.version, self.facts, self._module = loaded.version, loaded.facts, loaded.module

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Called by Ray Serve in the replica, once the model is loaded."""
        return build_api(self, max_body_bytes=self.settings.max_body_mb * 2**20)

    async def classify(self, poses: Floats, top: int) -> list[tuple[Guess, ...]]:
        """See `api.Backend`."""
        return await asyncio.to_thread(classify, self._module, poses, self.facts.classes, top)

    async def skeletons(self, video: Path, name: str) -> Skeletonised:
        """See `api.Backend`."""
        try:
            outcome = await self._skeletons.remote(name, video.read_bytes(), self.facts.grid_fps)
        except BackPressureError as error:
            raise BusyError from error
        if isinstance(outcome, InputError):
            raise outcome
        return outcome

    async def timeline(self, tracks: list[Track]) -> list[LabelledSegment]:
        """See `api.Backend`."""
        return await asyncio.to_thread(timeline, self._module, tracks, self.facts.classes, top=len(self.facts.classes))


def build(args: dict[str, Any] | AppSettings) -> Application:
    """The application for ``serve run`` and ``serve deploy``; ``args`` are the fields of `AppSettings`."""
    settings = args if isinstance(args, AppSettings) else AppSettings(**args)
    return Gymspotter.bind(settings, Skeletons.bind(settings))  # type: ignore[attr-defined]

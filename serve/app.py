"""The Ray Serve application: an HTTP ingress with the model in it, and pose estimators as their own deployment.

serve run serve.app:build            # the champion of MLFLOW_TRACKING_URI, http://127.0.0.1:8000/docs
"""

import asyncio
from pathlib import Path
from typing import Any

import torch
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from gymspotter import registry
from gymspotter.catalog import Entry
from gymspotter.classify import Guess, LabelledSegment, classify, timeline
from gymspotter.errors import InputError, NoPersonError
from gymspotter.pose import ESTIMATORS
from gymspotter.skeleton import Floats
from gymspotter.spans import plan_spans, track_span
from gymspotter.tracks import Track
from serve.api import build_api


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
        self.estimator = ESTIMATORS[settings.estimator]()
        self.one_at_a_time = asyncio.Lock()

    async def __call__(self, name: str, content: bytes) -> list[Track] | InputError:
        """The tracks of a video, or (returned, since Ray would wrap it in a traceback) what is wrong with it."""
        async with self.one_at_a_time:
            return await asyncio.to_thread(self._tracks, name, content)

    def _tracks(self, name: str, content: bytes) -> list[Track] | InputError:
        import tempfile

        with tempfile.TemporaryDirectory(prefix="gymspotter-") as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            try:
                spans = plan_spans(Entry(uri=str(path)))
                if spans[-1].t1 > self.settings.max_video_seconds:
                    return InputError(
                        f"file {name!r} is {spans[-1].t1:.0f} s long: send at most "
                        f"{self.settings.max_video_seconds:.0f} s, or use `gymspotter extract`."
                    )
                tracks, nobody = [], None
                for span in spans:
                    try:
                        tracks.append(track_span(span, self.estimator))
                    except NoPersonError as error:  # of one span; the next may show somebody
                        nobody = error
                return tracks or nobody or InputError(f"file {name!r} has no frames: send a video.")
            except InputError as error:
                return error


@serve.deployment(max_ongoing_requests=64, max_queued_requests=256, ray_actor_options={"num_cpus": 0.5})
@serve.ingress()
class Gymspotter:
    """The ingress: HTTP, and the model itself, since its forward pass is shorter than a hop between deployments."""

    def __init__(self, settings: AppSettings, skeletons: DeploymentHandle) -> None:
        torch.set_num_threads(1)
        registry.use_store(settings.tracking_uri)
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

    async def skeletons(self, video: Path) -> list[Track]:
        """See `api.Backend`."""
        outcome = await self._skeletons.remote(video.name, video.read_bytes())
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

"""The pose estimators as deployments of their own: a thousand times a forward pass of the model, they scale apart.

`Skeletons` turns whole videos into tracks, `LivePoses` pictures of streams into poses.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

from ray import serve
from ray.serve.exceptions import BackPressureError
from ray.serve.handle import DeploymentHandle

from gymspotter.decoder import Decoder
from gymspotter.errors import InputError
from gymspotter.pose import load_estimator
from gymspotter.pose.live import Athlete, LivePose, check_stepping, step
from serve.http.problems import BusyError
from serve.http.progress import in_thread
from serve.settings import AppSettings
from serve.skeletons import UPLOAD, Skeletonised, skeletonise
from serve.streams.pictures import decode_jpeg

Work = tuple[Athlete, LivePose]


@serve.deployment(max_ongoing_requests=2, max_queued_requests=32, ray_actor_options={"num_cpus": 0.5})
class Skeletons:
    """Videos to tracks. Each replica holds one estimator and works on one video at a time."""

    def __init__(self, settings: AppSettings) -> None:
        _one_thread()
        self.settings = settings
        self.estimator = load_estimator(settings.estimator)
        self.decoder = Decoder()  # its process is kept, and started anew when a video breaks it
        self.one_at_a_time = asyncio.Lock()

    async def __call__(self, name: str, content: bytes, fps: float) -> AsyncIterator[float | Skeletonised | InputError]:
        """The shares done, and last the tracks, or (as a value: Ray would wrap it in a traceback) what is wrong."""
        async with self.one_at_a_time, aclosing(in_thread(self._work(name, content, fps))) as steps:  # type: ignore[type-var]
            async for one in steps:
                yield one

    def _work(
        self, name: str, content: bytes, fps: float
    ) -> Callable[[Callable[[float], None]], Skeletonised | InputError]:
        def work(tell: Callable[[float], None]) -> Skeletonised | InputError:
            with tempfile.TemporaryDirectory(prefix="gymspotter-") as folder:
                video = Path(folder) / UPLOAD
                video.write_bytes(content)
                limit = self.settings.max_video_seconds
                try:
                    return skeletonise(
                        video, name, self.estimator, fps=fps, max_seconds=limit, tell=tell, decoder=self.decoder
                    )
                except InputError as error:
                    return error

        return work


@serve.deployment(max_ongoing_requests=8, max_queued_requests=64, ray_actor_options={"num_cpus": 0.5})
class LivePoses:
    """Pictures to poses, one at a time. What is known of an athlete comes and goes with each call."""

    def __init__(self, settings: AppSettings) -> None:
        _one_thread()
        self.settings = settings
        self.estimator = check_stepping(load_estimator(settings.live_estimator))
        self.one_at_a_time = asyncio.Lock()

    async def __call__(self, jpeg: bytes, state: Athlete | None) -> Work | InputError:
        """The athlete to hand in with the next picture and the pose in this one, or what is wrong with it."""
        async with self.one_at_a_time:
            return await asyncio.to_thread(self._pose, jpeg, state)

    def _pose(self, jpeg: bytes, state: Athlete | None) -> Work | InputError:
        try:
            return step(self.estimator, decode_jpeg(jpeg, self.settings.image_pixels), state)
        except InputError as error:
            return error


async def ask_skeletons(
    handle: DeploymentHandle, video: Path, name: str, fps: float
) -> AsyncIterator[float | Skeletonised]:
    """Ask `Skeletons` about a video: the shares done, and last its tracks. Raises InputError, or BusyError."""
    content = await asyncio.to_thread(video.read_bytes)
    steps: Any = handle.options(stream=True).remote(name, content, fps)
    try:
        async for one in steps:
            if isinstance(one, InputError):
                raise one
            yield one
    except BackPressureError as error:
        raise BusyError from error
    finally:
        steps.cancel()


async def ask_pose(handle: DeploymentHandle, jpeg: bytes, state: Athlete | None) -> Work:
    """Ask `LivePoses` about a picture. Raises InputError, or BusyError."""
    try:
        found: Work | InputError = await handle.remote(jpeg, state)
    except BackPressureError as error:
        raise BusyError from error
    if isinstance(found, InputError):
        raise found
    return found


def _one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)

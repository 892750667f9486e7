"""The HTTP API as a FastAPI application around a `Backend`; it knows nothing of Ray, so it is tested without it.

docs/http.md has an example of every request.
"""

import asyncio
import json
import logging
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from gymspotter import __version__
from gymspotter.labels import EXERCISES
from gymspotter.skeleton import LAYOUTS, Floats
from gymspotter.skeleton import layout as known_layout
from serve.http.about import add_about
from serve.http.asgi import BodyLimit, Count, NoMetrics, RequestMetrics
from serve.http.backend import Backend, loaded
from serve.http.bodies import ARROW, JSON, NPY, Terms, read_question
from serve.http.page import add_page
from serve.http.problems import BusyError, add_problems, documented, explain, problem
from serve.http.progress import events, until_gone
from serve.http.schemas import (
    MAX_FPS,
    MIN_FPS,
    ClassifyRequest,
    ClassifyResponse,
    Problem,
    VideoRequest,
    VideoResponse,
    body_schema,
)
from serve.http.segments import Answers, classify_response, to_poses
from serve.http.videos import answer_video, save_video
from serve.settings import AppSettings
from serve.skeletons import UPLOAD

__all__ = ["Answers", "Backend", "BusyError", "build_api"]

_log = logging.getLogger(__name__)
# A larger body is read in a thread, so that other requests go on meanwhile. An array is read much faster than text: up
# to here either takes about a millisecond.
_SMALL_BYTES = {JSON: 2**15, NPY: 2**19, ARROW: 2**19}
_EVENTS = "text/event-stream"
_TRIES = 30
_REFUSALS = (400, 401, 403, 413, 415, 422, 429, 500, 503)


def build_api(
    backend: Backend,
    settings: AppSettings,
    *,
    middleware: Sequence[Middleware] = (),
    metrics: RequestMetrics | None = None,
) -> FastAPI:
    """The application: /v1/classify, /v1/classify/video, what `about` adds, the web page and /docs.

    ``middleware`` comes, first one first, behind the counting and CORS, and before anything of a body is read.
    """
    limit = settings.max_body_mb * 2**20
    stack = [Middleware(Count, metrics=metrics or NoMetrics())]
    if settings.origins:
        stack.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.origins,
                allow_methods=["GET", "POST"],
                allow_headers=["Authorization", "Content-Type"],
                expose_headers=["Retry-After"],
            )
        )
    api = FastAPI(
        title="gymspotter",
        version=__version__,
        description=f"Names the exercise: {len(EXERCISES)} of them, from skeletons or from video.",
        middleware=[*stack, *middleware, Middleware(BodyLimit, limit=limit)],
    )

    def version() -> str | None:
        current = backend.current
        return current.version if current else None

    def as_problem(error: Exception) -> dict[str, Any]:
        status, detail, _ = explain(error)
        if status == 500:
            _log.error("a request failed", exc_info=error)
        return problem(status, detail, version())

    async def patient(poses: Floats) -> Answers:
        """As ``backend.classify``, for a video whose poses have taken long: it waits where the service is busy."""
        for _ in range(_TRIES):
            try:
                return await backend.classify(poses)
            except BusyError:
                await asyncio.sleep(1)
        return await backend.classify(poses)

    add_problems(api, version)

    @api.post(
        "/v1/classify",
        summary="Name the exercise of skeleton segments",
        response_model=ClassifyResponse,
        responses=documented(*_REFUSALS),
        openapi_extra=_CLASSIFY_BODY,
    )
    async def classify(
        request: Request,
        layout: Annotated[
            str | None, Query(description="Which joints a frame has.", json_schema_extra={"enum": list(LAYOUTS)})
        ] = None,
        fps: Annotated[float | None, Query(ge=MIN_FPS, le=MAX_FPS, description="Frames a second.")] = None,
        top: Annotated[int | None, Query(ge=1, le=len(EXERCISES), description="Guesses for each segment.")] = None,
    ) -> Response:
        """Send segments of one athlete's joints; each is answered with the best guesses and `unknown`.

        The three formats say the same. `layout`, `fps` and `top` are fields of the JSON object, metadata of an Arrow
        schema, or else parameters of the query. Any frame rate is taken: joints are resampled to the model's grid.
        """
        kind = _media_type(request, JSON, NPY, ARROW)
        facts = loaded(backend).facts
        if layout is not None:
            known_layout(layout[:40])
        body = await request.body()
        terms = Terms(layout=layout, fps=fps, top=top)

        def understand() -> tuple[Floats, int]:
            question = read_question(body, kind, terms)
            return to_poses(question, facts), question.top

        poses, guesses = await asyncio.to_thread(understand) if len(body) > _SMALL_BYTES[kind] else understand()
        return JSONResponse(classify_response(await backend.classify(poses), guesses))

    @api.post(
        "/v1/classify/video",
        summary="The timeline and the sets of a video",
        response_model=VideoResponse,
        responses={200: {"content": {_EVENTS: _EVENTS_EXAMPLE}}, **documented(*_REFUSALS)},
        openapi_extra=_VIDEO_BODY,
    )
    async def classify_video(
        request: Request,
        poses: Annotated[bool, Query(description="Send the joints of every sampled frame, too, for overlays.")] = False,
    ) -> Response:
        """Upload a video of one athlete, in any format FFmpeg reads, or name one that the service may fetch.

        With `Accept: text/event-stream` the answer is a stream of events: `progress` (the share that is done), and last
        `result` or `problem`, with what is the body otherwise. When the client goes, the work ends.
        """
        kind = _media_type(request, "multipart/form-data", JSON)
        facts = loaded(backend).facts
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gymspotter-")))
            name = await save_video(request, kind, folder, uris=settings.video_uris, limit=limit)
            steps = answer_video(
                backend.skeletons(folder / UPLOAD, name),
                patient,
                name,
                frames=facts.frames,
                grid_fps=facts.grid_fps,
                poses=poses,
            )
            if _EVENTS not in request.headers.get("accept", ""):
                return JSONResponse(await until_gone(request, _last(steps)))
            # The folder is needed for as long as events are sent.
            return StreamingResponse(_sent(steps, stack.pop_all()), media_type=_EVENTS, headers=_NO_BUFFER)

    async def _sent(steps: AsyncIterator[float | dict[str, Any]], stack: AsyncExitStack) -> AsyncIterator[str]:
        async with stack, aclosing(events(steps, as_problem)) as sent:  # type: ignore[type-var]
            async for text in sent:
                yield text

    add_about(api, backend, settings.mlflow_url)
    add_page(api, max_body_mb=settings.max_body_mb, max_video_seconds=settings.max_video_seconds)

    def openapi() -> dict[str, Any]:
        if not api.openapi_schema:
            document = get_openapi(title=api.title, version=api.version, description=api.description, routes=api.routes)
            parts = document.setdefault("components", {})
            parts.setdefault("schemas", {})["Problem"] = body_schema(Problem)
            parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            document["security"] = [{}, {"token": []}]  # a service without tokens answers its own machine
            api.openapi_schema = document
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]
    return api


async def _last(steps: AsyncIterator[float | dict[str, Any]]) -> dict[str, Any]:
    async with aclosing(steps) as closing:  # type: ignore[type-var]
        async for step in closing:
            if isinstance(step, dict):
                return step
    raise RuntimeError("the steps ended without a result")


def _media_type(request: Request, *known: str) -> str:
    """The request's Content-Type, without parameters; 415 if it is not one of ``known``."""
    said = request.headers.get("content-type", "")
    media_type = said.partition(";")[0].strip().lower()
    if media_type not in known:
        raise HTTPException(415, f"Content-Type is {repr(said[:60]) if said else 'missing'}: use {' or '.join(known)}.")
    return media_type


_NO_BUFFER = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_BINARY = {"type": "string", "format": "binary"}
_CLASSIFY_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": body_schema(ClassifyRequest)},
            NPY: {"schema": _BINARY | {"description": "numpy.save of (segments, frames, joints, 3); NaN is not seen."}},
            ARROW: {
                "schema": _BINARY
                | {"description": "A column poses: list<fixed_size_list<float>[3 x joints]>, a segment in each row."}
            },
        },
    }
}
_VIDEO_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": _BINARY}, "required": ["file"]}
            },
            JSON: {"schema": body_schema(VideoRequest)},
        },
    }
}
_EVENTS_EXAMPLE: dict[str, Any] = {
    "schema": {"type": "string"},
    "example": "event: progress\ndata: "
    + json.dumps({"share": 0.4})
    + '\n\nevent: result\ndata: {"model_version": "7", "exercise": "squat", ...}\n\n',
}

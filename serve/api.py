"""The HTTP API as a FastAPI application around a `Backend`; it knows nothing of Ray, so it is tested without it."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Protocol

import numpy as np
from fastapi import FastAPI, File, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gymspotter import __version__
from gymspotter.classify import Guess, LabelledSegment
from gymspotter.errors import InputError
from gymspotter.registry import MODEL_NAME, ModelFacts
from gymspotter.skeleton import CANONICAL, Floats
from gymspotter.tracks import Track
from gymspotter.windows import MIN_FRAMES, fit_length
from serve.schemas import (
    ClassifyRequest,
    ClassifyResponse,
    GuessOut,
    Health,
    ModelResponse,
    Problem,
    SegmentOut,
    TimedSegmentOut,
    VideoResponse,
)

# No joint of a person is further than this from the hip; more is another unit, or noise that overflows.
_FURTHEST_M = 100.0


class Backend(Protocol):
    """What answers requests: the loaded model, and the estimator behind it."""

    version: str
    facts: ModelFacts

    async def classify(self, poses: Floats, top: int) -> list[tuple[Guess, ...]]:
        """Guesses for each of ``poses`` [S, T, J, 3]."""
        ...

    async def skeletons(self, video: Path) -> list[Track]:
        """The tracks of a video; raises InputError."""
        ...

    async def timeline(self, tracks: list[Track]) -> list[LabelledSegment]:
        """The labelled segments of one video's tracks."""
        ...


def build_api(backend: Backend, *, max_body_bytes: int) -> FastAPI:
    """The application: /v1/classify, /v1/classify/video, /v1/model, /healthz and /docs."""
    problems: dict[int | str, dict[str, Any]] = {code: {"model": Problem} for code in (400, 413, 422)}
    api = FastAPI(
        title="gymspotter",
        version=__version__,
        description="Names the exercise: 22 of them, from skeletons or from video.",
    )
    api.add_middleware(BodyLimit, limit=max_body_bytes)

    def problem(status: int, detail: str) -> JSONResponse:
        body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, model_version=backend.version)
        return JSONResponse(body.model_dump(), status_code=status, media_type="application/problem+json")

    @api.exception_handler(InputError)
    async def input_error(request: Request, error: InputError) -> JSONResponse:
        return problem(422, str(error))

    @api.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return problem(400, f"the body is not JSON ({first['ctx']['error']}): send an object with segments.")
        return problem(422, _sentence(first))

    @api.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        unhelpful = error.detail == HTTPStatus(error.status_code).phrase
        return problem(
            error.status_code,
            f"there is no {request.method} {request.url.path}: see /docs." if unhelpful else str(error.detail),
        )

    @api.exception_handler(Exception)
    async def defect(request: Request, error: Exception) -> JSONResponse:
        # Starlette raises the error again after this answer, so that the replica's log has its traceback.
        return problem(500, f"the service failed on this request ({type(error).__name__}): its log says where.")

    @api.post("/v1/classify", responses=problems, summary="Name the exercise of skeleton segments")
    async def classify(body: ClassifyRequest) -> ClassifyResponse:
        poses = np.stack([_segment(i, segment, backend.facts.frames) for i, segment in enumerate(body.segments)])
        answers = await backend.classify(poses, body.top)
        return ClassifyResponse(model_version=backend.version, segments=[SegmentOut(**_best(g)) for g in answers])

    @api.post("/v1/classify/video", responses=problems, summary="The timeline of a video")
    async def classify_video(
        file: Annotated[UploadFile, File(description="A video of one athlete, in any format FFmpeg reads.")],
    ) -> VideoResponse:
        name = Path(file.filename or "video").name or "video"
        with tempfile.TemporaryDirectory(prefix="gymspotter-") as folder:
            video = Path(folder) / name[-100:]
            with video.open("wb") as out:
                while chunk := await file.read(2**20):
                    out.write(chunk)
            tracks = await backend.skeletons(video)
        segments = await backend.timeline(tracks)
        if not segments:
            raise InputError(
                f"file {name!r} shows a person too briefly to name an exercise: at least {MIN_FRAMES} of the frames "
                f"sampled at {backend.facts.grid_fps:g} a second must show one."
            )
        return _video_response(backend, tracks, segments)

    @api.get("/v1/model", summary="Which model answers")
    async def model() -> ModelResponse:
        facts = asdict(backend.facts)
        return ModelResponse(
            model_version=backend.version, name=MODEL_NAME, **(facts | {"scores": facts["scores"] or {}})
        )

    @api.get("/healthz", summary="Whether the service answers")
    async def healthz() -> Health:
        return Health(status="ok", model_version=backend.version)

    return api


def _segment(index: int, frames: Sequence[Sequence[Sequence[float | None]]], length: int) -> Floats:
    """One segment of a request as [length, 17, 3]; raises InputError that names it."""
    where = f"segments[{index}]"
    counts = {len(joints) for joints in frames}
    if counts - {len(CANONICAL.joints)}:
        raise InputError(
            f"{where} has a frame with {(counts - {len(CANONICAL.joints)}).pop()} joints: send the "
            f"{len(CANONICAL.joints)} joints of {CANONICAL.name}."
        )
    if not MIN_FRAMES <= len(frames) <= length:
        raise InputError(f"{where} has {len(frames)} frames: send {MIN_FRAMES} to {length}, at 5 a second.")
    poses = np.array(frames, dtype=np.float64)
    if (seen := int(np.isfinite(poses).any(axis=(1, 2)).sum())) < MIN_FRAMES:
        raise InputError(f"{where} shows joints in {seen} frames: send at least {MIN_FRAMES} with a person in them.")
    if np.nanmax(np.abs(poses)) > _FURTHEST_M:
        raise InputError(
            f"{where} has a coordinate beyond {_FURTHEST_M:g} m: send metres from the hip, null if unseen."
        )
    return fit_length(poses.astype(np.float32), length)


def _best(guesses: Sequence[Guess]) -> dict[str, Any]:
    top = [GuessOut(exercise=guess.exercise, probability=guess.probability) for guess in guesses]
    return {"exercise": top[0].exercise, "probability": top[0].probability, "top": top}


def _video_response(backend: Backend, tracks: list[Track], segments: list[LabelledSegment]) -> VideoResponse:
    sums: dict[str, float] = {}
    for segment in segments:
        for guess in segment.guesses:
            sums[guess.exercise] = sums.get(guess.exercise, 0.0) + guess.probability
    exercise = max(sums, key=lambda name: sums[name])
    frames = sum(len(track.joints) for track in tracks)
    return VideoResponse(
        model_version=backend.version,
        estimator=f"{tracks[0].estimator} {tracks[0].estimator_version}",
        seconds=max(track.t0 + len(track.joints) / track.fps for track in tracks),
        person_seen=sum(track.seen * len(track.joints) for track in tracks) / frames,
        exercise=exercise,
        probability=sums[exercise] / len(segments),
        segments=[
            TimedSegmentOut(**_best(segment.guesses[:3]), start=segment.start, end=segment.end) for segment in segments
        ],
    )


def _sentence(complaint: Mapping[str, Any]) -> str:
    """One of pydantic's complaints as a sentence that begins with the field: "segments[0][3]: ..."."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in complaint["loc"][1:]).lstrip(".")
    if complaint["type"] == "missing":
        return f"{path or 'the body'} is missing: add it; /docs has an example."
    if not path:
        return "the body is not a JSON object: send one with segments, and Content-Type application/json."
    return f"{path}: {complaint['msg'][:1].lower()}{complaint['msg'][1:]}."


class BodyLimit:
    """ASGI middleware that ends a request with 413 as soon as its body grows beyond ``limit`` bytes."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting its bytes."""
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.limit:
                # FastAPI lets an HTTPException that is raised while it reads the body through to its handler.
                raise HTTPException(413, f"the body is larger than {self.limit / 2**20:.0f} MiB: send less at once.")
            return message

        await self.app(scope, counted, send)

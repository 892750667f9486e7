"""The HTTP API as a FastAPI application around a `Backend`; it knows nothing of Ray, so it is tested without it."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
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
from gymspotter.catalog import Entry
from gymspotter.classify import Guess, LabelledSegment
from gymspotter.errors import InputError, NoPersonError
from gymspotter.pose import Estimator
from gymspotter.registry import MODEL_NAME, ModelFacts
from gymspotter.skeleton import CANONICAL, Floats
from gymspotter.spans import plan_spans, track_span
from gymspotter.tracks import Track
from gymspotter.video import grid_times, probe
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
# Uploads are always saved under this name: a client's could leave the folder, or tell FFmpeg to open other files.
UPLOAD = "upload"
_FIELDS = {*ClassifyRequest.model_fields, "file"}
_UNREADABLE_JSON = "the body cannot be read as JSON in UTF-8: send an object with segments, uncompressed."
_UNREADABLE_FORM = (
    "the body cannot be read as multipart/form-data: send the video as the field file, as "
    "`curl -F file=@clip.mp4` does."
)


class BusyError(Exception):
    """More requests wait than the service takes; the client is told to come back."""


@dataclass(frozen=True, kw_only=True)
class Skeletonised:
    """The tracks of a video, whose spans without a person have none, and the whole video: seconds, frames sampled."""

    tracks: list[Track]
    seconds: float
    frames: int


class Backend(Protocol):
    """What answers requests: the loaded model, and the estimator behind it."""

    version: str
    facts: ModelFacts

    async def classify(self, poses: Floats, top: int) -> list[tuple[Guess, ...]]:
        """Guesses for each of ``poses`` [S, T, J, 3]."""
        ...

    async def skeletons(self, video: Path, name: str) -> Skeletonised:
        """The tracks of a video on the model's grid; ``name`` is the client's. Raises InputError, or BusyError."""
        ...

    async def timeline(self, tracks: list[Track]) -> list[LabelledSegment]:
        """The labelled segments of one video's tracks."""
        ...


def skeletonise(
    video: Path, name: str, estimator: Estimator, *, fps: float, max_seconds: float = float("inf")
) -> Skeletonised:
    """The tracks of an upload (a file called `UPLOAD`), sampled ``fps`` times a second.

    Raises:
        InputError: it cannot be used, is too long or shows nobody; the sentence calls it ``name``.
    """
    try:
        seconds = probe(video).seconds
        if seconds > max_seconds:
            raise InputError(
                f"file {UPLOAD!r} is {seconds:.0f} s long: send at most {max_seconds:.0f} s, or use "
                "`gymspotter extract`."
            )
        frames = len(grid_times(0.0, seconds, fps))
        tracks = []
        for span in plan_spans(Entry(uri=str(video)), UPLOAD, seconds, fps=fps):
            with suppress(NoPersonError):  # of one span; the next may show somebody
                tracks.append(track_span(span, estimator))
        if not tracks:
            raise NoPersonError(
                f"no person was seen in any of the {frames} frames sampled from file {UPLOAD!r}: show one athlete "
                "whole, from the front or the side."
            )
    except InputError as error:
        raise InputError(str(error).replace(repr(UPLOAD), repr(name))) from error
    return Skeletonised(tracks=tracks, seconds=seconds, frames=frames)


def build_api(backend: Backend, *, max_body_bytes: int) -> FastAPI:
    """The application: /v1/classify, /v1/classify/video, /v1/model, /healthz and /docs."""
    problems: dict[int | str, dict[str, Any]] = {code: {"model": Problem} for code in (400, 413, 422)}
    api = FastAPI(
        title="gymspotter",
        version=__version__,
        description="Names the exercise: 22 of them, from skeletons or from video.",
    )
    api.add_middleware(BodyLimit, limit=max_body_bytes)

    def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
        body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, model_version=backend.version)
        return JSONResponse(body.model_dump(), status, headers, media_type="application/problem+json")

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
        status, path = error.status_code, str(request.scope["path"])
        asked = repr(f"{request.method} {path}"[:100])
        if status == 400:  # raised while FastAPI reads the body, in the words of its parsers
            detail = _UNREADABLE_FORM if path.endswith("/video") else _UNREADABLE_JSON
        elif status == 405:
            allowed = (error.headers or {}).get("Allow", "")
            detail = f"there is no {asked}: use {allowed.replace(', ', ' or ')}."
        elif error.detail == HTTPStatus(status).phrase:
            detail = f"there is no {asked}: see /docs."
        else:
            detail = str(error.detail)
        return problem(status, detail, error.headers)

    @api.exception_handler(BusyError)
    async def busy(request: Request, error: BusyError) -> JSONResponse:
        return problem(503, "the service is busy: try again in a few seconds.", {"Retry-After": "5"})

    @api.exception_handler(Exception)
    async def defect(request: Request, error: Exception) -> JSONResponse:
        # Starlette raises the error again after this answer, so that the replica's log has its traceback.
        return problem(500, f"the service failed on this request ({type(error).__name__}): its log says where.")

    @api.post("/v1/classify", responses=problems, summary="Name the exercise of skeleton segments")
    async def classify(body: ClassifyRequest) -> ClassifyResponse:
        poses = np.stack([_segment(i, segment, backend.facts) for i, segment in enumerate(body.segments)])
        answers = await backend.classify(poses, body.top)
        return ClassifyResponse(model_version=backend.version, segments=[SegmentOut(**_best(g)) for g in answers])

    @api.post("/v1/classify/video", responses=problems | {503: {"model": Problem}}, summary="The timeline of a video")
    async def classify_video(
        file: Annotated[UploadFile, File(description="A video of one athlete, in any format FFmpeg reads.")],
    ) -> VideoResponse:
        name = (Path(file.filename or "").name or "video")[:100]
        with tempfile.TemporaryDirectory(prefix="gymspotter-") as folder:
            video = Path(folder) / UPLOAD
            with video.open("wb") as out:
                while chunk := await file.read(2**20):
                    out.write(chunk)
            found = await backend.skeletons(video, name)
        segments = await backend.timeline(found.tracks)
        if not segments:
            raise InputError(
                f"file {name!r} shows a person too briefly to name an exercise: at least {MIN_FRAMES} of the frames "
                f"sampled at {backend.facts.grid_fps:g} a second must show one."
            )
        return _video_response(backend, found, segments)

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


def _segment(index: int, frames: Sequence[Sequence[Sequence[float | None]]], facts: ModelFacts) -> Floats:
    """One segment of a request as [facts.frames, 17, 3]; raises InputError that names it."""
    where = f"segments[{index}]"
    counts = {len(joints) for joints in frames}
    if counts - {len(CANONICAL.joints)}:
        raise InputError(
            f"{where} has a frame with {(counts - {len(CANONICAL.joints)}).pop()} joints: send the "
            f"{len(CANONICAL.joints)} joints of {CANONICAL.name}."
        )
    if not MIN_FRAMES <= len(frames) <= facts.frames:
        raise InputError(
            f"{where} has {len(frames)} frames: send {MIN_FRAMES} to {facts.frames}, at {facts.grid_fps:g} a second."
        )
    poses = np.array(frames, dtype=np.float64)
    if (seen := int(np.isfinite(poses).any(axis=(1, 2)).sum())) < MIN_FRAMES:
        raise InputError(f"{where} shows joints in {seen} frames: send at least {MIN_FRAMES} with a person in them.")
    if np.nanmax(np.abs(poses)) > _FURTHEST_M:
        raise InputError(
            f"{where} has a coordinate beyond {_FURTHEST_M:g} m: send metres from the hip, null if unseen."
        )
    return fit_length(poses.astype(np.float32), facts.frames)


def _best(guesses: Sequence[Guess]) -> dict[str, Any]:
    top = [GuessOut(exercise=guess.exercise, probability=guess.probability) for guess in guesses]
    return {"exercise": top[0].exercise, "probability": top[0].probability, "top": top}


def _video_response(backend: Backend, found: Skeletonised, segments: list[LabelledSegment]) -> VideoResponse:
    sums: dict[str, float] = {}
    for segment in segments:
        for guess in segment.guesses:
            sums[guess.exercise] = sums.get(guess.exercise, 0.0) + guess.probability
    exercise = max(sums, key=lambda name: sums[name])
    return VideoResponse(
        model_version=backend.version,
        estimator=f"{found.tracks[0].estimator} {found.tracks[0].estimator_version}",
        seconds=found.seconds,
        person_seen=sum(track.seen * len(track.joints) for track in found.tracks) / found.frames,
        exercise=exercise,
        probability=sums[exercise] / len(segments),
        segments=[
            TimedSegmentOut(**_best(segment.guesses[:3]), start=segment.start, end=min(segment.end, found.seconds))
            for segment in segments
        ],
    )


def _sentence(complaint: Mapping[str, Any]) -> str:
    """One of pydantic's complaints as a sentence that begins with the field: "segments[0][3]: ..."."""
    path = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part if part in _FIELDS else repr(part[:40])}"
        for part in complaint["loc"][1:]
    ).removeprefix(".")
    if complaint["type"] == "missing":
        return f"{path or 'the body'} is missing: add it; /docs has an example."
    if not path:
        return "the body is not a JSON object: send one with segments, and Content-Type application/json."
    if complaint["type"] == "extra_forbidden":
        return f"{path} is not a field of this request: remove it; /docs has an example."
    if path == "file":
        return "file is not an uploaded file: send it with a file name, as `curl -F file=@clip.mp4` does."
    return f"{path}: {complaint['msg'][:1].lower()}{complaint['msg'][1:]}: see /docs for an example."


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

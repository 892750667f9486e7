"""What the service says of itself: its model and how that was made, the layouts and exercises it knows, its health."""

import asyncio
import io
import json
import logging
from functools import cache
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import Response
from pydantic import ValidationError

from gymspotter.registry import MODEL_NAME, page_of
from gymspotter.skeleton import CANONICAL, LAYOUTS
from gymspotter.synth.figures import FIGURE_FPS, figures
from serve.http.about_schemas import (
    DataOut,
    ExercisesResponse,
    LayoutsResponse,
    ReportCard,
    ReportResponse,
)
from serve.http.backend import Backend, loaded
from serve.http.bodies import JSON
from serve.http.etags import etag_of, unchanged
from serve.http.problems import documented
from serve.http.schemas import Health, ModelResponse

_REFUSALS = (401, 403, 429, 500)
_MEASURED = ("confusion", "per_class", "reliability", "uncalibrated")
# Only the client itself may keep an answer: another one would need a token of its own.
_KEPT = "private, no-cache"  # kept, and asked about each time, as the page's files are
_log = logging.getLogger(__name__)


def add_about(api: FastAPI, backend: Backend, mlflow_url: str | None = None) -> None:
    """Add /v1/model, /v1/model/report, /v1/layouts, /v1/exercises, /healthz and /readyz.

    ``mlflow_url`` is where browsers find MLflow, if not where the registry is.
    """

    @api.get("/v1/model", summary="Which model answers", responses=documented(*_REFUSALS, 503))
    async def model() -> ModelResponse:
        current, status = loaded(backend), backend.status()
        facts = current.facts
        return ModelResponse(
            model_version=current.version,
            name=MODEL_NAME,
            model=facts.model,
            classes=facts.classes,
            frames=facts.frames,
            grid_fps=facts.grid_fps,
            layout=facts.layout,
            layouts=list(LAYOUTS),
            scores=facts.scores or {},
            data=facts.data,
            split=facts.split,
            commit=facts.commit,
            following=_following(status),
            refused=status.get("refused"),
        )

    @api.get(
        "/v1/model/report", summary="How the model was made, and how good it is", responses=documented(*_REFUSALS, 503)
    )
    async def report() -> ReportResponse:
        """How it did on the test side, which it never saw, and how much it was trained on.

        Of a version that was registered before reports were kept, only the scores are known.
        """
        current, status = loaded(backend), backend.status()
        facts = current.facts
        card = _card(facts.report)
        data = None
        if card:
            data = DataOut(
                fingerprint=facts.data, split=facts.split, train=card.train, validation=card.validation, test=card.test
            )
        return ReportResponse(
            model_version=current.version,
            model=facts.model,
            classes=facts.classes,
            scores=facts.scores or {},
            **{name: getattr(card, name, None) for name in _MEASURED},
            data=data,
            commit=facts.commit,
            following=_following(status),
            refused=status.get("refused"),
            mlflow=page_of(current.version, mlflow_url),
        )

    @api.get(
        "/v1/layouts",
        summary="Which joints a frame may have",
        response_model=LayoutsResponse,
        responses=documented(*_REFUSALS),
    )
    async def layouts(request: Request) -> Response:
        """The joints of each layout in their order, and the pairs of them that are drawn as bones."""
        return _kept(request, *_layouts())

    @api.get(
        "/v1/exercises",
        summary="How each exercise looks",
        response_model=ExercisesResponse,
        responses=documented(*_REFUSALS),
    )
    async def exercises(request: Request) -> Response:
        """A repetition of each by the synthetic gym's athlete, made to be played over and over."""
        return _kept(request, *await asyncio.to_thread(_exercises))

    @api.get("/healthz", summary="Whether the service answers", responses=documented(500))
    async def healthz() -> Health:
        current = backend.current
        return Health(status="ok", model_version=current.version if current else None)

    @api.get("/readyz", summary="Whether the service can name exercises", responses=documented(500, 503))
    async def readyz() -> Health:
        return Health(status="ready", model_version=loaded(backend).version)


def _card(report: dict[str, Any] | None) -> ReportCard | None:
    """Checked here: whoever may write to the registry might have put anything there."""
    try:
        return None if report is None else ReportCard.model_validate(report)
    except ValidationError as error:
        _log.warning("the report of the model that answers is not shown: %s", error)
        return None


def _following(status: dict[str, Any]) -> str | None:
    return status.get("model") if status.get("follows") else None


Body = tuple[bytes, str]


@cache
def _layouts() -> Body:
    return _body(
        {
            "layouts": {
                name: {"joints": list(layout.joints), "bones": [list(bone) for bone in layout.bone_indices]}
                for name, layout in LAYOUTS.items()
            }
        }
    )


@cache
def _exercises() -> Body:
    return _body(
        {
            "layout": CANONICAL.name,
            "fps": FIGURE_FPS,
            "exercises": [
                {"name": one.name, "held": one.held, "frames": np.round(one.frames.astype(float), 3).tolist()}
                for one in figures()
            ],
        }
    )


def _body(content: dict[str, Any]) -> Body:
    """As it is sent, and its ETag."""
    body = json.dumps(content, separators=(",", ":")).encode()
    return body, etag_of(io.BytesIO(body))


def _kept(request: Request, body: bytes, etag: str) -> Response:
    headers = {"ETag": etag, "Cache-Control": _KEPT}
    if unchanged(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=JSON, headers=headers)

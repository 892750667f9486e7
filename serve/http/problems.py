"""What a refused request is answered: a problem document (RFC 9457, `application/problem+json`), always.

``type`` names the kind of problem for programs, ``detail`` is one sentence for people that names field and mend.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gymspotter.errors import InputError
from serve.http.schemas import Problem

MEDIA_TYPE = "application/problem+json"
# The kinds of problems by status, each with the detail of an example.
KINDS: dict[int, tuple[str, str]] = {
    400: ("malformed", "the body is not JSON (EOF while parsing an object at line 1 column 1): send an object."),
    401: ("unauthorised", "the request has no token: send one as `Authorization: Bearer ...`."),
    403: ("forbidden", "uri 's3://else/clip.mp4' is not allowed: the service reads none but those of its video_uris."),
    404: ("not-found", "there is no 'GET /v2': see /docs."),
    405: ("method-not-allowed", "there is no 'GET /v1/classify': use POST."),
    413: ("too-large", "the body is larger than 64 MiB: send less at once."),
    415: ("unsupported-media-type", "Content-Type is 'text/plain': use application/json."),
    422: ("invalid", "segments[0][3] has 16 joints: send the 17 joints of h36m17, or name another layout."),
    429: ("too-many-requests", "more requests came than this token allows: try again in a second."),
    500: ("failed", "the service failed on this request (ZeroDivisionError): its log says where."),
    503: ("busy", "the service is busy: try again in a few seconds."),
}
BUSY = "the service is busy: try again in a few seconds."
NOT_READY = "no model is loaded yet: try again in a few seconds."


class BusyError(Exception):
    """More requests wait than the service takes; the client is told to come back."""


class NotReadyError(Exception):
    """No model is loaded yet."""


def kind(status: int) -> str:
    """The ``type`` of a problem with that status."""
    name = KINDS[status][0] if status in KINDS else HTTPStatus(status).phrase.lower().replace(" ", "-")
    return f"urn:gymspotter:{name}"


def problem(status: int, detail: str, model_version: str | None = None) -> dict[str, Any]:
    """A problem document."""
    title = HTTPStatus(status).phrase
    return Problem(
        type=kind(status), title=title, status=status, detail=detail, model_version=model_version
    ).model_dump()


def problem_response(
    status: int, detail: str, model_version: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """An answer that is a problem document."""
    return JSONResponse(problem(status, detail, model_version), status, headers, media_type=MEDIA_TYPE)


def explain(error: Exception) -> tuple[int, str, Mapping[str, str] | None]:
    """The status, the detail and further headers by which a request that ended in ``error`` is answered."""
    if isinstance(error, InputError):
        return 422, str(error), None
    if isinstance(error, BusyError):
        return 503, BUSY, {"Retry-After": "5"}
    if isinstance(error, NotReadyError):
        return 503, NOT_READY, {"Retry-After": "5"}
    if isinstance(error, HTTPException):
        return error.status_code, str(error.detail), error.headers
    return 500, f"the service failed on this request ({type(error).__name__}): its log says where.", None


def add_problems(api: FastAPI, version: Callable[[], str | None]) -> None:
    """Answer every error of ``api`` with a problem document that names the loaded model's version."""

    def answer(error: Exception) -> JSONResponse:
        status, detail, headers = explain(error)
        return problem_response(status, detail, version(), headers)

    async def expected(request: Request, error: Exception) -> JSONResponse:
        return answer(error)

    async def defect(request: Request, error: Exception) -> JSONResponse:
        # Starlette raises the error again after this answer, so that the replica's log has its traceback.
        return answer(error)

    async def invalid_query(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        what = str(first["msg"])
        return answer(InputError(f"{first['loc'][-1]}: {what[:1].lower()}{what[1:]}: see /docs for an example."))

    async def http_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if error.detail == HTTPStatus(error.status_code).phrase:  # raised by Starlette's router
            asked = repr(f"{request.method} {request.scope['path']}"[:100])
            allowed = (error.headers or {}).get("Allow", "").replace(", ", " or ")
            detail = f"there is no {asked}: {f'use {allowed}' if allowed else 'see /docs'}."
            return problem_response(error.status_code, detail, version(), error.headers)
        return answer(error)

    for kind_of_error in (InputError, BusyError, NotReadyError):
        api.add_exception_handler(kind_of_error, expected)
    api.add_exception_handler(RequestValidationError, invalid_query)
    api.add_exception_handler(HTTPException, http_error)
    api.add_exception_handler(Exception, defect)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that may be refused with these statuses, for its documentation."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "example": problem(status, KINDS[status][1], "7"),
                }
            },
        }
        for status in statuses
    }

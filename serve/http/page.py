"""The web page: the files of serve/web as they lie there, with the headers that keep everybody else's code out.

They hold nothing of anybody's, so they are open to all who may reach the service; what the page shows it asks of /v1.
"""

import mimetypes
import os
import re
import stat
from functools import lru_cache
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from gymspotter import __version__
from gymspotter.labels import EXERCISES
from gymspotter.repetitions import is_counted
from serve.http.etags import etag_of, unchanged

WEB = Path(__file__).parents[1] / "web"
# Where `serve.pose_pack` puts what lets a browser estimate poses by itself.
POSE_PACK = Path("vendor", "pose")
_READ = ["GET", "HEAD"]
# A name of a file or a folder. So no part of a path leads upwards, to another drive, or to a hidden file.
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
# What a machine's own table of types may lack, or have wrong: modules and WebAssembly are run only as what they are.
_TYPES = {
    ".binarypb": "application/octet-stream", ".css": "text/css", ".data": "application/octet-stream",
    ".html": "text/html", ".js": "text/javascript", ".json": "application/json", ".mjs": "text/javascript",
    ".svg": "image/svg+xml", ".task": "application/octet-stream", ".tflite": "application/octet-stream",
    ".txt": "text/plain", ".wasm": "application/wasm", ".webmanifest": "application/manifest+json",
}  # fmt: skip
_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]+)?")


def is_page(path: str) -> bool:
    """Whether a path of a request is the page's."""
    return path == "/" or path.startswith("/web/")


def add_page(
    api: FastAPI, folder: Path = WEB, *, max_body_mb: int | None = None, max_video_seconds: float | None = None
) -> None:
    """Add `/`, `/web/settings.json` and `/web/...`: all that is in ``folder``.

    The page refuses a larger upload than ``max_body_mb``, and a longer video than ``max_video_seconds``, before it is
    sent.

    They are ordinary routes and no mounted application, so that requests are counted by route, and one that finds
    nothing is answered with a problem document as everywhere else.
    """

    @api.api_route("/", methods=_READ, include_in_schema=False)
    def index(request: Request) -> Response:
        return _file(request, folder, "index.html")

    @api.api_route("/web/settings.json", methods=_READ, include_in_schema=False)
    def settings(request: Request) -> Response:
        content = {
            "video_stays_here": (folder / POSE_PACK).is_dir(),
            "version": __version__,
            "held": [name for name in EXERCISES if not is_counted(name)],
            "max_body_mb": max_body_mb,
            "max_video_seconds": max_video_seconds,
        }
        return JSONResponse(content, headers=_headers(request, folder))

    @api.api_route("/web/{path:path}", methods=_READ, include_in_schema=False)
    def file(request: Request, path: str) -> Response:
        return _file(request, folder, path)


def content_security_policy(host: str, *, pose_pack: bool) -> str:
    """What the page may load and ask: nothing but what the service at ``host`` has.

    WebAssembly is allowed only where there is some. Older browsers do not take WebSockets for 'self'.
    """
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'" + (" 'wasm-unsafe-eval'" if pose_pack else ""),
            "style-src 'self'",
            "img-src 'self' blob: data:",
            "media-src 'self' blob:",
            f"connect-src 'self'{sockets}",
            "worker-src 'self'",
            "font-src 'self'",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _headers(request: Request, folder: Path) -> dict[str, str]:
    """On every file, since a worker obeys the policy of its own script."""
    pose_pack = (folder / POSE_PACK).is_dir()
    return {
        "Cache-Control": "no-cache",  # kept, and asked about each time: a new release must not meet old scripts
        "Content-Security-Policy": content_security_policy(request.headers.get("host", ""), pose_pack=pose_pack),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(self), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def _file(request: Request, folder: Path, path: str) -> Response:
    """A file below ``folder``, or 304 if the client has it; HTTPException 404 if there is none of that name."""
    place = _place(folder, path)
    if place is None:
        raise HTTPException(404)
    found = place.stat()
    etag = _etag(place, found.st_mtime_ns, found.st_size)
    headers = _headers(request, folder) | {"ETag": etag}
    if unchanged(request, etag):
        return Response(status_code=304, headers=headers)
    return FileResponse(place, headers=headers, media_type=media_type(place.name), stat_result=found)


def _place(folder: Path, path: str) -> Path | None:
    """Where a file is that lies, links resolved, in ``folder``; None if there is none."""
    parts = path.split("/")
    if not all(_NAME.fullmatch(part) for part in parts):
        return None
    place = folder.joinpath(*parts)
    try:
        regular = stat.S_ISREG(os.stat(place).st_mode)
        inside = place.resolve().is_relative_to(folder.resolve())
    except OSError:  # not there, or a name that is too long for the file system
        return None
    return place if regular and inside else None


def media_type(name: str) -> str:
    """Of a file's name."""
    suffix = Path(name).suffix.lower()
    return _TYPES.get(suffix) or mimetypes.guess_type(f"x{suffix}")[0] or "application/octet-stream"


@lru_cache(maxsize=512)
def _etag(place: Path, changed_ns: int, size: int) -> str:
    """Computed again when the file was changed."""
    with place.open("rb") as file:
        return etag_of(file)

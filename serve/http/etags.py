"""Answers that a client may keep: their ETag, and whether it has the one that it would get."""

import hashlib
from io import BufferedReader, BytesIO

from fastapi import Request


def etag_of(content: BytesIO | BufferedReader) -> str:
    """Of the content and nothing else: replicas on different machines must say the same."""
    return f'"{hashlib.file_digest(content, "sha256").hexdigest()[:16]}"'


def unchanged(request: Request, etag: str) -> bool:
    """Whether the client has an answer of that ETag already, as it says in If-None-Match."""
    known = request.headers.get("if-none-match", "")
    return known.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in known.split(",")]

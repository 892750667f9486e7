"""Open a video file, with FFmpeg (PyAV), and say in a sentence what is wrong with it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from gymspotter import storage
from gymspotter.errors import VideoError

_MOST_PIXELS = 64_000_000  # 8K has 33
# Formats that hold their pictures themselves. FFmpeg also reads playlists and patterns, which open other files, and
# draws texts.
_FORMATS = (
    "mov,mp4,matroska,webm,avi,mpeg,mpegts,mpegvideo,asf,flv,ogg,gif,webp,webp_pipe,apng,"
    "mxf,nut,ivf,dv,rm,wtv,h264,hevc"
)
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv", ".gif"}
    | {".3gp", ".flv", ".mts", ".m2ts", ".ogv", ".webp"}
)


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its first video stream; every FFmpeg error becomes a `VideoError` of one sentence."""
    called = repr(storage.name(path))
    is_open = False
    try:
        file = storage.info(path)
        if file is None:
            raise VideoError(f"video {called} does not exist: check the path.")
        if file.is_folder:
            raise VideoError(f"video {called} is a folder: name a file.")
        if file.size == 0:
            raise VideoError(f"video {called} is empty (0 bytes): copy or upload it again.")
        options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
        with _source(path) as source, av.open(source, "r", metadata_errors="replace", options=options) as container:
            is_open = True
            if not container.streams.video:
                raise VideoError(f"video {called} has no picture stream: it is audio, or not a video.")
            stream = container.streams.video[0]
            # Parallelism comes from many workers with a span each; threads of one decoder would fight over the cores.
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            width, height = stream.codec_context.width, stream.codec_context.height
            if width * height > _MOST_PIXELS:
                raise VideoError(
                    f"video {called} is {width} x {height} pixels, more than {_MOST_PIXELS / 1e6:g} million: "
                    "re-encode it in a smaller size."
                )
            # The size may also change in mid-stream.
            stream.codec_context.options = {"max_pixels": str(_MOST_PIXELS)}
            yield container, stream
    except (OSError, av.FFmpegError) as error:
        raise VideoError(f"video {called} {_what_is_wrong(error, path, is_open)}.") from error


@contextlib.contextmanager
def _source(path: str | Path) -> Iterator[str | BinaryIO]:
    """What PyAV opens."""
    if storage.is_local(path):
        # FFmpeg takes what is before a colon in a name for a protocol.
        yield f"file:{storage.local(path)}"
    else:
        with storage.open_input(path) as file:
            yield file


def _what_is_wrong(error: OSError | av.FFmpegError, path: str | Path, is_open: bool) -> str:
    if isinstance(error, PermissionError):
        # FFmpeg also says "not permitted" of files that it will not seek in.
        if is_open:
            return "is a bare stream without times: put it into an mp4"
        return "may not be read: check its permissions"
    if isinstance(error, av.ArgumentError) and not is_open:
        return "is no video file (it may be a playlist, an image or a text): re-encode it as mp4"
    with storage.open_input(path, buffer_bytes=16) as file:
        if file.read(12)[8:] == b"WEBP":
            return "is an animated WebP, which FFmpeg cannot decode: convert it to mp4"
    reason = (error.strerror or type(error).__name__).rstrip(".")
    return f"cannot be decoded ({reason}): it is damaged or not a video"

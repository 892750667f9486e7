"""Probe a video and decode the frames shown at given times (PyAV, i.e. FFmpeg).

Times are seconds from the first frame that is shown. What the header says is not believed: a probe walks the packets,
which costs no decoding and finds files that break off, declare hours they do not have or lack a frame rate.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from gymspotter.errors import VideoError

# A file whose packets end this much before its header says is cut off; less is rounding and edit lists.
_CUT_OFF_S = 1.0
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv", ".gif"})


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What a probe finds: size in pixels as shown (after rotation), seconds, frames a second on average."""

    width: int
    height: int
    seconds: float
    frames: int
    fps: float
    codec: str


def probe(path: str | Path) -> VideoInfo:
    """Open a video, decode its first frame, walk all its packets.

    Raises:
        VideoError: it is missing, empty, not a video, has no picture, or breaks off before its declared end.
    """
    with _opened(path) as (container, stream):
        first = next(container.decode(stream), None)
        if first is None:
            raise VideoError(f"video {_name(path)} has no frame that can be decoded: re-encode it.")
        turned = first.rotation % 180 != 0
        width, height = (first.height, first.width) if turned else (first.width, first.height)
        container.seek(0)
        base = float(stream.time_base or 0)
        frames, start, end = 0, float("inf"), 0.0
        for packet in container.demux(stream):
            if packet.pts is None:
                continue
            frames += 1
            start = min(start, packet.pts * base)
            end = max(end, (packet.pts + (packet.duration or 0)) * base)
        if not frames:
            raise VideoError(f"video {_name(path)} holds no timed frames: re-encode it.")
        declared = float(stream.duration * base) if stream.duration else 0.0
        seconds = end - start
        if seconds <= 0:  # a single frame without a duration
            seconds = 1 / float(stream.average_rate or 25)
        if declared - seconds > _CUT_OFF_S:
            raise VideoError(
                f"video {_name(path)} breaks off at {seconds:.1f} s of the {declared:.1f} s it declares: "
                "copy or upload it whole."
            )
        return VideoInfo(
            width=width,
            height=height,
            seconds=seconds,
            frames=frames,
            fps=frames / seconds,
            codec=stream.codec_context.name,
        )


def grid_times(start: float, end: float, fps: float) -> NDArray[np.float64]:
    """Times on the sampling grid ``k / fps`` that lie in [start, end)."""
    eps = 1e-6
    return np.arange(np.ceil(start * fps - eps), np.ceil(end * fps - eps)) / fps


def frames_at(path: str | Path, times: NDArray[np.float64]) -> Iterator[NDArray[np.uint8]]:
    """The frame on screen at each of the ascending ``times``, as RGB [H, W, 3], one at a time.

    Frames between the times are decoded by the codec but never converted to pixels. A time after the last frame gets
    the last frame.

    Raises:
        VideoError: the file cannot be opened, or decoding breaks.
    """
    if not len(times):
        return
    with _opened(path) as (container, stream):
        base = float(stream.time_base or 0)
        start_pts = stream.start_time or 0
        if times[0] > 0:
            container.seek(start_pts + int(times[0] / base), stream=stream, backward=True)
        wanted = iter(times)
        time = next(wanted)
        shown = None
        for frame in container.decode(stream):
            now = ((frame.pts if frame.pts is not None else 0) - start_pts) * base
            # Half a tick of slack, so that a frame that is due exactly at the grid time counts as shown.
            while shown is not None and now > time + base / 2:
                yield _pixels(shown)
                following = next(wanted, None)
                if following is None:
                    return
                time = following
            shown = frame
        if shown is None:
            raise VideoError(f"video {_name(path)} has no frame at {time:.1f} s: re-encode it.")
        last = _pixels(shown)
        yield last
        for _ in wanted:
            yield last


def _pixels(frame: av.VideoFrame) -> NDArray[np.uint8]:
    rgb = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    # Phones store the sensor's picture and a rotation for the player to apply, anticlockwise in degrees.
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(rgb, turns)) if turns else rgb


def join_videos(paths: Sequence[str | Path], out: str | Path) -> list[float]:
    """Write several videos in a row as one, without encoding them again; returns when (seconds) each begins.

    Raises:
        VideoError: there is none, one cannot be read, or they differ in codec, size or time base.
    """
    infos = [probe(path) for path in paths]
    if len({(info.codec, info.width, info.height, round(info.fps, 3)) for info in infos}) != 1:
        raise VideoError("the videos differ in codec, size or frame rate: only like ones can be joined.")
    with av.open(str(out), "w") as target:
        joined: VideoStream | None = None
        offset, starts = Fraction(0), []
        for path, info in zip(paths, infos, strict=True):
            with _opened(path) as (container, stream):
                if joined is None:
                    joined = target.add_stream_from_template(stream)
                base = Fraction(stream.time_base or 1)
                shift = round(offset / base)
                for packet in container.demux(stream):
                    if packet.dts is not None and packet.pts is not None:
                        packet.pts += shift
                        packet.dts += shift
                        packet.stream = joined
                        target.mux(packet)
                starts.append(float(offset))
                offset += Fraction(info.seconds).limit_denominator(10**6)
    return starts


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its first video stream; every FFmpeg error becomes a `VideoError` of one sentence."""
    name = _name(path)
    try:
        if Path(path).stat().st_size == 0:
            raise VideoError(f"video {name} is empty (0 bytes): copy or upload it again.")
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.video:
                raise VideoError(f"video {name} has no picture stream: it is audio, or not a video.")
            stream = container.streams.video[0]
            # Parallelism comes from many workers with a span each; threads of one decoder would fight over the cores.
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            yield container, stream
    except FileNotFoundError as error:
        raise VideoError(f"video {name} does not exist: check the path.") from error
    except PermissionError as error:
        raise VideoError(f"video {name} may not be read: check its permissions.") from error
    except IsADirectoryError as error:
        raise VideoError(f"video {name} is a folder: name a file.") from error
    except av.FFmpegError as error:
        reason = (error.strerror or type(error).__name__).rstrip(".")
        raise VideoError(f"video {name} cannot be decoded ({reason}): it is damaged or not a video.") from error


def _name(path: str | Path) -> str:
    return repr(Path(path).name)

"""Probe a video and decode the frames shown at given times (PyAV, i.e. FFmpeg).

Times are seconds from the first frame that is shown. What the header says is not believed: a probe walks the packets,
which costs no decoding and finds files that break off, declare hours they do not have or lack a frame rate.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import SideData
from av.video.stream import VideoStream
from numpy.typing import NDArray

from gymspotter.errors import VideoError

# A file whose packets end this much before its header says is cut off; less is rounding and edit lists.
_CUT_OFF_S = 1.0
# No camera pauses this long between two frames: a longer gap is a broken timestamp, and would be planned as hours.
_LONGEST_GAP_S = 60.0
# How far before the wanted time a seek aims, one try after the other; None reads from the beginning.
_SEEK_BACK_S = (0.0, 10.0, 60.0, None)
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
        VideoError: it is missing, empty, not a video, has no picture, breaks off before its declared end, or has
            timestamps that jump.
    """
    with _opened(path) as (container, stream):
        first = next(container.decode(stream), None)
        if first is None:
            raise VideoError(f"video {_name(path)} has no frame that can be decoded: re-encode it.")
        turned = first.rotation % 180 != 0
        width, height = (first.height, first.width) if turned else (first.width, first.height)
        container.seek(0)
        base = float(stream.time_base or 0)
        frames, start, latest, end = 0, 0.0, 0.0, 0.0
        for packet in container.demux(stream):
            # An edit list discards the frames before the cut of a clip that was trimmed without encoding it again.
            if packet.pts is None or packet.is_discard:
                continue
            now, lasts = packet.pts * base, (packet.duration or 0) * base
            if not frames:
                start, latest, end = now, now, now + lasts
            jump = max(now - latest, start - now, lasts)
            if jump > _LONGEST_GAP_S:
                raise VideoError(f"video {_name(path)} has timestamps that jump by {jump:.0f} s: re-encode it.")
            frames += 1
            start, latest, end = min(start, now), max(latest, now), max(end, now + lasts)
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
    # Adding zero makes the -0.0 that the slack leaves at the beginning a 0.0.
    return np.arange(np.ceil(start * fps - eps), np.ceil(end * fps - eps)) / fps + 0.0


def frames_at(path: str | Path, times: NDArray[np.float64]) -> Iterator[NDArray[np.uint8]]:
    """The frame on screen at each of the ascending ``times``, as RGB [H, W, 3], one at a time.

    Frames between the times are decoded by the codec but never converted to pixels. A time after the last frame gets
    the last frame.

    Raises:
        VideoError: the file cannot be opened, or decoding breaks.
    """
    if not len(times):
        return
    opening = next(_decoded(path), None)
    if opening is None:
        raise VideoError(f"video {_name(path)} has no frame at {times[0]:.1f} s: re-encode it.")
    # Not the stream's start time: AVI knows no presentation times, and with B-frames begins a frame or two late.
    zero = opening.pts or 0
    tick = float(opening.time_base or 0)
    wanted = iter(times)
    time = next(wanted)
    shown = None
    for frame in _decoded_from(path, zero, zero + int(time / tick), tick):
        now = ((frame.pts if frame.pts is not None else zero) - zero) * tick
        # Half a tick of slack, so that a frame that is due exactly at the grid time counts as shown.
        while shown is not None and now > time + tick / 2:
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


def _decoded_from(path: str | Path, zero: int, begin: int, tick: float) -> Iterator[av.VideoFrame]:
    """Decoded frames from one at or before ``begin`` on, of a video whose first is at ``zero`` (both in ticks)."""
    # MPEG-TS and MPEG-PS have no index: a seek may land after the last keyframe before the time, and what is decoded
    # then begins too late.
    for back in _SEEK_BACK_S:
        aim = None if back is None else begin - int(back / tick)
        if aim is not None and aim <= zero:
            aim = None
        frames = _decoded(path, aim)
        first = next(frames, None)
        if aim is None or (first is not None and first.pts is not None and first.pts <= begin):
            break
    if first is not None:
        yield first
        yield from frames


def _decoded(path: str | Path, aim: int | None = None) -> Iterator[av.VideoFrame]:
    """The frames of a video as they are decoded, from the beginning or from where a seek to ``aim`` (ticks) lands."""
    with _opened(path) as (container, stream):
        if aim is not None:
            container.seek(aim, stream=stream, backward=True)
        yield from container.decode(stream)


def _pixels(frame: av.VideoFrame) -> NDArray[np.uint8]:
    rgb = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    # Phones store the sensor's picture and a rotation for the player to apply, anticlockwise in degrees.
    turns = round(frame.rotation / 90) % 4
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if isinstance(matrix, SideData):
        a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].astype(np.float64)
        if a * d < b * c:  # a mirror too, left to right before the rotation; the angle then counts it as half a turn
            rgb, turns = np.ascontiguousarray(rgb[:, ::-1]), (turns + 2) % 4
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
    opened = False
    try:
        if Path(path).stat().st_size == 0:
            raise VideoError(f"video {name} is empty (0 bytes): copy or upload it again.")
        # "file:" because FFmpeg takes what is before a colon in a name for a protocol.
        options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
        with av.open(f"file:{path}", metadata_errors="replace", options=options) as container:
            opened = True
            if not container.streams.video:
                raise VideoError(f"video {name} has no picture stream: it is audio, or not a video.")
            stream = container.streams.video[0]
            # Parallelism comes from many workers with a span each; threads of one decoder would fight over the cores.
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            yield container, stream
    except FileNotFoundError as error:
        raise VideoError(f"video {name} does not exist: check the path.") from error
    except IsADirectoryError as error:
        raise VideoError(f"video {name} is a folder: name a file.") from error
    except (OSError, av.FFmpegError) as error:
        # FFmpeg also says "not permitted" of files that it will not seek in.
        if isinstance(error, PermissionError) and not os.access(path, os.R_OK):
            raise VideoError(f"video {name} may not be read: check its permissions.") from error
        if isinstance(error, av.ArgumentError) and not opened:
            raise VideoError(
                f"video {name} is no video file (it may be a playlist, an image or a text): re-encode it as mp4."
            ) from error
        reason = (error.strerror or type(error).__name__).rstrip(".")
        raise VideoError(f"video {name} cannot be decoded ({reason}): it is damaged or not a video.") from error


def _name(path: str | Path) -> str:
    return repr(Path(path).name)

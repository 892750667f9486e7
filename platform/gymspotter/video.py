"""Probe a video and decode the frames shown at given times (PyAV, i.e. FFmpeg).

Times are seconds from the first frame that is shown. What the header says is not believed: a probe walks the packets,
which costs no decoding and finds files that break off, declare hours they do not have or lack a frame rate.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.video.stream import VideoStream
from numpy.typing import NDArray

from gymspotter.container import opened
from gymspotter.errors import VideoError
from gymspotter.storage import name

# A file whose packets end this much before its header says is cut off; less is rounding and edit lists.
_CUT_OFF_S = 1.0
# No camera pauses this long between two frames: a longer gap is a broken timestamp, and would be planned as hours.
_LONGEST_GAP_S = 60.0
# How far before the wanted time a seek aims, one try after the other; None reads from the beginning.
_SEEK_BACK_S = (0.0, 10.0, 60.0, None)
# Packets. Codecs reorder frames over at most 16.
_LOOK_AHEAD = 20


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What a probe finds: size in pixels as shown (after rotation), seconds, frames a second on average."""

    width: int
    height: int
    seconds: float
    frames: int
    fps: float
    codec: str


def probe(path: str | Path, alive: Callable[[], None] = lambda: None) -> VideoInfo:
    """Open a video, decode its first frame, walk all its packets.

    Args:
        path: the video.
        alive: called at every packet.

    Raises:
        VideoError: it is missing, empty, not a video, has no picture, breaks off before its declared end, or has
            timestamps that jump.
    """
    with opened(path) as (container, stream):
        first = next(container.decode(stream), None)
        if first is None:
            raise VideoError(f"video {_name(path)} has no frame that can be decoded: re-encode it.")
        turned = first.rotation % 180 != 0
        width, height = (first.height, first.width) if turned else (first.width, first.height)
        container.seek(0)
        base = float(stream.time_base or 0)
        frames, start, latest, end = 0, 0.0, 0.0, 0.0
        for packet in container.demux(stream):
            alive()
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


def frames_at(
    path: str | Path, times: NDArray[np.float64], alive: Callable[[], None] = lambda: None
) -> Iterator[NDArray[np.uint8]]:
    """The frame on screen at each of the ascending ``times``, as RGB [H, W, 3], one at a time.

    Frames between the times are decoded only as far as others are built on them, and never converted to pixels. A time
    after the last frame gets the last frame.

    Args:
        path: the video.
        times: seconds.
        alive: called at every packet.

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
    mirrored, turns = _orientation(opening)
    tick = float(opening.time_base or 0)
    # In ticks, with half a tick of slack, so that a frame that is due exactly at the grid time counts as shown.
    ticks = zero + times / tick + 0.5
    done = 0
    shown = None
    for frame in _decoded_from(path, zero, ticks, tick, alive):
        now = frame.pts if frame.pts is not None else zero
        while shown is not None and now > ticks[done]:
            yield _pixels(shown, mirrored, turns)
            done += 1
            if done == len(ticks):
                return
        shown = frame
    if shown is None:
        raise VideoError(f"video {_name(path)} has no frame at {times[done]:.1f} s: re-encode it.")
    last = _pixels(shown, mirrored, turns)
    yield last
    for _ in ticks[done + 1 :]:
        yield last


def _decoded_from(
    path: str | Path, zero: int, ticks: NDArray[np.float64], tick: float, alive: Callable[[], None]
) -> Iterator[av.VideoFrame]:
    """Decoded frames from one at or before the first of ``ticks`` on, of a video whose first is at ``zero``."""
    begin = int(ticks[0])
    # MPEG-TS and MPEG-PS have no index: a seek may land after the last keyframe before the time, and what is decoded
    # then begins too late.
    for back in _SEEK_BACK_S:
        aim = None if back is None else begin - int(back / tick)
        if aim is not None and aim <= zero:
            aim = None
        frames = _decoded(path, aim, ticks, alive)
        first = next(frames, None)
        if aim is None or (first is not None and first.pts is not None and first.pts <= begin):
            break
    if first is not None:
        yield first
        yield from frames


def _decoded(
    path: str | Path,
    aim: int | None = None,
    ticks: NDArray[np.float64] | None = None,
    alive: Callable[[], None] = lambda: None,
) -> Iterator[av.VideoFrame]:
    """The frames of a video as they are decoded, from the beginning or from where a seek to ``aim`` lands.

    Of those that are not on screen at any of ``ticks``, the codec skips the ones that no other frame is built on.
    """
    with opened(path) as (container, stream):
        if aim is not None:
            container.seek(aim, stream=stream, backward=True)
        for packet, following in _with_following(container.demux(stream)):
            alive()
            needed = True
            if ticks is not None and packet.pts is not None and following is not None:
                first = np.searchsorted(ticks, packet.pts)
                needed = bool(first < len(ticks) and ticks[first] < following)
            stream.codec_context.skip_frame = "DEFAULT" if needed else "NONREF"
            yield from packet.decode()


def _with_following(packets: Iterator[Packet]) -> Iterator[tuple[Packet, int | None]]:
    """Packets in decoding order, each with the time of the frame that is shown after it (None if not known)."""
    ahead: deque[Packet] = deque()
    for packet in packets:
        ahead.append(packet)
        if len(ahead) > _LOOK_AHEAD:
            yield _first_with_following(ahead)
    while ahead:
        yield _first_with_following(ahead)


def _first_with_following(ahead: deque[Packet]) -> tuple[Packet, int | None]:
    first = ahead.popleft()
    if first.pts is None:
        return first, None
    return first, min((p.pts for p in ahead if p.pts is not None and p.pts > first.pts), default=None)


def _orientation(frame: av.VideoFrame) -> tuple[bool, int]:
    """Whether a player mirrors the video, and the quarter turns it then gives it, anticlockwise.

    Phones store the sensor's picture and this beside it. To be asked of one frame a video: a frame that was asked for
    its metadata is part of a reference cycle, and keeps its pixels until the garbage collector comes by.
    """
    turns = round(frame.rotation / 90) % 4
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if isinstance(matrix, SideData):
        a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].astype(np.float64)
        if a * d < b * c:  # left to right before the rotation; the angle then counts it as half a turn
            return True, (turns + 2) % 4
    return False, turns


def _pixels(frame: av.VideoFrame, mirrored: bool, turns: int) -> NDArray[np.uint8]:
    rgb = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    rgb = rgb[:, ::-1] if mirrored else rgb
    return np.ascontiguousarray(np.rot90(rgb, turns))


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
            with opened(path) as (container, stream):
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


def _name(path: str | Path) -> str:
    return repr(name(path))

"""Every kind of odd and broken video, made here and now from a good one."""

import os
import shutil
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
FPS = 15


def encode(
    path: Path,
    pictures: Sequence[Picture],
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    times: Sequence[float] | None = None,
) -> Path:
    """A video of the pictures, FPS a second or at ``times`` in seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS, options=options or {})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        for k, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            if times:
                frame.pts, frame.time_base = round(times[k] * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@contextmanager
def _as_scheduled_before() -> Iterator[None]:
    """SVT-AV1 gives a process of root the highest real-time priority, and so all tests after it and their Ray."""
    if not hasattr(os, "sched_setscheduler"):  # not Linux
        yield
        return
    policy, param = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, param)


def make(root: Path, good: Path) -> dict[str, Path]:
    """The files by the name of what ails them; ``good`` is an H.264 video in which an athlete is found."""
    pictures = pictures_of(good, seconds=2)
    small = [cv2.resize(p, (320, 240), interpolation=cv2.INTER_AREA) for p in pictures]
    data = good.read_bytes()
    files = {name: root / f"{name}.mp4" for name in ("truncated", "zero bytes", "text", "only the head")}
    files["truncated"].write_bytes(data[: len(data) * 2 // 3])
    files["truncated after its index"] = _index_first(root / "truncated after its index.mp4", small)
    files["only the head"].write_bytes(data[:64])
    files["zero bytes"].write_bytes(b"")
    files["text"].write_text("This is no video.\n" * 100)
    files["audio only"] = _audio(root / "audio only.mp4")
    files["wrong extension"] = Path(shutil.copy(good, root / "wrong extension.avi"))
    files["unicode"] = Path(shutil.copy(_reversed(root, small), root / "Kniebeuge – Übung № 1 💪.mp4"))
    files["one frame"] = encode(root / "one frame.mp4", small[:1])
    files["bare stream"] = _bare(root / "bare stream.mp4", small)
    files["no frame rate"] = _no_rate(root / "no frame rate.avi", small)
    files["variable frame rate"] = _variable(root / "variable frame rate.mp4", small)
    files["rotated"] = _rotated(root / "rotated.mp4", small)
    files["odd sizes"] = encode(root / "odd sizes.mp4", [p[:239, :319] for p in small], pix_fmt="yuv444p")
    large = [cv2.resize(p, (3840, 2160), interpolation=cv2.INTER_LINEAR) for p in pictures[:9]]
    files["4K"] = encode(root / "4K.mp4", large, options={"preset": "ultrafast"})
    hevc = {"preset": "ultrafast", "x265-params": "log-level=none"}
    files["10-bit HEVC"] = encode(root / "10-bit HEVC.mp4", small, "libx265", "yuv420p10le", hevc)
    vp9 = {"deadline": "realtime", "cpu-used": "8"}
    files["VP9"] = encode(root / "VP9.webm", small, "libvpx-vp9", options=vp9)
    with _as_scheduled_before():
        files["AV1"] = encode(root / "AV1.mkv", small, "libsvtav1", options={"preset": "12"})
    files["GIF"] = encode(root / "GIF.gif", small, "gif", "rgb8")
    files["animated WebP"] = encode(root / "animated WebP.webp", small, "libwebp_anim")
    files["three hours declared"] = _three_hours(root / "three hours declared.mp4", small)
    return files


def flipped(data: bytes, rng: np.random.Generator, bits: int) -> bytes:
    """The bytes with some bits turned over, anywhere."""
    out = np.frombuffer(data, np.uint8).copy()
    out[rng.integers(len(out), size=bits)] ^= (1 << rng.integers(8, size=bits)).astype(np.uint8)
    return out.tobytes()


def pictures_of(video: Path, seconds: float) -> list[Picture]:
    with av.open(str(video)) as container:
        rate = float(container.streams.video[0].average_rate or FPS)
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [frames[min(round(k * rate / FPS), len(frames) - 1)] for k in range(round(seconds * FPS))]


def _reversed(root: Path, pictures: list[Picture]) -> Path:
    """Another content than the rest, or it would be a duplicate."""
    (root / "parts").mkdir()
    return encode(root / "parts" / "reversed.mkv", pictures[::-1])


def _audio(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        for block in _hum():
            container.mux(stream.encode(block))
        container.mux(stream.encode())
    return path


def _hum() -> Iterator[av.AudioFrame]:
    for k in range(40):
        wave = np.sin(np.arange(1024 * k, 1024 * (k + 1)) / 20).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 44_100, 1024 * k
        yield frame


def _bare(path: Path, pictures: list[Picture]) -> Path:
    """H.264 without a container, and so without times."""
    return Path(shutil.move(encode(path.with_suffix(".h264"), pictures), path))


def _no_rate(path: Path, pictures: list[Picture]) -> Path:
    """An AVI that says 0 frames a second, in all three places."""
    encode(path, pictures, "mpeg4")
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"avih") + 8, 0)  # microseconds per frame
    struct.pack_into("<II", data, data.index(b"strh") + 8 + 20, 0, 0)  # scale and rate
    path.write_bytes(data)
    return path


def _variable(path: Path, pictures: list[Picture]) -> Path:
    gaps = np.random.default_rng(0).uniform(0.02, 0.2, len(pictures) - 1)
    return encode(path, pictures, times=[0.0, *np.cumsum(gaps).tolist()])


def _rotated(path: Path, pictures: list[Picture]) -> Path:
    """Stored lying on its side, with the metadata that says so, as phones do."""
    encode(path, [np.rot90(p, 1) for p in pictures])
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # the display matrix, in 16.16 fixed point, of version 0 of the box
    one = 1 << 16
    data[at : at + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def _index_first(path: Path, pictures: list[Picture]) -> Path:
    """Cut off like a broken download, of a file that begins with its index."""
    whole = encode(path.with_suffix(".mov"), pictures, options={})
    with av.open(str(whole)) as source, av.open(str(path), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    whole.unlink()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def _three_hours(path: Path, pictures: list[Picture]) -> Path:
    """Two seconds of video whose headers declare three hours."""
    encode(path, pictures)
    data = bytearray(path.read_bytes())
    for box in (b"mvhd", b"tkhd", b"mdhd"):
        at = data.index(box) + 4
        # version 0: flags, created, modified, then (tkhd: track, reserved; the others: time scale), then the duration
        scale = struct.unpack_from(">I", data, data.index(b"mvhd" if box == b"tkhd" else box) + 4 + 12)[0]
        struct.pack_into(">I", data, at + (20 if box == b"tkhd" else 16), 3 * 3600 * scale)
    elst = data.index(b"elst") + 4 + 8
    scale = struct.unpack_from(">I", data, data.index(b"mvhd") + 4 + 12)[0]
    struct.pack_into(">I", data, elst, 3 * 3600 * scale)
    path.write_bytes(data)
    return path

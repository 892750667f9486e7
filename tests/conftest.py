"""Shared by all tests: small real videos, made here and now."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from pyarrow import fs

from gymspotter.synth.generate import Item, SynthOptions, make_video

ClipMaker = Callable[..., Path]


def write_clip(
    path: Path, *, frames: int = 20, fps: int = 10, width: int = 64, height: int = 48, first: int = 0
) -> Path:
    """A real H.264 clip whose frame k is grey of brightness 10 (first + k), so that a picture tells which it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "10"}
        for k in range(frames):
            picture = np.full((height, width, 3), min(10 * (first + k), 255), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two seconds, 20 frames, 10 frames a second, 64 x 48."""
    return write_clip(tmp_path / "clip.mp4")


@pytest.fixture(scope="session")
def squat_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six rendered seconds of a squat that BlazePose finds, with its truth beside it."""
    options = SynthOptions(out=tmp_path_factory.mktemp("squat"), seconds=6, seed=3)
    return make_video(Item(exercise="squat", number=0, seed=3), options)


@contextmanager
def running_server(*command: str) -> Iterator[str]:
    """A server on a free port of this machine, PORT in the command, until the block ends; its host:port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [word.replace("PORT", str(port)) for word in command]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            assert process.poll() is None, f"{command} ended"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The URL of moto's S3 server, with a bucket "gym"; the environment's AWS_* name it and have keys for it."""
    command = (sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "PORT")
    with running_server(*command) as host, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}")
        fs.S3FileSystem(endpoint_override=f"http://{host}", allow_bucket_creation=True).create_dir("gym")
        yield f"http://{host}"


@pytest.fixture
def s3(s3_server: str, request: pytest.FixtureRequest) -> str:
    """An empty folder on S3."""
    return f"s3://gym/{request.node.name}"


@pytest.fixture
def gs(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty folder on an emulator of Google Cloud Storage, which its URI names."""
    emulator = Path(sys.executable).parent / "gcp-storage-emulator"
    command = (str(emulator), "start", "--host=127.0.0.1", "--port=PORT", "--in-memory", "--default-bucket=gym")
    with running_server(*command) as host:
        yield f"gs://anonymous@gym/{request.node.name}?scheme=http&endpoint_override={host}"

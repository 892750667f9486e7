"""Decode in a process of its own, which may hang, crash or run out of memory without taking the worker with it.

Videos come from strangers, and a codec is C code. A `Decoder` does what `gymspotter.video` does, in a child process;
when that dies or stands still, the caller gets a `VideoError`, and the next video a new child. It also decodes the
next frame while the caller looks at this one.

The child is this module, run as ``python -m gymspotter.decoder``. It reads requests from its standard input (a line of
JSON each) and answers on its standard output with messages: a kind (one byte), the length of the body (8 bytes), the
body. It ends with its parent, since its input does.
"""

import fcntl
import gc
import json
import os
import resource
import select
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gymspotter import mishaps, storage
from gymspotter.errors import InputError, VideoError
from gymspotter.video import VideoInfo, frames_at, probe

STALL_SECONDS = 60.0
# Of the child, in all. Frames of 8K need about 2 GiB; what needs more is a bomb or damage.
_MEMORY_BYTES = 8 * 2**30
_FRAME, _ALIVE, _DONE, _ERROR = b"F", b"A", b"D", b"E"
_HEADER = struct.Struct("<cQ")
_SIZE = struct.Struct("<II")
_PIPE_BYTES = 2**20  # the largest that a user without privileges may ask for
_SET_PIPE_SIZE = getattr(fcntl, "F_SETPIPE_SZ", None)  # Linux
_ALIVE_EVERY_S = 1.0


class Decoder:
    """`video.probe` and `video.frames_at` in a child process; one request at a time, used by one thread.

    A context manager; the child is started at the first request and ends with `close`.
    """

    def __init__(self, *, stall_seconds: float = STALL_SECONDS) -> None:
        """``stall_seconds``: how long the child may go without reading a packet or finishing a frame."""
        self._stall_seconds = stall_seconds
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child."""
        if self._child:
            self._child.kill()
            self._child.communicate()
        self._child = None

    @property
    def pid(self) -> int | None:
        """The child's process id; None while there is no child."""
        return self._child.pid if self._child else None

    def probe(self, uri: str) -> VideoInfo:
        """See `video.probe`.

        Raises:
            VideoError: as there, or the decoder crashed or stood still.
        """
        (body,) = self._answer(uri)
        return VideoInfo(**json.loads(bytes(body)))

    def frames_at(self, uri: str, times: NDArray[np.float64]) -> Iterator[NDArray[np.uint8]]:
        """See `video.frames_at`.

        Raises:
            VideoError: as there, or the decoder crashed or stood still.
        """
        for body in self._answer(uri, list(times)):
            height, width = _SIZE.unpack_from(body.data)
            yield body[_SIZE.size :].reshape(height, width, 3)

    def _answer(self, uri: str, times: list[float] | None = None) -> Iterator[NDArray[np.uint8]]:
        """The bodies of the messages that answer: frames, or without times what a probe finds."""
        request = {"uri": uri, "times": times}
        name = repr(os.path.basename(uri))
        whole = False
        try:
            child = self._started()
            try:
                child.stdin.write(json.dumps(request).encode() + b"\n")  # type: ignore[union-attr]
                while True:
                    kind, body = self._message(child)
                    if kind == _DONE:
                        whole = True
                        return
                    if kind == _ERROR:
                        whole = True
                        raise VideoError(bytes(body).decode())
                    if kind == _FRAME:
                        yield body
            except _StandstillError as error:
                raise VideoError(
                    f"video {name} stopped the decoder for {self._stall_seconds:g} s: re-encode it."
                ) from error
            except (BrokenPipeError, EOFError) as error:
                how = _how_it_ended(child)
                raise VideoError(f"video {name} crashed the decoder ({how}): re-encode it.") from error
        finally:
            if not whole:  # also when the caller stops listening: what is under way would be taken for the next answer
                self.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self.close()
            command = [sys.executable, "-m", "gymspotter.decoder"]
            self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
            if _SET_PIPE_SIZE is not None:
                fcntl.fcntl(self._child.stdout, _SET_PIPE_SIZE, _PIPE_BYTES)  # type: ignore[arg-type]
        return self._child

    def _message(self, child: subprocess.Popen[bytes]) -> tuple[bytes, NDArray[np.uint8]]:
        kind, length = _HEADER.unpack(self._read(child, _HEADER.size).data)
        return kind, self._read(child, length)

    def _read(self, child: subprocess.Popen[bytes], length: int) -> NDArray[np.uint8]:
        """Exactly ``length`` bytes."""
        body = np.empty(length, np.uint8)
        rest = body.data
        while rest:
            if not select.select([child.stdout.fileno()], [], [], self._stall_seconds)[0]:  # type: ignore[union-attr]
                raise _StandstillError
            read = child.stdout.readinto(rest)  # type: ignore[union-attr]
            if not read:
                raise EOFError
            rest = rest[read:]
        return body


class _StandstillError(Exception):
    pass


def _how_it_ended(child: subprocess.Popen[bytes]) -> str:
    status = child.wait(timeout=10)
    return f"signal {-status}" if status < 0 else f"exit status {status}"


def _serve() -> None:
    """The child: answer requests until the parent goes."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Nothing but messages may go to the parent: what libraries print goes to standard error.
    out = os.dup(1)
    os.dup2(2, 1)
    requests = _Requests()
    alive = _Alive(out)
    mishaps.meanwhile.append(alive)
    gc.freeze()
    for request in requests:
        try:
            uri = request["uri"]
            storage.expect(uri)  # by who asks for the video it was found
            if request["times"] is None:
                _send(out, _FRAME, json.dumps(asdict(probe(uri, alive))).encode())
            else:
                for frame in frames_at(uri, np.array(request["times"]), alive):
                    _send(out, _FRAME, _SIZE.pack(*frame.shape[:2]), np.ascontiguousarray(frame).data.cast("B"))
        except InputError as error:
            _send(out, _ERROR, str(error).encode())
        except MemoryError:
            message = f"a frame does not fit in {_MEMORY_BYTES / 2**30:g} GiB: re-encode the video in a smaller size."
            _send(out, _ERROR, message.encode())
        else:
            _send(out, _DONE)
        # PyAV's objects refer to each other, and hold pixels: what is left of this video goes before the next.
        gc.collect()


class _Requests:
    """The requests, one after the other. A thread reads them, and so sees the parent end even while a codec hangs."""

    def __init__(self) -> None:
        self._line = b""
        self._ready = threading.Semaphore(0)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin.buffer:
            self._line = line
            self._ready.release()
        os._exit(0)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while True:
            self._ready.acquire()
            yield json.loads(self._line)


class _Alive:
    """Called at every packet and frame; tells the parent once a second."""

    def __init__(self, out: int) -> None:
        self._out, self._told = out, time.monotonic()

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self._told >= _ALIVE_EVERY_S:
            self._told = now
            _send(self._out, _ALIVE)


def _send(out: int, kind: bytes, *parts: bytes | memoryview) -> None:
    _write(out, _HEADER.pack(kind, sum(len(part) for part in parts)) + b"".join(parts[:1]))
    for part in parts[1:]:
        _write(out, part)


def _write(out: int, data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(out, rest) :]


if __name__ == "__main__":
    _serve()

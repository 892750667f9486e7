"""The decoder process: it gives what the module in this process gives, and its end is only the video's end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gymspotter.decoder import Decoder
from gymspotter.errors import VideoError
from gymspotter.video import frames_at, grid_times, probe
from tests.conftest import write_clip

TIMES = grid_times(0, 4, 5)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return str(write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", frames=120))


@pytest.fixture
def decoder():
    with Decoder(stall_seconds=2) as decoder:
        yield decoder


def test_it_gives_what_the_module_gives(decoder, clip):
    assert decoder.probe(clip) == probe(clip)
    for ours, theirs in zip(decoder.frames_at(clip, TIMES), frames_at(clip, TIMES), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_bad_video_is_told_and_the_same_child_goes_on(decoder, clip, tmp_path):
    decoder.probe(clip)
    pid = decoder.pid
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(VideoError, match=r"'text\.mp4' cannot be decoded"):
        decoder.probe(str(tmp_path / "text.mp4"))
    with pytest.raises(VideoError, match="does not exist"):
        next(decoder.frames_at(str(tmp_path / "none.mp4"), TIMES))
    assert decoder.probe(clip) == probe(clip)
    assert decoder.pid == pid


def test_a_decoder_that_hangs_is_timed_out_and_replaced(decoder, clip):
    frames = decoder.frames_at(clip, np.arange(0, 4, 1 / 30))
    next(frames)
    os.kill(decoder.pid, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(VideoError, match=r"'clip\.mp4' stopped the decoder for 2 s"):
        list(frames)
    assert time.monotonic() - began < 60
    assert decoder.probe(clip) == probe(clip)


def test_a_decoder_that_crashes_is_replaced(decoder, clip):
    frames = decoder.frames_at(clip, np.arange(0, 4, 1 / 30))
    next(frames)
    os.kill(decoder.pid, signal.SIGSEGV)
    with pytest.raises(VideoError, match=r"'clip\.mp4' crashed the decoder \(signal 11\)"):
        list(frames)
    assert decoder.probe(clip) == probe(clip)


def test_frames_that_nobody_took_are_not_the_next_answer(decoder, clip):
    next(decoder.frames_at(clip, TIMES))
    assert len(list(decoder.frames_at(clip, TIMES[:3]))) == 3
    assert decoder.probe(clip) == probe(clip)


def test_memory_does_not_grow_with_the_videos(decoder, squat_video):
    def resident_mib():
        status = Path(f"/proc/{decoder.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def decode(times):
        for _ in range(times):
            assert len(list(decoder.frames_at(str(squat_video), grid_times(0, 6, 5)))) == 30

    decode(2)
    before = resident_mib()
    decode(10)  # 132 MiB of pictures
    assert resident_mib() - before < 30


def test_the_child_ends_with_its_parent(clip):
    code = (
        "import sys; from gymspotter.decoder import Decoder; decoder = Decoder(); decoder.probe(sys.argv[1]);"
        "print(decoder.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, clip], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    wait_until(lambda: not is_running(pid))


def is_running(pid):
    """Whether there is such a process that is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)

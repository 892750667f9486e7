import os
from fractions import Fraction

import av
import numpy as np
import pytest

from gymspotter.errors import InputError, VideoError
from gymspotter.video import frames_at, grid_times, join_videos, probe
from tests.conftest import write_clip


def write_stream(path, *, codec="libx264", frames=20, fps=10, gop=250, shift=0.0, options=None, last_pts=None):
    """Frame k is grey of brightness 10 (k mod 25); its packets are shifted by seconds, the last set to a pts."""
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as container:
        stream = container.add_stream(codec, rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.gop_size, stream.options = gop, options or {}
        packets = []
        for k in range(frames):
            picture = np.full((48, 64, 3), 10 * (k % 25), np.uint8)
            packets += stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24"))
        packets += stream.encode()
        for packet in packets:
            ticks = round(Fraction(shift) / packet.time_base)
            packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
        if last_pts is not None:
            packets[-1].pts = packets[-1].dts = last_pts
        for packet in packets:
            container.mux(packet)
    return path


def brightness(frames):
    return [round(float(frame.mean()) / 10) for frame in frames]


def test_a_probe_tells_what_the_file_holds(clip):
    info = probe(clip)
    assert (info.width, info.height, info.frames, info.codec) == (64, 48, 20, "h264")
    assert info.seconds == pytest.approx(2.0)
    assert info.fps == pytest.approx(10.0)


def test_the_grid_begins_at_zero_and_ends_before_the_end():
    np.testing.assert_allclose(grid_times(0, 1, 5), [0, 0.2, 0.4, 0.6, 0.8])
    assert len(grid_times(0, 12, 5)) == 60
    np.testing.assert_allclose(grid_times(60, 60.5, 5), [60, 60.2, 60.4])
    assert not np.signbit(grid_times(0, 1, 5)[0])


def test_the_frame_on_screen_at_each_time_is_decoded(clip):
    # Frame k is shown from 0.1 k s on; 0.25 s lies between two frames and shows the earlier one.
    assert brightness(frames_at(clip, np.array([0.0, 0.2, 0.25, 1.0, 1.9]))) == [0, 2, 2, 10, 19]


def test_decoding_can_begin_in_the_middle(clip):
    assert brightness(frames_at(clip, np.array([1.2, 1.5]))) == [12, 15]


def test_a_grid_finer_than_the_video_repeats_frames(clip):
    assert brightness(frames_at(clip, grid_times(0.1, 0.3, 20))) == [1, 1, 2, 2]


def test_a_time_after_the_end_gets_the_last_frame(clip):
    assert brightness(frames_at(clip, np.array([1.9, 2.5, 3.0]))) == [19, 19, 19]


def test_frames_come_one_at_a_time(clip):
    frames = frames_at(clip, grid_times(0, 2, 5))
    assert next(frames).shape == (48, 64, 3)
    frames.close()


def test_rotation_by_metadata_is_applied(tmp_path):
    path = tmp_path / "turned.mp4"
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32] = 255  # the upper left quarter
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    # PyAV cannot write a display matrix, so the one in the track header is turned by hand: x' = 48 - y, y' = x, a
    # quarter clockwise, as a phone held upright writes it.
    data = path.read_bytes()
    matrix = data.index(b"tkhd") + 4 + 40
    quarter = np.array([0, 0x10000, 0, -0x10000, 0, 0, 48 << 16, 0, 0x40000000], ">i4").tobytes()
    path.write_bytes(data[:matrix] + quarter + data[matrix + 36 :])
    info = probe(path)
    assert (info.width, info.height) == (48, 64)
    (frame,) = frames_at(path, np.array([0.0]))
    assert frame.shape == (64, 48, 3)
    assert frame[:32, 24:].mean() > 240  # now the upper right
    assert frame[:32, :24].mean() < 15
    assert frame[32:].mean() < 15


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.mp4", b"", "is empty"),
        ("text.mp4", b"This is no video.\n" * 100, "cannot be decoded"),
        ("noise.mp4", np.random.default_rng(0).bytes(5000), "cannot be decoded"),
    ],
)
def test_what_is_not_a_video_says_so(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(VideoError, match=rf"^video '{name}' .*{says}.*[:(].*\.$"):
        probe(tmp_path / name)


def test_a_truncated_video_says_so(tmp_path, clip):
    data = clip.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(VideoError, match="cannot be decoded"):
        probe(tmp_path / "cut.mp4")


def test_a_video_that_breaks_off_says_where(tmp_path):
    # With its index first, a file can be read up to the cut, and still declares its whole length.
    whole = tmp_path / "whole.mp4"
    rng = np.random.default_rng(0)
    with av.open(str(whole), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(60):
            picture = rng.integers(0, 255, (48, 64, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    data = whole.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(VideoError, match=r"breaks off at \d\.\d s of the 6\.0 s"):
        probe(tmp_path / "cut.mp4")


def test_audio_alone_is_no_video(tmp_path):
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(VideoError, match="no picture stream"):
        probe(path)


def test_a_missing_file_and_a_folder_say_so(tmp_path):
    with pytest.raises(VideoError, match="does not exist"):
        probe(tmp_path / "nothing.mp4")
    with pytest.raises(VideoError, match="is a folder"):
        probe(tmp_path)


def test_joined_videos_play_one_after_the_other(tmp_path):
    parts = [write_clip(tmp_path / f"{k}.mp4", frames=10, first=first) for k, first in enumerate((0, 12, 3))]
    assert join_videos(parts, tmp_path / "all.mp4") == [0.0, 1.0, 2.0]
    assert probe(tmp_path / "all.mp4").frames == 30
    shown = brightness(frames_at(tmp_path / "all.mp4", grid_times(0, 3, 10)))
    assert shown == [*range(10), *range(12, 22), *range(3, 13)]


def test_videos_that_differ_are_not_joined(tmp_path):
    parts = [write_clip(tmp_path / "a.mp4"), write_clip(tmp_path / "b.mp4", width=96)]
    with pytest.raises(VideoError, match="differ"):
        join_videos(parts, tmp_path / "all.mp4")


def test_timestamps_that_jump_are_refused(tmp_path):
    path = write_stream(tmp_path / "years.mkv", options={"bf": "0"}, last_pts=10**9)
    with pytest.raises(VideoError, match=r"^video 'years.mkv' has timestamps that jump by \d{6,} s: re-encode it\.$"):
        probe(path)


def test_frames_discarded_by_an_edit_list_do_not_count(tmp_path):
    path = write_stream(tmp_path / "trimmed.mp4", frames=60, shift=-2.0)
    info = probe(path)
    assert (info.frames, info.seconds) == (40, pytest.approx(4.0))
    assert brightness(frames_at(path, np.array([0.0, 0.2]))) == [20, 22]
    assert brightness(frames_at(path, np.array([1.5, 2.0]))) == [10, 15]


@pytest.mark.parametrize(("name", "codec"), [("long.ts", "libx264"), ("long.mpg", "mpeg2video")])
def test_a_seek_without_an_index_begins_early_enough(tmp_path, name, codec):
    fps = 10 if codec == "libx264" else 25
    path = write_stream(tmp_path / name, codec=codec, frames=72 * fps, fps=fps)
    assert probe(path).seconds == pytest.approx(72, abs=0.2)
    times = grid_times(0, 72, 2)
    whole = brightness(frames_at(path, times))
    for begin in (2, 20, 49, 60, 99, 120, 143):
        assert brightness(frames_at(path, times[begin : begin + 5])) == whole[begin : begin + 5]


@pytest.mark.parametrize("name", ["b.avi", "b.mp4", "b.mkv", "b.ts"])
def test_reordered_frames_are_shown_at_their_time(tmp_path, name):
    path = write_stream(tmp_path / name, codec="mpeg4", options={"bf": "2", "b": "5M", "qmax": "2"}, gop=6)
    assert brightness(frames_at(path, grid_times(0, 2, 10))) == list(range(20))
    assert brightness(frames_at(path, np.array([0.5, 0.7, 1.1]))) == [5, 7, 11]


@pytest.mark.parametrize("name", ["squat:1.mp4", "data:x.mp4", "set%03d.mp4", "100%.mp4", "-.mp4"])
def test_a_file_name_is_only_a_name(tmp_path, monkeypatch, clip, name):
    (tmp_path / name).write_bytes(clip.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert probe(name).frames == 20
    assert brightness(frames_at(name, np.array([1.2]))) == [12]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nclip.mp4\n#EXT-X-ENDLIST\n"),
        ("list.mp4", "ffconcat version 1.0\nfile clip.mp4\n"),
        ("img%03d.png", "no picture"),
        ("notes.txt", "Squats on Monday.\n" * 50),
    ],
)
def test_playlists_patterns_and_texts_are_no_videos(tmp_path, clip, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(VideoError, match=rf"^video '{name}' is no video file .*: re-encode it as mp4\.$"):
        probe(tmp_path / name)


def test_a_stream_without_a_container_is_called_one(tmp_path):
    with pytest.raises(VideoError, match="is a bare stream without times"):
        probe(write_stream(tmp_path / "raw.h264"))


def test_a_lack_of_permission_is_called_one(clip):
    clip.chmod(0)
    us = os.geteuid()
    if us == 0:  # who may read everything
        os.seteuid(65_534)
    try:
        with pytest.raises(InputError, match="check its permissions"):
            probe(clip)
    finally:
        os.seteuid(us)


@pytest.mark.parametrize(("a", "d", "x", "y"), [(-1, 1, 64, 0), (1, -1, 0, 48)])
def test_a_mirror_by_metadata_is_applied(tmp_path, a, d, x, y):
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32] = 255
    with av.open(str(tmp_path / "mirror.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    data = (tmp_path / "mirror.mp4").read_bytes()
    at = data.index(b"tkhd") + 4 + 40
    matrix = np.array([a << 16, 0, 0, 0, d << 16, 0, x << 16, y << 16, 0x40000000], ">i4").tobytes()
    (tmp_path / "mirror.mp4").write_bytes(data[:at] + matrix + data[at + 36 :])
    (frame,) = frames_at(tmp_path / "mirror.mp4", np.array([0.0]))
    mirrored = picture[:, ::-1] if a < 0 else picture[::-1]
    assert np.abs(frame.astype(int) - mirrored).mean() < 10


def test_a_bomb_is_refused(tmp_path):
    # A GIF of 16,000 x 16,000 pixels, in 40 bytes.
    size = (16_000).to_bytes(2, "little") * 2
    image = b"\x2c\x00\x00\x00\x00" + size + b"\x00\x02\x02\x4c\x01\x00\x3b"
    (tmp_path / "bomb.gif").write_bytes(b"GIF89a" + size + b"\x80\x00\x00" + bytes(6) + image)
    with pytest.raises(VideoError, match="16000 x 16000 pixels, more than 64 million"):
        probe(tmp_path / "bomb.gif")

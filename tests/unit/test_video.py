import av
import numpy as np
import pytest

from gymspotter.errors import VideoError
from gymspotter.video import frames_at, grid_times, join_videos, probe
from tests.conftest import write_clip


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


def test_rotation_by_metadata_is_applied(tmp_path, clip):
    turned = tmp_path / "turned.mp4"
    with av.open(str(clip)) as source, av.open(str(turned), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    # PyAV cannot write a display matrix, so the one in the track header is turned by 90 degrees by hand.
    data = turned.read_bytes()
    header = data.index(b"tkhd")
    matrix = header + 4 + 40
    quarter = np.array([0, 0x10000, 0, -0x10000, 0, 0, 48 << 16, 0, 0x40000000], ">i4").tobytes()
    turned.write_bytes(data[:matrix] + quarter + data[matrix + 36 :])
    info = probe(turned)
    assert (info.width, info.height) == (48, 64)
    assert next(iter(frames_at(turned, np.array([0.0])))).shape == (64, 48, 3)


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

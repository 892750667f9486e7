"""Videos are read back with PyAV, and the truth about them with the same code that others use."""

import json
from fractions import Fraction

import av
import numpy as np
import pytest

from gymspotter.errors import InputError
from gymspotter.synth.camera import Camera, sample_camera
from gymspotter.synth.film import film, read_truth, truth, truth_path, write_truth
from gymspotter.synth.look import sample_look
from gymspotter.synth.perform import perform
from gymspotter.synth.render import render
from gymspotter.synth.scene import Performance


@pytest.fixture(scope="module")
def scene() -> tuple[Performance, Camera]:
    rng = np.random.default_rng(11)
    performance = perform("squat", rng, seconds=3, fps=10)
    return performance, sample_camera(performance, rng)


def test_video_holds_every_frame_at_the_right_time(tmp_path, scene):
    performance, camera = scene
    look = sample_look(np.random.default_rng(1))
    path = film(performance, camera, look, tmp_path / "deep" / "squat.mp4", width=160, height=120)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, stream.average_rate) == (160, 120, Fraction(10))
        frames = [(f.time, f.to_ndarray(format="rgb24")) for f in container.decode(stream)]
    assert [time for time, _ in frames] == pytest.approx(np.arange(30) / 10)
    rendered = render(performance, camera, look, 160, 120)
    for (_, decoded), picture in zip(frames, rendered, strict=True):
        assert np.abs(decoded.astype(float) - picture).mean() < 12
    assert [p.name for p in path.parent.iterdir()] == ["squat.mp4"]


def test_same_arguments_give_the_same_file(tmp_path, scene):
    look = sample_look(np.random.default_rng(2))
    a, b = (film(*scene, look, tmp_path / name, width=64, height=48).read_bytes() for name in ("a.mp4", "b.mp4"))
    assert a == b


@pytest.mark.parametrize(("name", "size"), [("a.mp4", (161, 120)), ("a.mp4", (0, 0)), ("a.avi", (160, 120))])
def test_impossible_requests_are_refused(tmp_path, scene, name, size):
    with pytest.raises(InputError, match="must"):
        film(*scene, sample_look(np.random.default_rng(1)), tmp_path / name, width=size[0], height=size[1])
    assert not list(tmp_path.iterdir())


def test_a_broken_recording_leaves_no_file(tmp_path, scene, monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("lens cap")

    monkeypatch.setattr("gymspotter.synth.film.render", broken)
    with pytest.raises(RuntimeError, match="lens cap"):
        film(*scene, sample_look(np.random.default_rng(1)), tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


def test_truth_says_what_was_filmed(scene):
    performance, camera = scene
    facts = truth(performance, camera, 640, 480)
    assert facts["exercise"] == "squat"
    assert facts["joints"].shape == (30, 17, 3)
    assert np.abs(facts["joints"][:, 0]).max() == 0
    pixels, _ = camera.project(performance.joints[:, :17], 640, 480)
    np.testing.assert_allclose(facts["image_xy"] * (640, 480), pixels, atol=1e-3)
    # On camera axes y points down: the head of somebody who stands is above the hip.
    assert (facts["joints"][:, 10, 1] < -0.3).all()


def test_truth_round_trips(tmp_path, scene):
    facts = truth(*scene, 640, 480)
    video = tmp_path / "squat.mp4"
    assert write_truth(video, facts, seed=7) == truth_path(video) == tmp_path / "squat.mp4.json"
    back = read_truth(video)
    assert back["seed"] == 7
    np.testing.assert_allclose(back["joints"], facts["joints"], atol=5.1e-5)
    np.testing.assert_allclose(back["image_xy"], facts["image_xy"], atol=5.1e-5)
    for same in ("exercise", "fps", "repetitions", "width", "height", "body_height"):
        assert back[same] == facts[same]
    assert Camera(**{**back["camera"], "target": tuple(back["camera"]["target"])}) == scene[1]
    assert truth_path(video).stat().st_size < 30 * 17 * 5 * 10


def test_missing_and_broken_truth_is_named(tmp_path):
    with pytest.raises(InputError, match="missing"):
        read_truth(tmp_path / "squat.mp4")
    truth_path(tmp_path / "squat.mp4").write_text(json.dumps({"exercise": "squat"}))
    with pytest.raises(InputError, match="does not hold"):
        read_truth(tmp_path / "squat.mp4")

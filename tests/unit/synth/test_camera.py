import numpy as np
import pytest

from gymspotter.labels import EXERCISES
from gymspotter.skeleton import CANONICAL
from gymspotter.synth.camera import Camera, sample_camera
from gymspotter.synth.perform import camera_joints, perform


def looking(**changes: float) -> Camera:
    view = {"yaw": 0.0, "pitch": 0.0, "roll": 0.0, "distance": 3.0, "focal": 1.2, **changes}
    return Camera(target=(0.0, 1.0, 0.0), **view)


def test_a_camera_in_front_sees_the_athletes_left_on_its_right() -> None:
    camera = looking()
    np.testing.assert_allclose(camera.position, (0, 1, 3))
    np.testing.assert_allclose(camera.world_to_camera(np.array((0.5, 1.0, 0.0))), (0.5, 0, 3))
    np.testing.assert_allclose(camera.world_to_camera(np.array((0.0, 2.0, 0.5))), (0, -1, 2.5))


def test_yaw_90_looks_from_the_athletes_left() -> None:
    np.testing.assert_allclose(looking(yaw=90).position, (3, 1, 0), atol=1e-12)


@pytest.mark.parametrize("view", [{}, {"yaw": 130, "pitch": 25, "roll": 4}, {"yaw": -60, "pitch": -5}])
def test_axes_are_right_handed_and_the_target_is_in_the_middle(view: dict[str, float]) -> None:
    camera = looking(**view)
    np.testing.assert_allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(camera.rotation) == pytest.approx(1)
    pixels, depth = camera.project(np.array(camera.target), 640, 480)
    np.testing.assert_allclose(pixels, (320, 240), atol=1e-3)
    assert depth == pytest.approx(3)


def test_pitch_looks_down() -> None:
    assert looking(pitch=20).position[1] > 1
    assert looking(pitch=20).rotation[1] @ (0, 1, 0) < 0


def test_a_point_behind_the_camera_has_no_pixels() -> None:
    pixels, depth = looking().project(np.array((0.0, 1.0, 4.0)), 640, 480)
    assert np.isnan(pixels).all()
    assert depth < 0


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_body_stays_in_the_picture(exercise: str) -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        performance = perform(exercise, rng, seconds=6, fps=5)
        camera = sample_camera(performance, rng)
        for width, height in ((640, 480), (360, 640)):
            pixels, depth = camera.project(performance.joints, width, height)
            assert depth.min() > 0.5
            assert (pixels > 0).all()
            assert (pixels < (width, height)).all()
        assert 0.1 < camera.position[1] < 3.5
        assert -12.1 <= camera.pitch <= 40.1
        assert 2 < camera.distance < 8


def test_a_close_up_shows_the_trunk_and_cuts_the_body() -> None:
    cut = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        performance = perform("shoulder press", rng, seconds=4, fps=5)
        pixels, _ = sample_camera(performance, rng, close=1.0).project(performance.joints[:, :17], 640, 480)
        inside = ((pixels > 0) & (pixels < (640, 480))).all(axis=-1)
        assert inside[:, CANONICAL.index("thorax")].all()
        cut += not inside.all()
    assert cut > 15


def test_the_lying_are_mostly_seen_from_the_side() -> None:
    yaws = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        yaws.append(abs(sample_camera(perform("bench press", rng, seconds=1, fps=5), rng).yaw))
    assert np.mean([30 <= yaw <= 150 for yaw in yaws]) > 0.8
    assert min(yaws) >= 8
    assert max(yaws) <= 172


def test_camera_joints_are_rooted_and_keep_distances() -> None:
    rng = np.random.default_rng(3)
    performance = perform("squat", rng, seconds=4, fps=5)
    joints = camera_joints(performance, sample_camera(performance, rng))
    assert joints.shape == (20, 17, 3)
    assert joints.dtype == np.float32
    assert (joints[:, 0] == 0).all()
    world = performance.joints[:, :17] - performance.joints[:, :1]
    np.testing.assert_allclose(np.linalg.norm(joints, axis=-1), np.linalg.norm(world, axis=-1), atol=1e-5)
    # Down is positive: the feet lie below the hips, the head above.
    assert joints[:, 3, 1].min() > 0 > joints[:, 10, 1].max()

"""The renderer, by its pixels: what is where, what hides what, and that nothing depends on chance."""

from dataclasses import replace

import numpy as np
import pytest

from gymspotter.synth.camera import Camera, sample_camera
from gymspotter.synth.look import Look, sample_look
from gymspotter.synth.perform import perform
from gymspotter.synth.render import render
from gymspotter.synth.scene import BODY_JOINTS, Box, Capsule, Performance

WIDTH, HEIGHT = 240, 180
GREEN, RED = (0.05, 0.9, 0.05), (0.95, 0.05, 0.05)


@pytest.fixture(scope="module")
def standing() -> Performance:
    performance = perform("lateral raise", np.random.default_rng(4), seconds=1, fps=3)
    return replace(performance, props=())


@pytest.fixture(scope="module")
def look() -> Look:
    """A green person without hair in a grey room, through a perfect lens."""
    plain = sample_look(np.random.default_rng(5))
    return replace(
        plain, skin=GREEN, hair="bald", beard=False, shirt=GREEN, stripe=None, trousers=GREEN, socks=GREEN, shoes=GREEN,
        soles=GREEN, walls=(0.5, 0.5, 0.5), accent=(0.5, 0.5, 0.5), floors=(0.4, 0.4, 0.4), clutter=0, noise=0.0,
        warmth=0.0,
        materials={**plain.materials, "vinyl": RED, "iron": RED},
    )  # fmt: skip


@pytest.fixture
def camera(standing: Performance) -> Camera:
    target = standing.joints[0, BODY_JOINTS.index("spine")]
    return Camera(yaw=20, pitch=8, roll=2, distance=3.6, focal=1.1, target=tuple(float(v) for v in target))


def _mostly(frame: np.ndarray, channel: int) -> np.ndarray:
    """[H, W] where that colour outshines the others by far."""
    rest = [c for c in range(3) if c != channel]
    return frame[..., channel].astype(int) > 1.6 * frame[..., rest].max(axis=-1) + 10


def _first(performance: Performance, camera: Camera, look: Look) -> np.ndarray:
    return next(render(performance, camera, look, WIDTH, HEIGHT))


def _box_at(centre: np.ndarray, size: float) -> Box:
    return Box(
        centre=centre[None].astype(np.float32),
        axes=np.eye(3, dtype=np.float32)[None],
        size=(size,) * 3,
        material="vinyl",
    )


def test_one_frame_a_pose_of_the_size_asked_for(standing, camera, look):
    frames = list(render(standing, camera, look, WIDTH, HEIGHT))
    assert len(frames) == 3
    assert {(f.shape, f.dtype.name) for f in frames} == {((HEIGHT, WIDTH, 3), "uint8")}


def test_body_is_drawn_where_the_camera_projects_its_joints(standing, camera, look):
    xy, _ = camera.project(standing.joints[:, :17], WIDTH, HEIGHT)
    for frame, pixels in zip(render(standing, camera, look, WIDTH, HEIGHT), xy, strict=True):
        columns, rows = np.round(pixels - 0.5).astype(int).T
        assert _mostly(frame, 1)[rows, columns].all()


def test_body_does_not_reach_far_beyond_its_joints(standing, camera, look):
    xy, _ = camera.project(standing.joints[0], WIDTH, HEIGHT)
    rows, columns = np.nonzero(_mostly(_first(standing, camera, look), 1))
    metre = camera.focal * HEIGHT / camera.distance
    assert np.all(xy.min(axis=0) - (columns.min(), rows.min()) < 0.25 * metre)
    assert np.all((columns.max(), rows.max()) - xy.max(axis=0) < 0.25 * metre)


def test_face_looks_to_the_front(standing, camera, look):
    """Eyes and lips are the only things that are not green: they are seen from the front and not from behind."""

    def other(yaw: float) -> int:
        near = replace(camera, yaw=yaw, distance=1.0, target=tuple(map(float, standing.joints[0, 10])))
        frame = _first(standing, near, look)
        xy, _ = near.project(standing.joints[0, 10], WIDTH, HEIGHT)
        x, y = np.round(xy).astype(int)
        return int((~_mostly(frame, 1))[y - 10 : y + 8, x - 8 : x + 8].sum())

    assert other(0) > 6
    assert other(180) == 0


def test_nearer_things_hide_farther_ones(standing, camera, look):
    chest = standing.joints[0, BODY_JOINTS.index("spine")]
    toward = (camera.position - chest) / np.linalg.norm(camera.position - chest)
    xy, _ = camera.project(chest, WIDTH, HEIGHT)
    x, y = np.round(xy).astype(int)
    before, behind = (
        _first(replace(standing, props=(_box_at(chest + d * toward, 0.3),)), camera, look) for d in (0.8, -0.8)
    )
    assert _mostly(before, 0)[y, x]
    assert _mostly(behind, 1)[y, x]


@pytest.mark.parametrize("flat", [True, False])
def test_moving_rods_are_drawn_where_they_are(standing, camera, look, flat):
    hands = standing.joints[:, [BODY_JOINTS.index("l_hand"), BODY_JOINTS.index("r_hand")]]
    middle = hands.mean(axis=1, keepdims=True) + np.float32((0, 0, 0.4))
    ends = np.concatenate((middle - np.float32((0.3, 0, 0)), middle + np.float32((0.3, 0.1, 0))), axis=1)
    rod = Capsule(ends=ends, radius=0.06, material="iron", flat_ends=flat)
    xy, _ = camera.project(ends.mean(axis=1), WIDTH, HEIGHT)
    for frame, (x, y) in zip(render(replace(standing, props=(rod,)), camera, look, WIDTH, HEIGHT), xy, strict=True):
        assert _mostly(frame, 0)[round(float(y)), round(float(x))]


def test_athlete_casts_a_shadow_on_the_floor(standing, camera, look, monkeypatch):
    lit = replace(look, light=(0.6, 0.8, 0.0))
    frame = _first(standing, camera, lit).astype(int)
    monkeypatch.setattr("gymspotter.synth.render._SHADOW", 0.0)
    without = _first(standing, camera, lit).astype(int)
    darker = (frame < 0.85 * without).all(axis=-1)
    assert darker.sum() > 150
    feet, _ = camera.project(standing.joints[0, BODY_JOINTS.index("l_ankle")], WIDTH, HEIGHT)
    assert np.nonzero(darker)[0].min() > feet[1] - 0.2 * HEIGHT


def test_same_arguments_give_the_same_pixels_and_another_seed_others():
    def frames(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        performance = perform("deadlift", rng, seconds=1, fps=2)
        return np.stack(list(render(performance, sample_camera(performance, rng), sample_look(rng), 160, 120)))

    first, again, other = frames(1), frames(1), frames(2)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.std() > 10


def test_noise_moves_from_frame_to_frame_and_stays_small(standing, camera, look):
    still = replace(standing, joints=standing.joints[[0, 0]])
    a, b = render(still, camera, replace(look, noise=3.0), WIDTH, HEIGHT)
    difference = a.astype(int) - b
    assert 2 < difference.std() < 8


def test_what_has_left_the_picture_leaves_it_empty(standing, camera, look):
    gone = replace(standing, joints=np.concatenate((standing.joints[:1], standing.joints[:1] + np.float32((0, 0, 60)))))
    here, empty = render(gone, camera, look, WIDTH, HEIGHT)
    assert _mostly(here, 1).sum() > 500
    assert _mostly(empty, 1).sum() < 20


def test_sampled_looks_vary():
    looks = [sample_look(np.random.default_rng(s)) for s in range(60)]
    assert len({look.hair for look in looks}) == 6
    assert {look.floor for look in looks} == {"tiles", "rubber", "boards"}
    assert any(look.sleeve == 0 for look in looks)
    assert any(look.sleeve > 1 for look in looks)
    assert any(look.leg < 1 for look in looks)
    assert any(look.leg > 1 for look in looks)
    assert np.ptp([sum(look.skin) for look in looks]) > 1
    assert all(min(0, *look.skin, *look.walls) >= 0 and look.light[1] > 0.5 for look in looks)

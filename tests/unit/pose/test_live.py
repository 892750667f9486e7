"""Frame by frame is what a whole span gives, wherever the athlete's state has been meanwhile."""

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from gymspotter.errors import InputError
from gymspotter.pose import Frame, estimate
from gymspotter.pose.athlete import RESTART, Athlete
from gymspotter.pose.blazepose import BlazePose
from gymspotter.pose.live import LivePose, step
from gymspotter.skeleton import BLAZEPOSE33, CANONICAL, root_at_hip, to_canonical

DATA = Path(__file__).parents[2] / "data"
HIPS = [CANONICAL.index("l_hip"), CANONICAL.index("r_hip")]


@pytest.fixture(scope="module")
def estimator() -> BlazePose:
    return BlazePose.load()


def figure(name: str) -> Frame:
    return np.asarray(cv2.cvtColor(cv2.imread(str(DATA / f"{name}.png")), cv2.COLOR_BGR2RGB), np.uint8)


def film() -> list[Frame]:
    """Somebody who walks, jumps, is lost, comes in two, in another size, and is gone until all starts over."""
    squat, lying = figure("figure_squat"), figure("figure_lying")
    nobody = np.zeros_like(squat)
    wide = cv2.copyMakeBorder(squat, 0, 0, 0, 480, cv2.BORDER_REPLICATE)
    two = np.concatenate([squat[:, 160:480], squat[:, 480:160:-1]], axis=1)
    small = cv2.resize(squat, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return [
        *(np.roll(squat, 12 * k, axis=1) for k in range(4)),
        *(wide, np.roll(wide, 480, axis=1), np.roll(wide, 480, axis=1), nobody, squat, two, two, small, two[:, ::-1]),
        *[nobody] * (RESTART + 1),
        *(lying, lying, squat),
    ]


def travelled(frames: list[Frame], estimator: BlazePose) -> Iterator[LivePose]:
    state: Athlete | None = None
    for frame in frames:
        state, pose = step(estimator, frame, pickle.loads(pickle.dumps(state)))
        yield pose


def test_a_state_that_travels_between_frames_gives_what_the_whole_span_gives(estimator: BlazePose) -> None:
    frames = film()
    poses = estimate(estimator, frames)
    joints, scores = to_canonical(poses.joints, poses.scores, BLAZEPOSE33)
    image_xy, _ = to_canonical(poses.image_xy, poses.scores, BLAZEPOSE33)
    live = list(travelled(frames, estimator))
    np.testing.assert_array_equal([pose.joints_JC for pose in live], root_at_hip(joints))
    np.testing.assert_array_equal([pose.scores_J for pose in live], scores)
    np.testing.assert_array_equal([pose.image_xy_J2 for pose in live], image_xy)
    seen = [pose.seen for pose in live]
    assert seen == poses.seen.tolist()
    assert {True, False} == set(seen)


def test_two_cameras_in_turns_do_not_know_of_each_other(estimator: BlazePose) -> None:
    one, other = film(), [np.ascontiguousarray(frame[:, ::-1]) for frame in film()[:6]]
    states: dict[str, Athlete | None] = {"one": None, "other": None}
    turns: list[LivePose] = []
    for a, b in zip(one, other, strict=False):
        states["other"], _ = step(estimator, b, states["other"])
        states["one"], pose = step(estimator, a, states["one"])
        turns.append(pose)
    for pose, alone in zip(turns, travelled(one, estimator), strict=False):
        np.testing.assert_array_equal(pose.joints_JC, alone.joints_JC)


def test_the_contract(estimator: BlazePose) -> None:
    first, pose = step(estimator, figure("figure_squat"), None)
    assert (pose.joints_JC.shape, pose.scores_J.shape, pose.image_xy_J2.shape) == ((17, 3), (17,), (17, 2))
    assert {pose.joints_JC.dtype, pose.scores_J.dtype, pose.image_xy_J2.dtype} == {np.dtype(np.float32)}
    assert pose.seen
    np.testing.assert_array_equal(pose.joints_JC[0], 0)
    np.testing.assert_allclose(pose.joints_JC[HIPS].mean(axis=0), 0, atol=1e-6)
    assert pose.joints_JC[CANONICAL.index("head"), 1] < -0.3  # y points down
    assert ((pose.image_xy_J2 > 0) & (pose.image_xy_J2 < 1)).all()
    state, pose = step(estimator, np.zeros((480, 640, 3), np.uint8), first)
    assert not pose.seen
    assert np.isnan(pose.joints_JC).all()
    assert np.isnan(pose.image_xy_J2).all()
    assert (pose.scores_J == 0).all()
    # Lost, but it is known where the athlete was seen last.
    assert (state.frames, state.last, state.home, state.memory.unsure) == (2, None, first.last, 1)
    assert first.last is not None


def test_a_state_is_plain_and_small_and_is_not_changed_by_a_step(estimator: BlazePose) -> None:
    state, _ = step(estimator, figure("figure_squat"), None)
    before = pickle.dumps(state)
    assert len(before) < 10_000
    step(estimator, np.zeros((480, 640, 3), np.uint8), state)
    assert pickle.dumps(state) == before

    def plain(value: Any) -> bool:
        if isinstance(value, tuple):
            return all(plain(part) for part in value)
        return (
            value is None or type(value) in (int, float) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")
        )

    values = vars(state) | vars(state.memory)
    assert all(plain(value) for name, value in values.items() if name != "memory")


def test_a_picture_that_cannot_be_used_is_refused_and_the_state_goes_on(estimator: BlazePose) -> None:
    state, _ = step(estimator, figure("figure_squat"), None)
    with pytest.raises(InputError, match="uint8"):
        step(estimator, np.zeros((48, 64), np.uint8), state)
    assert step(estimator, figure("figure_squat"), state)[1].seen


def test_an_estimator_that_needs_the_frames_to_come_is_refused() -> None:
    class Lifter:
        name, version, layout = "mmpose", "1", "h36m17"

        def watch(self, frames: Any) -> Any: ...

        def poses(self, watched: Any) -> Any: ...

    with pytest.raises(InputError, match="'mmpose' needs whole videos"):
        step(Lifter(), np.zeros((48, 64, 3), np.uint8), None)


def test_it_is_imported_without_the_models_library() -> None:
    """A process that only passes states on need not hold the models' interpreter."""
    code = "import sys; sys.modules['ai_edge_litert'] = None; import gymspotter.pose.live"
    subprocess.run([sys.executable, "-c", code], check=True)

"""What tells the 22 exercises apart, and that no athlete breaks a bone, floats or lets go."""

import numpy as np
import pytest

from gymspotter.labels import EXERCISES
from gymspotter.synth.exercises import EXERCISE_MOTIONS
from gymspotter.synth.perform import perform
from gymspotter.synth.scene import BODY_JOINTS, Box, Capsule, Performance

SEEDS = range(6)
FPS = 15.0
PLANTED = (
    "barbell biceps curl", "bench press", "chest fly machine", "deadlift", "hip thrust", "incline bench press",
    "lat pulldown", "lateral raise", "plank", "romanian deadlift", "shoulder press", "squat", "t bar row",
    "tricep pushdown", "hammer curl",
)  # fmt: skip
# Both hands on one straight bar, or on fixed bars, or on the floor.
GRIPPED = (
    "barbell biceps curl", "deadlift", "lat pulldown", "pull up", "push-up", "t bar row", "tricep dips",
    "tricep pushdown", "leg extension",
)  # fmt: skip
STILL_HANDS = ("pull up", "push-up", "tricep dips", "leg extension")


def joint(performance: Performance, name: str) -> np.ndarray:
    return performance.joints[:, BODY_JOINTS.index(name)].astype(float)


def flexion(performance: Performance, a: str, b: str, c: str) -> np.ndarray:
    """[T]: how far the joint ``b`` is bent, in degrees; 0 is straight."""
    first = joint(performance, b) - joint(performance, a)
    second = joint(performance, c) - joint(performance, b)
    cosine = (first * second).sum(-1) / np.linalg.norm(first, axis=-1) / np.linalg.norm(second, axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def knee(performance: Performance) -> np.ndarray:
    return np.mean([flexion(performance, f"{s}_hip", f"{s}_knee", f"{s}_ankle") for s in "lr"], axis=0)


def elbow(performance: Performance) -> np.ndarray:
    return np.mean([flexion(performance, f"{s}_shoulder", f"{s}_elbow", f"{s}_wrist") for s in "lr"], axis=0)


def rise(performance: Performance) -> np.ndarray:
    """[T]: how steeply the trunk goes up from hip to thorax, in degrees; 90 is upright, negative is head down."""
    trunk = joint(performance, "thorax") - joint(performance, "hip")
    return np.degrees(np.arcsin(trunk[:, 1] / np.linalg.norm(trunk, axis=-1)))


def several(exercise: str, count: int = 12, seconds: float = 10) -> list[Performance]:
    return [perform(exercise, np.random.default_rng(seed), seconds=seconds, fps=FPS) for seed in range(count)]


def test_every_exercise_has_a_motion() -> None:
    assert tuple(EXERCISE_MOTIONS) == EXERCISES


@pytest.mark.parametrize("exercise", EXERCISES)
def test_motion_is_finite_smooth_and_above_the_floor(exercise: str) -> None:
    for performance in several(exercise, 15, seconds=8):
        assert np.isfinite(performance.joints).all()
        speed = np.linalg.norm(np.diff(performance.joints, axis=0), axis=-1) * FPS
        assert speed.max() < 6.5
        assert performance.joints[..., 1].min() > -0.03
        assert performance.joints[..., 1].max() < 3.2


@pytest.mark.parametrize("exercise", EXERCISES)
def test_knees_bend_the_way_knees_bend(exercise: str) -> None:
    for performance in several(exercise, 8):
        across = joint(performance, "l_hip") - joint(performance, "r_hip")
        for s in "lr":
            thigh = joint(performance, f"{s}_knee") - joint(performance, f"{s}_hip")
            shank = joint(performance, f"{s}_ankle") - joint(performance, f"{s}_knee")
            front = np.cross(thigh, across)
            scale = np.linalg.norm(front, axis=-1) * np.linalg.norm(shank, axis=-1)
            assert ((front * shank).sum(-1) / scale).max() < 0.1


@pytest.mark.parametrize("exercise", PLANTED)
def test_feet_stay_planted(exercise: str) -> None:
    for seed in SEEDS:
        performance = perform(exercise, np.random.default_rng(seed), seconds=8, fps=FPS)
        for part in ("l_ankle", "r_ankle", "l_toe", "r_toe"):
            place = joint(performance, part)
            assert np.linalg.norm(place - place[0], axis=-1).max() < 0.004, part


@pytest.mark.parametrize("exercise", GRIPPED)
def test_hands_keep_their_distance_on_a_bar(exercise: str) -> None:
    for performance in several(exercise, 10):
        gap = np.linalg.norm(joint(performance, "l_hand") - joint(performance, "r_hand"), axis=-1)
        assert np.ptp(gap) < 0.006


@pytest.mark.parametrize("exercise", STILL_HANDS)
def test_hands_stay_on_what_does_not_move(exercise: str) -> None:
    for performance in several(exercise, 10):
        for s in "lr":
            place = joint(performance, f"{s}_hand")
            assert np.linalg.norm(place - place[0], axis=-1).max() < 0.006


@pytest.mark.parametrize("exercise", EXERCISES)
def test_props_are_sound(exercise: str) -> None:
    for performance in several(exercise, 6, seconds=4):
        frames = len(performance.joints)
        for prop in performance.props:
            if isinstance(prop, Capsule):
                assert prop.ends.shape in ((1, 2, 3), (frames, 2, 3))
                assert np.isfinite(prop.ends).all()
                assert prop.ends.dtype == np.float32
                assert prop.radius > 0
            else:
                assert isinstance(prop, Box)
                assert prop.centre.shape in ((1, 3), (frames, 3))
                assert prop.axes.shape in ((1, 3, 3), (frames, 3, 3))
                identity = np.broadcast_to(np.eye(3), prop.axes.shape)
                np.testing.assert_allclose(prop.axes @ prop.axes.transpose(0, 2, 1), identity, atol=1e-5)
                assert min(prop.size) > 0


def test_bench_angle_tells_the_bench_presses_apart() -> None:
    flat, incline, decline = (
        [rise(p).mean() for p in several(name, 20, seconds=3)]
        for name in ("bench press", "incline bench press", "decline bench press")
    )
    assert min(incline) > 20 > max(flat) > min(flat) > -8 > max(decline)


def test_knees_tell_the_deadlifts_apart() -> None:
    romanian = [knee(p).max() for p in several("romanian deadlift", 20)]
    deadlift = [knee(p).max() for p in several("deadlift", 20)]
    squat = [knee(p).max() for p in several("squat", 20)]
    assert max(romanian) < 45 < min(deadlift)
    assert max(romanian) < min(squat)
    # A squat stays more upright than either.
    assert (
        np.mean([rise(p).min() for p in several("squat")]) > np.mean([rise(p).min() for p in several("deadlift")]) + 20
    )


def test_wrists_tell_the_curls_apart() -> None:
    def spread_changes(performance: Performance) -> float:
        return float(np.ptp(np.linalg.norm(joint(performance, "l_wrist") - joint(performance, "r_wrist"), axis=-1)))

    barbell = [spread_changes(p) for p in several("barbell biceps curl", 20)]
    hammer = [spread_changes(p) for p in several("hammer curl", 20)]
    assert max(barbell) < np.median(hammer)
    for performance in [*several("hammer curl"), *several("barbell biceps curl")]:
        assert max(flexion(performance, f"{s}_shoulder", f"{s}_elbow", f"{s}_wrist").max() for s in "lr") > 90


def test_planks_are_held_straight() -> None:
    for performance in several("plank"):
        assert performance.repetitions == ()
        assert np.ptp(performance.joints, axis=0).max() < 0.12
        assert knee(performance).max() < 15
        assert abs(rise(performance)).max() < 35


def test_pull_ups_lift_the_chin_over_the_bar() -> None:
    for performance in several("pull up", 15):
        if performance.repetitions:
            bar = joint(performance, "l_hand")[0, 1]
            assert joint(performance, "head")[:, 1].max() > bar - 0.08


def test_dips_and_presses_straighten_the_elbows() -> None:
    for name in ("tricep dips", "push-up", "bench press", "shoulder press", "tricep pushdown", "lat pulldown"):
        for performance in several(name):
            if performance.repetitions:
                assert elbow(performance).min() < 58, name
                assert elbow(performance).max() > 55, name


SIGNALS = {
    "squat": knee,
    "barbell biceps curl": elbow,
    "push-up": elbow,
    "lat pulldown": elbow,
    "romanian deadlift": lambda p: -rise(p),
    "leg extension": lambda p: -knee(p),
    "tricep pushdown": lambda p: -elbow(p),
    "pull up": elbow,
}


@pytest.mark.parametrize("exercise", SIGNALS)
def test_repetitions_are_where_the_joint_turns(exercise: str) -> None:
    for seed in range(8):
        performance = perform(exercise, np.random.default_rng(seed), seconds=20, fps=30)
        signal = SIGNALS[exercise](performance)
        low, high = signal.min(), signal.max()
        signal = (signal - low) / (high - low)
        for start, end in performance.repetitions:
            window = signal[round(start * 30) : round(end * 30) + 1]
            assert window.max() > 0.75
            assert max(window[0], window[-1]) < 0.3
            # One hump: it rises through the middle once.
            above = window > 0.5
            assert (np.diff(above.astype(int)) == 1).sum() == 1


def test_some_leg_raises_hang_from_a_bar_and_others_lie() -> None:
    upright = [rise(p).mean() > 45 for p in several("leg raises", 40, seconds=3)]
    assert 3 < sum(upright) < 20


def test_some_curls_are_done_with_one_arm() -> None:
    def ranges(performance: Performance) -> list[float]:
        return [float(np.ptp(flexion(performance, f"{s}_shoulder", f"{s}_elbow", f"{s}_wrist"))) for s in "lr"]

    one_armed = [min(ranges(p)) < 15 < 60 < max(ranges(p)) for p in several("hammer curl", 40)]
    assert 2 < sum(one_armed) < 20

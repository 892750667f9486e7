"""Movements that are none of the exercises are made by bodies that could make them, and no exercise changes by them."""

import numpy as np
import pytest

from gymspotter.errors import InputError
from gymspotter.labels import EXERCISES
from gymspotter.store import read_tracks
from gymspotter.synth.generate import Item, SynthOptions, plan, synthesise
from gymspotter.synth.idle import stops
from gymspotter.synth.others import OTHERS
from gymspotter.synth.perform import perform
from gymspotter.synth.scene import BODY_JOINTS, Performance
from gymspotter.synth.take import Take
from gymspotter.unknown import NONE

FPS = 15.0
STILL = ("lying rest", "sitting rest", "using phone")


def joint(performance: Performance, name: str) -> np.ndarray:
    return performance.joints[:, BODY_JOINTS.index(name)].astype(float)


def several(movement: str, count: int = 12, seconds: float = 8) -> list[Performance]:
    return [perform(movement, np.random.default_rng(seed), seconds=seconds, fps=FPS) for seed in range(count)]


def test_no_other_movement_is_an_exercise() -> None:
    assert not set(OTHERS) & {*EXERCISES, NONE}


@pytest.mark.parametrize("movement", OTHERS)
def test_motion_is_finite_smooth_and_above_the_floor(movement: str) -> None:
    for performance in several(movement):
        assert np.isfinite(performance.joints).all()
        speed = np.linalg.norm(np.diff(performance.joints, axis=0), axis=-1) * FPS
        assert speed.max() < (10 if movement == "jumping jacks" else 8)
        assert performance.joints[..., 1].min() > -0.06
        assert performance.joints[..., 1].max() < 2.8


@pytest.mark.parametrize("movement", OTHERS)
def test_knees_bend_the_way_knees_bend(movement: str) -> None:
    for performance in several(movement):
        across = joint(performance, "l_hip") - joint(performance, "r_hip")
        for s in "lr":
            thigh = joint(performance, f"{s}_knee") - joint(performance, f"{s}_hip")
            shank = joint(performance, f"{s}_ankle") - joint(performance, f"{s}_knee")
            front = np.cross(thigh, across)
            scale = np.linalg.norm(front, axis=-1) * np.linalg.norm(shank, axis=-1)
            assert ((front * shank).sum(-1) / scale).max() < 0.12


@pytest.mark.parametrize("movement", OTHERS)
def test_a_seed_is_a_performance_and_a_single_frame_will_do(movement: str) -> None:
    first, again, other = (perform(movement, np.random.default_rng(seed), seconds=5, fps=6) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first.joints, again.joints)
    assert not np.allclose(first.joints, other.joints)
    assert len(perform(movement, np.random.default_rng(0), seconds=0.1, fps=5).joints) == 1


def test_who_rests_moves_less_than_who_walks() -> None:
    def travelled(movement: str) -> float:
        return float(np.median([np.linalg.norm(np.diff(p.joints, axis=0), axis=-1).mean() for p in several(movement)]))

    assert max(map(travelled, STILL)) < travelled("walking") / 5


def test_walking_feet_take_turns() -> None:
    for performance in several("walking"):
        left, right = joint(performance, "l_ankle")[:, 1], joint(performance, "r_ankle")[:, 1]
        assert np.corrcoef(left, right)[0, 1] < -0.3


def test_stops_stay_between_their_ends_and_never_jump() -> None:
    for seed in range(20):
        t = np.arange(300) / 25
        take = Take(t=t, build=None, rng=np.random.default_rng(seed), seconds=12)  # type: ignore[arg-type]
        path = stops(take, -1, 2)
        assert -1 <= path.min() < path.max() <= 2
        # The steepest minimum-jerk curve rises 1.875 times as fast as a line: 3 units in 0.4 s.
        assert abs(np.diff(path)).max() < 3 * 1.875 / 0.4 / 25 + 1e-9


def test_other_movements_are_labelled_as_none_and_leave_the_exercises_as_they_are(tmp_path) -> None:
    synthesise(SynthOptions(out=str(tmp_path / "with"), kind="skeletons", per_exercise=1, others=2, seconds=3))
    synthesise(SynthOptions(out=str(tmp_path / "without"), kind="skeletons", per_exercise=1, seconds=3))
    tracks = {track.uri: track for track in read_tracks(str(tmp_path / "with"))}
    assert len(tracks) == len(EXERCISES) + 2 * len(OTHERS)
    assert sum(track.label == NONE for track in tracks.values()) == 2 * len(OTHERS)
    assert len({track.group for track in tracks.values()}) == len(tracks)
    for track in read_tracks(str(tmp_path / "without")):
        np.testing.assert_array_equal(track.joints, tracks[track.uri].joints)
        assert track.label == tracks[track.uri].label


def test_by_default_there_are_no_other_movements() -> None:
    assert {item.exercise for item in plan(SynthOptions())} == set(EXERCISES)
    assert Item(exercise="walking", number=3, seed=0).label == NONE
    with pytest.raises(InputError, match="others is -1: use at least 0"):
        SynthOptions(others=-1)

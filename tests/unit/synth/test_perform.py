import numpy as np
import pytest

from gymspotter.labels import EXERCISES
from gymspotter.synth.body import sample_build
from gymspotter.synth.perform import exact_track, perform
from gymspotter.synth.scene import BODY_JOINTS


@pytest.mark.parametrize("exercise", EXERCISES)
def test_a_seed_is_a_performance(exercise: str) -> None:
    first, again, other = (perform(exercise, np.random.default_rng(seed), seconds=5, fps=6) for seed in (7, 7, 8))
    assert first.joints.shape == (30, len(BODY_JOINTS), 3)
    assert first.joints.dtype == np.float32
    assert first.exercise == exercise
    np.testing.assert_array_equal(first.joints, again.joints)
    assert first.repetitions == again.repetitions
    assert first.build == again.build
    assert len(first.props) == len(again.props)
    assert not np.allclose(first.joints, other.joints)


def test_repetitions_are_ordered_and_inside_the_recording() -> None:
    lasts = []
    for seed in range(60):
        performance = perform(EXERCISES[seed % 22], np.random.default_rng(seed), seconds=15, fps=5)
        times = [time for repetition in performance.repetitions for time in repetition]
        assert times == sorted(times)
        assert all(0 <= time <= 15 for time in times)
        lasts += [end - start for start, end in performance.repetitions]
    assert min(lasts) > 0.8
    assert max(lasts) < 7
    assert 1.5 < np.median(lasts) < 4


def test_an_athlete_can_come_back() -> None:
    build = sample_build(np.random.default_rng(5))
    assert perform("squat", np.random.default_rng(1), seconds=1, fps=5, build=build).build is build


def test_a_single_frame_will_do() -> None:
    for exercise in EXERCISES:
        assert len(perform(exercise, np.random.default_rng(0), seconds=0.1, fps=5).joints) == 1


def test_exact_tracks() -> None:
    performance = perform("deadlift", np.random.default_rng(2), seconds=12, fps=5)
    track = exact_track(performance, np.random.default_rng(3))
    assert track.shape == (60, 17, 3)
    assert track.dtype == np.float32
    np.testing.assert_array_equal(track, exact_track(performance, np.random.default_rng(3)))
    assert not np.array_equal(track, exact_track(performance, np.random.default_rng(4)))

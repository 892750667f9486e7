import numpy as np
import pytest

from gymspotter.synth.tempo import LIFT_FIRST, Pace, sample_tempo, wander


@pytest.mark.parametrize("seed", range(12))
def test_the_phase_goes_up_and_down_once_a_repetition(seed: int) -> None:
    t = np.arange(0, 20, 0.01)
    tempo = sample_tempo(np.random.default_rng(seed), t, LIFT_FIRST, 20.0)
    assert tempo.phase.min() >= 0
    assert tempo.phase.max() <= 1
    for start, end in tempo.repetitions:
        window = tempo.phase[(t >= start) & (t <= end)]
        assert window.max() > 0.75
        assert max(window[0], window[-1]) < 0.08
        peak = window.argmax()
        assert (np.diff(window[: peak + 1]) >= -1e-9).all()
        assert (np.diff(window[peak:]) <= 1e-9).all()


def test_the_phase_does_not_depend_on_the_frame_rate() -> None:
    slow, fast = np.arange(0, 12, 0.2), np.arange(0, 12, 0.1)
    a = sample_tempo(np.random.default_rng(1), slow, LIFT_FIRST, 12.0)
    b = sample_tempo(np.random.default_rng(1), fast, LIFT_FIRST, 12.0)
    np.testing.assert_allclose(a.phase, b.phase[::2])
    assert a.repetitions == b.repetitions


def test_limbs_take_turns() -> None:
    t = np.arange(0, 15, 0.02)
    tempo = sample_tempo(np.random.default_rng(0), t, Pace(full_return=True), 15.0)
    left, right = tempo.turns(2)
    assert (np.minimum(left, right) == 0).all()
    np.testing.assert_array_equal(left + right, tempo.phase)
    assert np.abs(np.diff(left)).max() < 0.1


def test_wandering_has_the_size_asked_for() -> None:
    t = np.arange(0, 200, 0.1)
    spread = [wander(np.random.default_rng(seed), t, 2.0).std() for seed in range(20)]
    assert 1.2 < np.mean(spread) < 2.6
    assert np.abs(np.diff(wander(np.random.default_rng(0), t, 2.0))).max() < 2.0

import json
import math

import numpy as np
import pytest

from gymspotter.repetitions.cycles import Cycles, Repetition

FPS = 5.0


def waves(count: int, *, size: float = 100.0, seconds: float = 2.4, rest: float = 0.6) -> list[float]:
    """From low to high and back, ``count`` times, with a rest before each."""
    up = (1 - np.cos(np.linspace(0, 2 * np.pi, round(seconds * FPS), endpoint=False))) / 2
    return [*([0.0] * round(rest * FPS) + (size * up).tolist()) * count, 0.0, 0.0, 0.0]


def fed(values: list[float], cycles: Cycles | None = None, start: int = 0) -> Cycles:
    cycles = cycles or Cycles()
    for k, value in enumerate(values):
        cycles.push((start + k) / FPS, value, True)
    return cycles


def counted(values: list[float]) -> list[Repetition]:
    cycles = fed(values)
    cycles.finish()
    return cycles.repetitions


@pytest.mark.parametrize("size", [40.0, 100.0, 200.0])
def test_every_cycle_is_a_repetition_whatever_its_size(size: float) -> None:
    assert len(counted(waves(7, size=size))) == 7


def test_a_repetition_lasts_from_leaving_the_rest_side_to_being_back() -> None:
    found = counted(waves(4, seconds=2.4, rest=2.0))
    for k, repetition in enumerate(found):
        begin = 2.0 + 4.4 * k
        assert begin - 0.2 <= repetition.start <= begin + 0.8
        assert begin + 1.6 <= repetition.end <= begin + 2.6


def test_a_tremor_at_the_turning_point_does_not_split_a_repetition() -> None:
    values = np.array(waves(6))
    values[values > 80] -= 25 * (np.arange((values > 80).sum()) % 2)
    assert len(counted(values.tolist())) == 6


def test_a_drift_of_the_whole_signal_does_not_matter() -> None:
    values = np.array(waves(8))
    assert len(counted((values + np.linspace(0, 120, len(values))).tolist())) == 8


def test_a_repetition_that_is_cut_off_is_not_counted() -> None:
    values = waves(5)
    high = len(values) - 3 - round(2.4 * FPS / 2)
    assert len(counted(values[:high])) == 4
    assert len(counted(values[round(0.6 * FPS) + 6 :])) == 4


def test_a_lone_large_movement_before_and_after_a_set_is_none_of_it() -> None:
    bow = waves(1, size=300, seconds=4)
    assert len(counted([*bow, *waves(6, size=60), *bow])) == 6


def test_a_set_of_one_clear_repetition_counts_at_its_end() -> None:
    cycles = fed(waves(1))
    assert cycles.repetitions == []
    assert len(cycles.finish()) == 1
    assert cycles.finish() == []


def test_after_the_first_two_each_repetition_is_told_at_once() -> None:
    cycles, told = Cycles(), []
    for k, value in enumerate(waves(5)):
        told += [len(cycles.push(k / FPS, value, True))]
    assert [n for n in told if n] == [2, 1, 1, 1]


def test_one_odd_repetition_within_a_set_counts() -> None:
    assert len(counted([*waves(3), *waves(1, size=50), *waves(3)])) == 7


def test_swings_out_of_place_are_no_repetitions_beside_those_in_place() -> None:
    cycles = fed(waves(4))
    for k, value in enumerate(waves(3)):
        cycles.push(20 + k / FPS, value, False)
    cycles.finish()
    assert len(cycles.repetitions) == 4


def test_a_long_pattern_out_of_place_is_a_set_all_the_same() -> None:
    cycles = Cycles()
    for k, value in enumerate(waves(8)):
        cycles.push(k / FPS, value, False)
    cycles.finish()
    assert len(cycles.repetitions) == 8


def test_hours_of_anything_take_bounded_memory() -> None:
    noise = np.random.default_rng(3).normal(0, 30, 20_000)
    for values in (noise, np.zeros(5000), np.linspace(0, 1e4, 5000), np.linspace(0, -1e4, 5000)):
        cycles = fed(values.tolist())
        cycles.repetitions.clear()
        assert len(json.dumps(cycles.snapshot())) < 100_000


def test_a_set_after_a_long_stillness_is_counted() -> None:
    assert len(counted([0.0] * 3000 + waves(5))) == 5
    assert len(counted([*np.linspace(300, 100, 3000), *(v + 100 for v in waves(5))])) == 5


@pytest.mark.parametrize("cut", [1, 17, 40, 63])
def test_a_snapshot_is_plain_and_goes_on_where_it_was(cut: int) -> None:
    values = [v + 8 * math.sin(k) for k, v in enumerate(waves(6))]
    whole = fed(values)
    copy = Cycles.restore(json.loads(json.dumps(fed(values[:cut]).snapshot())))
    fed(values[cut:], copy, start=cut)
    whole.finish(), copy.finish()
    assert copy.repetitions == whole.repetitions
    assert copy.snapshot() == whole.snapshot()

"""How often a client may ask, by a clock that is set by hand."""

import pytest

from serve.access.limits import Rates


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_rate_is_refilled_evenly_and_never_beyond_a_minutes_worth() -> None:
    clock = Clock()
    rates = Rates(clock)
    assert [rates.take("a", 60) for _ in range(60)] == [0.0] * 60
    assert rates.take("a", 60) == pytest.approx(1)
    clock.now += 2.5
    assert [rates.take("a", 60) for _ in range(2)] == [0.0, 0.0]
    assert rates.take("a", 60) == pytest.approx(0.5)
    clock.now += 3600
    assert [rates.take("a", 60) > 0 for _ in range(61)] == [False] * 60 + [True]
    # A limit that was lowered counts at once.
    clock.now += 3600
    assert [rates.take("a", 1) > 0 for _ in range(2)] == [False, True]


def test_a_clock_that_is_set_back_takes_nothing_away() -> None:
    clock = Clock()
    rates = Rates(clock)
    assert rates.take("a", 2) == 0
    clock.now -= 50
    assert [rates.take("a", 2) > 0 for _ in range(2)] == [False, True]


def test_the_memory_of_rates_is_bounded_and_who_asks_is_not_forgotten() -> None:
    rates = Rates(Clock(), buckets=100)
    assert rates.take("busy", 1) == 0
    for k in range(1000):
        rates.take(f"key {k}", 1)
        assert rates.take("busy", 1) > 0
    assert len(rates) == 100

"""`models.ratelog`: which ten-minute rates are the clock's."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.records import Estimate, Variance
from chronotick.core.status import Source
from chronotick.core.units import NS_PER_S
from chronotick.models.history import PAST, STEP_S
from chronotick.models.ratelog import RateLog


def known(mark: int, rate_ppb: float, doubt_ppb: float) -> Estimate:
    """Return what the bank says at the beginning of the ten minutes `mark`."""
    return Estimate(
        raw_ns=mark * STEP_S * NS_PER_S,
        offset_ns=0,
        rate_ppb=rate_ppb,
        variance=Variance(1.0, 0.0, doubt_ppb**2, 0.0),
        source=Source.CPU_MODEL,
    )


def told(*rates: tuple[int, float, float]) -> RateLog:
    """Return the log of such rates: mark, ppb, doubt in ppb."""
    log = RateLog()
    for mark, rate_ppb, doubt_ppb in rates:
        log.take(mark, known(mark, rate_ppb, doubt_ppb))
    return log


@given(
    st.lists(
        st.tuples(st.integers(1, 700), st.floats(-5e5, 5e5), st.floats(1e-3, 1e5)),
        min_size=1,
        max_size=40,
    )
)
def test_whatever_comes_there_is_one_rate_for_each_ten_minutes(
    steps: list[tuple[int, float, float]],
) -> None:
    """Finite, within what has been told, three days at most; the newest is the newest."""
    log, mark = RateLog(), 0
    for gap, rate_ppb, doubt_ppb in steps:
        mark += gap
        log.take(mark, known(mark, rate_ppb, doubt_ppb))
        least = min(each for _, each, _ in steps)
        most = max(each for _, each, _ in steps)
        assert 1 <= log.rates_ppb.size <= PAST
        assert np.isfinite(log.rates_ppb).all()
        assert log.rates_ppb.min() >= least - 1e-6
        assert log.rates_ppb.max() <= most + 1e-6
        if not log.is_lost:
            assert (log.mark, log.rates_ppb[-1]) == (mark, rate_ppb)


def test_a_gap_is_a_straight_line() -> None:
    """Nothing else is known of it."""
    log = told((1, 100.0, 1.0), (5, 108.0, 1.0))
    assert log.rates_ppb.tolist() == [100.0, 102.0, 104.0, 106.0, 108.0]


def test_a_start_s_rates_are_taken_out_once_the_rate_is_known() -> None:
    """Whoever forecast from them is not to be judged by it."""
    log = told((1, 5_000.0, 1e5))
    assert log.take(2, known(2, 101.0, 1.0))
    assert log.rates_ppb.tolist() == [101.0]
    assert not log.take(3, known(3, 102.0, 1.0))


def test_a_rate_that_is_lost_is_a_gap_for_an_hour_at_most() -> None:
    """After that it is all that there is to go by."""
    log = told(*((mark, 100.0 + mark % 2, 1.0) for mark in range(1, 30)))
    for mark in range(30, 36):
        assert not log.take(mark, known(mark, 900.0, 500.0))
        assert log.is_lost
    assert log.rates_ppb.size == 29
    log.take(36, known(36, 900.0, 500.0))
    assert not log.is_lost
    assert log.mark == 36


def test_another_clock_s_rate_begins_a_new_history() -> None:
    """It was lost, and has come back as none that this one had."""
    log = told(*((mark, 100.0 + mark % 2, 1.0) for mark in range(1, 30)))
    log.take(30, known(30, 900.0, 500.0))
    assert log.take(31, known(31, 900.0, 1.0))
    assert log.rates_ppb.tolist() == [900.0]

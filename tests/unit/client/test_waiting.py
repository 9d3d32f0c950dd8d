"""Pauses: never past the end, never longer than a loss may go unnoticed."""

from __future__ import annotations

import math
import sys
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.client.waiting import limit_ns, pause_s
from chronotick.core.units import NS_PER_S

_SPIN_NS = 150_000
_distances = st.integers(-(10**12), 10**12)
_widths = st.integers(0, 10**9)


@given(_distances, _widths)
def test_a_pause_ends_before_the_end(left_ns: int, width_ns: int) -> None:
    """A sleep that is late by less than the spin never makes the wait late."""
    pause = pause_s(0, width_ns, left_ns, _SPIN_NS)

    if left_ns < 0:
        assert pause is None
        return
    assert pause is not None
    if pause == 0:
        assert left_ns < _SPIN_NS
    else:
        assert pause * NS_PER_S <= left_ns + 1 - _SPIN_NS + 1e-3


@given(_distances, _widths)
def test_a_pause_is_short_enough_to_notice_a_loss(left_ns: int, width_ns: int) -> None:
    """At most 50 ms, and 2 ms once a measurement could end the wait."""
    pause = pause_s(0, width_ns, left_ns, _SPIN_NS) or 0.0

    assert pause <= 0.05
    if left_ns < width_ns:
        assert pause <= 0.002


@pytest.mark.parametrize(
    "timeout",
    [0.25, Fraction(1, 4), Decimal("0.25"), np.float32(0.25), np.float64(0.25)],
)
def test_a_timeout_is_any_number_of_seconds(timeout: float) -> None:
    """As `time.sleep` takes them."""
    assert limit_ns(timeout) == NS_PER_S // 4


@pytest.mark.parametrize("timeout", [-1, -math.inf, -(10**400), 0, np.int64(-3)])
def test_a_timeout_of_nothing_is_over_at_once(timeout: float) -> None:
    """The clock is looked at once."""
    assert limit_ns(timeout) == 0


@pytest.mark.parametrize("timeout", [None, math.inf, 1e300, 10**400])
def test_a_timeout_beyond_all_times_is_none(timeout: float | None) -> None:
    """Instead of an error of its conversion to nanoseconds."""
    assert limit_ns(timeout) is None


@pytest.mark.parametrize("timeout", [math.nan, Decimal("nan"), np.float32("nan")])
def test_a_timeout_that_is_no_number_is_refused(timeout: float) -> None:
    """It would compare as never over."""
    with pytest.raises(ValueError, match=r"(?i)a timeout is in seconds, not nan"):
        limit_ns(timeout)


@pytest.mark.parametrize("timeout", ["1", b"1", [1], 1j])
def test_what_is_no_timeout_is_refused(timeout: object) -> None:
    """Before it is reckoned with: text times a number is long text."""
    with pytest.raises(TypeError, match=f"not {type(timeout).__name__}"):
        limit_ns(timeout)  # type: ignore[arg-type]


@given(st.floats(0, 1e12))
def test_a_timeout_is_to_the_nanosecond(timeout: float) -> None:
    """As far as a float says it."""
    longest_ns = limit_ns(timeout)
    assert longest_ns is not None
    slack_ns = 1 + timeout * NS_PER_S * sys.float_info.epsilon
    assert abs(longest_ns - Fraction(timeout) * NS_PER_S) <= slack_ns

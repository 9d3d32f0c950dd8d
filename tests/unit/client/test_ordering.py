"""Instants and order: certain or None, and no unit is guessed."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.client.ordering import is_after, is_before, span_of
from chronotick.core.reading import Interval
from chronotick.core.status import Reason, Source, Status
from chronotick.core.units import NS_PER_S
from unit.shm.frames import UTC_NS

if TYPE_CHECKING:
    from collections.abc import Callable

_instants = st.integers(UTC_NS - 1000, UTC_NS + 1000)
_widths = st.integers(0, 500)
_MARCH_1973_NS = 10**17
_YEAR_10000_NS = 253_402_300_800 * NS_PER_S
# From 1979, whose milliseconds are seconds beyond the year 9999, to 5107.
_dates = st.fractions(283_996_800, 99_000_000_000, max_denominator=64)


def _interval(earliest_ns: int, width_ns: int) -> Interval:
    return Interval(
        earliest_ns,
        earliest_ns + width_ns,
        Status.SYNCHRONIZED,
        Source.NTP,
        Reason.NONE,
        1.0,
    )


@given(_instants, _widths, _instants, _widths, st.data())
def test_an_order_is_claimed_only_if_every_pair_of_instants_has_it(
    a: int, a_width: int, b: int, b_width: int, data: st.DataObject
) -> None:
    """True and False hold for any two instants in the two intervals."""
    now, then = _interval(a, a_width), _interval(b, b_width)
    true_now = data.draw(st.integers(now.earliest_ns, now.latest_ns))
    true_then = data.draw(st.integers(then.earliest_ns, then.latest_ns))

    before = is_before(now, then)
    if before is not None:
        assert before == (true_now < true_then)
    after = is_after(now, then)
    if after is not None:
        assert after == (true_now > true_then)


@given(_instants, _widths, _instants)
def test_before_and_after_are_mirror_images(a: int, width: int, t: int) -> None:
    """Now is certainly before t exactly if t is certainly after now."""
    now, then = _interval(a, width), _interval(t, 0)

    assert is_before(now, then) == is_after(then, now)
    assert not (is_before(now, t) and is_after(now, t))


def test_an_undecided_order_is_none() -> None:
    """Overlap decides nothing, and None is not False."""
    now = _interval(UTC_NS, 100)

    assert is_before(now, UTC_NS + 50) is None
    assert is_after(now, UTC_NS + 50) is None
    assert is_before(now, now) is None


def test_touching_ends_are_not_before() -> None:
    """Before is strict: the same nanosecond is neither before nor after."""
    now = _interval(UTC_NS, 100)

    assert is_before(now, UTC_NS + 100) is None
    assert is_before(now, UTC_NS + 101) is True
    assert is_before(now, UTC_NS) is False
    assert is_after(now, UTC_NS) is None
    assert is_after(now, UTC_NS - 1) is True
    assert is_after(now, UTC_NS + 100) is False


@given(st.floats(1e8, 5e9))
def test_a_float_is_seconds_and_loses_nothing(t: float) -> None:
    """The span holds the float's exact value and no further nanosecond."""
    earliest_ns, latest_ns = span_of(t)
    exact = Fraction(t) * 10**9

    assert earliest_ns <= exact <= latest_ns
    assert latest_ns - earliest_ns <= 1


@given(st.integers(_MARCH_1973_NS, _YEAR_10000_NS))
def test_an_instant_in_its_unit_is_taken(t: int) -> None:
    """Of any year in which somebody may have a clock, in both units."""
    assert span_of(t) == (t, t)
    earliest_ns, latest_ns = span_of(t / NS_PER_S)
    assert earliest_ns - 32_000 <= t <= latest_ns + 32_000  # what a float loses


@pytest.mark.parametrize(
    ("t", "remedy"),
    [
        (1, "seconds write 1.0"),
        (1_790_000_000, "seconds write 1790000000.0"),
        (99_999_999_999, "seconds write 99999999999.0"),
        (1_790_000_000_000, "milliseconds write 1790000000000 * 1_000_000"),
        (1_790_000_000_000_000, "microseconds write 1790000000000000 * 1_000"),
        (99_999_999_999_999_999, "microseconds write 99999999999999999 * 1_000"),
    ],
)
def test_an_int_in_a_coarser_unit_is_refused(t: int, remedy: str) -> None:
    """A slip of digits is caught, with the way to write it."""
    with pytest.raises(ValueError, match=re.escape(f"; for {remedy}")):
        span_of(t)


@given(_dates, st.sampled_from([1, 1_000, 1_000_000]))
def test_no_date_is_taken_in_a_coarser_unit(t_s: Fraction, per_s: int) -> None:
    """As an int: the year 2101 in microseconds is not the year 1970."""
    with pytest.raises(ValueError, match="as an int an instant is in nanoseconds"):
        span_of(int(t_s * per_s))


@given(_dates, st.sampled_from([1_000, 1_000_000, NS_PER_S]))
def test_no_date_is_taken_in_a_finer_unit(t_s: Fraction, per_s: int) -> None:
    """As a float: a lease would end in millions of years, a wait at once or never."""
    for sign in (1, -1):
        with pytest.raises(ValueError, match="nanoseconds must be an int"):
            span_of(float(sign * t_s * per_s))


@pytest.mark.parametrize("t", [math.nan, math.inf, -math.inf])
def test_no_instant_is_refused(t: float) -> None:
    """An order with NaN would be False whatever it is compared with."""
    with pytest.raises(ValueError, match="is no instant"):
        span_of(t)


@pytest.mark.parametrize("kind", [np.int64, np.uint64, np.array])
def test_an_integer_of_another_type_is_nanoseconds(
    kind: Callable[[int], SupportsIndex],
) -> None:
    """As elements of what `Clock.correct` returns are."""
    span = span_of(kind(UTC_NS))
    assert span == (UTC_NS, UTC_NS)
    assert type(span[0]) is int
    with pytest.raises(ValueError, match=r"for seconds write 1790000000\.0"):
        span_of(kind(UTC_NS // NS_PER_S))


@pytest.mark.parametrize(
    "t",
    [
        True,
        np.bool_(True),
        np.float32(1),
        np.array([1, 2]),
        "1790000000",
        None,
        Decimal(1),
    ],
)
def test_what_is_no_instant_is_refused(t: object) -> None:
    """The message lists what is one."""
    with pytest.raises(TypeError, match="int Unix nanoseconds, float Unix seconds"):
        span_of(t)  # type: ignore[arg-type]


@pytest.mark.parametrize("t", [0, -5, UTC_NS])
def test_an_int_is_nanoseconds(t: int) -> None:
    """Exactly."""
    assert span_of(t) == (t, t)

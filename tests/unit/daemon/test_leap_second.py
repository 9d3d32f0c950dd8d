"""`daemon.leap_second`: when nothing of before counts any more, and when answers do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.records import Sample
from chronotick.core.span import Span
from chronotick.core.status import Leap
from chronotick.core.units import NS_PER_S, PPB
from chronotick.daemon.leap_second import LeapSecond
from chronotick.fusion import RateSpan

JULY_NS = 1_782_864_000 * NS_PER_S
"""2026-07-01."""
HOUR_NS = 3600 * NS_PER_S
RATE = RateSpan(-50_000, 70_000)


def sample(raw_ns: int, delay_ns: int = 1_000) -> Sample:
    """Return an exchange around `raw_ns`."""
    return Sample(
        server="a", raw_ns=raw_ns, offset_ns=0, delay_ns=delay_ns,
        root_delay_ns=0, root_dispersion_ns=0, precision_ns=1, stratum=1,
    )  # fmt: skip


def announced(
    leap: Leap = Leap.INSERT, left_ns: int = HOUR_NS, half_ns: int = 0
) -> LeapSecond:
    """Return what is known at RAW 0, so long before July, UTC known to `half_ns`."""
    known = LeapSecond()
    known.expect(leap, 0, Span.around(JULY_NS - left_ns, half_ns), RATE)
    return known


@given(
    left_ns=st.integers(min_value=2 * NS_PER_S, max_value=80_000 * NS_PER_S),
    half_ns=st.integers(min_value=0, max_value=NS_PER_S),
    true_offset=st.floats(min_value=-1.0, max_value=1.0),
    rate_ppb=st.integers(min_value=RATE.lo_ppb, max_value=RATE.hi_ppb),
    leap=st.sampled_from([Leap.INSERT, Leap.DELETE]),
)
def test_it_is_due_before_it_happens_and_answers_count_after_it(
    left_ns: int, half_ns: int, true_offset: float, rate_ppb: int, leap: Leap
) -> None:
    """Wherever UTC was within what is known, and however fast RAW ran since."""
    known = announced(leap, left_ns, half_ns)
    left_ns -= round(true_offset * half_ns)
    first_ns = (left_ns - NS_PER_S) * PPB // (PPB + rate_ppb)
    over_ns = (left_ns + NS_PER_S) * PPB // (PPB + rate_ppb)
    assert known.is_due(max(first_ns, 0))
    known.passed()
    assert not known.is_due(over_ns)
    assert known.is_straddled_by(sample(over_ns))
    assert known.is_straddled_by(sample(over_ns + HOUR_NS, delay_ns=HOUR_NS))
    late_ns = over_ns + 2 * half_ns + 5 * NS_PER_S + left_ns // 1_000
    assert not known.is_straddled_by(sample(late_ns))


def test_nothing_is_due_that_nobody_announced() -> None:
    """Nor what was taken back before its time."""
    assert not announced(Leap.NONE).is_due(10 * HOUR_NS)
    known = announced()
    known.expect(Leap.NONE, HOUR_NS // 2, Span.around(JULY_NS - HOUR_NS, 0), RATE)
    assert not known.is_due(10 * HOUR_NS)
    assert known.announced is Leap.NONE


def test_once_due_nothing_is_taken_back() -> None:
    """Servers stop announcing it when it has happened."""
    known = announced()
    known.expect(Leap.NONE, HOUR_NS, Span.around(JULY_NS - HOUR_NS, 0), RATE)
    assert known.is_due(HOUR_NS)
    known.passed()
    assert known.announced is Leap.NONE


@pytest.mark.parametrize("leap", [Leap.INSERT, Leap.DELETE])
def test_the_next_one_leaves_the_answers_of_until_then_alone(leap: Leap) -> None:
    """It is a month away, or half a year."""
    known = announced(leap)
    assert not known.is_straddled_by(sample(0))
    known.passed()
    known.expect(leap, 2 * HOUR_NS, Span.around(JULY_NS - HOUR_NS, 0), RATE)
    assert not known.is_straddled_by(sample(2 * HOUR_NS))
    assert not known.is_due(24 * HOUR_NS)

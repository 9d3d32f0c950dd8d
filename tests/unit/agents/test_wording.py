"""Instants are spelled and read without loss, and nothing ambiguous is read."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from chronotick.agents.wording import (
    LATEST_NS,
    RequestError,
    duration,
    human,
    parse_instant,
    plain_seconds,
    rfc3339,
    seconds_above,
    seconds_below,
)

INSTANTS = st.integers(min_value=10**16, max_value=LATEST_NS)
OFFSETS = st.integers(min_value=-23 * 60 - 59, max_value=23 * 60 + 59)


@given(instant_ns=INSTANTS)
def test_what_is_written_is_read_back(instant_ns: int) -> None:
    """RFC 3339 in UTC and decimal digits both keep every nanosecond."""
    assert parse_instant(rfc3339(instant_ns)) == instant_ns
    assert parse_instant(str(instant_ns)) == instant_ns


@given(
    instant_ns=st.integers(min_value=10**17, max_value=LATEST_NS - 10**17),
    minutes=OFFSETS,
)
def test_an_offset_changes_the_spelling_and_not_the_instant(
    instant_ns: int, minutes: int
) -> None:
    """Any whole-minute offset reads back to the same nanosecond."""
    zone = timezone(timedelta(minutes=minutes))
    assert parse_instant(rfc3339(instant_ns, zone)) == instant_ns


@given(
    instant_ns=st.integers(min_value=-62_135_000_000 * 10**9, max_value=LATEST_NS)
    | st.integers(min_value=-(10**10), max_value=10**10),
    minutes=st.just(0) | OFFSETS,
)
@example(instant_ns=-1, minutes=0)
@example(instant_ns=0, minutes=-1)
def test_every_nanosecond_is_spelled_with_nine_digits(
    instant_ns: int, minutes: int
) -> None:
    """Also before 1970 and in the year 1: as the calendar says, field by field."""
    assume(instant_ns < LATEST_NS - 10**14 or minutes <= 0)
    seconds, nanoseconds = divmod(instant_ns, 10**9)
    ahead = timedelta(minutes=minutes)
    at = datetime(1970, 1, 1) + timedelta(seconds=seconds) + ahead  # noqa: DTZ001
    hours, left = divmod(abs(minutes), 60)
    offset = f"{'-' if minutes < 0 else '+'}{hours:02}:{left:02}" if minutes else "Z"
    assert rfc3339(instant_ns, timezone(ahead)) == (
        f"{at.year:04}-{at.month:02}-{at.day:02}T{at.hour:02}:{at.minute:02}:"
        f"{at.second:02}.{nanoseconds:09}{offset}"
    )


@given(text=st.text(max_size=70))
def test_arbitrary_text_is_an_instant_or_refused(text: str) -> None:
    """Nothing but `RequestError` is ever raised, and what is read is in range."""
    try:
        instant_ns = parse_instant(text)
    except RequestError:
        return
    assert 0 <= instant_ns <= LATEST_NS


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("2026-11-21T14:00:00", "append Z for UTC or an offset"),
        ("2026-11-21 14:00", "RFC 3339 with an offset"),
        ("tomorrow", "RFC 3339 with an offset"),
        ("NaN", "RFC 3339 with an offset"),
        ("", "RFC 3339 with an offset"),
        ("1795269600", "looks like Unix seconds"),
        ("1795269600000", "looks like Unix milliseconds"),
        ("1795269600000000", "looks like Unix microseconds"),
        ("9" * 24, "after the year 9999"),
        ("2026-02-30T00:00:00Z", "is no time: day"),
        ("2026-11-21T14:00:00+24:00", "write ±hh:mm"),
        ("2026-11-21T14:00:00+01:60", "write ±hh:mm"),
        ("2016-12-31T23:59:60Z", "leap second"),
        ("2026-11-21T14:00:00." + "1" * 99 + "Z", "RFC 3339 with an offset"),
        ("2026-11-21T14:00:00.1234567891Z", "nine digits"),
        ("1969-12-31T23:59:59Z", "outside the years 1970 to 9999"),
        ("0001-01-01T00:00:00+01:00", "outside the years 1970 to 9999"),
        ("٢٠٢٦-11-21T14:00:00Z", "RFC 3339 with an offset"),
    ],
)
def test_a_refusal_names_the_mend(text: str, mend: str) -> None:
    """Every spelling that is refused says what to write instead."""
    with pytest.raises(RequestError) as refusal:
        parse_instant(text)
    assert mend in str(refusal.value)


def test_an_instant_beyond_the_calendar_is_refused() -> None:
    """What RFC 3339 cannot spell is not spelled."""
    with pytest.raises(RequestError, match="years 1 to 9999"):
        rfc3339(LATEST_NS + 10**18)


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [
        (0, "0 s"),
        (0.5, "0.5 ns"),
        (812, "812 ns"),
        (999_600, "1 ms"),
        (812_345, "812 µs"),
        (-2_500_000, "−2.5 ms"),
        (59 * 10**9, "59 s"),
        (3_723 * 10**9, "1 h 2 min"),
    ],
)
def test_durations_have_the_unit_that_fits(duration_ns: float, text: str) -> None:
    """Three digits, and no 1000 of any unit."""
    assert duration(duration_ns) == text


def test_long_durations_show_their_two_largest_units() -> None:
    """Smaller ones would only look precise."""
    assert human(90_061.0) == "1 d 1 h"


@given(duration_ns=st.integers(-(10**20), 10**20))
def test_seconds_are_rounded_outwards(duration_ns: int) -> None:
    """A float of decades is 120 ns wide, and a range of them must hold the truth."""
    exact_s = Fraction(duration_ns, 10**9)
    if abs(duration_ns) >= 10**15:
        assert Fraction(seconds_below(duration_ns)) <= exact_s
        assert Fraction(seconds_above(duration_ns)) >= exact_s
    assert seconds_above(duration_ns) - seconds_below(duration_ns) <= math.ulp(
        float(exact_s)
    )


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [
        (0, "0"),
        (1_795_269_600_500_000_000, "1795269600.5"),
        (1, "0.000000001"),
        (-(10**9), "−1"),
    ],
)
def test_seconds_are_printed_plainly(duration_ns: int, text: str) -> None:
    """Every digit, and no exponent."""
    assert plain_seconds(duration_ns) == text

"""Numbers with units: what is read, what is refused, and how it is written back."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.documents.quantities import DURATION, FREQUENCY, PPM, format_duration


@given(st.integers(min_value=0, max_value=10**15))
def test_what_is_written_is_read_back(duration_ns: int) -> None:
    """Formatting loses no more than the six digits that it shows."""
    duration_s = duration_ns / 1e9

    read_s = DURATION.parse(format_duration(duration_s))

    assert math.isclose(read_s, duration_s, rel_tol=1e-5, abs_tol=1e-15)


@given(st.text(max_size=12))
def test_no_text_raises_anything_but_value_error(text: str) -> None:
    """Whatever a person writes gives a finite number or a ValueError."""
    try:
        value = DURATION.parse(text)
    except ValueError:
        return

    assert math.isfinite(value)


@pytest.mark.parametrize(
    ("text", "duration_s"),
    [
        ("250ms", 0.25),
        ("16s", 16.0),
        ("5m", 300.0),
        ("2h", 7200.0),
        ("1d", 86_400.0),
        ("20us", 20e-6),
        ("20µs", 20e-6),
        ("20μs", 20e-6),  # the other micro sign
        ("7ns", 7e-9),
        ("1.5 s", 1.5),
        (" 3 ", 3.0),
        (".5s", 0.5),
        ("1e-3", 1e-3),
        (3, 3.0),
        (0.1, 0.1),
    ],
)
def test_durations(text: str | float, duration_s: float) -> None:
    """Every suffix scales as it says; the result is the nearest float."""
    assert DURATION.parse(text) == duration_s


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("fast", "is not a duration"),
        ("", "is not a duration"),
        ("1h30m", "is not a duration"),
        ("3 parsec", "unknown unit 'parsec' (known: ns, us, ms, s, m, h, d)"),
        ("1e999", "not a finite number"),
        (math.nan, "not a finite number"),
    ],
)
def test_what_is_no_duration_is_named(text: str | float, complaint: str) -> None:
    """The message is a clause that says what is wrong with the value."""
    with pytest.raises(ValueError, match=re.escape(complaint)):
        DURATION.parse(text)


def test_other_dimensions_have_their_own_suffixes() -> None:
    """A frequency is no duration, and the other way round."""
    assert PPM.parse("15ppm") == 15.0
    assert PPM.parse("40 ppb") == 0.04
    assert FREQUENCY.parse("100Hz") == 100.0
    with pytest.raises(ValueError, match="unknown unit 's'"):
        FREQUENCY.parse("1s")


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [
        (0.0, "0s"),
        (64.0, "64s"),
        (60.0, "1m"),
        (129_600.0, "36h"),
        (86_400.0, "1d"),
        (1.5, "1.5s"),
        (0.05, "50ms"),
        (0.0015, "1.5ms"),
        (20e-6, "20us"),
        (3e-10, "0.3ns"),
    ],
)
def test_durations_are_written_as_people_would(duration_s: float, text: str) -> None:
    """The largest suffix that needs no fraction, seconds where one is needed."""
    assert format_duration(duration_s) == text


def test_other_quantities_carry_their_symbol() -> None:
    """A value shown to people always has its unit."""
    assert PPM.format(15.0) == "15 ppm"
    assert FREQUENCY.format(1000.0) == "1000 Hz"
    assert DURATION.format(0.25) == "250ms"

"""Times and bounds for people: units that fit, signs that cannot be misread."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.cli import formats

_UNIT_NS = {"ns": 1, "µs": 1e3, "ms": 1e6, "s": 1e9}


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_a_duration_keeps_four_digits(duration_ns: int) -> None:
    """What is printed, read back, is the duration to one part in two thousand."""
    match = re.fullmatch(r"(−?)([0-9.]+) (ns|µs|ms|s)", formats.duration(duration_ns))

    assert match is not None
    sign, number, unit = match.groups()
    read_ns = (-1 if sign else 1) * float(number) * _UNIT_NS[unit]
    assert read_ns == pytest.approx(duration_ns, rel=5e-4)


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1 µs"),
        (999_949, "999.9 µs"),
        (999_960, "1 ms"),
        (1_234_567, "1.235 ms"),
        (-1_500_000_000, "−1.5 s"),
    ],
)
def test_durations(duration_ns: int, text: str) -> None:
    """Rounding never prints a thousand of the smaller unit."""
    assert formats.duration(duration_ns) == text


@pytest.mark.parametrize(
    ("utc_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (1_795_259_413_322_803_293, "2026-11-21T11:10:13.322803293Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (10**30, f"{10**30} ns since 1970"),
    ],
)
def test_utc_has_nine_digits(utc_ns: int, text: str) -> None:
    """Nothing is lost to a float, and no instant crashes the printing."""
    assert formats.utc(utc_ns) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-0.3, "0.0 s"),
        (0.23, "0.2 s"),
        (9.9, "9.9 s"),
        (61, "1 min 1 s"),
        (3600, "1 h 0 min"),
        (90_061, "1 d 1 h"),
    ],
)
def test_ages_show_two_units(seconds: float, text: str) -> None:
    """An age is read at a glance; its seconds don't matter after an hour."""
    assert formats.age(seconds) == text


def test_signs_are_words_where_they_could_be_misread() -> None:
    """The project's sign is true − local: positive means that the clock is behind."""
    assert formats.clock_offset(3_200_000) == "3.2 ms behind"
    assert formats.clock_offset(-3_200_000) == "3.2 ms ahead"
    assert formats.clock_offset(0) == "exact to the nanosecond"
    assert formats.signed(45) == "+45 ns"
    assert formats.signed(-45) == "−45 ns"
    assert formats.rate(-12_345.6) == "−12.346 ppm"
    assert formats.bound(812_400) == "± 812.4 µs"


def test_sizes() -> None:
    """Memory is shown in the binary units that the kernel counts in."""
    assert formats.data_size(52_428_800) == "50.0 MiB"
    assert formats.data_size(4096) == "4.0 KiB"

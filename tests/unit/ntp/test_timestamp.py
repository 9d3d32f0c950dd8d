"""Timestamps keep their nanosecond, and eras don't confuse them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chronotick.core.errors import LocalProtocolError
from chronotick.core.units import NS_PER_S
from chronotick.ntp.timestamp import (
    ERA_FLOOR_UNIX_S,
    NTP_TO_UNIX_S,
    NtpShort,
    NtpTimestamp,
)

ERA_1_UNIX_S = 2**32 - NTP_TO_UNIX_S
"""2036-02-07T06:28:16Z, the first instant of era 1."""
FLOOR_NS = ERA_FLOOR_UNIX_S * NS_PER_S

unfoldable_ns = st.integers(FLOOR_NS, FLOOR_NS + 2**32 * NS_PER_S - 1)
bits = st.integers(0, 2**64 - 1)


@given(unix_ns=unfoldable_ns)
@example(unix_ns=FLOOR_NS)
@example(unix_ns=ERA_1_UNIX_S * NS_PER_S - 1)
@example(unix_ns=ERA_1_UNIX_S * NS_PER_S)
@example(unix_ns=FLOOR_NS + 2**32 * NS_PER_S - 1)
def test_unix_time_survives_the_wire(unix_ns: int) -> None:
    """Every nanosecond of the 2³² s after the floor comes back exactly."""
    assert unix_ns == NtpTimestamp.from_unix_ns(unix_ns).to_unix_ns()


@given(bits=bits)
def test_decoding_is_at_most_half_a_nanosecond_off(bits: int) -> None:
    """A decoded timestamp lies within 0.5 ns of the exact instant, modulo the era."""
    exact_ns = Fraction(bits * NS_PER_S, 2**32) - NTP_TO_UNIX_S * NS_PER_S
    era_ns = 2**32 * NS_PER_S

    off_ns = (NtpTimestamp(bits).to_unix_ns() - exact_ns) % era_ns

    assert min(off_ns, era_ns - off_ns) <= Fraction(1, 2)


@given(
    unix_ns=st.integers(-(10**20), 10**20),
    apart_ns=st.integers(-(2**31) * NS_PER_S + 1, 2**31 * NS_PER_S - 1),
)
@example(unix_ns=ERA_1_UNIX_S * NS_PER_S - 1, apart_ns=2)
@example(unix_ns=ERA_1_UNIX_S * NS_PER_S, apart_ns=-1)
def test_difference_ignores_eras(unix_ns: int, apart_ns: int) -> None:
    """Two instants less than 68 years apart differ by the right signed duration."""
    earlier = NtpTimestamp.from_unix_ns(unix_ns)
    later = NtpTimestamp.from_unix_ns(unix_ns + apart_ns)

    # Each end was rounded to the nearest 2⁻³² s.
    assert abs((later - earlier) - apart_ns) <= 1


def test_difference_across_2036_is_small() -> None:
    """One second on either side of the era boundary makes two seconds, not 136 years."""
    before = NtpTimestamp((2**32 - 1) << 32)
    after = NtpTimestamp(1 << 32)

    assert after - before == 2 * NS_PER_S
    assert before - after == -2 * NS_PER_S


@pytest.mark.parametrize(
    ("seconds", "unix_s"),
    [
        # RFC 5905 figure 4: era 0 begins 1900-01-01, the Unix epoch is 2208988800.
        (3_786_825_600, 1_577_836_800),  # 2020-01-01, the floor itself
        (4_294_967_295, 2_085_978_495),  # last second of era 0
        (0, 2_085_978_496),  # first second of era 1
        (63_104, 2_086_041_600),  # 2036-02-08, era 1 in RFC 5905 figure 4
        (3_786_825_599, 5_872_804_095),  # a second before the floor: the far end
    ],
)
def test_known_instants(seconds: int, unix_s: int) -> None:
    """Instants of RFC 5905 figure 4 and the ends of the range unfold as computed."""
    assert unix_s * NS_PER_S == NtpTimestamp(seconds << 32).to_unix_ns()


def test_floor_can_be_moved() -> None:
    """Another floor selects another era for the same bits."""
    zero = NtpTimestamp(0)

    assert zero.to_unix_ns(floor_s=-NTP_TO_UNIX_S) == -NTP_TO_UNIX_S * NS_PER_S


@pytest.mark.parametrize("wrong", [-1, 2**64])
def test_timestamp_has_64_bits(wrong: int) -> None:
    """Numbers that don't fit are our bug and raise as one."""
    with pytest.raises(LocalProtocolError, match="64 bits"):
        NtpTimestamp(wrong)


def test_timestamps_do_not_mix_with_numbers() -> None:
    """Neither ints nor ordering work: both would be wrong once per era."""
    stamp = NtpTimestamp(1)

    with pytest.raises(TypeError):
        _ = stamp + 1  # type: ignore[operator]
    with pytest.raises(TypeError):
        _ = stamp < NtpTimestamp(2)  # type: ignore[operator]
    assert stamp != 1  # type: ignore[comparison-overlap]


@given(bits=st.integers(0, 2**32 - 1))
def test_short_decodes_upwards_by_less_than_a_nanosecond(bits: int) -> None:
    """A decoded root delay or dispersion is never below what was sent."""
    exact_ns = Fraction(bits * NS_PER_S, 2**16)

    assert 0 <= NtpShort(bits).to_ns() - exact_ns < 1


@given(duration_ns=st.integers(0, (2**32 - 1) * NS_PER_S // 2**16))
def test_short_encodes_upwards_by_less_than_a_unit(duration_ns: int) -> None:
    """An encoded bound still covers the duration, at the cost of 15.3 µs at most."""
    short = NtpShort.from_ns(duration_ns)

    assert 0 <= short.to_ns() - duration_ns <= 15_259


@pytest.mark.parametrize("duration_ns", [-1_000_000, 65_536 * NS_PER_S])
def test_short_refuses_what_it_cannot_hold(duration_ns: int) -> None:
    """A negative or a day-long dispersion is our bug."""
    with pytest.raises(LocalProtocolError, match="32 bits"):
        NtpShort.from_ns(duration_ns)

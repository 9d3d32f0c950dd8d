"""Say what an NTP timestamp means: wire formats ↔ integer nanoseconds.

Decides how the 136-year eras are told apart and which way each conversion rounds. It
never asks a clock what year it is. RFC 5905 §6 (data types, eras).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chronotick.core.errors import LocalProtocolError
from chronotick.core.units import NS_PER_S

__all__ = ["ERA_FLOOR_UNIX_S", "NTP_TO_UNIX_S", "NtpShort", "NtpTimestamp"]

NTP_TO_UNIX_S: Final = 2_208_988_800
"""Seconds from the NTP prime epoch (1900-01-01) to the Unix epoch (RFC 5905 fig. 4)."""

ERA_FLOOR_UNIX_S: Final = 1_577_836_800
"""2020-01-01, the earliest instant that a timestamp can mean.

This code did not exist before it, so no reading is earlier. Timestamps unfold into the
2³² s from here, until 2156-02-07: past the era boundary of 2036-02-07. A constant and
not the local clock, because a host that believes in 1970 must still measure its error.
"""

_U32: Final = 1 << 32
_U64: Final = 1 << 64
_HALF_U64: Final = 1 << 63


def _fraction_to_ns(units: int) -> int:
    """Return `units` of 2⁻³² s in nanoseconds, to the nearest (half rounds up)."""
    return (units * NS_PER_S + (_U32 >> 1)) >> 32


@dataclass(frozen=True, slots=True)
class NtpTimestamp:
    """The 64-bit timestamp format: 32 bits of seconds in the era, 32 of fraction.

    Not an int on purpose: the arithmetic wraps every 2³² s, so two timestamps can be
    subtracted but neither ordered nor added, and mixing one with a number of
    nanoseconds is a type error. Zero means "unknown" (RFC 5905 §6).

    Raises:
        LocalProtocolError: `bits` does not fit in 64 bits.
    """

    bits: int

    def __post_init__(self) -> None:
        if not 0 <= self.bits < _U64:
            raise LocalProtocolError(f"a timestamp has 64 bits, got {self.bits:#x}")

    @property
    def is_zero(self) -> bool:
        """Say whether the timestamp is the special value "unknown"."""
        return self.bits == 0

    def __sub__(self, other: NtpTimestamp) -> int:
        """Return the signed duration ``self − other`` in nanoseconds.

        The difference is taken modulo 2⁶⁴ and read as a two's complement number, so
        the era drops out: it is right for any two instants less than 2³¹ s (68 years)
        apart, whichever eras they lie in (RFC 5905 §6). Beyond that the sign is
        wrong, and no arithmetic on 64 bits could tell.
        """
        units = (self.bits - other.bits) % _U64
        return _fraction_to_ns(units if units < _HALF_U64 else units - _U64)

    def to_unix_ns(self, floor_s: int = ERA_FLOOR_UNIX_S) -> int:
        """Return the Unix time in ns, in the 2³² s that begin at `floor_s` (Unix s).

        Rounded to the nearest nanosecond, so it is at most 0.5 ns off.
        """
        seconds, fraction = divmod(self.bits, _U32)
        # The era number is whatever puts the instant at or after the floor.
        since_floor_s = (seconds - floor_s - NTP_TO_UNIX_S) % _U32
        return (floor_s + since_floor_s) * NS_PER_S + _fraction_to_ns(fraction)

    @classmethod
    def from_unix_ns(cls, unix_ns: int) -> NtpTimestamp:
        """Return the timestamp nearest to a Unix time in ns; the era is lost.

        2⁻³² s is 0.23 ns, so `to_unix_ns` gives the same nanosecond back.
        """
        seconds, ns = divmod(unix_ns, NS_PER_S)
        units = ((ns << 32) + NS_PER_S // 2) // NS_PER_S
        return cls((((seconds + NTP_TO_UNIX_S) << 32) + units) % _U64)


@dataclass(frozen=True, slots=True)
class NtpShort:
    """The 32-bit short format, 16.16 unsigned seconds: root delay and dispersion.

    Both conversions round **up**: these are parts of an error bound, and a bound may
    be 15 µs too wide but not one nanosecond too narrow.

    Raises:
        LocalProtocolError: `bits` does not fit in 32 bits.
    """

    bits: int

    def __post_init__(self) -> None:
        if not 0 <= self.bits < _U32:
            raise LocalProtocolError(f"a short has 32 bits, got {self.bits:#x}")

    def to_ns(self) -> int:
        """Return the duration in ns, rounded up."""
        return -(-self.bits * NS_PER_S >> 16)

    @classmethod
    def from_ns(cls, duration_ns: int) -> NtpShort:
        """Return the smallest short that is at least `duration_ns`.

        Raises:
            LocalProtocolError: the duration is negative or above 65536 s.
        """
        return cls(-((-duration_ns << 16) // NS_PER_S))

"""Instants as people give them, and how an interval compares with one.

Decides what an ``int``, a ``float`` and an `Interval` mean as an instant, and when an
order is certain. It reads no clock.
"""

from __future__ import annotations

import math
import operator
from typing import SupportsIndex, TypeAlias

from chronotick.core.reading import Interval
from chronotick.core.units import NS_PER_S

__all__ = ["Instant", "is_after", "is_before", "span_of"]

Instant: TypeAlias = SupportsIndex | float | Interval
"""An instant to compare with: ``int`` Unix **nanoseconds** (or what Python takes for one,
such as NumPy's integers), ``float`` Unix **seconds** (what `now` returns), or an `Interval`
from anywhere."""

# Each is the year 5138 in its unit, and as nanoseconds long past (March 1973 at most): an
# int below it was meant in that unit, or in one above.
_COARSE = (
    (10**11, "seconds", ".0"),
    (10**14, "milliseconds", " * 1_000_000"),
    (10**17, "microseconds", " * 1_000"),
)
_NANOSECONDS_FROM = _COARSE[-1][0]
_LATEST_S = 253_402_300_800.0
"""The end of the year 9999: a float beyond it was not meant in seconds."""


def span_of(t: Instant) -> tuple[int, int]:
    """Return the earliest and the latest Unix nanosecond that `t` can mean.

    A float names a real number; the nanoseconds around it are its ends.

    Raises:
        TypeError: `t` is neither a number nor an interval.
        ValueError: `t` is not finite, or was evidently meant in another unit: an int
            before March 1973, a float beyond the year 9999.
    """
    if isinstance(t, Interval):
        return t.earliest_ns, t.latest_ns
    if not isinstance(t, float):
        exact_ns = _whole(t)
        if 0 < exact_ns < _NANOSECONDS_FROM:
            raise ValueError(_too_coarse(exact_ns))
        return exact_ns, exact_ns
    if not math.isfinite(t):
        raise ValueError(f"{t} is no instant")
    if abs(t) > _LATEST_S:
        raise ValueError(
            f"{t} s is beyond the year 9999: a float is seconds; nanoseconds must be "
            "an int"
        )
    numerator, denominator = t.as_integer_ratio()
    floor_ns = numerator * NS_PER_S // denominator
    return floor_ns, -(-numerator * NS_PER_S // denominator)


def _whole(t: SupportsIndex) -> int:
    try:
        # Python takes True for 1, which is no instant.
        if not isinstance(t, bool):
            return operator.index(t)
    except TypeError:
        pass
    raise TypeError(
        "an instant is int Unix nanoseconds, float Unix seconds or an Interval, "
        f"not {type(t).__name__}"
    )


def _too_coarse(t: int) -> str:
    unit, remedy = next((unit, text) for below, unit, text in _COARSE if t < below)
    return (
        f"{t} ns is before March 1973: as an int an instant is in nanoseconds; for "
        f"{unit} write {t}{remedy}"
    )


def is_before(now: Interval, t: Instant) -> bool | None:
    """Say whether `now` is certainly before `t`.

    True: it is. False: it certainly is not. None: the bound does not decide it.
    """
    earliest_ns, latest_ns = span_of(t)
    if now.latest_ns < earliest_ns:
        return True
    return False if now.earliest_ns >= latest_ns else None


def is_after(now: Interval, t: Instant) -> bool | None:
    """Say whether `now` is certainly after `t`; see `is_before`."""
    earliest_ns, latest_ns = span_of(t)
    if now.earliest_ns > latest_ns:
        return True
    return False if now.latest_ns <= earliest_ns else None

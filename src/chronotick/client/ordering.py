"""Instants as people give them, and how an interval compares with one.

Decides what an ``int``, a ``float`` and an `Interval` mean as an instant, and when an
order is certain. It reads no clock.
"""

from __future__ import annotations

import math
from typing import TypeAlias

from chronotick.core.reading import Interval
from chronotick.core.units import NS_PER_S

__all__ = ["Instant", "is_after", "is_before", "span_of"]

Instant: TypeAlias = int | float | Interval
"""An instant to compare with: ``int`` Unix **nanoseconds**, ``float`` Unix **seconds**
(what `now` returns), or an `Interval` from anywhere."""

# The year 5138 in seconds, and 100 s after the epoch in nanoseconds: an int below it
# was meant in seconds.
_SECONDS_BELOW = 100 * NS_PER_S


def span_of(t: Instant) -> tuple[int, int]:
    """Return the earliest and the latest Unix nanosecond that `t` can mean.

    A float names a real number; the nanoseconds around it are its ends.

    Raises:
        TypeError: `t` is neither a number nor an interval.
        ValueError: `t` is not finite, or an int so small that seconds were meant.
    """
    if isinstance(t, Interval):
        return t.earliest_ns, t.latest_ns
    if isinstance(t, bool) or not isinstance(t, int | float):
        raise TypeError(
            "an instant is int Unix nanoseconds, float Unix seconds or an Interval, "
            f"not {type(t).__name__}"
        )
    if isinstance(t, int):
        if 0 < t < _SECONDS_BELOW:
            raise ValueError(
                f"{t} ns is in January 1970: as an int an instant is in nanoseconds; "
                f"for seconds write {t}.0"
            )
        return t, t
    if not math.isfinite(t):
        raise ValueError(f"{t} is no instant")
    numerator, denominator = t.as_integer_ratio()
    floor_ns = numerator * NS_PER_S // denominator
    return floor_ns, -(-numerator * NS_PER_S // denominator)


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

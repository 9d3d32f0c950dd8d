"""Units and the sign convention of the whole project.

**Sign.** An offset is ``true − local``: *adding* it to a local reading corrects it
(the sign of NTP, RFC 5905 §8). A positive offset means that the local clock is
behind. A rate follows from it: ``rate_ppb`` is the derivative of the offset, so a
positive rate means that the local oscillator is slow and must be sped up.

**Units.** Times and durations that cross a boundary are integer nanoseconds, and
every name carries its unit: ``_ns``, ``_s``, ``_ppb``. A float Unix time resolves
240 ns, worse than the clocks compared here, so floats live inside an estimator only,
relative to a local epoch, and in the one place where people ask for one (`now()`).

**Time scales.** ``raw_ns`` is CLOCK_MONOTONIC_RAW, the clock that is measured and
that nothing else steers; ``utc_ns`` is Unix time, the truth that is estimated;
``realtime_ns`` is CLOCK_REALTIME, what the host believes.
"""

from __future__ import annotations

__all__ = [
    "NS_PER_S",
    "PPB",
    "PPB_PER_PPM",
    "SUSPEND_SLACK_NS",
    "grow_ns",
    "scale_ppb_ns",
]

NS_PER_S = 1_000_000_000
PPB = 1_000_000_000
PPB_PER_PPM = 1_000
SUSPEND_SLACK_NS = 1_000_000
"""CLOCK_BOOTTIME − CLOCK_MONOTONIC may differ by this between two looks without any
suspend: more than passes between the two reads, less than any real sleep."""


def scale_ppb_ns(duration_ns: int, rate_ppb: float) -> int:
    """Return how far a clock off by `rate_ppb` moves in `duration_ns` (rounded)."""
    return round(duration_ns * rate_ppb / PPB)


def grow_ns(duration_ns: int, growth_ppb: int) -> int:
    """Return the widening of a bound over `duration_ns`, rounded up, never below 0.

    Rounding is away from zero because the result is an upper limit: a bound may be a
    nanosecond too wide, never too narrow. Integer arithmetic, so exact at any age.
    """
    return -(-abs(duration_ns) * abs(growth_ppb) // PPB)

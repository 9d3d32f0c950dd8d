"""How times, bounds and ages are written for people.

Decides digits and units only. Programs get integers (`--json`), never these strings.
"""

from __future__ import annotations

from datetime import UTC, datetime

from chronotick.core.units import NS_PER_S, PPB_PER_PPM

__all__ = [
    "age",
    "bound",
    "clock_offset",
    "data_size",
    "duration",
    "rate",
    "signed",
    "utc",
]

_STEPS = ((NS_PER_S, "s"), (1_000_000, "ms"), (1_000, "µs"), (1, "ns"))
_AGES = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_SHORT_AGE_S = 10
_KIB = 1024


def utc(utc_ns: int) -> str:
    """Return Unix nanoseconds as RFC 3339 with all nine digits."""
    seconds, fraction_ns = divmod(utc_ns, NS_PER_S)
    try:
        whole = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):  # beyond the calendar of datetime
        return f"{utc_ns} ns since 1970"
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{fraction_ns:09d}Z"


def duration(duration_ns: float) -> str:
    """Return a duration with three or four digits and the unit that fits."""
    size = abs(duration_ns)
    for i, (step, unit) in enumerate(_STEPS):
        # 999.96 µs would print as "1000 µs": leave it to the larger unit.
        if size >= step * 0.99995 or i == len(_STEPS) - 1:
            value = size / step
            sign = "−" if duration_ns < 0 else ""
            return f"{sign}{_digits(value, whole=step == 1)} {unit}"
    raise AssertionError("the last step takes everything")


def signed(offset_ns: float) -> str:
    """Return an offset with its sign, always."""
    text = duration(offset_ns)
    return text if offset_ns < 0 else f"+{text}"


def bound(half_width_ns: float) -> str:
    """Return a half width: ``± 812.4 µs``."""
    return f"± {duration(half_width_ns)}"


def clock_offset(offset_ns: float) -> str:
    """Say in words what the offset of the system clock (true − local) means."""
    if abs(offset_ns) < 1:
        return "exact to the nanosecond"
    return f"{duration(abs(offset_ns))} {'behind' if offset_ns > 0 else 'ahead'}"


def age(seconds: float) -> str:
    """Return an age in its two largest units: ``2 h 3 min``; short ones in tenths."""
    if seconds < _SHORT_AGE_S:
        return f"{max(seconds, 0.0):.1f} s"
    left = round(seconds)
    parts: list[str] = []
    for size, unit in _AGES:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def rate(rate_ppb: float) -> str:
    """Return a frequency error in ppm with its sign."""
    return f"{rate_ppb / PPB_PER_PPM:+.3f} ppm".replace("-", "−")


def data_size(count_bytes: int) -> str:
    """Return a size in MiB or KiB."""
    if count_bytes >= _KIB * _KIB:
        return f"{count_bytes / _KIB / _KIB:.1f} MiB"
    return f"{count_bytes / _KIB:.1f} KiB"


def _digits(value: float, *, whole: bool) -> str:
    if whole:
        return f"{value:.0f}"
    text = f"{value:.4g}"
    return text if "e" not in text else f"{value:.0f}"

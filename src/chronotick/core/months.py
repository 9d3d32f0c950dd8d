"""Where UTC − RAW may change by a second: at the end of a UTC month, and nowhere else.

ITU-R TF.460-6 §2.2. Whether it does is not known here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from chronotick.core.units import NS_PER_S

__all__ = ["BEFORE_NS", "end_of_month_ns"]

BEFORE_NS = NS_PER_S
"""A deleted second is missing before the end of the month."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def end_of_month_ns(utc_ns: int) -> int:
    """Return the Unix time, ns, at which the UTC month of `utc_ns` ends."""
    within = _EPOCH + timedelta(seconds=utc_ns // NS_PER_S)
    first = within.replace(day=1, hour=0, minute=0, second=0)
    # Months have 28 to 31 days: 32 later it is the next one, whichever this is.
    after = (first + timedelta(days=32)).replace(day=1)
    return (after - _EPOCH) // timedelta(seconds=1) * NS_PER_S

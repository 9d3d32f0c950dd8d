"""Where UTC − RAW may change by a second: at the end of a UTC month, and nowhere else.

ITU-R TF.460-6 §2.2. Whether it does is not known here.
"""

from __future__ import annotations

from chronotick.core.units import NS_PER_S

__all__ = ["BEFORE_NS", "end_of_month_ns"]

BEFORE_NS = NS_PER_S
"""A deleted second is missing before the end of the month."""

_DAY_NS = 86_400 * NS_PER_S
_DAYS_IN_400_YEARS = 146_097
# Years are counted from a first of March that begins 400 years of the calendar: a leap
# day is the last of its year then, and month m begins on the day (153 m + 2) // 5.
_MARCH_OF_2000 = 11_017
_DAYS_IN_5_MONTHS = 153
_FEBRUARY = 11


def end_of_month_ns(utc_ns: int) -> int:
    """Return the Unix time, ns, at which the UTC month of `utc_ns` ends.

    By arithmetic, since `datetime` reads clocks, which is not done in this room.
    """
    eras, day = divmod(utc_ns // _DAY_NS - _MARCH_OF_2000, _DAYS_IN_400_YEARS)
    year = (day - day // 1_460 + day // 36_524 - day // 146_096) // 365
    first = 365 * year + year // 4 - year // 100
    month = (5 * (day - first) + 2) // _DAYS_IN_5_MONTHS
    if month < _FEBRUARY:
        next_day = first + (_DAYS_IN_5_MONTHS * (month + 1) + 2) // 5
    else:
        year += 1
        next_day = 365 * year + year // 4 - year // 100 + year // 400
    return (_MARCH_OF_2000 + eras * _DAYS_IN_400_YEARS + next_day) * _DAY_NS

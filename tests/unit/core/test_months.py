"""`core.months`: where a leap second may be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.months import end_of_month_ns
from chronotick.core.units import NS_PER_S


@given(st.datetimes(datetime(1970, 1, 1), datetime(2262, 1, 1)))  # noqa: DTZ001 - the strategy wants none
def test_months_end_where_the_calendar_says(day: datetime) -> None:
    """The next month's first day, and no instant of this one is later."""
    utc = day.replace(tzinfo=UTC)
    end_ns = end_of_month_ns(int(utc.timestamp()) * NS_PER_S + 999_999_999)
    # Not `fromtimestamp`, which with 32 bits ends in 2038.
    end = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=end_ns // NS_PER_S)
    assert (end.day, end.hour, end.minute, end.second) == (1, 0, 0, 0)
    assert end > utc.replace(microsecond=0)
    assert end - utc <= timedelta(days=31)

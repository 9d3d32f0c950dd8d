"""Instants and durations as agents read and write them; reads no clock.

Decides how an instant is spelled (RFC 3339, nine digits, and Unix nanoseconds as a
decimal string, because a JSON number above 2^53 is rounded by most programs) and which
spellings are refused. Every refusal says what to write instead.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.units import NS_PER_S

if TYPE_CHECKING:
    from datetime import tzinfo

__all__ = [
    "LATEST_NS",
    "RequestError",
    "WallTime",
    "duration",
    "human",
    "parse_instant",
    "parse_wall_time",
    "plain_seconds",
    "rfc3339",
    "seconds_above",
    "seconds_below",
    "unix_ns_of",
]

LATEST_NS = 253_402_300_800 * NS_PER_S - 1
"""The last nanosecond of the year 9999: what RFC 3339 can spell (RFC 3339 §1)."""

# 17 digits is April 1970: anything shorter was meant in seconds, ms or µs.
_SHORTEST_NS = 17
_LONGEST_NS = 21
# A decimal of 15 digits survives a float: what is written is then exact (12 days).
_EXACT_NS = 10**15
_COARSE = {10: "seconds", 13: "milliseconds", 16: "microseconds"}

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, without the price of saying so
_RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:[.](\d+))?"
    r"(?:([Zz])|([+-])(\d{2}):(\d{2}))?",
    re.ASCII,
)
# 999.6 µs would print as "1000 µs": it is left to the larger unit.
_STEPS = tuple(
    (step * 0.9995, step, unit)
    for step, unit in ((NS_PER_S, "s"), (1_000_000, "ms"), (1_000, "µs"), (1, "ns"))
)
_AGES = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_MINUTE_S = 60
_MINUTE_NS = _MINUTE_S * NS_PER_S
_LONGEST_TEXT = 64
_MOST_OFFSET_MINUTES = 59
_MOST_OFFSET_HOURS = 23


class RequestError(ValueError):
    """The request cannot be meant as it stands; the message says what to write."""


class WallTime(NamedTuple):
    """What a clock on a wall shows, to the nanosecond, with its offset if one is."""

    seconds: datetime
    """Without `tzinfo` and microseconds."""
    fraction_ns: int
    offset: tzinfo | None
    """None where none was written: then the instant is not known."""


@lru_cache(maxsize=64)
def _utc_second(seconds: int) -> str:
    # One answer spells several instants of one second, and so do many agents at once.
    return (_EPOCH + timedelta(0, seconds)).isoformat()


def rfc3339(instant_ns: int, zone: tzinfo = UTC) -> str:
    """Return Unix nanoseconds in RFC 3339 with all nine digits.

    Raises:
        RequestError: the instant lies outside the years 1 to 9999 there.
    """
    seconds, fraction_ns = divmod(instant_ns, NS_PER_S)
    nine = str(NS_PER_S + fraction_ns)[1:]  # as by :09d, for half the price
    try:
        if zone is UTC:
            return f"{_utc_second(seconds)}.{nine}Z"
        text = datetime.fromtimestamp(seconds, zone).isoformat()
    except (OverflowError, ValueError, OSError):
        raise RequestError(
            f"{instant_ns} ns since 1970 lies outside the years 1 to 9999"
        ) from None
    # isoformat() of whole seconds: 19 characters, then the offset.
    return f"{text[:19]}.{nine}{text[19:]}"


def unix_ns_of(wall: WallTime, zone: tzinfo) -> int:
    """Return the Unix nanoseconds at which a clock in `zone` shows `wall`."""
    moment = wall.seconds.replace(tzinfo=zone)
    # timedelta's integers, because a float of this size would lose nanoseconds.
    since = moment - datetime.fromtimestamp(0, UTC)
    return (since.days * 86_400 + since.seconds) * NS_PER_S + wall.fraction_ns


def parse_wall_time(text: str) -> WallTime:
    """Read an RFC 3339 date and time, with or without offset.

    Raises:
        RequestError: it is none, or shows what no clock shows.
    """
    match = _RFC3339.fullmatch(text.strip())
    if match is None or len(text) > _LONGEST_TEXT:
        raise RequestError(
            f"{text[:80]!r} is no time: write RFC 3339 with an offset, such as "
            "2026-11-21T14:00:00Z, or Unix nanoseconds as a decimal string"
        )
    date, clock, fraction, zulu, sign, hours, minutes = match.groups()
    if clock.endswith(":60"):
        raise RequestError(
            f"{text} is a leap second, which Unix time does not have: write the second "
            "before it (:59) or after it"
        )
    if fraction is not None and len(fraction) > len("nanosecs") + 1:
        raise RequestError(f"{text} is finer than a nanosecond: write nine digits")
    try:
        seconds = datetime.fromisoformat(f"{date}T{clock}")
    except ValueError as error:
        raise RequestError(f"{text} is no time: {error}") from None
    offset: tzinfo | None = UTC if zulu else None
    if sign is not None:
        offset = _offset(text, sign, int(hours), int(minutes))
    return WallTime(seconds, int((fraction or "0").ljust(9, "0")), offset)


def _offset(text: str, sign: str, hours: int, minutes: int) -> tzinfo:
    if hours > _MOST_OFFSET_HOURS or minutes > _MOST_OFFSET_MINUTES:
        raise RequestError(f"{text} has no possible offset: write ±hh:mm, or Z for UTC")
    ahead = timedelta(hours=hours, minutes=minutes)
    return timezone(-ahead if sign == "-" else ahead)


def parse_instant(text: str) -> int:
    """Return the Unix nanoseconds that `text` names.

    Args:
        text: RFC 3339 *with* offset, or Unix nanoseconds in decimal digits.

    Raises:
        RequestError: it names none, or more than one (a local time without offset).
    """
    digits = text.strip()
    if digits.isascii() and digits.isdigit():
        return _from_digits(digits)
    wall = parse_wall_time(text)
    if wall.offset is None:
        raise RequestError(
            f"{text} is a local time without an offset, so it names no instant: append "
            "Z for UTC or an offset such as +01:00, or turn it into UTC with "
            "convert_time and its from_timezone"
        )
    instant_ns = unix_ns_of(wall, wall.offset)
    if not 0 <= instant_ns <= LATEST_NS:
        raise RequestError(f"{text} lies outside the years 1970 to 9999")
    return instant_ns


def _from_digits(digits: str) -> int:
    if len(digits) < _SHORTEST_NS:
        unit = _COARSE.get(len(digits), "something coarser")
        raise RequestError(
            f"{digits} looks like Unix {unit}: timestamps here are nanoseconds, so "
            "append zeros until it has 19 digits, or write RFC 3339"
        )
    if len(digits) > _LONGEST_NS or int(digits) > LATEST_NS:
        raise RequestError(f"{digits[:40]} ns since 1970 lies after the year 9999")
    return int(digits)


def seconds_below(duration_ns: int) -> float:
    """Return seconds that are no more than `duration_ns`: a range never narrows."""
    return _rounded(duration_ns, -math.inf)


def seconds_above(duration_ns: int) -> float:
    """Return seconds that are no less than `duration_ns`."""
    return _rounded(duration_ns, math.inf)


def _rounded(duration_ns: int, towards: float) -> float:
    seconds = duration_ns / NS_PER_S  # the nearest float, on either side
    if abs(duration_ns) < _EXACT_NS:
        return seconds
    over, unit = seconds.as_integer_ratio()
    excess = over * NS_PER_S - duration_ns * unit
    is_inside = excess > 0 if towards < 0 else excess < 0
    return math.nextafter(seconds, towards) if is_inside else seconds


def plain_seconds(duration_ns: int) -> str:
    """Return seconds to the nanosecond, without an exponent: ``1795269600.5``."""
    seconds, fraction_ns = divmod(abs(duration_ns), NS_PER_S)
    text = f"{seconds}.{fraction_ns:09d}".rstrip("0").rstrip(".")
    return f"−{text}" if duration_ns < 0 else text


def duration(duration_ns: float) -> str:
    """Return a duration with three digits and the unit that fits: ``812 µs``."""
    size = abs(duration_ns)
    sign = "−" if duration_ns < 0 else ""
    if size >= _MINUTE_NS:
        return f"{sign}{human(size / NS_PER_S)}"
    for least, step, unit in _STEPS:
        if size >= least:
            return f"{sign}{size / step:.3g} {unit}"
    return f"{size:.2g} ns" if size else "0 s"


def human(seconds: float) -> str:
    """Return a duration in its two largest units: ``2 h 3 min``."""
    if seconds < _MINUTE_S:
        return duration(seconds * NS_PER_S)
    left = round(seconds)
    parts: list[str] = []
    for size, unit in _AGES:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])

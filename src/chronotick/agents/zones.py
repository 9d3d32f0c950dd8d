"""Time zones by name, and local times that clocks skip or show twice.

Decides that nothing is guessed: a local time in a gap is refused with the times beside
it, one that occurs twice is refused with both, unless `fold` says which is meant. What is
suggested for an unknown zone is a place, never another offset than was asked for.
"""

from __future__ import annotations

import difflib
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from chronotick.agents.wording import RequestError, rfc3339, unix_ns_of

if TYPE_CHECKING:
    from datetime import tzinfo

    from chronotick.agents.wording import WallTime

__all__ = ["is_dst", "next_change", "resolve_local", "zone_named"]

_UTC_NAMES = frozenset({"UTC", "Z", "Etc/UTC", "GMT"})
# Files beside the zones that name no place: whatever this host is set to, or none.
_NO_ZONES = frozenset({"localtime", "posixrules", "Factory"})
_LOOK_AHEAD = timedelta(days=8)
_OFFSET = re.compile(r"(?:UTC|GMT)? ?([+-])(\d{1,2})(?::?(\d{2}))?", re.IGNORECASE)
# Where clocks show what people write for a zone. EST, MST and HST are zones themselves.
_ABBREVIATED = {
    "ACDT": "Australia/Adelaide",
    "ACST": "Australia/Adelaide",
    "ADT": "America/Halifax",
    "AEDT": "Australia/Sydney",
    "AEST": "Australia/Sydney",
    "AKDT": "America/Anchorage",
    "AKST": "America/Anchorage",
    "AST": "America/Halifax",
    "AWST": "Australia/Perth",
    "BST": "Europe/London",
    "CDT": "America/Chicago",
    "CEST": "Europe/Berlin",
    "CST": "America/Chicago, Asia/Shanghai",
    "EDT": "America/New_York",
    "EEST": "Europe/Athens",
    "HKT": "Asia/Hong_Kong",
    "IST": "Asia/Kolkata, Asia/Jerusalem, Europe/Dublin",
    "JST": "Asia/Tokyo",
    "KST": "Asia/Seoul",
    "MDT": "America/Denver",
    "MSK": "Europe/Moscow",
    "NDT": "America/St_Johns",
    "NST": "America/St_Johns",
    "NZDT": "Pacific/Auckland",
    "NZST": "Pacific/Auckland",
    "PDT": "America/Los_Angeles",
    "PKT": "Asia/Karachi",
    "PST": "America/Los_Angeles",
    "SAST": "Africa/Johannesburg",
    "WEST": "Europe/Lisbon",
}
_LONGEST_ABBREVIATION = max(map(len, _ABBREVIATED))


@lru_cache(maxsize=128)
def zone_named(name: str) -> tzinfo:
    """Return the zone.

    Raises:
        RequestError: there is none of that name; names the nearest.
    """
    if name in _UTC_NAMES:
        return UTC
    if name not in _known_names():
        # ZoneInfo opens whatever has the format. What lies under right/ counts leap
        # seconds, which Unix time does not have: an answer from it is wrong.
        raise RequestError(_unknown(name))
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise RequestError(_unknown(name)) from None


@lru_cache(maxsize=1)
def _known_names() -> frozenset[str]:
    # Not before a zone is asked for, and once: it reads hundreds of files, for 10 ms.
    return frozenset(
        name
        for name in available_timezones() - _NO_ZONES
        if not name.startswith(("right/", "posix/"))
    )


def _unknown(name: str) -> str:
    names = _known_names()
    if not names:
        return (
            "this host has no time zone database, so only UTC is known: install the "
            "package tzdata"
        )
    offset = _OFFSET.fullmatch(name.strip())
    if offset is not None:
        sign, hours, minutes = offset.groups(default="0")
        hint = _of_offset(sign, hours, minutes, names)
        return f"there is no time zone {name!r}, which is an offset: write {hint}"
    hint = _near(name.strip(), names) or "Europe/Berlin or UTC"
    return f"there is no time zone {name!r}: write an IANA name, such as {hint}"


def _of_offset(sign: str, hours: str, minutes: str, names: frozenset[str]) -> str:
    """Return what to write for an offset from UTC."""
    place = "the IANA name of a place, such as Europe/Berlin"
    if int(minutes) == 0:
        if int(hours) == 0:
            return "UTC"
        # As in POSIX: how far UTC is ahead, which is the other sign.
        zone = f"Etc/GMT{'-' if sign == '+' else '+'}{int(hours)}"
        if zone in names:
            return f"{place}, or {zone}, which is UTC{sign}{int(hours)}"
    return place


def _near(name: str, names: frozenset[str]) -> str:
    """Return the places that were probably meant, or nothing."""
    if name.upper() in {"UTC", "Z"}:
        return "UTC"
    if name.upper() in _ABBREVIATED:
        return _ABBREVIATED[name.upper()]
    by_city = {
        known.rsplit("/", 1)[-1].lower(): known
        for known in sorted(names)
        if "/" in known and not known.startswith("Etc/")
    }
    wanted = name.replace(" ", "_").rsplit("/", 1)[-1].lower()
    # What is as short as an abbreviation resembles many places, and is of none.
    is_short = len(wanted) <= _LONGEST_ABBREVIATION
    cutoff = 1.0 if is_short else 0.6
    near = difflib.get_close_matches(wanted, by_city, n=3, cutoff=cutoff)
    return ", ".join(by_city[city] for city in near)


def resolve_local(wall: WallTime, name: str, fold: int | None) -> int:
    """Return the Unix nanoseconds at which clocks in zone `name` show `wall`.

    Raises:
        RequestError: they never do (the clocks were put forward), or twice and `fold`
            does not say which.
    """
    zone = zone_named(name)
    first = unix_ns_of(wall._replace(seconds=wall.seconds.replace(fold=0)), zone)
    second = unix_ns_of(wall._replace(seconds=wall.seconds.replace(fold=1)), zone)
    if first == second:
        return first
    shown = f"{wall.seconds.isoformat()} in {name}"
    if first > second:
        # PEP 495: in a gap fold=0 counts with the offset before it, so the instant
        # reads later on the wall, and fold=1 the other way round.
        raise RequestError(
            f"{shown} does not exist, the clocks are put forward over it: "
            f"{rfc3339(second, zone)} and {rfc3339(first, zone)} do"
        )
    if fold is None:
        raise RequestError(
            f"{shown} occurs twice: give fold=0 for {rfc3339(first)} or fold=1 for "
            f"{rfc3339(second)}"
        )
    return second if fold else first


def is_dst(instant_s: int, zone: tzinfo) -> bool:
    """Say whether clocks are ahead of the zone's standard time.

    In Dublin never: by Irish law summer time is the standard, and winter time behind it.
    """
    saving = datetime.fromtimestamp(instant_s, zone).dst()
    return saving is not None and saving > timedelta(0)


def next_change(instant_s: int, zone: tzinfo) -> datetime | None:
    """Return the instant (UTC) of a change of offset within eight days, or None."""
    low = datetime.fromtimestamp(instant_s, UTC)
    try:
        high = low + _LOOK_AHEAD
        before = low.astimezone(zone).utcoffset()
        if high.astimezone(zone).utcoffset() == before:
            return None
    except OverflowError:  # the end of the year 9999
        return None
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        middle = middle.replace(microsecond=0)
        if middle in (low, high):
            break
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high

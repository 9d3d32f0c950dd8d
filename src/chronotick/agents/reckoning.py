"""Reckon with instants: deadlines, elapsed time, time zones.

Decides the words (`ok`, `tight`, `missed`, `uncertain`) and refuses local times that
clocks skip or show twice. Converting needs no daemon.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from chronotick.agents.ordering import instant_span
from chronotick.agents.results import (
    Conversion,
    Converted,
    DeadlineResult,
    ElapsedResult,
)
from chronotick.agents.telling import provenance
from chronotick.agents.wording import (
    LATEST_NS,
    RequestError,
    human,
    parse_instant,
    parse_wall_time,
    plain_seconds,
    rfc3339,
    seconds_above,
    seconds_below,
)
from chronotick.agents.zones import is_dst, next_change, resolve_local, zone_named
from chronotick.core.units import NS_PER_S

if TYPE_CHECKING:
    from datetime import tzinfo

    from chronotick.agents.requests import ConvertTime, Deadline, Elapsed
    from chronotick.agents.service import TimeService
    from chronotick.core.reading import Interval

__all__ = ["convert_time", "deadline", "elapsed"]

_State: TypeAlias = Literal["ok", "tight", "missed", "uncertain"]


def deadline(service: TimeService, request: Deadline) -> DeadlineResult:
    """Return how much time is left, and whether the work certainly fits into it.

    Raises:
        ClockError, SegmentError: there is no trustworthy time.
        RequestError: an instant is none, or the start lies after the deadline or now.
    """
    due_ns = parse_instant(request.deadline)
    reading = service.timepiece.read()
    now = reading.now
    least_ns, most_ns = due_ns - now.latest_ns, due_ns - now.earliest_ns
    work_s = request.work_estimate_s
    work_ns = 0 if work_s is None else round(work_s * NS_PER_S)
    state, words = _standing(least_ns, most_ns, work_ns)
    start_ns = due_ns - work_ns
    # Who starts by this clock reads it then, with the bound that it will have then.
    ahead_s = max(start_ns - now.midpoint_ns, 0) / NS_PER_S
    start_ns -= reading.grown_half_width_ns(ahead_s)
    return DeadlineResult(
        summary=f"Deadline {rfc3339(due_ns)}: {words}.",
        **provenance(reading, service),
        state=state,
        remaining_s=seconds_below(least_ns),
        remaining_optimistic_s=seconds_above(most_ns),
        percent_used=_percent_used(request.started_at, due_ns, now),
        latest_start_utc=(
            rfc3339(start_ns) if work_s is not None and start_ns >= 0 else None
        ),
    )


def _standing(least_ns: int, most_ns: int, work_ns: int) -> tuple[_State, str]:
    """Return what is certain of the time left, and how it is said."""
    if most_ns < 0:
        return "missed", f"missed by {human(-most_ns / NS_PER_S)}"
    if least_ns < 0:
        return (
            "uncertain",
            "it may or may not have passed: now is within the bound of it",
        )
    left = f"{human(least_ns / NS_PER_S)} left"
    if least_ns < work_ns:
        return "tight", f"{left}, less than the work needs for certain"
    return "ok", left


def _percent_used(started_at: str | None, due_ns: int, now: Interval) -> float | None:
    if started_at is None:
        return None
    start_ns = parse_instant(started_at)
    if start_ns >= due_ns:
        raise RequestError("started_at is not before the deadline: check both")
    if start_ns > now.latest_ns:
        raise RequestError(
            f"started_at lies in the future, it is {rfc3339(now.midpoint_ns)} now: give "
            "when the work began, or leave it out"
        )
    used_ns = max(now.midpoint_ns - start_ns, 0)  # it began within the bound of now
    return round(100 * used_ns / (due_ns - start_ns), 3)


def elapsed(service: TimeService, request: Elapsed) -> ElapsedResult:
    """Return the time between two instants, or since one, as it is known.

    Raises:
        ClockError, SegmentError: `until` is left out and there is no trustworthy time.
        RequestError: an instant is none, or there is no such zone.
    """
    zone = UTC if request.timezone is None else zone_named(request.timezone)
    first, worth = instant_span(request.since), {"status": None, "mend": None}
    if request.until is not None:
        last = instant_span(request.until)
    else:
        reading = service.timepiece.read()
        last = (reading.now.earliest_ns, reading.now.latest_ns)
        worth = provenance(reading, service)
    least_ns, most_ns = last[0] - first[1], last[1] - first[0]
    middle_s = (least_ns + most_ns) / 2 / NS_PER_S
    told = human(abs(middle_s)) if middle_s >= 0 else f"minus {human(abs(middle_s))}"
    days = _date_at(sum(last) // 2, zone) - _date_at(sum(first) // 2, zone)
    return ElapsedResult(
        summary=f"{told} ({plain_seconds(least_ns)} to {plain_seconds(most_ns)} s).",
        status=worth["status"],
        mend=worth["mend"],
        min_s=seconds_below(least_ns),
        max_s=seconds_above(most_ns),
        human=told,
        days_rolled_over=days,
        timezone=request.timezone or "UTC",
    )


def _date_at(instant_ns: int, zone: tzinfo) -> int:
    try:
        return datetime.fromtimestamp(instant_ns // NS_PER_S, zone).toordinal()
    except (OverflowError, ValueError, OSError):
        raise RequestError(
            f"{rfc3339(instant_ns)} lies outside the years 1 to 9999 in {zone}: leave "
            "timezone out, or name one where it does not"
        ) from None


def convert_time(_: TimeService, request: ConvertTime) -> Conversion:
    """Return an instant in other time zones. Needs no daemon.

    Raises:
        RequestError: it names no instant, a local time is skipped or shown twice, or
            there is no such zone.
    """
    instant_ns = _instant(request)
    results = [_in_zone(instant_ns, name) for name in request.to_timezones]
    told = ", ".join(f"{r.local[:19]} {r.timezone} ({r.weekday})" for r in results)
    return Conversion(
        summary=f"{rfc3339(instant_ns)} is {told}.",
        utc=rfc3339(instant_ns),
        unix_ns=str(instant_ns),
        results=results,
    )


def _instant(request: ConvertTime) -> int:
    if request.from_timezone is None:
        if request.fold is not None:
            raise RequestError("fold is for local times: give from_timezone too")
        return parse_instant(request.time)
    if request.time.strip().isdigit():
        raise RequestError(
            "Unix nanoseconds have no time zone: leave from_timezone out"
        )
    wall = parse_wall_time(request.time)
    if wall.offset is not None:
        raise RequestError(
            f"{request.time} has an offset already: leave from_timezone out, or the "
            "offset"
        )
    instant_ns = resolve_local(wall, request.from_timezone, request.fold)
    if not 0 <= instant_ns <= LATEST_NS:
        raise RequestError(f"{request.time} lies outside the years 1970 to 9999")
    return instant_ns


def _in_zone(instant_ns: int, name: str) -> Converted:
    zone, instant_s = zone_named(name), instant_ns // NS_PER_S
    local = rfc3339(instant_ns, zone)
    moment = datetime.fromtimestamp(instant_s, zone)
    change = next_change(instant_s, zone)
    note = None
    if change is not None:
        offset = f"{change.astimezone(zone):%z}"
        note = f"offset changes to {offset[:3]}:{offset[3:5]} at {change:%Y-%m-%dT%H:%M:%SZ}"
    return Converted(
        timezone=name,
        local=local,
        utc_offset="+00:00" if zone is UTC else local[29:],
        weekday=f"{moment:%A}",
        is_dst=is_dst(instant_s, zone),
        dst_note=note,
    )

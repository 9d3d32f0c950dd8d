"""UTC for stamps that were taken earlier, from the recent corrections.

Decides how far back that can be told.
Reads no clock: it is given one publication (`Clock.publication`).

**A RAW stamp** lies between corrections; each of them bounds UTC there, before and
after its anchor alike, so their intersection does.

**A CLOCK_REALTIME stamp** is first brought back to RAW (`chronotick.client.pairs`).

**Of what is not certain** nothing is told: what is older than a sleep or a move of the
machine, and what a leap second may lie before.
"""

from __future__ import annotations

import operator
from math import sqrt
from typing import TYPE_CHECKING, TypeAlias, get_args

from chronotick.client.pairs import MAX_SLEW_PPM, raw_span
from chronotick.client.stamps import Corrected, StampClock
from chronotick.client.view import half_width_ns, midpoint_ns
from chronotick.core.errors import ClockDisrupted, ClockError, NotSynchronized
from chronotick.core.months import BEFORE_NS, end_of_month_ns
from chronotick.core.reading import Interval
from chronotick.core.span import Span
from chronotick.core.status import Status
from chronotick.core.units import NS_PER_S, SUSPEND_SLACK_NS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chronotick.client.view import Publication
    from chronotick.shm.codec import PastCorrection, Snapshot

    _Known: TypeAlias = PastCorrection | Snapshot

__all__ = [
    "MAX_SLEW_PPM",
    "correct_stamps",
    "past_interval",
]

_SLEW = MAX_SLEW_PPM * 1e-6
# Two readings of the same clock in the order in which they were asked for.
_AHEAD_NS = 1_000


def past_interval(
    path: str, now: Publication, stamp_ns: int, on: StampClock
) -> Interval:
    """Return the interval that UTC lay in when a clock of this host read `stamp_ns`.

    Raises:
        ClockDisrupted: the host slept, or its clock was set, around that time.
        ClockError: the stamp is older than what is remembered, or so old that its
            bound passes the daemon's own limit.
        ValueError: the stamp is of the future, or of no such clock.
        TypeError: the stamp is no whole number.
    """
    _refuse_other_clocks(on)
    try:
        stamp_ns = operator.index(stamp_ns)
    except TypeError:
        kind = type(stamp_ns).__name__
        raise TypeError(f"a stamp is int ns of that clock, not {kind}") from None
    if on == "raw":
        if stamp_ns > now.snapshot.as_of_raw_ns + _AHEAD_NS:
            raise ValueError(f"RAW {stamp_ns} ns has not come yet")
        _refuse_unwatched(path, now, stamp_ns)
        return _interval(path, now, stamp_ns, stamp_ns)
    if stamp_ns > now.snapshot.realtime_ns + _AHEAD_NS:
        raise ValueError(f"{stamp_ns} ns on CLOCK_REALTIME has not come yet")
    raw = raw_span(path, now, stamp_ns)
    return _interval(path, now, raw.lo_ns, raw.hi_ns)


def _refuse_other_clocks(on: str) -> None:
    if on not in get_args(StampClock):
        raise ValueError(f"stamps are on 'realtime' or 'raw', not {on!r}")


def _refuse_unwatched(path: str, now: Publication, raw_ns: int) -> None:
    """Refuse a stamp of before all that is remembered, on a machine that can be moved.

    A move makes RAW lose time, and all is forgotten then; so there may have been one.
    Only vmclock tells, so where its marker has never moved there is nothing to know.
    """
    remembered: list[_Known] = [now.snapshot, *now.history]
    oldest_ns = min(entry.raw_ns for entry in remembered)
    if now.snapshot.disruption_marker and raw_ns < oldest_ns:
        reach_s = (now.snapshot.as_of_raw_ns - oldest_ns) / NS_PER_S
        raise ClockDisrupted(
            path,
            f"the machine may have been moved after that stamp: what is remembered "
            f"reaches {reach_s:.3g} s back",
        )


def _interval(
    path: str, now: Publication, first_raw_ns: int, last_raw_ns: int
) -> Interval:
    """Return where UTC lay at some instant between two of RAW."""
    first, nearest = _span(path, now, first_raw_ns)
    last, _ = _span(path, now, last_raw_ns)
    limit_ns = half_width_ns(now.snapshot, now.snapshot.void_after_raw_ns)
    half_ns = (last.hi_ns - first.lo_ns + 1) // 2
    if half_ns > limit_ns:
        raise ClockError(
            f"the bound for that stamp is {half_ns} ns, wider than the {limit_ns} ns "
            f"at which the daemon at {path} gives up: it is too old"
        )
    return Interval(
        first.lo_ns,
        last.hi_ns,
        nearest.status,
        nearest.source,
        nearest.reasons,
        sqrt(max(nearest.v0, 0.0)),
    )


def _span(path: str, now: Publication, raw_ns: int) -> tuple[Span, _Known]:
    """Return what all corrections together say of UTC at `raw_ns`, and the nearest."""
    known: list[_Known] = [now.snapshot]
    known += [entry for entry in now.history if entry.status is not Status.UNKNOWN]
    suspend_ns = _suspend_at(path, known, raw_ns)
    awake = [e for e in known if abs(e.suspend_ns - suspend_ns) <= SUSPEND_SLACK_NS]
    usable: list[_Known] = []
    span: Span | None = None
    for entry in awake:
        told = Span.around(midpoint_ns(entry, raw_ns), half_width_ns(entry, raw_ns))
        if _may_leap_between(
            entry, told, is_live=entry is known[0] and raw_ns >= entry.raw_ns
        ):
            continue
        usable.append(entry)
        span = told if span is None else span.intersect(told)
        if span is None:
            raise NotSynchronized(
                path, "corrections of that time contradict each other"
            )
    if not awake:
        raise ClockDisrupted(path, "nothing is remembered of the time before a sleep")
    if span is None:
        raise ClockDisrupted(
            path, "there may have been a leap second between it and that stamp"
        )
    return span, min(usable, key=lambda entry: abs(entry.raw_ns - raw_ns))


def _may_leap_between(entry: _Known, told: Span, *, is_live: bool) -> bool:
    """Say whether the end of a month, where UTC may leap, lies between the two.

    Args:
        entry: A correction.
        told: What it says of the stamp.
        is_live: Whether it holds now, and the stamp came after it: it expires before any
            leap second that has been announced.
    """
    if is_live:
        return False
    lo_ns = min(told.lo_ns, entry.utc_ns - entry.bound_ns)
    hi_ns = max(told.hi_ns, entry.utc_ns + entry.bound_ns)
    return hi_ns >= end_of_month_ns(lo_ns) - BEFORE_NS


def _suspend_at(path: str, known: list[_Known], raw_ns: int) -> int:
    """Return how long the host had slept by `raw_ns`, if that is certain."""
    # Before everything that is remembered lies the boot, when it had not slept at all.
    before, after = (0, 0), (2**63, 0)
    for entry in known:
        seen = (entry.as_of_raw_ns, entry.suspend_ns)
        if entry.as_of_raw_ns <= raw_ns:
            before = max(before, seen)
        else:
            after = min(after, seen)
    if after[0] == 2**63:
        return before[1]
    if abs(after[1] - before[1]) > SUSPEND_SLACK_NS:
        raise ClockDisrupted(path, "the host slept, and perhaps after that stamp")
    return after[1]


def correct_stamps(
    now: Publication, stamps: NDArray[np.int64], on: StampClock
) -> Corrected:
    """Return `stamps` as UTC, all from the one correction that holds now.

    Quick, and meant for stamps of the last seconds: the half width grows with the
    distance from now, by `MAX_SLEW_PPM` for stamps of the system clock. That this was
    neither stepped nor slewed faster since is the caller's to know, and that RAW has run
    through without a leap second of UTC: it is not noticed.
    `past_interval` allows for it, and is wider for that.

    Raises:
        TypeError: `stamps` is no array of 64-bit integers.
        ValueError: `on` is no such clock.
    """
    _refuse_other_clocks(on)
    if getattr(getattr(stamps, "dtype", None), "str", None) != "<i8":
        raise TypeError("stamps is an array of int64 Unix ns; convert it first")
    published = now.snapshot
    at_raw_ns = published.as_of_raw_ns if on == "realtime" else published.raw_ns
    at_ns = published.realtime_ns if on == "realtime" else published.raw_ns
    utc_ns, half_ns = (
        midpoint_ns(published, at_raw_ns),
        half_width_ns(published, at_raw_ns),
    )
    # A ns stamp does not fit a float, but its distance from now does.
    distance = stamps - at_ns
    drift = published.rate_fs_per_s * 1e-15
    growth = published.bound_growth_ppb * 1e-9
    if on == "realtime":
        half_ns += published.realtime_error_ns or 0
        # The slowest system clock has made a stamp's distance out of a longer one of
        # RAW: all of that ages the bound, and what is missing runs at UTC's rate.
        growth = (growth + _SLEW * (1 + abs(drift))) / (1 - _SLEW)
    utc = distance + (distance * drift).astype("<i8") + utc_ns
    half = (abs(distance) * growth).astype("<i8") + (half_ns + 2)
    return Corrected(utc, half)

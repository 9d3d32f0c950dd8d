"""UTC for stamps that were taken earlier, from the recent corrections.

Decides how far back that can be told, and what the detour over the system clock costs.
Reads no clock: it is given one publication (`Clock.publication`).

**A RAW stamp** lies between corrections; each of them bounds UTC there, before and
after its anchor alike, so their intersection does.

**A CLOCK_REALTIME stamp** (a log line, SO_TIMESTAMPNS) must first be brought back to
RAW. Every correction in the ring carries a pair of both clocks. Between two of them the
system clock may be slewed by `MAX_SLEW_PPM`, the kernel's limit for adjtime, and on top
of that be stepped, or slewed faster (chrony's limit is 83,333 ppm), one way. A step that
is seen is refused. One below `MAX_SLEW_PPM` of the time between the pairs is not: it
looks like a slew, or a slew the other way hides it. So each of the two pairs may alone
be on the stamp's side of it, and the interval is what either allows: up to a microsecond
per millisecond *between* the pairs. Assuming that it was a slew, the nearer pair would
do, and would be wrong just after a step.

Not noticed: a clock that was set and set back between two pairs; and, for the stamps of
the moments after the oldest pair, one that was set back before it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from chronotick.client.view import half_width_ns, midpoint_ns
from chronotick.core.errors import ClockDisrupted, ClockError, NotSynchronized
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
    "Corrected",
    "StampClock",
    "correct_stamps",
    "past_interval",
]

StampClock: TypeAlias = Literal["realtime", "raw"]
"""Which clock a stamp was read from: CLOCK_REALTIME or CLOCK_MONOTONIC_RAW."""

MAX_SLEW_PPM = 500
"""Assumed of the system clock between two looks at it, but for steps one way."""

_SLEW = MAX_SLEW_PPM * 1e-6
# Two readings of the same clock in the order in which they were asked for.
_AHEAD_NS = 1_000


class Corrected(NamedTuple):
    """An array of stamps as UTC, each within ± its hard half width."""

    utc_ns: NDArray[np.int64]
    half_width_ns: NDArray[np.int64]


class _Pair(NamedTuple):
    """Both clocks at one instant."""

    raw_ns: int
    realtime_ns: int
    error_ns: int
    suspend_ns: int

    def leads_to(self, later: _Pair) -> bool:
        """Say whether neither clock jumped on the way to `later`."""
        elapsed_ns = later.raw_ns - self.raw_ns
        slewed_ns = later.realtime_ns - self.realtime_ns - elapsed_ns
        error_ns = self.error_ns + later.error_ns
        slept_ns = abs(later.suspend_ns - self.suspend_ns)
        return (
            abs(slewed_ns) <= elapsed_ns * _SLEW + error_ns
            and slept_ns <= SUSPEND_SLACK_NS
        )


def past_interval(
    path: str, now: Publication, stamp_ns: int, on: StampClock
) -> Interval:
    """Return the interval that UTC lay in when a clock of this host read `stamp_ns`.

    Raises:
        ClockDisrupted: the host slept, or its clock was set, around that time.
        ClockError: the stamp is older than what is remembered, or so old that its
            bound passes the daemon's own limit.
        ValueError: the stamp is of the future.
    """
    if on == "raw":
        if stamp_ns > now.snapshot.as_of_raw_ns + _AHEAD_NS:
            raise ValueError(f"RAW {stamp_ns} ns has not come yet")
        return _interval(path, now, stamp_ns, stamp_ns)
    if stamp_ns > now.snapshot.realtime_ns + _AHEAD_NS:
        raise ValueError(f"{stamp_ns} ns on CLOCK_REALTIME has not come yet")
    raw = _raw_span(path, now, stamp_ns)
    return _interval(path, now, raw.lo_ns, raw.hi_ns)


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
        nearest.v0**0.5,
    )


def _span(path: str, now: Publication, raw_ns: int) -> tuple[Span, _Known]:
    """Return what all corrections together say of UTC at `raw_ns`, and the nearest."""
    known: list[_Known] = [now.snapshot]
    known += [entry for entry in now.history if entry.status is not Status.UNKNOWN]
    suspend_ns = _suspend_at(path, known, raw_ns)
    usable = [e for e in known if abs(e.suspend_ns - suspend_ns) <= SUSPEND_SLACK_NS]
    span: Span | None = None
    for entry in usable:
        told = Span.around(midpoint_ns(entry, raw_ns), half_width_ns(entry, raw_ns))
        span = told if span is None else span.intersect(told)
        if span is None:
            raise NotSynchronized(
                path, "corrections of that time contradict each other"
            )
    if span is None:
        raise ClockDisrupted(path, "nothing is remembered of the time before a sleep")
    return span, min(usable, key=lambda entry: abs(entry.raw_ns - raw_ns))


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


def _raw_span(path: str, now: Publication, stamp_ns: int) -> Span:
    """Return where RAW was when CLOCK_REALTIME read `stamp_ns`."""
    found: list[Span] = []
    pairs = _pairs(now)
    is_older = stamp_ns < pairs[0].realtime_ns - pairs[0].error_ns
    for earlier, later in () if is_older else pairwise(pairs):
        span = _between(earlier, later, stamp_ns)
        if span is None:
            continue
        if not earlier.leads_to(later):
            raise ClockDisrupted(
                path, "the system clock was set, or the host slept, around that stamp"
            )
        found.append(span)
    if not found:
        oldest_s = (now.snapshot.realtime_ns - pairs[0].realtime_ns) / NS_PER_S
        raise ClockError(
            f"nothing is remembered of that stamp: the segment at {path} reaches "
            f"{oldest_s:.3g} s back"
        )
    # More than one where the clock may have been set back and passed the stamp twice.
    return Span.hull_of(found)


def _between(earlier: _Pair, later: _Pair, stamp_ns: int) -> Span | None:
    """Return where RAW may have been between two pairs when REALTIME read `stamp_ns`.

    As long as nothing was stepped yet, REALTIME − RAW is the earlier pair's but for
    slewing; when all was, the later one's; and in between, where the steps go one way,
    between the two. None if it cannot have read that.
    """
    since = stamp_ns - earlier.realtime_ns
    until = later.realtime_ns - stamp_ns
    first, last = earlier.error_ns, later.error_ns
    lo_ns = min(
        earlier.raw_ns + int((since - first) / (1 + _SLEW)) - 1,
        later.raw_ns - int((until + last) / (1 - _SLEW)) - 1,
    )
    hi_ns = max(
        earlier.raw_ns + int((since + first) / (1 - _SLEW)) + 1,
        later.raw_ns - int((until - last) / (1 + _SLEW)) + 1,
    )
    lo_ns = max(lo_ns, earlier.raw_ns - first)
    hi_ns = min(hi_ns, later.raw_ns + last)
    return Span(lo_ns, hi_ns) if lo_ns <= hi_ns else None


def _pairs(now: Publication) -> list[_Pair]:
    """Return when both clocks were read together, oldest first, now last."""
    known: list[_Known] = [now.snapshot, *now.history]
    return sorted(
        _Pair(e.as_of_raw_ns, e.realtime_ns, e.realtime_error_ns, e.suspend_ns)
        for e in known
        if e.realtime_error_ns is not None
    )


def correct_stamps(
    now: Publication, stamps: NDArray[np.int64], on: StampClock
) -> Corrected:
    """Return `stamps` as UTC, all from the one correction that holds now.

    Quick, and meant for stamps of the last seconds: the half width grows with the
    distance from now, by `MAX_SLEW_PPM` for stamps of the system clock. That this was
    neither stepped nor slewed faster since is the caller's to know: it is not noticed.
    `past_interval` allows for it, and is wider for that.

    Raises:
        TypeError: `stamps` is no array of 64-bit integers.
    """
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
        growth += _SLEW
    utc = distance + (distance * drift).astype("<i8") + utc_ns
    half = (abs(distance) * growth).astype("<i8") + (half_ns + 2)
    return Corrected(utc, half)

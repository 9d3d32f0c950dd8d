"""Where RAW was when CLOCK_REALTIME read something, from pairs of both.

A stamp of the system clock (a log line, SO_TIMESTAMPNS) has to be brought back to RAW,
in which corrections are told. Every correction in the ring carries a pair of both clocks.
Between two of them the system clock may be slewed by `MAX_SLEW_PPM`, the kernel's limit
for adjtime, and on top of that be stepped, or slewed faster (chrony's limit is
83,333 ppm), one way. A step that is seen is refused. One below `MAX_SLEW_PPM` of the
time between the pairs is not: it looks like a slew, or a slew the other way hides it. So
each of the two pairs may alone be on the stamp's side of it, and the interval is what
either allows: up to a microsecond per millisecond *between* the pairs. Assuming that it
was a slew, the nearer pair would do, and would be wrong just after a step.

Not noticed: a clock that was set and set back between two pairs; and, for the stamps of
the moments after the oldest pair, one that was set back before it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.errors import ClockDisrupted, ClockError
from chronotick.core.span import Span
from chronotick.core.units import NS_PER_S, SUSPEND_SLACK_NS

if TYPE_CHECKING:
    from chronotick.client.view import Publication
    from chronotick.shm.codec import PastCorrection, Snapshot

__all__ = ["MAX_SLEW_PPM", "raw_span"]

MAX_SLEW_PPM = 500
"""Assumed of the system clock between two looks at it, but for steps one way."""

_SLEW = MAX_SLEW_PPM * 1e-6


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


def raw_span(path: str, now: Publication, stamp_ns: int) -> Span:
    """Return where RAW was when CLOCK_REALTIME read `stamp_ns`.

    Raises:
        ClockDisrupted: the host slept, or its clock was set, around that time.
        ClockError: it is older than what is remembered.
    """
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
    known: list[PastCorrection | Snapshot] = [now.snapshot, *now.history]
    return sorted(
        _Pair(e.as_of_raw_ns, e.realtime_ns, e.realtime_error_ns, e.suspend_ns)
        for e in known
        if e.realtime_error_ns is not None
    )

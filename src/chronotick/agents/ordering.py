"""Order events by their bounds, stamp new ones, and act together.

Decides when an order is certain: only if one interval ends before the other begins. No
probability is given: a worst-case bound has no distribution to take one from.
"""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

from chronotick.agents.requests import Stamp
from chronotick.agents.results import OrderResult, Pair, Rendezvous, StampResult
from chronotick.agents.stamps import half_width_ns, parse_hlc, span_ns
from chronotick.agents.telling import provenance
from chronotick.agents.wording import (
    RequestError,
    duration,
    parse_instant,
    rfc3339,
)
from chronotick.core.units import NS_PER_S

if TYPE_CHECKING:
    from chronotick.agents.requests import (
        Event,
        OrderTimestamps,
        PlanRendezvous,
        StampEvent,
    )
    from chronotick.agents.service import TimeService
    from chronotick.agents.stamps import Hlc
    from chronotick.core.reading import Interval

__all__ = ["instant_span", "order_timestamps", "plan_rendezvous", "stamp_event"]

_MOST_NAMED = 5


class _Placed(NamedTuple):
    id: str
    earliest_ns: int
    latest_ns: int
    hlc: Hlc | None

    @property
    def middle_ns(self) -> int:
        return (self.earliest_ns + self.latest_ns) // 2


def instant_span(time: str | Stamp) -> tuple[int, int]:
    """Return the earliest and latest Unix nanosecond that `time` can mean.

    Raises:
        RequestError: it names no instant.
    """
    if isinstance(time, Stamp):
        return span_ns(time)
    instant_ns = parse_instant(time)
    return instant_ns, instant_ns


def order_timestamps(_: TimeService, request: OrderTimestamps) -> OrderResult:
    """Return the order of events, and whether it is certain. Needs no daemon.

    Raises:
        RequestError: two events share an id, or one has no bound.
    """
    events = [_place(event) for event in request.events]
    if len({event.id for event in events}) != len(events):
        raise RequestError("two events have the same id: give each its own")
    if all(event.hlc is not None for event in events):
        # A stamp that merged another is later than it, even within the bounds.
        events.sort(key=lambda event: event.hlc or (0, 0, ""))
    else:
        events.sort(key=lambda event: (event.middle_ns, event.id))
    events = _certain_first(events)
    pairs = [_compare(a, b) for a, b in combinations(events, 2)]
    certain = all(_compare(a, b).relation == "before" for a, b in pairwise(events))
    order = [event.id for event in events]
    undecided = [f"{p.a} and {p.b}" for p in pairs if p.relation == "uncertain"]
    told = (
        "certain"
        if certain
        else f"not certain for {', '.join(undecided[:_MOST_NAMED])}"
    )
    return OrderResult(
        summary=f"Most plausible order: {', '.join(order)}; this is {told}.",
        order=order,
        total_order=certain,
        pairs=pairs,
    )


def _certain_first(events: list[_Placed]) -> list[_Placed]:
    """Return the events in their order, but none after what it certainly precedes.

    A stamp that merged another may run ahead of its own interval, and so of events that
    come after it for certain and have merged nothing.
    """
    left, found = list(events), []
    while left:
        ends_ns = min(event.latest_ns for event in left)
        first = next(event for event in left if event.earliest_ns <= ends_ns)
        left.remove(first)
        found.append(first)
    return found


def _place(event: Event) -> _Placed:
    time = event.time
    if isinstance(time, Stamp):
        if event.uncertainty_s is not None:
            raise RequestError(
                f"event {event.id}: a stamp carries its uncertainty, leave "
                "uncertainty_s out"
            )
        return _Placed(event.id, *span_ns(time), parse_hlc(time.hlc))
    if event.uncertainty_s is None:
        raise RequestError(
            f"event {event.id} needs uncertainty_s: how far its clock could be wrong "
            "when it was read, in s (get_time returns it); 0 only for an exact instant"
        )
    half_ns, at_ns = half_width_ns(event.uncertainty_s), parse_instant(time)
    return _Placed(event.id, at_ns - half_ns, at_ns + half_ns, None)


def _compare(a: _Placed, b: _Placed) -> Pair:
    gap_ns = max(b.earliest_ns - a.latest_ns, a.earliest_ns - b.latest_ns)
    relation: Literal["before", "after", "uncertain"] = "uncertain"
    if a.latest_ns < b.earliest_ns:
        relation = "before"
    elif b.latest_ns < a.earliest_ns:
        relation = "after"
    return Pair(a=a.id, b=b.id, relation=relation, margin_s=gap_ns / NS_PER_S)


def stamp_event(service: TimeService, request: StampEvent) -> StampResult:
    """Return a stamp of now, greater than all before it here and than `previous`.

    Raises:
        ClockError, SegmentError: there is no trustworthy time.
        RequestError: `previous` is no stamp, or certainly in the future.
    """
    reading = service.timepiece.read()
    now = reading.now
    stamp = service.stamper.stamp(now, label=request.label, previous=request.previous)
    what = f"{request.label!r}" if request.label else "the event"
    after = ", after the previous stamp" if request.previous else ""
    utc = rfc3339(now.midpoint_ns)
    return StampResult(
        summary=f"Stamped {what} at {utc} ± {duration(now.width_ns / 2)}{after}.",
        **provenance(reading, service),
        stamp=stamp,
        utc=utc,
        earliest_unix_ns=str(now.earliest_ns),
        latest_unix_ns=str(now.latest_ns),
    )


def plan_rendezvous(service: TimeService, request: PlanRendezvous) -> Rendezvous:
    """Return when participants should act, each by its own clock, to act together.

    Each acts when the middle of its own interval reads `fire_at`, so the true instants
    differ by the two widest bounds at most: those of that instant, which nobody here can
    know. So they are asked for, and every promise is made under them.

    Raises:
        ClockError, SegmentError: there is no trustworthy time here.
        RequestError: the instant is too near, or not given exactly once.
    """
    reading = service.timepiece.read()
    now = reading.now
    fire_ns = _fire_ns(request, now)
    widths = sorted(half_width_ns(p.uncertainty_s) for p in request.participants)
    guard_ns, apart_ns = 2 * widths[-1], widths[-1] + widths[-2]
    if fire_ns - widths[-1] <= now.latest_ns:
        first_ns = now.latest_ns + widths[-1] + NS_PER_S
        raise RequestError(
            f"{rfc3339(fire_ns)} may have passed for the participant with the widest "
            f"bound: choose {rfc3339(first_ns)} or later, or widen in_seconds, and "
            "leave time for telling everybody"
        )
    ahead_s = (fire_ns - now.midpoint_ns) / NS_PER_S
    own_ns = reading.half_width_in_ns(ahead_s)
    return Rendezvous(
        summary=f"Act when your own clock reads {rfc3339(fire_ns)}, if its bound is "
        "then no wider than given here: all who do act within "
        f"{duration(apart_ns)} of each other, and {duration(guard_ns)} after that by "
        "your clock all have."
        f"{_doubt(request, own_ns)}",
        **provenance(reading, service),
        fire_at_utc=rfc3339(fire_ns),
        fire_at_unix_ns=str(fire_ns),
        guard_s=guard_ns / NS_PER_S,
        all_fired_after_unix_ns=str(fire_ns + widths[-1]),
        simultaneous_within_s=apart_ns / NS_PER_S,
        own_future_uncertainty_s=None if own_ns is None else own_ns / NS_PER_S,
    )


def _fire_ns(request: PlanRendezvous, now: Interval) -> int:
    if (request.at is None) == (request.in_seconds is None):
        raise RequestError("give either at or in_seconds, and not both")
    if request.at is not None:
        return parse_instant(request.at)
    return now.midpoint_ns + round((request.in_seconds or 0.0) * NS_PER_S)


def _doubt(request: PlanRendezvous, own_ns: int | None) -> str:
    """Return a warning of bounds that nobody can foresee, or that look like today's."""
    if own_ns is None:
        return (
            " No bound can be foreseen that far: ask again nearer to it, or give the "
            "widest with which each may act."
        )
    narrow = [
        p.node for p in request.participants if half_width_ns(p.uncertainty_s) < own_ns
    ]
    if not narrow:
        return ""
    nodes = ", ".join(narrow[:_MOST_NAMED]) + ("…" if len(narrow) > _MOST_NAMED else "")
    return (
        f" Without a new measurement this host's bound grows to {duration(own_ns)} by "
        f"then, and {nodes} gave less: give future_uncertainty_s of their "
        "get_time_with_future_uncertainty, not today's."
    )

"""Tell the time: now, and how sure it will be later. What it is worth, `Clock` says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast

from chronotick.agents.availability import advice, state_of
from chronotick.agents.results import FutureUncertainty, Moment
from chronotick.agents.wording import duration, human, rfc3339
from chronotick.agents.zones import zone_named
from chronotick.core.status import Source, Status
from chronotick.core.units import NS_PER_S, PPB_PER_PPM

if TYPE_CHECKING:
    from datetime import tzinfo

    from chronotick.agents.requests import (
        GetFutureUncertainty,
        GetTime,
    )
    from chronotick.agents.service import TimeService
    from chronotick.agents.timepiece import Reading
    from chronotick.core.reading import Interval

__all__ = [
    "get_time",
    "get_time_with_future_uncertainty",
    "half_width_s",
    "moment",
    "provenance",
]

_DAYS = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip
_SOURCES = {
    Source.NO_DATA: "none",
    Source.NTP: "hold",
    Source.CPU_MODEL: "short-term",
    Source.GPU_MODEL: "long-term",
    Source.FUSION: "fusion",
}
_NS_PER_DAY = 86_400 * NS_PER_S
_THURSDAY = 3


def get_time(service: TimeService, request: GetTime) -> dict[str, Any]:
    """Return the time now: the fields of `TimeNow`, in its order.

    A dict from the start, because agents call nothing more often, and a `TimeNow` that
    is then made a dict is a tenth of the price.

    Raises:
        ClockError, SegmentError: there is no trustworthy time.
        RequestError: there is no such time zone.
    """
    named = request.timezone
    zone = UTC if named is None else zone_named(named)
    reading = service.timepiece.read()
    now, snapshot, _, realtime_ns = reading
    utc_ns, expiry_ns = reading.utc_and_expiry_ns()
    middle_ns, width_ns = now.midpoint_ns, now.width_ns
    status, clause, mend = _doubt(now, service)
    utc = rfc3339(middle_ns)
    shown = utc if zone is UTC else rfc3339(middle_ns, zone)
    weekday = _DAYS[_weekday(middle_ns, zone)]
    told = f"It is {shown} ({weekday}) ± {duration(width_ns / 2)}{clause}."
    return {
        "summary": told,
        "status": status,
        "mend": mend,
        "error_bound_kind": "worst-case",
        "source_age_s": reading.source_age_s,
        "utc": utc,
        "local": None if named is None else shown,
        "timezone": named or "UTC",
        "weekday": weekday,
        "unix_ns": str(middle_ns),
        "unix_s": middle_ns / NS_PER_S,
        "earliest_unix_ns": str(now.earliest_ns),
        "latest_unix_ns": str(now.latest_ns),
        "uncertainty_s": (width_ns + 1) // 2 / NS_PER_S,
        "offset_s": (utc_ns - realtime_ns) / NS_PER_S,
        "drift_ppm": snapshot.rate_ppb / PPB_PER_PPM,
        "confidence": snapshot.confidence,
        "source": _SOURCES[now.source],
        "valid_until": rfc3339(expiry_ns),
        "system_clock_utc": rfc3339(realtime_ns),
    }


def _weekday(instant_ns: int, zone: tzinfo) -> int:
    """Return 0 for Monday."""
    if zone is UTC:
        return (instant_ns // _NS_PER_DAY + _THURSDAY) % 7  # 1970 began on one
    return datetime.fromtimestamp(instant_ns // NS_PER_S, zone).weekday()


def get_time_with_future_uncertainty(
    service: TimeService, request: GetFutureUncertainty
) -> FutureUncertainty:
    """Return the bound that a reading would have later, if no measurement comes.

    Raises:
        ClockError, SegmentError: there is no trustworthy time.
    """
    reading, ahead_s = service.timepiece.read(), request.future_seconds
    now = reading.now
    future_ns = now.midpoint_ns + round(ahead_s * NS_PER_S)
    half_ns = reading.half_width_in_ns(ahead_s)
    _, expiry_ns = reading.utc_and_expiry_ns()
    until = rfc3339(expiry_ns)
    if half_ns is None:
        told = f"the correction expires before that, at {until}, unless it is renewed"
    else:
        told = f"a reading is ± {duration(half_ns)} even if no measurement comes"
    summary = f"In {human(ahead_s)}, at {rfc3339(future_ns)}, {told}"
    return FutureUncertainty(
        summary=f"{summary}{_doubt(now, service).clause}.",
        **provenance(reading, service),
        now=moment(now),
        future_utc=rfc3339(future_ns),
        future_unix_ns=str(future_ns),
        future_uncertainty_s=None if half_ns is None else half_ns / NS_PER_S,
        uncertainty_increase_s=(
            None if half_ns is None else half_ns / NS_PER_S - half_width_s(now)
        ),
        valid_until=until,
        model=_SOURCES[now.source],
    )


def moment(now: Interval) -> Moment:
    """Return `now` as the tools tell an instant."""
    return Moment(
        utc=rfc3339(now.midpoint_ns),
        unix_ns=str(now.midpoint_ns),
        earliest_unix_ns=str(now.earliest_ns),
        latest_unix_ns=str(now.latest_ns),
        uncertainty_s=half_width_s(now),
    )


def provenance(reading: Reading, service: TimeService) -> dict[str, Any]:
    """Return what every result that tells the time says of its worth."""
    doubt = _doubt(reading.now, service)
    return {
        "status": doubt.status,
        "mend": doubt.mend,
        "error_bound_kind": "worst-case",
        "source_age_s": reading.source_age_s,
    }


def half_width_s(now: Interval) -> float:
    """Return the bound in seconds, never less than it is."""
    return (now.width_ns + 1) // 2 / NS_PER_S


_Status: TypeAlias = Literal["synchronized", "holdover", "warmup", "unsynchronized"]


class _Doubt(NamedTuple):
    """What is not perfect about a time."""

    status: _Status
    clause: str = ""
    """To be added to a sentence that tells it."""
    mend: str | None = None


_NO_DOUBT = _Doubt("synchronized")
_SYNCHRONIZED = Status.SYNCHRONIZED


def _doubt(now: Interval, service: TimeService) -> _Doubt:
    if now.status is _SYNCHRONIZED:
        return _NO_DOUBT
    found = advice(now, service.timepiece.path)
    if found is None:
        return _NO_DOUBT
    why, command = found
    state = cast("_Status", state_of(now.status).value)
    return _Doubt(state, f"; {state}: {why} (run `{command}`)", command)

"""Three clocks at one instant in the past: the arithmetic, without any clock.

Decides how a reading made just now is carried back to the arrival of a datagram, so
that no model or query stands between the packet and its stamp. A clock that has no
reading gives None and a reason, never a number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.units import grow_ns

if TYPE_CHECKING:
    from chronotick.core.reading import Interval
    from chronotick.core.records import ClockPair, Sample

__all__ = [
    "MAX_RATE_PPB",
    "Bracketed",
    "NtpReading",
    "Stamps",
    "carried_back",
    "stamps",
]

MAX_RATE_PPB = 500_000
"""RAW runs within this of true time (the kernel's own limit for correcting a clock), so
this is what carrying a reading over some ms can add to its bound."""


class Bracketed(NamedTuple):
    """An interval read from ChronoTick between two readings of RAW."""

    interval: Interval
    before_raw_ns: int
    after_raw_ns: int


class NtpReading(NamedTuple):
    """Plain NTP: one exchange, kept as an offset of the system clock."""

    offset_ns: int
    """UTC − REALTIME, from the exchange's four timestamps."""
    half_width_ns: int

    @classmethod
    def of(cls, sample: Sample, clocks: ClockPair) -> NtpReading:
        """Return `sample` relative to the system clock, as `clocks` pairs it with RAW."""
        offset_ns = sample.offset_ns - (clocks.realtime_ns - clocks.raw_ns)
        return cls(offset_ns, sample.half_width_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamps:
    """All clocks at one instant, Unix ns."""

    system_ns: int
    ntp: NtpReading | str
    """A text says why there is none."""
    hard: tuple[int, int] | None
    calibrated: tuple[int, int] | None
    sigma_ns: float | None
    status: str
    """Of the ChronoTick reading: its status, or why there is none."""
    true_ns: int | None

    def columns(self) -> dict[str, object]:
        """Return the columns that coordinator and worker share."""
        found: dict[str, object] = {
            "ct_status": self.status,
            "true_time_ns": self.true_ns,
            "ntp_status": self.ntp if isinstance(self.ntp, str) else "ok",
        }
        if not isinstance(self.ntp, str):
            found["ntp_offset_ms"] = self.ntp.offset_ns / 1e6
            found["ntp_uncertainty_ms"] = self.ntp.half_width_ns / 1e6
            found["ntp_timestamp_ns"] = self.system_ns + self.ntp.offset_ns
        if self.hard is not None:
            middle_ns = sum(self.hard) // 2
            found["ct_hard_lower_ns"], found["ct_hard_upper_ns"] = self.hard
            found["ct_timestamp_ns"] = middle_ns
            found["ct_offset_ms"] = (middle_ns - self.system_ns) / 1e6
        if self.sigma_ns is not None:
            found["ct_uncertainty_ms"] = self.sigma_ns / 1e6
        if self.calibrated is not None:
            found["ct_lower_bound_ns"], found["ct_upper_bound_ns"] = self.calibrated
        return found


def carried_back(reading: Bracketed, raw_ns: int, error_ns: int = 0) -> tuple[int, int]:
    """Return where UTC lay when RAW read `raw_ns`, at or before the reading.

    Args:
        reading: Made afterwards.
        raw_ns: The instant.
        error_ns: How far `raw_ns` itself can be off.
    """
    least_ns = reading.before_raw_ns - raw_ns
    most_ns = reading.after_raw_ns - raw_ns
    slack_ns = grow_ns(most_ns, MAX_RATE_PPB) + error_ns
    interval = reading.interval
    return (
        interval.earliest_ns - most_ns - slack_ns,
        interval.latest_ns - least_ns + slack_ns,
    )


def _within(inner: tuple[int, int], outer: tuple[int, int]) -> tuple[int, int]:
    """Return `inner` as far as it lies in `outer`; the end next to it if nowhere.

    The hard bound caps the calibrated one, but the two are read one after the other, and
    each is widened by the time that its own reading took, or the daemon publishes in
    between. Both hold at one instant, so what lies outside the hard bound can go: it
    takes a true time away only where that bound is broken. If nothing is left, the miss
    is kept, as a point.
    """
    least, most = outer
    return min(max(inner[0], least), most), max(min(inner[1], most), least)


def stamps(  # noqa: PLR0913 - one argument a clock
    *,
    raw_ns: int,
    error_ns: int,
    clocks: ClockPair,
    ntp: NtpReading | str,
    hard: Bracketed | str,
    calibrated: Bracketed | None,
    true_ns: int | None,
) -> Stamps:
    """Return all clocks at `raw_ns`.

    Args:
        raw_ns: The instant, on the host's RAW.
        error_ns: How far it can be off.
        clocks: RAW and the system clock, paired at about that time.
        ntp: The newest exchange; a text says why there is none.
        hard: ChronoTick's interval, read afterwards; a text says why there is none.
        calibrated: The calibrated one, if it has been earned. It is recorded as far as
            it lies in the hard one.
        true_ns: The truth, in a simulated run.
    """
    found = Stamps(
        system_ns=clocks.realtime_ns - (clocks.raw_ns - raw_ns),
        ntp=ntp,
        hard=None,
        calibrated=None,
        sigma_ns=None,
        status=hard if isinstance(hard, str) else hard.interval.status.name.lower(),
        true_ns=true_ns,
    )
    if isinstance(hard, str):
        return found
    outer = carried_back(hard, raw_ns, error_ns)
    inner: tuple[int, int] | None = None
    if calibrated is not None:
        inner = _within(carried_back(calibrated, raw_ns, error_ns), outer)
    sigma_ns = hard.interval.sigma_ns
    return replace(
        found,
        hard=outer,
        calibrated=inner,
        # A clock that is read over HTTP does not tell.
        sigma_ns=None if math.isnan(sigma_ns) else sigma_ns,
    )

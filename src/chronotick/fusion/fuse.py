"""Turn what is known into one correction: interval, best guess inside it, status.

Decides how the best guess and the hard interval become one answer. It does not decide
which servers are truthful, which model is believed (`chronotick.fusion.weights`), nor
how long a correction lives (the publisher knows the configured limit).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chronotick.core.records import Correction, Variance
from chronotick.core.status import Leap, Reason, Source, Status

if TYPE_CHECKING:
    from chronotick.core.records import Estimate
    from chronotick.core.span import Span
    from chronotick.fusion.frequency import RateSpan

__all__ = ["Evidence", "fuse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that one correction is made from, at one instant."""

    raw_ns: int
    span: Span | None
    """Where UTC − RAW must lie, by the agreeing majority; None without one."""
    rate: RateSpan
    """What the rate can be."""
    estimate: Estimate | None
    """The best guess at `raw_ns`; None where no model has anything to say."""
    status: Status
    """The best status that the evidence allows; no correction is worth more."""
    reasons: Reason
    confidence: float
    last_sync_raw_ns: int
    measurement_count: int
    delay_ns: int
    leap: Leap = Leap.NONE
    coverage_99: float = 0.0
    coverage_999: float = 0.0


def fuse(evidence: Evidence) -> Correction:
    """Return the correction that `evidence` supports, status UNKNOWN where none is.

    The published offset is the best guess, moved to the nearest point that the hard
    interval allows: the truth is in there, so the move can only reduce the error. The
    same goes for its rate. Both are set projections, not thresholds: adding a constant
    to every measurement adds it to the result and changes nothing else.
    """
    chosen = evidence.estimate
    if evidence.span is None or chosen is None:
        return _unknown(evidence)
    span = evidence.span
    offset_ns = min(max(chosen.offset_ns, span.lo_ns), span.hi_ns)
    bound_ns = span.reach_from(offset_ns)
    rate_ppb = evidence.rate.nearest(chosen.rate_ppb)
    variance = chosen.variance
    return Correction(
        raw_ns=evidence.raw_ns,
        utc_ns=evidence.raw_ns + offset_ns,
        rate_ppb=rate_ppb,
        bound_ns=bound_ns,
        bound_growth_ppb=evidence.rate.growth_from(rate_ppb),
        # Nothing that lies within the bound spreads further than it.
        variance=variance._replace(v0=min(variance.v0, float(bound_ns) ** 2)),
        status=evidence.status,
        reasons=evidence.reasons,
        source=chosen.source,
        confidence=evidence.confidence,
        last_sync_raw_ns=evidence.last_sync_raw_ns,
        measurement_count=evidence.measurement_count,
        delay_ns=evidence.delay_ns,
        leap=evidence.leap,
        coverage_99=evidence.coverage_99,
        coverage_999=evidence.coverage_999,
    )


def _unknown(evidence: Evidence) -> Correction:
    return Correction(
        raw_ns=evidence.raw_ns,
        utc_ns=0,
        rate_ppb=0.0,
        bound_ns=0,
        bound_growth_ppb=0,
        variance=Variance(0.0),
        status=Status.UNKNOWN,
        reasons=evidence.reasons or Reason.NO_SAMPLES,
        source=Source.NO_DATA,
        confidence=0.0,
        last_sync_raw_ns=evidence.last_sync_raw_ns,
        measurement_count=evidence.measurement_count,
        delay_ns=0,
    )

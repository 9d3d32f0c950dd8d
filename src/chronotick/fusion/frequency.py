"""Hard limits on the oscillator's rate, by set membership.

Two intervals that contain UTC − RAW at two instants bound the mean rate between them
(Milanese & Vicino, Automatica 27 (1991) 997: estimation with unknown but bounded
errors). With the stated worst change of rate, each such mean bounds the rate now and in
the near future. No statistics: if the intervals hold and the oscillator keeps to its
limits, so does the result.

The two assumptions, both configured and both published with the bound's meaning:

* the rate never exceeds ``max_frequency_error`` (500 ppm: the most that NTP and the
  Linux kernel credit any oscillator with, RFC 5905 §7.1 / ``MAXFREQ``);
* the rate at any instant of the coming hours is within ``max_drift`` of its mean over
  any of the past windows used here (15 ppm: RFC 5905's ``PHI``).
"""

from __future__ import annotations

from typing import NamedTuple

from chronotick.core.span import Span
from chronotick.core.units import NS_PER_S, PPB, PPB_PER_PPM

__all__ = ["FrequencyBound", "RateSpan"]

# Older evidence says nothing about today's temperature.
_WINDOW_NS = 24 * 3600 * NS_PER_S
_MAX_ANCHORS = 24


class RateSpan(NamedTuple):
    """The rate d(UTC − RAW)/dRAW lies in ``[lo_ppb, hi_ppb]``; whole ppb, outwards."""

    lo_ppb: int
    hi_ppb: int

    def carry(self, span: Span, age_ns: int) -> Span:
        """Return `span` moved by `age_ns`, backwards too, at any rate in the span."""
        slow, fast = self.lo_ppb, self.hi_ppb
        if age_ns < 0:
            slow, fast = fast, slow
        return Span(
            span.lo_ns + age_ns * slow // PPB,
            span.hi_ns - (-age_ns * fast // PPB),
        )

    def growth_from(self, rate_ppb: float) -> int:
        """Return how fast an extrapolation at `rate_ppb` can go wrong, ppb, up."""
        reach = max(self.hi_ppb - rate_ppb, rate_ppb - self.lo_ppb, 0.0)
        return int(reach) + 1

    def nearest(self, rate_ppb: float) -> float:
        """Return the rate within the span that is nearest to `rate_ppb`."""
        return min(max(rate_ppb, float(self.lo_ppb)), float(self.hi_ppb))


class FrequencyBound:
    """What the rate can be, learned from intervals that contain UTC − RAW.

    Args:
        max_frequency_error_ppm: Worst credible rate of RAW.
        max_drift_ppm: Worst credible change of the rate.
    """

    def __init__(
        self, *, max_frequency_error_ppm: float = 500.0, max_drift_ppm: float = 15.0
    ) -> None:
        limit_ppb = round(max_frequency_error_ppm * PPB_PER_PPM)
        self._prior = RateSpan(-limit_ppb, limit_ppb)
        self._drift_ppb = round(max_drift_ppm * PPB_PER_PPM)
        self._anchors: list[tuple[int, Span]] = []
        self._rate = self._prior

    @property
    def rate(self) -> RateSpan:
        """What the rate can be now."""
        return self._rate

    def observe(self, raw_ns: int, span: Span) -> bool:
        """Take in that UTC − RAW lies in `span` at `raw_ns`.

        Returns:
            False where this contradicts what was learned (the oscillator left its
            limits, or an interval was wrong): then everything is forgotten but this.
        """
        if self._anchors and raw_ns - self._anchors[0][0] > _WINDOW_NS:
            self._anchors = [a for a in self._anchors if raw_ns - a[0] <= _WINDOW_NS]
        rate = self._reconcile(raw_ns, span)
        if rate is None:
            self.forget()
            self._anchors = [(raw_ns, span)]
            return False
        self._rate = rate
        self._keep(raw_ns, span)
        return True

    def forget(self) -> None:
        """Fall back to the prior: after a jump nothing older counts."""
        self._anchors = []
        self._rate = self._prior

    def _reconcile(self, raw_ns: int, span: Span) -> RateSpan | None:
        """Return which rates lead from all that is remembered to `span`, if any do."""
        (lo_ns, hi_ns), drift_ppb = span, self._drift_ppb
        slowest_ppb = self._prior.lo_ppb + drift_ppb
        fastest_ppb = self._prior.hi_ppb - drift_ppb
        for then_ns, (then_lo_ns, then_hi_ns) in self._anchors:
            elapsed_ns = raw_ns - then_ns
            if elapsed_ns <= 0:
                continue
            least = (lo_ns - then_hi_ns) * PPB
            most = (hi_ns - then_lo_ns) * PPB
            # Few narrow what the others leave, and a division is dear.
            if least > slowest_ppb * elapsed_ns:
                slowest_ppb = least // elapsed_ns
            if most < fastest_ppb * elapsed_ns:
                fastest_ppb = -(-most // elapsed_ns)
        rate = RateSpan(slowest_ppb - drift_ppb, fastest_ppb + drift_ppb)
        return rate if rate.lo_ppb <= rate.hi_ppb else None

    def _keep(self, raw_ns: int, span: Span) -> None:
        """Remember the interval; thin out so that every age keeps a narrow one."""
        self._anchors.append((raw_ns, span))
        if len(self._anchors) <= _MAX_ANCHORS:
            return
        # Drop the widest of each neighboring pair in the older half: long baselines
        # stay, and it is the narrow ends that bound a mean.
        half = _MAX_ANCHORS // 2
        older, newer = self._anchors[:-half], self._anchors[-half:]
        pairs = [older[i : i + 2] for i in range(0, len(older), 2)]
        kept = [min(pair, key=lambda anchor: anchor[1].width_ns) for pair in pairs]
        self._anchors = kept + newer

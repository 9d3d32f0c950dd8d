"""Self-audit: what was published, held against what was measured afterwards.

Counts; decides nothing. Every exchange is held out until its claims have been checked,
so no claim is scored on what it was made from.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from chronotick.core.records import Audit

if TYPE_CHECKING:
    from chronotick.core.records import Estimate, Sample
    from chronotick.core.span import Span
    from chronotick.fusion.calibrate import Coverage
    from chronotick.fusion.quiet import Check

__all__ = ["Auditor"]


class Auditor:
    """Keeps the counts since the daemon started."""

    def __init__(self) -> None:
        self._hard = self._hard_missed = 0
        self._scored = self._missed_99 = self._missed_999 = 0

    def check_hard(self, sample: Sample, claimed: Span) -> None:
        """Hold a believed server's answer against the hard interval of before.

        Both contain the truth, so they overlap; where they don't, one of them is wrong.
        """
        self._hard += 1
        self._hard_missed += sample.span.intersect(claimed) is None

    def check_calibrated(
        self, check: Check, claim: Estimate, coverage: Coverage
    ) -> None:
        """Hold a quiet measurement against the calibrated intervals of before."""
        error_ns = abs(check.offset_ns - claim.offset_ns)
        allowed = max(claim.variance.v0, 0.0) + check.noise
        self._scored += 1
        self._missed_99 += error_ns > coverage.factor_99 * sqrt(allowed)
        self._missed_999 += error_ns > coverage.factor_999 * sqrt(allowed)

    def audit(self) -> Audit:
        """Return the counts."""
        return Audit(
            hard_checks=self._hard,
            hard_misses=self._hard_missed,
            calibrated_checks=self._scored,
            misses_99=self._missed_99,
            misses_999=self._missed_999,
        )

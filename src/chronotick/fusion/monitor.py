"""Whether what is measured still has to do with what was predicted.

The hard bound does not depend on the models, but the best guess inside it does: when
measurement after measurement falls outside what was claimed, the models have lost the
clock, and readers should know. Decides only that; nothing is clamped or dropped here.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from chronotick.core.units import NS_PER_S

if TYPE_CHECKING:
    from chronotick.core.records import Estimate
    from chronotick.fusion.quiet import Check

__all__ = ["InnovationMonitor"]

_IN_A_ROW = 3
# Less than this is rounding and reading the clocks.
_LEAST_VARIANCE = 1.0


class InnovationMonitor:
    """Trips after three surprises in a row, lets go after three that fit.

    A surprise lies beyond what 99.9 % of the errors should stay within, as claimed when
    all was well: a model that begins to doubt itself widens its claims, and that is
    what readers should hear of. One spike is none of our business.
    """

    def __init__(self) -> None:
        self.tripped = False
        """Whether the models' guess is out of touch with the measurements."""
        self._trusted: Estimate | None = None
        self._run = 0

    def judge(self, check: Check, claim: Estimate, factor: float) -> None:
        """Take in one measurement and what was claimed for its instant.

        Args:
            check: The measurement.
            claim: For the same instant, made before it was seen.
            factor: Half width of the claim in sigmas.
        """
        reference = claim if self.tripped else self._trusted or claim
        fits = _fits(check, reference, factor)
        self._run = self._run + 1 if fits is self.tripped else 0
        if self._run == _IN_A_ROW:
            self.tripped = not self.tripped
            self._run = 0
        if fits and not self.tripped:
            self._trusted = claim


def _fits(check: Check, claim: Estimate, factor: float) -> bool:
    age_s = (check.raw_ns - claim.raw_ns) / NS_PER_S
    variance = max(claim.variance.at(age_s) + check.noise, _LEAST_VARIANCE)
    error_ns = check.offset_ns - claim.offset_ns - claim.rate_ppb * age_s
    return abs(error_ns) <= factor * sqrt(variance)

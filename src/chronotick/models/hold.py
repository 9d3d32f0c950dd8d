"""Hold: the newest measurement, carried at no assumed rate.

The baseline that any other model must beat, and the honest answer after the very first
exchange, when nothing is known of the oscillator's rate but its tolerance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chronotick.core.records import Estimate, Variance
from chronotick.core.status import Source
from chronotick.core.units import PPB_PER_PPM

if TYPE_CHECKING:
    from chronotick.core.records import Sample

__all__ = ["HoldModel"]


class HoldModel:
    """UTC − RAW stays where the newest sample put it.

    Args:
        max_frequency_error_ppm: Worst credible rate of the oscillator; with nothing
            learned, the rate is taken as uniform within it.
    """

    def __init__(self, *, max_frequency_error_ppm: float = 500.0) -> None:
        # The variance of a uniform distribution on ±a is a²/3. Both the path's
        # asymmetry (within ± half width) and the rate get one: nothing better is
        # known, and a uniform claims no shape.
        self._rate_variance = (max_frequency_error_ppm * PPB_PER_PPM) ** 2 / 3.0
        self._newest: Sample | None = None

    def observe(self, sample: Sample) -> None:
        """Replace what is held."""
        self._newest = sample

    def predict(self, raw_ns: int) -> Estimate | None:
        """Return the held offset with a variance that has grown since."""
        if self._newest is None:
            return None
        grown = Variance(v0=self._newest.half_width_ns**2 / 3.0, v2=self._rate_variance)
        age_s = (raw_ns - self._newest.raw_ns) / 1e9
        return Estimate(
            raw_ns=raw_ns,
            offset_ns=self._newest.offset_ns,
            rate_ppb=0.0,
            # Re-anchored: v(t + age) as a polynomial in t, exact for a quadratic.
            variance=Variance(
                v0=grown.at(age_s),
                v1=2.0 * self._rate_variance * max(age_s, 0.0),
                v2=self._rate_variance,
            ),
            source=Source.NTP,
        )

    def bias_ns(self, server: str) -> float:
        """Return 0: no account is kept."""
        return 0.0

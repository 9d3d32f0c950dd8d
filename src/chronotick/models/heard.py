"""Forecasts that were made elsewhere: late, or never, or for another instant.

Decides what an external forecaster's newest forecast says from here on, and when it is
too old to say anything. Whether it is believed is the ensemble's business, as for any
other expert.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chronotick.core.units import NS_PER_S
from chronotick.models.history import STEP_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from chronotick.core.rates import RateForecast

    Vector = NDArray[np.float64]

__all__ = ["FRESH_S", "Heard"]

FRESH_S = 3600
"""A forecast that is older has no vote: the clock has shown more since."""

_STEP_NS = STEP_S * NS_PER_S
_ROUNDING_S = 1.0
# At this rate a clock stands still: whoever forecasts that is broken.
_STANDSTILL_PPB = 1e9


class Heard:
    """The newest forecast of each external expert.

    Args:
        names: The experts, in the order of their votes.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._newest: dict[str, RateForecast | None] = dict.fromkeys(names)

    def take(self, name: str, forecast: RateForecast) -> None:
        """Replace what is known of `name`, unless that is newer.

        Raises:
            KeyError: There is no such expert.
        """
        known = self._newest[name]
        if known is None or known.raw_ns <= forecast.raw_ns:
            self._newest[name] = forecast

    def forget(self) -> None:
        """Drop all forecasts: they were made from a history that counts no more."""
        self._newest = dict.fromkeys(self._newest)

    def means(self, raw_ns: int, rates_ppb: Vector, horizons_s: Vector) -> list[Vector]:
        """Return mean rates (ppb) from `raw_ns` on, NaN where an expert is silent.

        Args:
            raw_ns: Now.
            rates_ppb: 10-minute rates up to now, newest last.
            horizons_s: How far to look.
        """
        return [
            np.full(horizons_s.size, np.nan)
            if forecast is None
            else _from_here(forecast, raw_ns, rates_ppb, horizons_s)
            for forecast in self._newest.values()
        ]


def _from_here(
    forecast: RateForecast, raw_ns: int, rates_ppb: Vector, horizons_s: Vector
) -> Vector:
    """Return what is left of a forecast, as mean rates from `raw_ns` on."""
    silent: Vector = np.full(horizons_s.size, np.nan)
    age_s = (raw_ns - forecast.raw_ns) / NS_PER_S
    means = np.array(forecast.means_ppb)
    marks = raw_ns // _STEP_NS - forecast.raw_ns // _STEP_NS
    if not 0.0 <= age_s <= FRESH_S or marks >= rates_ppb.size or means.size == 0:
        return silent
    # Written so that NaN is out as well.
    if not (np.abs(means) < _STANDSTILL_PPB).all():
        return silent
    ends_s = forecast.step_s * np.arange(means.size + 1.0)
    moved = np.concatenate(([0.0], ends_s[1:] * means))
    wanted_s = age_s + horizons_s
    # The last forecast rate is kept for what its age has cut off, and no longer.
    last_ppb = (moved[-1] - moved[-2]) / forecast.step_s
    beyond_s = np.maximum(wanted_s - ends_s[-1], 0.0)
    reached = np.interp(wanted_s, ends_s, moved) + beyond_s * last_ppb
    from_here: Vector = (reached - np.interp(age_s, ends_s, moved)) / horizons_s
    # A clock's rate wanders: by what it has since changed otherwise than foreseen, all of
    # its future is expected to be off.
    now = min(int(age_s // forecast.step_s), means.size - 1)
    foreseen_ppb = (moved[now + 1] - moved[now]) / forecast.step_s - means[0]
    surprise_ppb = rates_ppb[-1] - rates_ppb[-1 - marks] - foreseen_ppb
    return np.where(beyond_s <= age_s + _ROUNDING_S, from_here + surprise_ppb, silent)

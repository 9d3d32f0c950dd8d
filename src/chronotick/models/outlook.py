"""What the ensemble expects of the coming hours, between the horizons that it judged.

Decides how a forecast for some horizons is read at any age. Plain floats: it is asked at
every measurement, for one age at a time.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chronotick.models.scores import HORIZONS_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

__all__ = ["NO_CHANGE", "Ahead", "Outlook"]

_AGES_S: list[float] = [0.0, *HORIZONS_S.tolist()]
_LAST = len(_AGES_S) - 1


class Ahead(NamedTuple):
    """What is expected at one age."""

    moved_ns: float
    """How far the change of the rate has carried the clock."""
    rate_ppb: float
    """How fast it does so then."""
    shrink: float
    """By what factor the variance grows more slowly than the bank's."""
    spread_ppb: float
    """Standard deviation among the experts that are believed."""


class Outlook:
    """What the ensemble says, per `HORIZONS_S`.

    Args:
        change_ppb: Mean rate over the horizon, less the bank's rate.
        shrink: Mean square error over the bank's, at most 1.
        spread_ppb: Standard deviation among the experts that are believed.
        lasting: Share of what the rate has changed by since then that lasts.
    """

    def __init__(
        self,
        change_ppb: Vector,
        shrink: Vector,
        spread_ppb: Vector,
        lasting: Vector | None = None,
    ) -> None:
        self._moved_ns: list[float] = [0.0, *(HORIZONS_S * change_ppb).tolist()]
        passing = np.zeros(HORIZONS_S.size) if lasting is None else 1.0 - lasting
        self._passing_s: list[float] = [0.0, *(HORIZONS_S * passing).tolist()]
        # Before the first horizon as there.
        self._shrink: list[float] = [shrink.item(0), *shrink.tolist()]
        self._spread_ppb: list[float] = [spread_ppb.item(0), *spread_ppb.tolist()]

    def at(self, age_s: float, since_ppb: float = 0.0) -> Ahead:
        """Return what is expected at an age, 0 or more.

        Args:
            age_s: How far ahead.
            since_ppb: What the bank's rate has changed by since the ensemble looked.

        Mean change times age is piecewise linear from 0 at age 0; beyond the last
        horizon the rate that was reached there is kept, and doubt stays what it was.
        """
        k = min(bisect_right(_AGES_S, age_s), _LAST)
        since_s = age_s - _AGES_S[k - 1]
        moved, shrink, spread = self._moved_ns, self._shrink, self._spread_ppb
        width_s = _AGES_S[k] - _AGES_S[k - 1]
        passing_s = self._passing_s
        from_ns = moved[k - 1] - since_ppb * passing_s[k - 1]
        rate_ppb = (moved[k] - since_ppb * passing_s[k] - from_ns) / width_s
        moved_ns = from_ns + rate_ppb * since_s
        if age_s >= _AGES_S[_LAST]:
            return Ahead(moved_ns, rate_ppb, shrink[k], spread[k])
        return Ahead(
            moved_ns,
            rate_ppb,
            shrink[k - 1] + (shrink[k] - shrink[k - 1]) / width_s * since_s,
            spread[k - 1] + (spread[k] - spread[k - 1]) / width_s * since_s,
        )


NO_CHANGE = Outlook(
    np.zeros(HORIZONS_S.size), np.ones(HORIZONS_S.size), np.zeros(HORIZONS_S.size)
)

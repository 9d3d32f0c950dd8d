"""Which expert has been right: matured forecasts only, per horizon.

Every forecast is kept until its horizon has passed, then compared with what the clock
did. Decides how much each expert is believed; an expert that doesn't beat the bank gets
no weight, and until something has matured the bank speaks alone.
"""

from __future__ import annotations

from collections import deque
from math import exp
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chronotick.core.units import NS_PER_S
from chronotick.models.history import STEP_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

__all__ = ["HORIZONS_S", "ScoreBoard"]

HORIZONS_S = np.array([600.0, 1800.0, 3600.0, 7200.0, 14400.0, 21600.0, 28800.0])
"""Where experts are compared: 10 minutes to 8 hours."""
_COLUMNS = np.arange(HORIZONS_S.size)
# Overlapping forecasts count by the share that is new.
_SHARES = np.minimum(STEP_S / HORIZONS_S, 1.0)
# Two days' worth of outcomes count.
_FADE = exp(-STEP_S / (48 * 3600.0))
# Forecasts made 10 minutes apart over 8 hours share most of their outcome: so many
# independent outcomes is what the prior is worth.
_PRIOR_OUTCOMES = 2.0
# Weights go with this power of the mean square error. The experts see the same history,
# so averaging many of them buys little, and a better one should have the say soon.
_SHARPNESS = 4.0
_MARGIN = 0.97
# Squares of ppb; only keeps a perfect record of a perfect clock from dividing by zero.
_LEAST_SQUARE = 1e-12
# A measurement seldom comes exactly when a horizon ends.
_TOLERANCE = 0.25
_NEAR_S = _TOLERANCE * HORIZONS_S
_LONGEST_NS = round(float(HORIZONS_S[-1] + _NEAR_S[-1])) * NS_PER_S


class _Forecast(NamedTuple):
    raw_ns: int
    offset_ns: int
    means_ppb: Matrix


class ScoreBoard:
    """Keeps forecasts of some experts, of which the first is the bank.

    Args:
        priors: Per expert, its mean square error over the bank's as expected before
            anything has matured; 1 where nothing is known, as for the bank itself.
    """

    def __init__(self, priors: Sequence[float]) -> None:
        count = len(priors)
        self._priors = np.array(priors)[:, None]
        self._pending: deque[_Forecast] = deque()
        # Mean squares of its errors, of the bank's when it spoke, and how often it did.
        self._totals = np.zeros((3, count, HORIZONS_S.size))

    def mature(self, raw_ns: int, offset_ns: int) -> None:
        """Score what has come due, now that the clock's offset is known."""
        oldest_ns = raw_ns - _LONGEST_NS
        while self._pending and self._pending[0].raw_ns < oldest_ns:
            self._pending.popleft()
        if not self._pending:
            return
        ages_s = np.array([raw_ns - each.raw_ns for each in self._pending]) / NS_PER_S
        distance_s = np.abs(ages_s[:, None] - HORIZONS_S)
        nearest = distance_s.argmin(axis=0)
        near = distance_s[nearest, _COLUMNS] <= _NEAR_S
        columns = near.nonzero()[0]
        if columns.size:
            self._score(columns, nearest[columns].tolist(), raw_ns, offset_ns)

    def record(self, raw_ns: int, offset_ns: int, means_ppb: Matrix) -> None:
        """Keep forecasts made at `raw_ns`: experts × horizons, NaN where silent."""
        self._pending.append(_Forecast(raw_ns, offset_ns, means_ppb))

    def amend(self, means_ppb: Matrix) -> None:
        """Replace the newest forecasts: somebody spoke late, of the same instant."""
        self._pending[-1] = self._pending[-1]._replace(means_ppb=means_ppb)

    def ratios(self) -> Matrix:
        """Return each expert's mean square error relative to the bank's.

        Shrunk towards the priors: experts × horizons, the bank's row is 1.
        """
        # Outcomes of the bank's own size, in its current units, are the yardstick.
        square, bank_square, outcomes = self._totals
        typical = bank_square[0] / np.maximum(outcomes[0], 1e-12)
        prior = np.maximum(_PRIOR_OUTCOMES * typical, _LEAST_SQUARE)
        ratio = (square + self._priors * prior) / (bank_square + prior)
        shrunk: Matrix = np.where(outcomes > 0.0, ratio, self._priors)
        return shrunk

    def weights(self, speaking: NDArray[np.bool_], ratios: Matrix) -> Matrix:
        """Return weights that sum to 1 per horizon; silent experts get none.

        Args:
            speaking: Experts × horizons.
            ratios: What `ratios` has returned.
        """
        weight = np.where(ratios < _MARGIN, ratios**-_SHARPNESS, 0.0) * speaking
        weight[0] = 1.0
        weight /= weight.sum(axis=0)
        return weight

    def _score(
        self, columns: NDArray[np.intp], due: list[int], raw_ns: int, offset_ns: int
    ) -> None:
        """Score the forecasts at places `due`, each at the horizon in `columns`."""
        said, rates_ppb = [], []
        for column, place in zip(columns.tolist(), due, strict=True):
            made_ns, was_ns, means_ppb = self._pending[place]
            said.append(means_ppb[:, column])
            rates_ppb.append((offset_ns - was_ns) / ((raw_ns - made_ns) / NS_PER_S))
        errors_ppb = np.array(said).T - rates_ppb
        spoke = np.isfinite(errors_ppb)
        found = np.empty((3, *spoke.shape))
        found[0] = np.where(spoke, errors_ppb, 0.0) ** 2
        found[1] = np.where(spoke, errors_ppb[0] ** 2, 0.0)
        found[2] = spoke
        found *= _SHARES[columns]
        self._totals[:, :, columns] *= _FADE
        self._totals[:, :, columns] += found

"""What becomes of a forecast when the rate has changed since it was made.

The ensemble looks ahead every ten minutes; the short-term model learns at every
measurement in between. Decides how much of that is carried into the coming hours: as
much as the ensemble itself has made of such changes, ten minutes later. On a random walk
that is all of it; of a thermostat's swing next to nothing lasts.
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chronotick.models.history import STEP_S
from chronotick.models.scores import HORIZONS_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

__all__ = ["Echo"]

# Two days of changes count, as with the experts' scores.
_FADE = exp(-STEP_S / (48 * 3600.0))
# So many changes of the usual size that lasted are what "it stays" is worth beforehand.
_PRIOR_CHANGES = 6.0


class _LookAhead(NamedTuple):
    raw_ns: int
    rate_ppb: float
    means_ppb: Vector


class Echo:
    """Regression, through the origin, of how forecasts changed on how the rate did."""

    def __init__(self) -> None:
        self._before: _LookAhead | None = None
        self._last: _LookAhead | None = None
        self._changes = 0.0
        self._square = 0.0
        self._product = np.zeros(HORIZONS_S.size)

    def hear(self, raw_ns: int, rate_ppb: float, means_ppb: Vector) -> None:
        """Take in a look-ahead; one of the same instant replaces it.

        Args:
            raw_ns: When it was made.
            rate_ppb: What the short-term model said then.
            means_ppb: Mean rates over `HORIZONS_S` that the ensemble made of it.
        """
        now, last = _LookAhead(raw_ns, rate_ppb, means_ppb), self._last
        if last is not None and last.raw_ns != raw_ns:
            # Nobody speaks of that instant any more.
            self._count(last)
            self._before = last
        self._last = now

    def _count(self, last: _LookAhead) -> None:
        if self._before is None:
            return
        change_ppb = last.rate_ppb - self._before.rate_ppb
        answer_ppb = last.means_ppb - self._before.means_ppb
        self._changes = _FADE * self._changes + 1.0
        self._square = _FADE * self._square + change_ppb**2
        self._product = _FADE * self._product + change_ppb * answer_ppb

    def lasting(self) -> Vector:
        """Return the share of a change that is expected to last, 0 to 1, per horizon."""
        if self._square == 0.0:
            return np.ones(HORIZONS_S.size)
        prior = _PRIOR_CHANGES * self._square / self._changes
        share = (self._product + prior) / (self._square + prior)
        lasting: Vector = np.clip(share, 0.0, 1.0)
        return lasting

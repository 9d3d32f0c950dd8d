"""The rates of the last three days, one every ten minutes, and how sure each was.

Decides which rates are the clock's. While a rate is being learned, at a start or after a
leap, it says nothing of where the clock goes: that is no history then, and later on a gap.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from chronotick.core.units import NS_PER_S
from chronotick.models.history import PAST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chronotick.core.records import Estimate

    Vector = NDArray[np.float64]

__all__ = ["RateLog"]

# A rate this many times less certain than its neighbours is not the clock's: it is a
# start-up's, or a leap's. But not where the clock itself changes by more: a night
# without servers, or days of worse ones, still show the waves of a day.
_UNSETTLED = 4.0
# What stays uncertain for so long is all that there is to go by, for now.
_PATIENCE_NS = 3600 * NS_PER_S
# ppb; only keeps weights finite.
_LEAST_DOUBT = 1e-3


class RateLog:
    """Rates of the short-term model, newest last, without gaps."""

    def __init__(self) -> None:
        self.rates_ppb: Vector = np.zeros(0)
        self.mark: int | None = None
        """Which ten minutes the newest one is of."""
        self._doubts_ppb: Vector = np.zeros(0)
        self._unsettled_ns: int | None = None

    @property
    def is_lost(self) -> bool:
        """Whether the rate has become too uncertain to be history, for an hour at most.

        That is then a gap, to be bridged once the rate is known again.
        """
        return self._unsettled_ns is not None

    def take(self, mark: int, estimate: Estimate) -> bool:
        """Take in the rate of the ten minutes `mark`, unless it is lost.

        Returns:
            Whether the rates before have turned out not to be the clock's: whatever was
            forecast from them says nothing of who foresees well.
        """
        was_lost = self.is_lost
        self._note_doubt(estimate)
        if self.is_lost:
            return False
        begins_anew = was_lost and self._has_changed(estimate)
        if begins_anew:
            self.rates_ppb = self._doubts_ppb = np.zeros(0)
            self.mark = None
        self._extend(mark, estimate)
        return self._settle() or begins_anew

    def _note_doubt(self, estimate: Estimate) -> None:
        """Compare the newest rate's doubt with that of the one before."""
        doubt_ppb = sqrt(estimate.variance.v2)
        if (
            not self._doubts_ppb.size
            or doubt_ppb <= _UNSETTLED * self._doubts_ppb[-1]
            or doubt_ppb <= self._spread_ppb()
        ):
            self._unsettled_ns = None
        elif self._unsettled_ns is None:
            self._unsettled_ns = estimate.raw_ns
        elif estimate.raw_ns - self._unsettled_ns >= _PATIENCE_NS:
            self._unsettled_ns = None

    def _has_changed(self, estimate: Estimate) -> bool:
        """Whether the rate has come back as none that the clock had: it is another's."""
        known_ppb = max(self._spread_ppb(), sqrt(estimate.variance.v2))
        moved_ppb = abs(estimate.rate_ppb - float(self.rates_ppb[-1]))
        return moved_ppb > _UNSETTLED * known_ppb

    def _extend(self, mark: int, estimate: Estimate) -> None:
        """Append the rate of these ten minutes; a gap is bridged by a straight line."""
        rate_ppb, doubt_ppb = estimate.rate_ppb, sqrt(estimate.variance.v2)
        missed = 1 if self.mark is None else min(mark - self.mark, PAST)
        bridge, doubts = [rate_ppb], [doubt_ppb]
        if missed > 1:
            bridge = np.linspace(self.rates_ppb[-1], rate_ppb, missed + 1)[1:].tolist()
            # It is worth no more than its worse end.
            worse = max(self._doubts_ppb[-1], doubt_ppb)
            doubts = [worse] * (missed - 1) + doubts
        self.rates_ppb = np.concatenate((self.rates_ppb, bridge))[-PAST:]
        self._doubts_ppb = np.concatenate((self._doubts_ppb, doubts))[-PAST:]
        self.mark = mark

    def _settle(self) -> bool:
        """Take out what was learned while the rate itself was being learned, if any."""
        least = max(_UNSETTLED * self._doubts_ppb[-1], self._spread_ppb())
        settled = (self._doubts_ppb <= least).nonzero()[0]
        if settled.size == self._doubts_ppb.size:
            return False
        kept = np.arange(settled[0], self._doubts_ppb.size)
        self.rates_ppb = np.interp(kept, settled, self.rates_ppb[settled])
        self._doubts_ppb = np.interp(kept, settled, self._doubts_ppb[settled])
        return True

    def _spread_ppb(self) -> float:
        """Return by how much the rate has changed so far, rms: the surer the weightier."""
        weight = 1.0 / np.maximum(self._doubts_ppb, _LEAST_DOUBT) ** 2
        total = weight.sum()
        apart = self.rates_ppb - weight.dot(self.rates_ppb) / total
        return float(sqrt(weight.dot(apart * apart) / total))

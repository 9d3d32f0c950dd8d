"""The bank's filters: advance, learn, weigh, and speak with one voice.

A grid of two-state (offset, rate) Kalman filters runs side by side, each with its own
idea of wander and noise, and each is believed as far as it has predicted measurements
before seeing them. Decides which of them speak, and which start again where the others
are; what a measurement does to each is `chronotick.models.arithmetic`'s. Knows nothing
of servers, samples or instants: values are ns relative to an epoch, times are seconds
since the last update.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.records import Variance
from chronotick.models.arithmetic import quickest
from chronotick.models.states import Measurement, States

if TYPE_CHECKING:
    from collections.abc import Callable

    from chronotick.models.arithmetic import Arithmetic
    from chronotick.models.grid import BankTuning

__all__ = ["FilterBank", "Measurement", "Mixture"]

# A filter that disbelieves more than half of the last ten or so measurements while
# others believe them has lost the clock.
_LOST = 0.5


class Mixture(NamedTuple):
    """The filters' belief at the last update, as one normal and its growth."""

    x: float
    y: float
    variance: Variance


class FilterBank:
    """Some 140 filters over `BankTuning`'s grid, side by side.

    Args:
        tuning: The grid, and how weights are kept.
        arithmetic: What computes; the quickest that there is by default.
    """

    def __init__(
        self,
        tuning: BankTuning,
        arithmetic: Callable[[States, BankTuning], Arithmetic] = quickest,
    ) -> None:
        self._tuning = tuning
        self._now = States.first(tuning)
        self._arithmetic = arithmetic(self._now, tuning)
        self._best = 0
        self._mixture: Mixture | None = None

    def begin(self, variance: float) -> None:
        """Start from the epoch, known with `variance` ns²."""
        self._now.pxx[:] = self._now.base + variance

    def foresee(self, elapsed_s: float) -> tuple[float, float]:
        """Return the most believed filter's next value and its variance (no delay)."""
        x, y, pyy, pxx, pxy, _, q2, base = self._now.predictive[:, self._best].tolist()
        t = elapsed_s
        wander = self._tuning.white_fm + t * t * q2 / 3.0
        variance = pxx + t * (2.0 * pxy + t * pyy + wander)
        return x + t * y, variance + base

    def update(self, elapsed_s: float, measurement: Measurement) -> None:
        """Advance by `elapsed_s` and take in a measurement."""
        self._mixture = None
        self._best, least_trust = self._arithmetic.learn(elapsed_s, measurement)
        if least_trust < 1.0 - _LOST:
            self._reseed()

    def open(self, elapsed_s: float, value_ns: float, lasted_s: float) -> None:
        """Widen every filter so that it can reach `value_ns` after `elapsed_s`.

        Args:
            elapsed_s: Since the last update.
            value_ns: Where the clock has been found.
            lasted_s: For how long another rate may have brought it there.
        """
        now = self._now
        innovation = value_ns - (now.x + elapsed_s * now.y)
        now.pxx += innovation * innovation
        now.pyy += (innovation / max(lasted_s, 1.0)) ** 2
        now.trust[:] = 1.0
        self._mixture = None

    def shift(self, by_ns: float, variance: float) -> None:
        """Move every filter's offset, which makes it less certain by `variance`."""
        self._now.x += by_ns
        self._now.pxx += variance
        self._mixture = None

    def mixture(self) -> Mixture:
        """Return what the believed filters say together.

        Those far below the best keep silent: among the many that are wrong, some are
        wildly uncertain, and even a percent of those would widen an hour's holdover
        tenfold.
        """
        if self._mixture is None:
            self._mixture = self._mix()
        return self._mixture

    def _mix(self) -> Mixture:
        x, y, pxx, pxy, pyy, q2 = self._arithmetic.mix(self._least_heard)
        variance = Variance(pxx, 2.0 * pxy + self._tuning.white_fm, pyy, q2 / 3.0)
        return Mixture(x, y, variance)

    @property
    def _least_heard(self) -> float:
        """Weight of the least believed filter that still speaks."""
        return self._tuning.prune * float(self._now.weight[self._best])

    def _reseed(self) -> None:
        """Put filters that have lost the clock where the others are."""
        now = self._now
        lost = now.trust < 1.0 - _LOST
        if lost[self._best]:
            return
        x, y, variance = self.mixture()
        pxy = (variance.v1 - self._tuning.white_fm) / 2.0
        now.put(lost, (x, y, variance.v2, variance.v0, pxy))
        if (now.weight[lost] >= self._least_heard).any():
            self._mixture = None

"""The bank's filters as arrays: advance, learn, weigh, and speak with one voice.

A grid of two-state (offset, rate) Kalman filters runs side by side, each with its own
idea of wander and noise, and each is believed as far as it has predicted measurements
before seeing them. Knows nothing of servers, samples or instants: values are ns
relative to an epoch, times are seconds since the last update.
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chronotick.core.records import Variance
from chronotick.models.grid import ONE_SIDED_SHARE
from chronotick.models.likelihood import Evidence, between, contaminate, gaussian
from chronotick.models.states import Measurement, Motion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chronotick.models.grid import BankTuning
    from chronotick.models.states import States

    Vector = NDArray[np.float64]

__all__ = ["FilterBank", "Measurement", "Mixture"]

# A filter that disbelieves more than half of the last ten or so measurements while
# others believe them has lost the clock.
_LOST = 0.5
_BELIEF_GAIN = np.array(0.1)
# Rounding may take a variance a hair below zero; nothing physical is this small.
_LEAST_VARIANCE = np.array(1e-6)


class Mixture(NamedTuple):
    """The filters' belief at the last update, as one normal and its growth."""

    x: float
    y: float
    variance: Variance


class FilterBank:
    """Some 140 filters over `BankTuning`'s grid, vectorized."""

    def __init__(self, tuning: BankTuning) -> None:
        self._tuning = tuning
        self._motion = Motion(tuning)
        size, split = self._now.x.size, self._now.one_sided[0].size
        self._weight = np.full(size, 1.0 / size)
        self._best = 0
        # Of late, per filter: whether measurements were what it expected.
        self._trust = np.ones(size)
        self._mixture: Mixture | None = None
        self._scratch = _Scratch(size, split)

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
        half_width_ns = max(ONE_SIDED_SHARE * measurement.excess_ns, 1.0)
        now = self._motion.advance(elapsed_s, measurement, half_width_ns)
        self._mixture = None
        found = self._scratch
        if found.one_sided is not None:
            between(*now.one_sided, half_width_ns, found.one_sided)
        gaussian(*now.normal, found.normal)
        evidence, belief = contaminate(found.all, now.innovation, now.scale)
        _learn(now, evidence)
        self._weigh(evidence.density, elapsed_s)
        self._reseed(belief)

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
        self._trust[:] = 1.0
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

    @property
    def _now(self) -> States:
        return self._motion.states

    def _mix(self) -> Mixture:
        now, weight = self._now, self._weight
        weight = weight * (weight >= self._least_heard)
        x, y, pyy, pxx, pxy, total, q2 = now.mixed.dot(weight).tolist()
        x, y = x / total, y / total
        dx, dy = now.x - x, now.y - y
        weighted = weight * dx
        covariance = (pxy + float(weighted.dot(dy))) / total
        variance = Variance(
            (pxx + float(weighted.dot(dx))) / total,
            2.0 * covariance + self._tuning.white_fm,
            (pyy + float((weight * dy).dot(dy))) / total,
            q2 / total / 3.0,
        )
        return Mixture(x, y, variance)

    @property
    def _least_heard(self) -> float:
        """Weight of the least believed filter that still speaks."""
        return self._tuning.prune * float(self._weight[self._best])

    def _weigh(self, density: Vector, elapsed_s: float) -> None:
        by_count = 1.0 - 1.0 / self._tuning.memory_samples
        memory = max(by_count, exp(-elapsed_s / self._tuning.memory_s))
        # Neither factor can underflow: the shares and the outlier density are floors.
        weight = self._weight**memory
        weight *= density
        total = float(weight.dot(self._now.one))
        weight *= (1.0 - self._tuning.fixed_share) / total
        weight += self._tuning.fixed_share / weight.size
        self._weight = weight
        self._best = int(weight.argmax())

    def _reseed(self, belief: Vector) -> None:
        """Put filters that have lost the clock where the others are."""
        trust = self._trust
        belief -= trust
        belief *= _BELIEF_GAIN
        trust += belief
        if trust.item(trust.argmin()) >= 1.0 - _LOST:
            return
        lost = trust < 1.0 - _LOST
        if lost[self._best]:
            return
        now = self._now
        x, y, variance = self.mixture()
        now.x[lost], now.y[lost] = x, y
        now.pxx[lost] = variance.v0
        now.pxy[lost] = (variance.v1 - self._tuning.white_fm) / 2.0
        now.pyy[lost] = variance.v2
        trust[lost] = 1.0
        if (self._weight[lost] >= self._least_heard).any():
            self._mixture = None


class _Scratch:
    """Where the evidence is put at each measurement; worth nothing afterwards."""

    def __init__(self, size: int, split: int) -> None:
        found = np.empty((3, size))
        self.all = Evidence(*found)
        self.one_sided = Evidence(*found[:, :split]) if split else None
        self.normal = Evidence(*found[:, split:])
        self._shape = size, split

    def __reduce__(self) -> tuple[type[_Scratch], tuple[int, int]]:
        """Start anew: copies of views would no longer be views."""
        return _Scratch, self._shape


def _learn(now: States, evidence: Evidence) -> None:
    """Move each filter by what the innovation says to it."""
    _, score, curvature = evidence
    pxx, pxy = now.pxx, now.pxy
    now.x += pxx * score
    now.y += pxy * score
    cross = pxy * curvature
    now.pyy += pxy * cross
    cross *= pxx
    change = pxx * curvature
    change *= pxx
    pxy += cross
    pxx += change
    np.maximum(now.variances, _LEAST_VARIANCE, out=now.variances)

"""The bank's filters as arrays: advance, learn, weigh, and speak with one voice.

A grid of two-state (offset, rate) Kalman filters runs side by side, each with its own
idea of wander and noise, and each is believed as far as it has predicted measurements
before seeing them. Knows nothing of servers, samples or instants: values are ns
relative to an epoch, times are seconds since the last update.

``x`` is the offset in ns, ``y`` its rate in ns/s, which is ppb. Process noise is the
two-state clock model (white FM q1, random-walk FM q2; Zucca & Tavella, IEEE T-UFFC 52
(2005) 289): ``Q(t) = [[q1 t + q2 t³/3, q2 t²/2], [q2 t²/2, q2 t]]``.
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chronotick.core.records import Variance
from chronotick.models.grid import ONE_SIDED_SHARE
from chronotick.models.likelihood import Evidence, between, contaminate, gaussian

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chronotick.models.grid import BankTuning

    Vector = NDArray[np.float64]

__all__ = ["FilterBank", "Measurement", "Mixture"]

# A filter that disbelieves more than half of the last ten or so measurements while
# others believe them has lost the clock.
_LOST = 0.5
_DISBELIEF_GAIN = 0.1
# Rounding may take a variance a hair below zero; nothing physical is this small.
_LEAST_VARIANCE = 1e-6


class Measurement(NamedTuple):
    """What the filters are told of one exchange."""

    value_ns: float
    excess_ns: float
    """How far the delay may be above the path's floor."""
    variance: float
    """Noise that has nothing to do with the delay, ns²."""


class Mixture(NamedTuple):
    """The filters' belief at the last update, as one normal and its growth."""

    x: float
    y: float
    variance: Variance


class FilterBank:
    """Some 140 filters over `BankTuning`'s grid, vectorized."""

    def __init__(self, tuning: BankTuning) -> None:
        self._tuning = tuning
        self._q2, self._base, self._slope, self._one_sided = tuning.grid()
        size = self._q2.size
        self._x, self._y = np.zeros(size), np.zeros(size)
        self._pxx, self._pxy = np.zeros(size), np.zeros(size)
        self._pyy = np.full(size, tuning.rate_sd_ppb**2)
        self._weight = np.full(size, 1.0 / size)
        self._disbelief = np.zeros(size)
        self._mixture: Mixture | None = None

    def begin(self, variance: float) -> None:
        """Start from the epoch, known with `variance` ns²."""
        self._pxx = self._base + variance

    def foresee(self, elapsed_s: float) -> tuple[float, float]:
        """Return the most believed filter's next value and its variance (no delay)."""
        best, t = int(self._weight.argmax()), elapsed_s
        wander = self._tuning.white_fm + t * t * float(self._q2[best]) / 3.0
        rate_part = 2.0 * float(self._pxy[best]) + t * float(self._pyy[best])
        variance = float(self._pxx[best]) + t * (rate_part + wander)
        value_ns = float(self._x[best]) + t * float(self._y[best])
        return value_ns, variance + float(self._base[best])

    def update(self, elapsed_s: float, measurement: Measurement) -> None:
        """Advance by `elapsed_s` and take in a measurement."""
        self._advance(elapsed_s)
        innovation = measurement.value_ns - self._x
        evidence, belief = self._judge(innovation, measurement)
        self._learn(evidence)
        self._weigh(evidence.density, elapsed_s)
        self._reseed(belief)

    def open(self, elapsed_s: float, value_ns: float) -> None:
        """Widen every filter so that it can reach `value_ns` after `elapsed_s`."""
        innovation = value_ns - (self._x + elapsed_s * self._y)
        self._pxx += innovation * innovation
        self._pyy += (innovation / max(elapsed_s, 1.0)) ** 2
        self._disbelief[:] = 0.0
        self._mixture = None

    def shift(self, by_ns: float, variance: float) -> None:
        """Move every filter's offset, which makes it less certain by `variance`."""
        self._x += by_ns
        self._pxx += variance
        self._mixture = None

    def mixture(self) -> Mixture:
        """Return what the believed filters say together.

        Those far below the best keep silent: among the many that are wrong, some are
        wildly uncertain, and even a percent of those would widen an hour's holdover
        tenfold.
        """
        if self._mixture is None:
            keep = self._weight >= self._tuning.prune * self._weight.max()
            weight = self._weight[keep] / self._weight[keep].sum()
            xs, ys = self._x[keep], self._y[keep]
            x, y = float(weight @ xs), float(weight @ ys)
            dx, dy = xs - x, ys - y
            covariance = float(weight @ (self._pxy[keep] + dx * dy))
            variance = Variance(
                v0=float(weight @ (self._pxx[keep] + dx * dx)),
                v1=2.0 * covariance + self._tuning.white_fm,
                v2=float(weight @ (self._pyy[keep] + dy * dy)),
                v3=float(weight @ self._q2[keep]) / 3.0,
            )
            self._mixture = Mixture(x, y, variance)
        return self._mixture

    def _advance(self, t: float) -> None:
        q2t = self._q2 * t
        drift = t * self._pyy
        growth = drift + self._tuning.white_fm + (t / 3.0) * q2t
        self._x += t * self._y
        self._pxx += t * (2.0 * self._pxy + growth)
        self._pxy += drift + (0.5 * t) * q2t
        self._pyy += q2t
        self._mixture = None

    def _judge(
        self, innovation: Vector, measurement: Measurement
    ) -> tuple[Evidence, Vector]:
        split, excess_ns = self._one_sided, measurement.excess_ns
        base = self._pxx + (self._base + measurement.variance)
        half_width_ns = max(ONE_SIDED_SHARE * excess_ns, 1.0)
        one_sided = between(innovation[:split], base[:split], half_width_ns)
        noise = self._slope[split:] * excess_ns
        normal = gaussian(innovation[split:], base[split:] + noise * noise)
        pairs = zip(one_sided, normal, strict=True)
        return contaminate(Evidence(*map(np.concatenate, pairs)), innovation)

    def _learn(self, evidence: Evidence) -> None:
        score, curvature = evidence.score, evidence.curvature
        pxx, pxy = self._pxx, self._pxy
        self._x += pxx * score
        self._y += pxy * score
        cross = pxy * curvature
        self._pyy = np.maximum(self._pyy + pxy * cross, _LEAST_VARIANCE)
        self._pxy = pxy + pxx * cross
        self._pxx = np.maximum(pxx + pxx * pxx * curvature, _LEAST_VARIANCE)

    def _weigh(self, density: Vector, elapsed_s: float) -> None:
        by_count = 1.0 - 1.0 / self._tuning.memory_samples
        memory = max(by_count, exp(-elapsed_s / self._tuning.memory_s))
        # Neither factor can underflow: the shares and the outlier density are floors.
        weight = self._weight**memory * density
        weight *= (1.0 - self._tuning.fixed_share) / weight.sum()
        weight += self._tuning.fixed_share / weight.size
        self._weight = weight

    def _reseed(self, belief: Vector) -> None:
        """Put filters that have lost the clock where the others are."""
        self._disbelief += _DISBELIEF_GAIN * ((1.0 - belief) - self._disbelief)
        if self._disbelief.max() <= _LOST:
            return
        lost = self._disbelief > _LOST
        if lost[self._weight.argmax()]:
            return
        x, y, variance = self.mixture()
        self._x[lost], self._y[lost] = x, y
        self._pxx[lost] = variance.v0
        self._pxy[lost] = (variance.v1 - self._tuning.white_fm) / 2.0
        self._pyy[lost] = variance.v2
        self._disbelief[lost] = 0.0
        self._mixture = None

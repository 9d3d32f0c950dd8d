"""What one innovation says to each filter of a bank: density, slope and curvature.

For a filter that predicts the measurement with variance P, the update follows from the
density of the innovation alone (Masreliez, IEEE T-AC 20 (1975) 107): with score ``g``
and curvature ``h`` of its logarithm, the state moves by ``P g`` and its variance by
``P² h``. Two kinds of noise are offered, both vectorized over filters:

* Gaussian, its deviation a share of the excess delay on top of a base jitter;
* one-sided queues: the error lies anywhere within ± half the excess delay, smeared by
  a base jitter. An exchange at the floor is worth almost its whole precision, and one
  far above it rules out what it rules out, no more.

Decides nothing about which kind fits: that is what the bank's weights are for.
"""

from __future__ import annotations

from math import erf, pi, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

__all__ = ["Evidence", "between", "contaminate", "gaussian"]

_ROOT_HALF = sqrt(0.5)
_ROOT_TWO_PI = sqrt(2.0 * pi)
# Outliers: one exchange in a thousand is taken to be about anything, eight
# deviations wide. It is what lets a filter survive a server's hiccup.
_OUTLIER_SHARE = 1e-3
_OUTLIER_WIDTH = 8.0
# Below this share of belief a measurement is noise to that filter: exactly none of it
# is used, so that rounding in a vanished density cannot move the state.
_NO_BELIEF = 1e-6
# An interval much narrower than the smear is a point with a variance; the difference
# of two equal error functions would be rounding noise.
_NARROW = 1e-2
_LEAST_MASS = 1e-14
_SIDES = np.array([[-1.0], [1.0]])


class Evidence(NamedTuple):
    """Per filter: what the innovation says."""

    density: Vector
    """Predictive density of the innovation, 1/ns."""
    score: Vector
    """d log density / d prediction, 1/ns."""
    curvature: Vector
    """Its second derivative, 1/ns²."""
    variance: Vector
    """Predictive variance, ns² (for intervals: an upper scale)."""


def gaussian(innovation: Vector, variance: Vector) -> Evidence:
    """Return the evidence under normal noise; `variance` is P + R in ns²."""
    curvature = -1.0 / variance
    score = -curvature * innovation
    density = np.exp(-0.5 * score * innovation) / (_ROOT_TWO_PI * np.sqrt(variance))
    return Evidence(density, score, curvature, variance)


def between(innovation: Vector, variance: Vector, half_width: float) -> Evidence:
    """Return the evidence where the error is uniform on ± `half_width` ns.

    `variance` is P plus the base jitter's, ns². Exact for a normal prior; the
    posterior's first two moments are those of a truncated normal.
    """
    sd = np.sqrt(variance)
    edges = (innovation + _SIDES * half_width) / sd
    points = edges * _ROOT_HALF
    below, above = (
        np.fromiter(map(erf, side.tolist()), np.float64, sd.size) for side in points
    )
    mass = np.maximum(0.5 * (above - below), _LEAST_MASS)
    low, high = np.exp(-points * points) / (_ROOT_TWO_PI * mass)
    score = (low - high) / sd
    curvature = (edges[0] * low - edges[1] * high) / variance - score * score
    density = mass / (2.0 * half_width)
    if half_width < _NARROW * sd.max(initial=0.0):
        narrow = sd > half_width / _NARROW
        point = gaussian(innovation[narrow], variance[narrow] + half_width**2 / 3.0)
        density[narrow], score[narrow], curvature[narrow], _ = point
    return Evidence(density, score, curvature, variance + half_width**2)


def contaminate(evidence: Evidence, innovation: Vector) -> tuple[Evidence, Vector]:
    """Allow for outliers; return the evidence and each filter's belief, 0..1.

    The innovation comes from the stated noise or, rarely, from a heavy-tailed density
    that says nothing about the state. Moment-matched, so a measurement that is
    believed by half moves the state by half and leaves it less certain.
    """
    # A Cauchy density, (1 / π s) / (1 + (ν / s)²), with s = width · deviation.
    square = _OUTLIER_WIDTH**2 * evidence.variance
    outlier = (_OUTLIER_SHARE / pi) * np.sqrt(square) / (square + innovation**2)
    inlier = (1.0 - _OUTLIER_SHARE) * evidence.density
    density = inlier + outlier
    belief = inlier / density
    belief *= belief > _NO_BELIEF
    score = belief * evidence.score
    curvature = belief * evidence.curvature + score * (evidence.score - score)
    return Evidence(density, score, curvature, evidence.variance), belief

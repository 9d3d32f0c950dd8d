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

With a hundred filters a measurement costs what its numpy calls cost, whatever they do.
So there are as few as possible, in place where the numbers are not needed again.
"""

from __future__ import annotations

from math import erf, pi, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

__all__ = ["Evidence", "between", "contaminate", "gaussian"]

# Arrays without dimensions: numpy makes one of a float at each use.
_ONE, _MINUS_HALF, _ROOT_HALF = np.array(1.0), np.array(-0.5), np.array(sqrt(0.5))
_ROOT_TWO_PI = np.array(sqrt(2.0 * pi))
_TWICE_NORMAL = np.array(2.0 / sqrt(2.0 * pi))
# Outliers: one exchange in a thousand is taken to be about anything, eight
# deviations wide. It is what lets a filter survive a server's hiccup.
_OUTLIER_SHARE = 1e-3
_OUTLIER_SQUARE = np.array(8.0**2)
_OUTLIER_HEIGHT = np.array(_OUTLIER_SHARE / pi)
_INLIER_SHARE = np.array(1.0 - _OUTLIER_SHARE)
# Below this share of belief a measurement is noise to that filter: exactly none of it
# is used, so that rounding in a vanished density cannot move the state.
_NO_BELIEF = np.array(1e-6)
# An interval much narrower than the smear is a point with a variance; the difference
# of two equal error functions would be rounding noise.
_NARROW = 1e-2
_TWICE_LEAST_MASS = np.array(2e-14)


class Evidence(NamedTuple):
    """Per filter: what the innovation says."""

    density: Vector
    """Predictive density of the innovation, 1/ns."""
    score: Vector
    """d log density / d prediction, 1/ns."""
    curvature: Vector
    """Its second derivative, 1/ns²."""


def gaussian(
    innovation: Vector, variance: Vector, out: Evidence | None = None
) -> Evidence:
    """Return the evidence under normal noise; `variance` is P + R in ns².

    Args:
        innovation: Measurement less prediction, ns.
        variance: What is expected of its square, ns².
        out: Where to put the result; into new arrays by default.
    """
    density, score, curvature = out or (None, None, None)
    precision = _ONE / variance
    score = np.multiply(precision, innovation, out=score)
    exponent = score * innovation
    exponent *= _MINUS_HALF
    np.exp(exponent, out=exponent)
    curvature = np.negative(precision, out=curvature)
    height = np.sqrt(precision, out=precision)
    height /= _ROOT_TWO_PI
    return Evidence(np.multiply(exponent, height, out=density), score, curvature)


def between(
    innovation: Vector,
    variance: Vector,
    half_width: float,
    out: Evidence | None = None,
) -> Evidence:
    """Return the evidence where the error is uniform on ± `half_width` ns.

    Exact for a normal prior; the posterior's first two moments are those of a truncated
    normal.

    Args:
        innovation: Measurement less prediction, ns.
        variance: P plus the base jitter's, ns².
        half_width: Of the interval, ns.
        out: Where to put the result; into new arrays by default.
    """
    density, score, curvature = out or (None, None, None)
    sd = np.sqrt(variance)
    center, reach = innovation / sd, half_width / sd
    edges = np.empty((2, sd.size))
    np.subtract(center, reach, out=edges[0])
    np.add(center, reach, out=edges[1])
    points = edges * _ROOT_HALF
    errors = np.fromiter(map(erf, points.ravel().tolist()), np.float64, edges.size)
    # Twice the probability of the interval.
    mass = errors[sd.size :] - errors[: sd.size]
    np.maximum(mass, _TWICE_LEAST_MASS, out=mass)
    density = np.multiply(mass, 0.25 / half_width, out=density)
    peaks = points * points
    np.negative(peaks, out=peaks)
    np.exp(peaks, out=peaks)
    mass *= sd
    scale = _TWICE_NORMAL / mass
    score = np.multiply(peaks[0] - peaks[1], scale, out=score)
    scale /= sd
    peaks *= edges
    bend = peaks[0] - peaks[1]
    bend *= scale
    curvature = np.subtract(bend, score * score, out=curvature)
    found = Evidence(density, score, curvature)
    if reach[reach.argmin()] < _NARROW:
        narrow = reach < _NARROW
        point = gaussian(innovation, variance + half_width**2 / 3.0)
        for part, better in zip(found, point, strict=True):
            np.copyto(part, better, where=narrow)
    return found


def contaminate(
    evidence: Evidence, innovation: Vector, variance: Vector
) -> tuple[Evidence, Vector]:
    """Allow for outliers; return the evidence and each filter's belief, 0..1.

    The innovation comes from the stated noise or, rarely, from a heavy-tailed density
    that says nothing about the state. Moment-matched, so a measurement that is
    believed by half moves the state by half and leaves it less certain.

    Args:
        evidence: As if there were none.
        innovation: Measurement less prediction, ns.
        variance: Predictive variance, ns² (for intervals: an upper scale).
    """
    density, score, curvature = evidence
    # A Cauchy density, (1 / π s) / (1 + (ν / s)²), with s = width · deviation.
    square = variance * _OUTLIER_SQUARE
    outlier = np.sqrt(square)
    outlier *= _OUTLIER_HEIGHT
    square += innovation * innovation
    outlier /= square
    belief = density * _INLIER_SHARE
    total = belief + outlier
    belief /= total
    belief[belief <= _NO_BELIEF] = 0.0
    believed = belief * score
    bend = score - believed
    bend *= believed
    bend += belief * curvature
    return Evidence(total, believed, bend), belief

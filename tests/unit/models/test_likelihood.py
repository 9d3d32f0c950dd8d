"""`models.likelihood`: updates match numerical integration and stay finite."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.models.likelihood import Evidence, between, contaminate, gaussian

innovations = st.floats(min_value=-1e12, max_value=1e12)
variances = st.floats(min_value=1.0, max_value=1e20)
widths = st.floats(min_value=1.0, max_value=1e10)


def arrays(*values: float) -> list[np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Return each value as a vector of one filter."""
    return [np.array([value]) for value in values]


def brute_force(
    prior: float, jitter: float, half_width: float, innovation: float
) -> tuple[float, float, float]:
    """Return density, posterior mean and variance of the state by integration."""
    sd = math.sqrt(prior)
    x = np.linspace(-9 * sd, 9 * sd, 400_001)
    step = x[1] - x[0]
    distance = (innovation - x) / math.sqrt(2.0 * jitter)
    reach = half_width / math.sqrt(2.0 * jitter)
    erf = np.vectorize(math.erf)
    coarse = slice(None, None, 40)
    like = (erf(distance[coarse] + reach) - erf(distance[coarse] - reach)) / 2.0
    weight = like * np.exp(-(x[coarse] ** 2) / (2.0 * prior))
    weight /= math.sqrt(2.0 * math.pi * prior) * 2.0 * half_width
    mass = float(weight.sum() * step * 40)
    mean = float((weight * x[coarse]).sum() * step * 40) / mass
    square = float((weight * x[coarse] ** 2).sum() * step * 40) / mass
    return mass, mean, square - mean * mean


@pytest.mark.parametrize("innovation", [0.0, 300.0, -900.0, 1500.0])
@pytest.mark.parametrize("half_width", [200.0, 1000.0, 4000.0])
def test_an_interval_updates_as_integration_says(
    half_width: float, innovation: float
) -> None:
    """Density, mean and variance of the truncated posterior are exact."""
    prior, jitter = 500.0**2, 100.0**2
    nu, spread = arrays(innovation, prior + jitter)
    density, score, curvature = between(nu, spread, half_width)
    mass, mean, variance = brute_force(prior, jitter, half_width, innovation)
    assert density[0] == pytest.approx(mass, rel=1e-4)
    assert prior * score[0] == pytest.approx(mean, rel=1e-4, abs=0.05)
    assert prior + prior**2 * curvature[0] == pytest.approx(variance, rel=1e-3)


def test_a_narrow_interval_is_a_point_with_its_variance() -> None:
    """The switch to the normal form is seamless."""
    half_width = 1000.0
    for innovation in (0.0, 5e4, 2e5):
        nu, spread = arrays(innovation, (1.01e5) ** 2)
        narrow = between(nu, spread, half_width)
        point = gaussian(nu, spread + half_width**2 / 3.0)
        assert narrow.density[0] == pytest.approx(point.density[0], rel=1e-3)
        wide = between(nu, spread, 1.02 * half_width)
        assert wide.score[0] == pytest.approx(point.score[0], rel=1e-3, abs=1e-12)


@given(innovations, variances, widths)
def test_nothing_overflows(
    innovation: float, variance: float, half_width: float
) -> None:
    """Any innovation yields finite evidence and a belief between 0 and 1."""
    nu, spread = arrays(innovation, variance)
    for evidence in (gaussian(nu, spread), between(nu, spread, half_width)):
        robust, belief = contaminate(evidence, nu, spread)
        assert 0.0 <= belief[0] <= 1.0
        assert robust.density[0] > 0.0
        assert all(math.isfinite(float(part[0])) for part in robust)


@given(st.floats(min_value=-3.0, max_value=3.0), variances)
def test_an_update_never_adds_certainty_beyond_the_prior(
    ratio: float, variance: float
) -> None:
    """Plain evidence has a negative curvature no stronger than −1 / variance."""
    nu, spread = arrays(ratio * math.sqrt(variance), variance)
    for evidence in (gaussian(nu, spread), between(nu, spread, math.sqrt(variance))):
        assert -1.0 - 1e-9 <= variance * evidence.curvature[0] <= 1e-9


def test_a_wild_outlier_moves_nothing() -> None:
    """At a hundred deviations the belief is exactly zero, and so is the update."""
    nu, spread = arrays(1e6, 1e8)
    robust, belief = contaminate(gaussian(nu, spread), nu, spread)
    assert belief[0] == 0.0
    assert robust.score[0] == 0.0
    assert robust.curvature[0] == 0.0


def test_evidence_is_per_filter() -> None:
    """Vectors in, vectors out, each entry as if alone."""
    nu, spread = np.array([10.0, -200.0]), np.array([1e4, 4e4])
    both = between(nu, spread, 150.0)
    alone = [between(nu[k : k + 1], spread[k : k + 1], 150.0) for k in (0, 1)]
    for part, first, second in zip(both, *alone, strict=True):
        assert part == pytest.approx([first[0], second[0]])
    assert isinstance(both, Evidence)


@given(innovations, variances, widths)
def test_what_is_put_elsewhere_is_the_same(
    innovation: float, variance: float, half_width: float
) -> None:
    """Given where to put it, the evidence is there, and equal to that in new arrays."""
    nu, spread = arrays(innovation, variance)
    into = Evidence(*np.full((3, 1), np.nan))
    assert gaussian(nu, spread, into) == into == gaussian(nu, spread)
    assert between(nu, spread, half_width, into) == into
    assert into == between(nu, spread, half_width)

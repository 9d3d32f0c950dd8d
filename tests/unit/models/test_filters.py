"""`models.filters` and `models.grid`: one filter is Kalman's, many are weighed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.models.arithmetic import InNumpy, quickest
from chronotick.models.filters import FilterBank, Measurement
from chronotick.models.grid import BankTuning

if TYPE_CHECKING:
    from collections.abc import Callable

    from chronotick.models.arithmetic import Arithmetic
    from chronotick.models.states import States

    Made = Callable[[States, BankTuning], Arithmetic]

LONE = BankTuning(
    random_walk_fm=(4.0,),
    one_sided_jitter_ns=(),
    jitter_ns=(1000.0,),
    delay_weight=(0.5,),
    white_fm=9.0,
    rate_sd_ppb=500.0,
)

either = pytest.mark.parametrize("made", [InNumpy, quickest])
"""In numpy, and in C where that is."""


def test_the_grid_is_every_combination() -> None:
    """q2 × (one-sided jitters + jitters × delay weights), one-sided ones first."""
    tuning = BankTuning()
    grid = tuning.grid()
    kinds = len(tuning.one_sided_jitter_ns) + len(tuning.jitter_ns) * len(
        tuning.delay_weight
    )
    assert grid.q2.size == len(tuning.random_walk_fm) * kinds
    assert grid.one_sided == len(tuning.random_walk_fm) * len(
        tuning.one_sided_jitter_ns
    )
    filters = np.array([grid.q2, grid.base, grid.delay_weight]).T.tolist()
    normal = {tuple(row) for row in filters[grid.one_sided :]}
    assert len(normal) == grid.q2.size - grid.one_sided


@either
def test_a_lone_filter_is_a_kalman_filter(made: Made) -> None:
    """Two updates equal the textbook's matrix form (outliers aside)."""
    bank = FilterBank(LONE, made)
    bank.begin(3000.0**2)
    state = np.zeros(2)
    cov = np.diag([3000.0**2 + 1000.0**2, 500.0**2])
    for t, value, excess in ((16.0, 900.0, 400.0), (64.0, -300.0, 2000.0)):
        bank.update(t, Measurement(value, excess, 50.0))
        move = np.array([[1.0, t], [0.0, 1.0]])
        noise = np.array([[9 * t + 4 * t**3 / 3, 2 * t**2], [2 * t**2, 4 * t]])
        state, cov = move @ state, move @ cov @ move.T + noise
        spread = cov[0, 0] + 1000.0**2 + 50.0 + (0.5 * excess) ** 2
        gain = cov[:, 0] / spread
        state = state + gain * (value - state[0])
        cov = cov - np.outer(gain, cov[0])
    x, y, variance = bank.mixture()
    assert [x, y] == pytest.approx(state.tolist(), rel=0.02)
    assert variance.v0 == pytest.approx(cov[0, 0], rel=0.02)
    assert variance.v1 == pytest.approx(2 * cov[0, 1] + 9.0, rel=0.02)
    assert variance.v2 == pytest.approx(cov[1, 1], rel=0.02)
    assert variance.v3 == pytest.approx(4.0 / 3.0)


@either
@given(t=st.floats(min_value=0.0, max_value=1e5))
def test_what_is_foreseen_is_what_the_mixture_says(made: Made, t: float) -> None:
    """With one filter, the next value's variance follows the polynomial."""
    bank = FilterBank(LONE, made)
    bank.begin(100.0)
    bank.update(10.0, Measurement(50.0, 10.0, 1.0))
    x, y, variance = bank.mixture()
    value_ns, spread = bank.foresee(t)
    assert value_ns == pytest.approx(x + t * y)
    assert spread == pytest.approx(variance.at(t) + 1000.0**2)


@either
def test_filters_that_predict_well_gain_the_say(made: Made) -> None:
    """A quiet clock on a quiet path ends in narrow hands."""
    bank = FilterBank(BankTuning(), made)
    bank.begin(1e12)
    rng = np.random.default_rng(1)
    for k in range(200):
        bank.update(16.0, Measurement(float(rng.normal(0.0, 1e3)), 4e3, 1.0))
        if k == 5:
            early = bank.mixture().variance
    late = bank.mixture().variance
    assert late.at(60.0) < early.at(60.0) / 10.0
    assert math.sqrt(late.v0) < 1000.0


@either
def test_opening_makes_any_value_reachable(made: Made) -> None:
    """After `open`, a value a second away is taken within two updates."""
    bank = FilterBank(BankTuning(), made)
    bank.begin(1e6)
    for _ in range(50):
        bank.update(16.0, Measurement(0.0, 1e3, 1.0))
    bank.open(16.0, 1e9, 16.0)
    for _ in range(2):
        bank.update(16.0, Measurement(1e9, 1e3, 1.0))
    assert bank.mixture().x == pytest.approx(1e9, abs=1e6)


@either
@given(by_ns=st.floats(-1e9, 1e9), doubt=st.floats(0.0, 1e15))
def test_a_shift_moves_the_offset_and_nothing_else(
    made: Made, by_ns: float, doubt: float
) -> None:
    """The rate and how the variance grows stay; the offset's own doubt is added."""
    bank = FilterBank(LONE, made)
    bank.begin(1e6)
    bank.update(16.0, Measurement(500.0, 1e3, 1.0))
    before = bank.mixture()
    bank.shift(by_ns, doubt)
    after = bank.mixture()
    assert after.x == pytest.approx(before.x + by_ns)
    assert after.y == before.y
    assert after.variance.v0 == pytest.approx(before.variance.v0 + doubt)
    assert after.variance[1:] == before.variance[1:]

"""`models.states`: one product of matrices is the textbook's prediction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.models.grid import BankTuning
from chronotick.models.states import Measurement, Motion, States

TUNING = BankTuning(
    random_walk_fm=(4.0, 25.0),
    one_sided_jitter_ns=(300.0,),
    jitter_ns=(1000.0,),
    delay_weight=(0.5,),
    white_fm=9.0,
    rate_sd_ppb=500.0,
)
SIDED = 2
"""Of the four filters, those that take errors as within an interval."""

times = st.floats(min_value=0.0, max_value=1e4)
excesses = st.floats(min_value=0.0, max_value=1e7)


@given(times, times, st.floats(min_value=-1e9, max_value=1e9), excesses)
def test_every_filter_moves_by_its_own_matrices(
    first_s: float, second_s: float, value_ns: float, excess_ns: float
) -> None:
    """States, innovation and its variance are those of the matrix form, twice over."""
    now = States.first(TUNING)
    motion = Motion(now, TUNING.white_fm)
    q2, base, slope, _ = TUNING.grid()
    now.x[:], now.y[:] = 70.0, -20.0
    now.pxx[:], now.pxy[:] = 5e4, -300.0
    states = [(np.array([70.0, -20.0]), np.array([[5e4, -300.0], [-300.0, 25e4]]))] * 4
    measurement = Measurement(value_ns, excess_ns, 50.0)
    half_width_ns = excess_ns / 2.0
    for t in (first_s, second_s):
        motion.advance(t, measurement, half_width_ns)
        move = np.array([[1.0, t], [0.0, 1.0]])
        for k in range(4):
            q = np.array([[9 * t + q2[k] * t**3 / 3, q2[k] * t**2 / 2]] * 2)
            q[1] = q2[k] * t**2 / 2, q2[k] * t
            x, p = states[k]
            x, p = states[k] = move @ x, move @ p @ move.T + q
            found = [now.x[k], now.y[k], now.pxx[k], now.pxy[k], now.pyy[k]]
            expected = [*x, p[0, 0], p[0, 1], p[1, 1]]
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-3)
            assert now.innovation[k] == pytest.approx(value_ns - x[0], abs=1e-3)
            spread = p[0, 0] + base[k] + 50.0
            spread += 0.0 if k < SIDED else (slope[k] * excess_ns) ** 2
            scale = spread + (half_width_ns**2 if k < SIDED else 0.0)
            assert now.spread[k] == pytest.approx(spread)
            assert now.scale[k] == pytest.approx(scale)


def test_the_two_kinds_are_told_apart() -> None:
    """What is handed to either density is that kind's part of the innovation."""
    now = States.first(TUNING)
    motion = Motion(now, TUNING.white_fm)
    motion.advance(16.0, Measurement(500.0, 2e3, 1.0), 1e3)
    for whole, sided, normal in zip(
        (now.innovation, now.spread), now.one_sided, now.normal, strict=True
    ):
        assert sided.tolist() + normal.tolist() == whole.tolist()
        assert len(sided) == SIDED

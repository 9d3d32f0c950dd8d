"""`models.surroundings`: readings stand beside the rates that they may explain."""

from __future__ import annotations

import numpy as np
import pytest

from chronotick.core.units import NS_PER_S
from chronotick.models.surroundings import Surroundings

STEP_NS = 600 * NS_PER_S


def test_a_row_is_the_mean_of_the_ten_minutes_before() -> None:
    """What was felt during the ten minutes after mark 3 stands at mark 4."""
    around = Surroundings(2)
    for seconds in range(0, 600, 60):
        around.feel(3 * STEP_NS + seconds * NS_PER_S, (40.0 + seconds / 60, 1.0))
    rows = around.rows(3, 5)
    assert rows.shape == (3, 2)
    assert rows[1].tolist() == [44.5, 1.0]
    assert np.isnan(rows[[0, 2]]).all()


def test_an_absent_reading_stays_absent() -> None:
    """One NaN makes its mean unknown, and no other."""
    around = Surroundings(2)
    around.feel(0, (float("nan"), 2.0))
    around.feel(1, (40.0, 2.0))
    (row,) = around.rows(1, 1)
    assert np.isnan(row[0])
    assert row[1] == 2.0


def test_the_wrong_number_of_readings_is_a_mistake() -> None:
    """Columns must not shift."""
    with pytest.raises(ValueError, match="2"):
        Surroundings(1).feel(0, (1.0, 2.0))


def test_what_is_older_than_any_rate_is_forgotten() -> None:
    """The newest six days are there, and of what was before them nothing is left over."""
    around = Surroundings(1)
    for mark in range(2000):
        around.feel(mark * STEP_NS, (float(mark + 1),))
    assert around.rows(2000 - 863, 2000)[:, 0].tolist() == list(range(1137, 2001))
    assert np.isnan(around.rows(1000, 1136)).all()
    assert np.isnan(around.rows(2001, 2100)).all()

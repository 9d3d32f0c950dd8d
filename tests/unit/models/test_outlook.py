"""`models.outlook`: between the horizons it is a line, and beyond them it goes on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.models.outlook import NO_CHANGE, Outlook
from chronotick.models.scores import HORIZONS_S

ages = st.floats(min_value=0.0, max_value=1e6)
parts = st.lists(
    st.floats(min_value=-1e3, max_value=1e3),
    min_size=HORIZONS_S.size,
    max_size=HORIZONS_S.size,
).map(np.array)


@given(ages, parts, parts)
def test_uncertainty_is_interpolated(
    age_s: float, shrink: np.ndarray, spread_ppb: np.ndarray
) -> None:
    """At each horizon what was said; outside them what the nearest one says."""
    outlook = Outlook(np.zeros(HORIZONS_S.size), shrink, spread_ppb)
    for age in (age_s, *HORIZONS_S.tolist()):
        found = outlook.at(age)
        assert found.shrink == np.interp(age, HORIZONS_S, shrink)
        assert found.spread_ppb == np.interp(age, HORIZONS_S, spread_ppb)


@given(ages, parts)
def test_the_clock_is_carried_by_the_mean_change(
    age_s: float, change_ppb: np.ndarray
) -> None:
    """Straight lines through age times mean change; the last one is never left."""
    outlook = Outlook(change_ppb, np.ones(HORIZONS_S.size), np.zeros(HORIZONS_S.size))
    for horizon_s, mean_ppb in zip(HORIZONS_S.tolist(), change_ppb, strict=True):
        assert outlook.at(horizon_s).moved_ns == pytest.approx(
            horizon_s * mean_ppb, abs=1e-6
        )
    now, later = outlook.at(age_s), outlook.at(age_s + 1e-3)
    if now.rate_ppb == later.rate_ppb:
        moved_ns = later.moved_ns - now.moved_ns
        assert moved_ns == pytest.approx(1e-3 * now.rate_ppb, abs=1e-4)


@given(ages)
def test_no_change_leaves_the_bank_as_it_is(age_s: float) -> None:
    """Nothing is added, and its variance grows as it says."""
    assert NO_CHANGE.at(age_s) == (0.0, 0.0, 1.0, 0.0)


@given(
    parts, st.floats(-1e3, 1e3), st.lists(st.floats(0.0, 1.0), min_size=7, max_size=7)
)
def test_what_passes_of_a_change_is_taken_off(
    change_ppb: np.ndarray, since_ppb: float, lasting: list[float]
) -> None:
    """At each horizon what does not last of it; between them along a line."""
    rest = np.ones(HORIZONS_S.size), np.zeros(HORIZONS_S.size)
    usual, known = (
        Outlook(change_ppb, *rest),
        Outlook(change_ppb, *rest, np.array(lasting)),
    )
    assert known.at(300.0) == usual.at(300.0)
    for horizon_s, share in zip(HORIZONS_S.tolist(), lasting, strict=True):
        taken_ns = horizon_s * (1.0 - share) * since_ppb
        moved_ns = known.at(horizon_s, since_ppb).moved_ns
        assert moved_ns == pytest.approx(
            usual.at(horizon_s).moved_ns - taken_ns, abs=1e-5
        )
    first_s = float(HORIZONS_S[0])
    half = known.at(first_s / 2.0, since_ppb).moved_ns
    assert half == pytest.approx(known.at(first_s, since_ppb).moved_ns / 2.0, abs=1e-5)

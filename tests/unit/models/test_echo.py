"""`models.echo`: how much of a change of the rate is carried into the hours ahead."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.units import NS_PER_S
from chronotick.models.echo import Echo
from chronotick.models.scores import HORIZONS_S

STEP_NS = 600 * NS_PER_S


def heard(rates_ppb: list[float], share: float) -> Echo:
    """Return an echo that heard an ensemble carry over so much of each change."""
    echo, mean_ppb = Echo(), np.zeros(HORIZONS_S.size)
    before_ppb = rates_ppb[0]
    for k, rate_ppb in enumerate(rates_ppb):
        mean_ppb = mean_ppb + share * (rate_ppb - before_ppb)
        before_ppb = rate_ppb
        echo.hear(k * STEP_NS, rate_ppb, mean_ppb)
    return echo


rates = st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=60)


@given(rates, st.floats(-5.0, 5.0))
def test_a_share_is_a_share(rates_ppb: list[float], share: float) -> None:
    """Whatever was heard, between nothing and all."""
    lasting = heard(rates_ppb, share).lasting()
    assert lasting.shape == HORIZONS_S.shape
    assert ((lasting >= 0.0) & (lasting <= 1.0)).all()


@given(rates)
def test_on_a_random_walk_all_of_it_lasts(rates_ppb: list[float]) -> None:
    """The ensemble has always followed, so nothing is held back: not by a digit."""
    assert heard(rates_ppb, 1.0).lasting() == pytest.approx(1.0)


def test_before_anything_is_known_it_lasts() -> None:
    """And so it does on a clock whose rate has never changed."""
    assert (Echo().lasting() == 1.0).all()
    assert (heard([3.0] * 50, 0.0).lasting() == 1.0).all()


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_what_has_passed_before_passes_again(share: float) -> None:
    """Six changes in, half way from "it stays"; after a day, nearly there."""
    swing = [300.0 * (-1) ** k for k in range(145)]
    soon, later = (heard(swing[:n], share).lasting() for n in (8, 145))
    assert soon == pytest.approx((1.0 + share) / 2.0, abs=0.02)
    assert later == pytest.approx(share, abs=0.06)


def test_a_look_ahead_of_the_same_instant_replaces_the_first() -> None:
    """Somebody spoke late; the rate has not changed by that."""
    twice, once = Echo(), Echo()
    for k in range(20):
        rate_ppb, mean_ppb = 10.0 * (-1) ** k, np.full(HORIZONS_S.size, 3.0 * (-1) ** k)
        twice.hear(k * STEP_NS, rate_ppb, mean_ppb + 50.0)
        for echo in (twice, once):
            echo.hear(k * STEP_NS, rate_ppb, mean_ppb)
    assert (twice.lasting() == once.lasting()).all()
    assert once.lasting() == pytest.approx(0.3, abs=0.2)

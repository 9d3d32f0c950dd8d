"""`models.heard`: a forecast from elsewhere says what is left of it, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.rates import RateForecast
from chronotick.core.units import NS_PER_S
from chronotick.models.heard import FRESH_S, Heard
from chronotick.models.scores import HORIZONS_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

STEP_S = 600


def forecast(rates_ppb: Vector) -> RateForecast:
    """Return a forecast of rates, 10 minutes apart, from 0 on."""
    means = np.cumsum(rates_ppb) / np.arange(1.0, rates_ppb.size + 1.0)
    return RateForecast(raw_ns=0, step_s=STEP_S, means_ppb=tuple(means.tolist()))


def told(said: RateForecast, age_s: float, rates_ppb: Vector | None = None) -> Vector:
    """Return what a forecast says when it is so old, the clock having done that since."""
    heard = Heard(["far"])
    heard.take("far", said)
    since = np.ones(9) if rates_ppb is None else rates_ppb
    (means,) = heard.means(round(age_s * NS_PER_S), since, HORIZONS_S)
    return means


def test_a_fresh_forecast_is_taken_as_it_is() -> None:
    """At its own instant, its means at the horizons are its numbers."""
    said = forecast(np.random.default_rng(1).normal(size=48))
    at = [round(h / STEP_S) - 1 for h in HORIZONS_S]
    assert told(said, 0.0) == pytest.approx([said.means_ppb[k] for k in at])


@given(st.integers(0, 6), st.integers(0, 2**32 - 1), st.floats(-1e3, 1e3))
def test_an_older_one_speaks_of_what_is_left(
    steps: int, seed: int, surprise_ppb: float
) -> None:
    """Steps later it gives the means of the rates it foresaw from then on.

    All of them are moved by what the clock has done since and was not foreseen.
    """
    rates = np.random.default_rng(seed).normal(size=48)
    seen = np.append(np.zeros(3), rates[: steps + 1])
    seen[-1] += surprise_ppb if steps else 0.0
    means = told(forecast(rates), steps * STEP_S, seen)
    # What its age has cut off at the end goes on at the last rate.
    rest = np.append(rates[steps:], np.full(steps, rates[-1]))
    expected = [rest[: round(h / STEP_S)].mean() for h in HORIZONS_S]
    moved = np.array(expected) + (surprise_ppb if steps else 0.0)
    assert means == pytest.approx(moved, abs=1e-6)


@given(st.floats(0.0, FRESH_S))
def test_it_speaks_at_all_horizons_at_any_age(age_s: float) -> None:
    """Eight hours' forecast has something to say of eight hours until it is too old."""
    told_now = told(forecast(np.ones(48)), age_s)
    assert told_now == pytest.approx(1.0)


def test_a_history_that_was_cut_leaves_it_speechless() -> None:
    """Made from rates that count no more: nobody can say what has changed since."""
    assert np.isnan(told(forecast(np.ones(48)), 1800.0, np.ones(3))).all()
    assert np.isfinite(told(forecast(np.ones(48)), 1800.0, np.ones(4))).all()


@pytest.mark.parametrize("age_s", [-1.0, FRESH_S + 1.0])
def test_the_past_and_the_future_have_no_vote(age_s: float) -> None:
    """Too old, or made from a history that is yet to come: silence."""
    assert np.isnan(told(forecast(np.ones(48)), age_s)).all()


def test_a_short_forecast_is_silent_beyond_its_end() -> None:
    """Four hours say nothing about eight."""
    means = told(forecast(np.ones(24)), 600.0)
    far = HORIZONS_S > 4 * 3600.0
    assert np.isnan(means[far]).all()
    assert means[~far] == pytest.approx(1.0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1e12])
def test_impossible_numbers_are_silence(bad: float) -> None:
    """One of them spoils the forecast: whoever says so is broken."""
    means = (1.0,) * 20 + (bad,) + (1.0,) * 27
    assert np.isnan(
        told(RateForecast(raw_ns=0, step_s=STEP_S, means_ppb=means), 0)
    ).all()


def test_no_numbers_are_silence() -> None:
    """An empty answer is none."""
    assert np.isnan(told(RateForecast(raw_ns=0, step_s=STEP_S, means_ppb=()), 0)).all()


def test_the_newest_counts_and_can_be_forgotten() -> None:
    """An overtaken answer changes nothing; after `forget` nobody has said anything."""
    heard = Heard(["far", "near"])
    new = RateForecast(raw_ns=9, step_s=STEP_S, means_ppb=(2.0,) * 48)
    heard.take("far", new)
    heard.take("far", forecast(np.ones(48)))
    far, near = heard.means(9, np.ones(9), HORIZONS_S)
    assert far == pytest.approx(2.0)
    assert np.isnan(near).all()
    heard.forget()
    assert np.isnan(heard.means(9, np.ones(9), HORIZONS_S)[0]).all()


def test_a_stranger_is_a_mistake() -> None:
    """Who was not announced has no row among the votes."""
    with pytest.raises(KeyError):
        Heard(["far"]).take("near", forecast(np.ones(48)))

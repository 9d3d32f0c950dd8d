"""Baselines: a line through what was measured lately."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.records import Sample
from chronotick.eval.accuracy.backtest import prepare, replay
from chronotick.eval.accuracy.baselines import MinDelay, Regression
from chronotick.eval.accuracy.contenders import contender
from unit.eval.accuracy.clocks import S, recorded

if TYPE_CHECKING:
    from chronotick.models.protocol import OscillatorModel


def sample(at_s: float, offset_ns: int, delay_ns: int = 1000) -> Sample:
    """Return a measurement."""
    return Sample(
        server="a", raw_ns=round(at_s * S), offset_ns=offset_ns, delay_ns=delay_ns,
        root_delay_ns=0, root_dispersion_ns=0, precision_ns=20, stratum=1,
    )  # fmt: skip


def said(model: OscillatorModel, at_s: float) -> int:
    """Return the offset that is foretold."""
    estimate = model.predict(round(at_s * S))
    assert estimate is not None
    assert isnan(estimate.variance.v0)
    return estimate.offset_ns


@pytest.mark.parametrize("make", [MinDelay, Regression])
def test_nothing_is_said_before_anything_was_heard(make: type[OscillatorModel]) -> None:
    """And after the first measurement that one."""
    model = make()
    assert model.predict(S) is None
    model.observe(sample(1.0, 500))

    assert said(model, 9999.0) == 500


@pytest.mark.parametrize("make", [MinDelay, Regression])
@given(rate_ppb=st.integers(-100_000, 100_000), since_s=st.integers(0, 10**8))
def test_a_clock_without_noise_is_foretold(
    make: type[OscillatorModel], rate_ppb: int, since_s: int
) -> None:
    """Whenever RAW began; within what a float says of a day."""
    model = make()
    for at_s in range(since_s, since_s + 7200, 64):
        model.observe(sample(at_s, (at_s - since_s) * rate_ppb))

    ahead_s = 86_400
    assert said(model, since_s + ahead_s) == pytest.approx(ahead_s * rate_ppb, abs=2)


def test_the_shortest_delay_of_eight_is_picked() -> None:
    """Until eight later ones have come."""
    model = MinDelay()
    model.observe(sample(0.0, 7, delay_ns=10))
    picked = []
    for k in range(1, 9):
        model.observe(sample(float(k), 100 + k, delay_ns=1000 + k))
        picked.append(said(model, 9.0))

    assert picked == [7] * 7 + [101]


def test_a_rate_is_known_where_polls_are_rare() -> None:
    """The same pick may stand for hours."""
    model = MinDelay()
    for k in range(40):
        at_s = 1024.0 * k
        model.observe(sample(at_s, round(at_s * 20_000), 1000 + 100 * (k % 7)))

    assert said(model, 100_000.0) == pytest.approx(2 * S, rel=1e-6)


def test_least_squares_are_those_of_numpy() -> None:
    """Over the last hour: what is older has no say."""
    rng = np.random.default_rng(1)
    at_s = np.sort(rng.uniform(0.0, 10_000.0, 200))
    offsets = np.round(rng.normal(0.0, 1e6, 200)).astype(int)
    model = Regression()
    for t_s, offset_ns in zip(at_s, offsets, strict=True):
        model.observe(sample(t_s, int(offset_ns)))

    late = at_s >= at_s[-1] - 3600.0
    line = np.polynomial.Polynomial.fit(at_s[late], offsets[late], 1)
    assert said(model, 12_000.0) == pytest.approx(line(12_000.0), rel=1e-6, abs=2.0)


def test_on_a_clock_that_runs_free_they_know_its_rate_and_claim_nothing() -> None:
    """20 ppm are 72 ms in an hour, by which the newest measurement is off."""
    recording = prepare(recorded(hours=4.0), most_targets=60)
    rmse_ns = {}
    for name in ("hold", "mindelay", "regression"):
        (found,) = replay(recording, contender(name, ["server"]), (3600.0,))
        late = found.select(found.t_s > 2.5 * 3600.0)
        rmse_ns[name] = float(np.sqrt(np.mean(late.error_ns**2)))
        if name != "hold":
            assert all(np.isnan(w).all() for w in late.half_width_ns.values())

    assert rmse_ns["hold"] > 300.0 * max(rmse_ns["mindelay"], rmse_ns["regression"])

"""The imagined climate: what moves, by how much, how slowly."""

from __future__ import annotations

from itertools import pairwise

import pytest

from chronotick.sim.climate import Climate
from chronotick.sim.dice import Dice
from chronotick.sim.specs import TemperatureSpec


def record(spec: TemperatureSpec, steps: int, grid_s: float = 10.0) -> list[float]:
    """Return the temperature of the first `steps` grid steps."""
    climate = Climate(spec, grid_s, Dice(1, "climate"))
    return [climate.step() for _ in range(steps)]


def test_nothing_configured_is_the_mean_temperature() -> None:
    """No cause, no effect."""
    assert set(record(TemperatureSpec(ppb_per_c=10.0), 100)) == {0.0}


def test_the_thermostat_is_a_saw_tooth() -> None:
    """It rises within ± its amplitude and falls at once, once a period."""
    spec = TemperatureSpec(hvac_c=2.0, hvac_period_s=600.0, lag_s=0.0)
    values = record(spec, 240)

    falls = [b - a for a, b in pairwise(values) if b < a]
    assert len(falls) == 4
    assert all(fall == pytest.approx(-4.0, abs=0.1) for fall in falls)
    assert max(abs(v) for v in values) <= 2.0


def test_the_load_comes_and_goes() -> None:
    """Without lag the load's warmth is all or nothing, and spends its share."""
    spec = TemperatureSpec(load_c=7.0, load_on_s=300.0, load_off_s=900.0, lag_s=0.0)
    values = record(spec, 20_000)

    assert set(values) == {0.0, 7.0}
    assert values.count(7.0) / len(values) == pytest.approx(0.25, abs=0.05)


def test_the_case_follows_slowly() -> None:
    """With a lag the load is approached within its bounds, never leapt to."""
    spec = TemperatureSpec(load_c=7.0, load_on_s=900.0, load_off_s=900.0, lag_s=300.0)
    values = record(spec, 5_000)

    steps = [abs(b - a) for a, b in pairwise(values)]
    assert max(steps) <= 7.0 * 10.0 / 300.0
    assert max(values) > 5.0


def test_the_phase_of_the_day_can_be_fixed() -> None:
    """A scenario can start at the hottest hour."""
    spec = TemperatureSpec(diurnal_c=3.0, diurnal_phase=0.25, lag_s=0.0)

    assert record(spec, 1)[0] == pytest.approx(3.0)

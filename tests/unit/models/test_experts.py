"""`models.experts`: each sees what it is made for, and invents nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from chronotick.models.experts import (
    daily,
    harmonic,
    hourly,
    midway,
    reverting,
    surrounded,
)
from chronotick.models.scores import HORIZONS_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAY = 144
ALL = (hourly, midway, reverting, daily, harmonic)


def day_wave(count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return 10-minute rates of a clock that follows the sun."""
    return 50.0 * np.sin(2.0 * np.pi * np.arange(count) / DAY) + 1000.0


@pytest.mark.parametrize("expert", ALL)
def test_a_constant_rate_stays(expert: object) -> None:
    """Three days of one rate are forecast to go on."""
    forecast = expert(np.full(432, 7.0), HORIZONS_S)  # type: ignore[operator]
    assert forecast == pytest.approx(np.full(HORIZONS_S.size, 7.0))


@pytest.mark.parametrize("expert", ALL)
def test_too_short_a_history_is_silence(expert: object) -> None:
    """Half an hour of rates says nothing, and no number is made up."""
    assert expert(np.ones(3), HORIZONS_S) is None  # type: ignore[operator]


@pytest.mark.parametrize("expert", ALL)
def test_an_offset_and_a_scale_pass_through(expert: object) -> None:
    """Forecasts are linear in the rates: unit and origin don't matter."""
    rates = np.random.default_rng(2).normal(size=432).cumsum()
    plain = expert(rates, HORIZONS_S)  # type: ignore[operator]
    moved = expert(3.0 * rates + 500.0, HORIZONS_S)  # type: ignore[operator]
    assert moved == pytest.approx(3.0 * plain + 500.0)


@pytest.mark.parametrize(("expert", "most"), [(daily, 0.5), (harmonic, 0.25)])
@pytest.mark.parametrize("end", [300, 330, 360, 390, 420])
def test_the_sun_is_foreseen(expert: object, most: float, end: int) -> None:
    """On a daily wave, the mean over 4 h is missed by far less than "no change" does."""
    wave = day_wave(end + 48)
    truth = wave[end : end + 24].mean()
    forecast = expert(wave[:end], HORIZONS_S)  # type: ignore[operator]
    at_4h = forecast[list(HORIZONS_S).index(14400.0)]
    assert abs(at_4h - truth) <= most * abs(wave[end - 1] - truth) + 3.0


def test_reverting_ends_between_now_and_the_day() -> None:
    """From the last hour towards the day's mean, monotonically."""
    rates = np.concatenate((np.zeros(DAY - 6), np.full(6, 24.0)))
    forecast = reverting(rates, HORIZONS_S)
    assert forecast is not None
    assert (np.diff(forecast) < 0.0).all()
    assert rates.mean() < forecast[-1] < forecast[0] < 24.0


def warm(count: int) -> NDArray[np.float64]:
    """Return °C of a machine that is busy now and then, ten minutes apart."""
    rng = np.random.default_rng(5)
    busy = np.cumsum(rng.random(count) < 0.1) % 2
    return np.asarray(40.0 + 10.0 * busy, np.float64)


def test_what_was_felt_since_the_newest_rate_counts() -> None:
    """Four hours of silence in which it got 10 °C warmer: 20 ppb a degree are foreseen."""
    celsius = warm(300)
    celsius[270:276], celsius[276:] = 40.0, 50.0
    rates = 7.0 + 20.0 * celsius[:276]
    silence = np.column_stack((celsius, np.full(300, np.nan)))
    told = surrounded(rates, silence, HORIZONS_S)
    assert told is not None
    at_4h = told[list(HORIZONS_S).index(14400.0)]
    assert at_4h == pytest.approx(rates[-1] + 200.0, rel=0.05)


def test_warmth_fades() -> None:
    """With nothing felt beyond, the forecast comes back from a hot hour."""
    celsius = warm(300)
    celsius[-6:] = 60.0
    told = surrounded(20.0 * celsius, celsius[:, None], HORIZONS_S)
    assert told is not None
    assert (np.diff(told) < 0.0).all()


@pytest.mark.parametrize(
    "around",
    [
        np.full((300, 1), np.nan),
        np.full((300, 1), 40.0),
        np.concatenate((warm(290), np.full(10, np.nan)))[:, None],
        np.concatenate((np.full(270, np.nan), warm(30)))[:, None],
    ],
    ids=["absent", "constant", "gone", "new"],
)
def test_without_warming_and_cooling_nothing_is_said(
    around: NDArray[np.float64],
) -> None:
    """A sensor that is absent, stuck, gone or too new explains nothing."""
    assert surrounded(day_wave(300), around, HORIZONS_S) is None


def test_a_sensor_that_comes_late_is_used_from_then_on() -> None:
    """Rows without a reading are left out; the others suffice."""
    celsius = warm(300)
    rates = 20.0 * celsius
    late = celsius.copy()
    late[:150] = np.nan
    told = surrounded(rates, late[:, None], HORIZONS_S)
    assert told is not None
    assert np.isfinite(told).all()


def test_what_was_asked_before_does_not_matter() -> None:
    """A fit to one length of history is the same after fits to others."""
    rates = np.random.default_rng(2).normal(size=432).cumsum()
    lengths = (432, 200, 432, 431, 200)
    first, second, *later = (
        harmonic(rates[-length:], HORIZONS_S) for length in lengths
    )
    assert first is not None
    assert second is not None
    assert later[0] is not None
    assert later[2] is not None
    assert later[0].tolist() == first.tolist()
    assert later[2].tolist() == second.tolist()
    assert second.tolist() != first.tolist()


def ratio_to_no_change(swing_ppb: float, count: int = 432, seeds: int = 60) -> float:
    """Return RMS of `harmonic` over that of "no change", 8 h ahead, on random walks.

    Args:
        swing_ppb: A wave of a day on top of a walk of 7 ppb in ten minutes.
        count: Rates that are seen.
        seeds: Of walks.
    """
    ours, none = [], []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        phase = rng.uniform(0.0, 2.0 * np.pi)
        angle = 2.0 * np.pi * np.arange(480) / DAY + phase
        rates = rng.normal(0.0, 7.3, 480).cumsum() + swing_ppb * np.sin(angle)
        forecast = harmonic(rates[432 - count : 432], HORIZONS_S)
        assert forecast is not None
        truth = rates[432:].mean()
        ours.append(forecast[-1] - truth)
        none.append(rates[431] - truth)
    return float(np.sqrt(np.mean(np.square(ours)) / np.mean(np.square(none))))


def test_a_walk_is_not_taken_for_waves() -> None:
    """Nothing can be foreseen in one; what it costs to try is little."""
    assert ratio_to_no_change(0.0) <= 1.16
    assert ratio_to_no_change(0.0, count=DAY) <= 1.3


def test_waves_are_found_in_a_walk() -> None:
    """An office PC's: a day of 100 ppb is as high as its walk goes in that time."""
    assert ratio_to_no_change(100.0) <= 0.55


def test_a_load_that_comes_and_goes_is_no_wave() -> None:
    """A few large changes in a quiet day: the forecast hardly follows them."""
    rates = np.random.default_rng(3).normal(0.0, 1.0, 432).cumsum()
    loaded = rates.copy()
    loaded[200:230] += 400.0
    plain, disturbed = harmonic(rates, HORIZONS_S), harmonic(loaded, HORIZONS_S)
    assert plain is not None
    assert disturbed is not None
    assert np.abs(disturbed - plain).max() < 10.0

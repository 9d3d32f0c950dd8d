"""Simple forecasters of an oscillator's rate: what a day's history can be good for.

Each looks at 10-minute rates (ppb, newest last, `STEP_S` apart) and says the mean rate
over the coming horizons. None decides whether it is right: the ensemble keeps score.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from chronotick.models.history import LEAST, PAST, STEP_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chronotick.models.network import Network

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]

__all__ = [
    "Expert",
    "daily",
    "harmonic",
    "hourly",
    "learned",
    "midway",
    "reverting",
    "surrounded",
]

_HOUR = 3600 // STEP_S
_DAY = 24 * _HOUR
# Temperature inside a case comes back to the room's within some hours.
_RETURN_S = 6 * 3600.0
# How much of yesterday's change is believed to come again.
_AGAIN = 0.7
# Coefficients of the surroundings are shrunk as if one hour of zeros had been seen.
_RIDGE = float(_HOUR)
# Waves of a day are taken to be some hundred ppb high, as temperature makes them.
_SWING_PPB = 300.0
# Changes beyond so many deviations count as that; a deviation is told by the median.
_OUTLYING = 4.0
_NORMAL_MEDIAN = 0.6745
# Only keep a clock without any noise solvable.
_LEAST_PPB, _LEAST_RIDGE = 1e-9, 1e-18
# A coefficient of temperature takes some warming and cooling to be seen.
_LEAST_FELT = 6 * _HOUR


class Expert(Protocol):
    """A forecaster of mean rates over coming horizons."""

    def __call__(self, rates_ppb: Vector, horizons_s: Vector) -> Vector | None:
        """Return the mean rate over each horizon in ppb; None if history is short."""
        ...


def hourly(rates_ppb: Vector, horizons_s: Vector) -> Vector | None:
    """The last hour's mean: blind to what cycles faster than that."""
    if rates_ppb.size < _HOUR:
        return None
    return np.full(horizons_s.size, _mean(rates_ppb[-_HOUR:]))


def midway(rates_ppb: Vector, horizons_s: Vector) -> Vector | None:
    """Half way between the last hour's mean and the last day's."""
    if rates_ppb.size < 2 * _HOUR:
        return None
    middle = (_mean(rates_ppb[-_HOUR:]) + _mean(rates_ppb[-_DAY:])) / 2.0
    return np.full(horizons_s.size, middle)


def reverting(rates_ppb: Vector, horizons_s: Vector) -> Vector | None:
    """Relaxes to the last day's mean (Ornstein–Uhlenbeck)."""
    if rates_ppb.size < 2 * _HOUR:
        return None
    start, end = _mean(rates_ppb[-_HOUR:]), _mean(rates_ppb[-_DAY:])
    turns = horizons_s / _RETURN_S
    # Mean of exp(−t) over the horizon.
    left: Vector = -np.expm1(-turns) / turns
    forecast: Vector = end + (start - end) * left
    return forecast


def daily(rates_ppb: Vector, horizons_s: Vector) -> Vector | None:
    """What followed the same hour of yesterday, damped, on top of the last hour."""
    steps = np.ceil(horizons_s / STEP_S).astype(int)
    if rates_ppb.size < _DAY + _HOUR:
        return None
    start = rates_ppb.size - _DAY
    then = _mean(rates_ppb[start - _HOUR : start])
    followed = np.add.accumulate(rates_ppb[start:] - then)
    reached = np.minimum(steps, _DAY)
    change = _AGAIN * followed[reached - 1] / reached
    forecast: Vector = _mean(rates_ppb[-_HOUR:]) + change
    return forecast


def harmonic(rates_ppb: Vector, horizons_s: Vector) -> Vector | None:
    """A day's and half a day's wave, as the changes of up to three days show them.

    Generalized least squares: beside its waves a rate walks at random, so what is
    independent are its changes; in the rates themselves a walk looks like waves.
    """
    if rates_ppb.size < _DAY:
        return None
    rates_ppb = rates_ppb[-PAST:]
    changed = rates_ppb[1:] - rates_ppb[:-1]
    changes = _past_changes()[-changed.size :]
    # A load that comes or goes is a few large changes: not a wave's doing.
    middle = changed.size // 2
    step_ppb = float(np.partition(np.abs(changed), middle)[middle]) / _NORMAL_MEDIAN
    most_ppb = _OUTLYING * step_ppb + _LEAST_PPB
    np.maximum(np.minimum(changed, most_ppb, out=changed), -most_ppb, out=changed)
    gram = changes.T @ changes
    gram.flat[:: gram.shape[0] + 1] += (step_ppb / _SWING_PPB) ** 2 + _LEAST_RIDGE
    fit = np.linalg.solve(gram, changes.T @ changed)
    steps = np.ceil(horizons_s / STEP_S).astype(int)
    ahead = _coming_swing(int(steps.max())) @ fit
    swung = np.add.accumulate(ahead)[steps - 1] / steps
    forecast: Vector = rates_ppb[-1] + swung
    return forecast


def learned(network: Network) -> Expert:
    """Return the trained network as an expert."""

    def forecast(rates_ppb: Vector, horizons_s: Vector) -> Vector | None:
        if rates_ppb.size < LEAST:
            return None
        means = network.forecast(rates_ppb).mean_ppb
        grid = STEP_S * np.arange(1.0, means.size + 1.0)
        return np.interp(horizons_s, grid, means)

    return forecast


def surrounded(rates_ppb: Vector, around: Matrix, horizons_s: Vector) -> Vector | None:
    """Regressed on temperature, frequency, load: whatever `around` holds.

    Args:
        rates_ppb: As for any expert.
        around: A row for each rate, and one for each ten minutes that have passed since
            without a rate; NaN where something was not read.
        horizons_s: From the newest rate on.

    Returns:
        Mean rates: what was felt since the newest rate counts in full, and from then on
        the surroundings come back to the last day's mean.
    """
    count = rates_ppb.size
    known = np.isfinite(around[max(count - _HOUR, 0) :]).all(axis=0)
    chosen = around[:, known]
    rows = np.isfinite(chosen[:count]).all(axis=1)
    if not known.any() or rows.sum() < _LEAST_FELT:
        return None
    middle, spread = chosen[:count][rows].mean(axis=0), chosen[:count][rows].std(axis=0)
    if not (spread > 0.0).any():
        return None
    felt = (chosen - middle) / np.where(spread > 0.0, spread, 1.0)
    # With a line beside it, slow aging is not taken for a slow change of temperature.
    line = (np.arange(count) - count) / _DAY
    design = np.column_stack((line, felt[:count]))[rows]
    gram = design.T @ design + _RIDGE * np.eye(design.shape[1])
    fit = np.linalg.solve(gram, design.T @ (rates_ppb[rows] - rates_ppb[rows].mean()))
    steps = np.ceil(horizons_s / STEP_S).astype(int)
    ahead = _coming(felt[count - 1 :], int(steps.max())) @ fit[1:]
    recent = felt[count - _HOUR : count] @ fit[1:]
    change = np.cumsum(ahead - recent.mean())[steps - 1] / steps
    forecast: Vector = _mean(rates_ppb[-_HOUR:]) + change
    return forecast


def _coming(felt: Matrix, steps: int) -> Matrix:
    """Return the surroundings of the next `steps`: felt after the first row, then easing.

    Deviations from the middle fade: the middle is what the day comes back to.
    """
    since = felt[1 : steps + 1]
    left = np.arange(1.0, steps - len(since) + 1.0)[:, None] * STEP_S / _RETURN_S
    return np.concatenate((since, felt[-1] * np.exp(-left)))


def _mean(values: Vector) -> float:
    """Return `values.mean()`, whose bookkeeping takes longer than the sum."""
    return float(np.add.reduce(values)) / values.size


@lru_cache(maxsize=1)
def _past_changes() -> Matrix:
    """Return what the waves have changed by at each step of the longest history."""
    changes = np.diff(_waves(np.arange(1.0 - PAST, 1.0)), axis=0)
    changes.flags.writeable = False
    return changes


@lru_cache(maxsize=1)
def _coming_swing(steps: int) -> Matrix:
    """Return by how much the waves of the next `steps` are above those of now."""
    swing = _waves(np.arange(1.0, steps + 1.0)) - _waves(np.zeros(1))
    swing.flags.writeable = False
    return swing


def _waves(steps: Vector) -> Vector:
    angle = 2.0 * np.pi * steps / _DAY
    return np.array(
        (np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle))
    ).T

"""Simulated oscillators for training: what quartz in rooms and racks does to its rate.

Decides the population that the long-term network learns from. Every number below is a
range that spans commodity clocks, from a quiet virtual machine to a shaken office PC;
none is fitted to a trace that the benchmark scores. Rates in ppb, one per 10 minutes;
the generator's randomness is its caller's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chronotick.models.history import HORIZON, PAST, STEP_S

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]
    Truths = NDArray[np.bool_]

__all__ = ["Batch", "simulate"]

_LENGTH = PAST + HORIZON
_DAY = 144
_PLAIN = 0.25
_OFFICE_HOURS = 10.0


class Batch(NamedTuple):
    """Simulated clocks as the model sees them, and what came after."""

    rates_ppb: Matrix
    """What a short-term model would have reported, newest last: rows × `PAST`."""
    outcome_ppb: Matrix
    """Mean true rate over the next 1, 2, … `HORIZON` steps."""


def simulate(rng: Generator, size: int) -> Batch:
    """Return `size` clocks drawn from the population."""
    truth = _random_walk(rng, size)
    # Nothing but a random walk: there is nothing to learn from those, and the network
    # must know it.
    plain = _chance(rng, size, _PLAIN)[:, 0]
    for component, share in (
        (_flicker, 0.7),
        (_diurnal, 0.6),
        (_cycling, 0.3),
        (_load, 0.35),
        (_step, 0.15),
        (_aging, 0.5),
    ):
        active = _chance(rng, size, share)[:, 0] & ~plain
        truth[active] += component(rng, int(active.sum()))
    seen = _track(rng, truth)[:, :PAST]
    future = np.cumsum(truth[:, PAST:], axis=1)
    return Batch(seen, future / np.arange(1.0, HORIZON + 1.0))


def _chance(rng: Generator, size: int, share: float) -> Truths:
    """Return a column that is true with probability `share`."""
    return rng.random((size, 1)) < share


def _between(rng: Generator, size: int, low: float, high: float) -> Matrix:
    """Return a column of log-uniform draws."""
    return np.exp(rng.uniform(np.log(low), np.log(high), (size, 1)))


def _sign(rng: Generator, size: int) -> Matrix:
    """Return a column of ± 1."""
    return rng.choice(np.array([-1.0, 1.0]), (size, 1))


def _relax(drive: Matrix, gain: Matrix) -> Matrix:
    """Return a first-order low pass of `drive`, gain per step (a column)."""
    result_t = np.empty(drive.shape[::-1])
    state = drive[:, 0]
    share = gain[:, 0]
    # Column by column over a transposed copy: contiguous, hence three times faster.
    for now, value in zip(result_t, np.ascontiguousarray(drive.T), strict=True):
        state = state + share * (value - state)
        now[:] = state
    return result_t.T.copy()


def _random_walk(rng: Generator, size: int) -> Matrix:
    step_ppb = _between(rng, size, 0.03, 3.0) * np.sqrt(STEP_S)
    return np.cumsum(rng.normal(size=(size, _LENGTH)) * step_ppb, axis=1)


def _flicker(rng: Generator, size: int) -> Matrix:
    """Sum of relaxations an octave or two apart: near enough to 1/f over the range."""
    total = np.zeros((size, _LENGTH))
    for hours in (1.0, 4.0, 16.0, 64.0):
        gain = np.full((size, 1), STEP_S / (3600.0 * hours))
        noise = rng.normal(size=(size, _LENGTH)) / np.sqrt(gain / 2.0)
        total += _relax(noise, gain)
    return total * _between(rng, size, 0.5, 60.0)


def _diurnal(rng: Generator, size: int) -> Matrix:
    """A day's temperature: 24 h and 12 h, no two days alike, often one-sided."""
    phase = rng.uniform(0.0, 2.0 * np.pi, (size, 1))
    wobble = _relax(rng.normal(size=(size, _LENGTH)), np.full((size, 1), 1.0 / _DAY))
    angle = 2.0 * np.pi * np.arange(_LENGTH) / _DAY + phase
    angle = angle + wobble * rng.uniform(0.0, 3.0, (size, 1))
    shape = np.sin(angle)
    second = rng.uniform(0.0, 0.5, (size, 1))
    shape += second * np.sin(2.0 * angle + rng.uniform(0.0, 2.0 * np.pi, (size, 1)))
    heated = _chance(rng, size, 0.3)
    shape = np.where(heated, np.maximum(shape, 0.0), shape)
    weather = _relax(rng.normal(size=(size, _LENGTH)), np.full((size, 1), 1.0 / _DAY))
    swing = 1.0 + weather * rng.uniform(0.0, 6.0, (size, 1))
    return shape * swing * _between(rng, size, 5.0, 1000.0)


def _cycling(rng: Generator, size: int) -> Matrix:
    """Air conditioning and the like: a saw-tooth or a sine of 20 minutes to 3 hours."""
    period = _between(rng, size, 2.0, 18.0)
    jitter = rng.uniform(0.0, 0.3, (size, 1))
    speed = (1.0 + jitter * rng.normal(size=(size, _LENGTH))) / period
    turns = np.cumsum(speed, axis=1) + rng.random((size, 1))
    saw = 2.0 * np.abs(2.0 * (turns % 1.0) - 1.0) - 1.0
    shape = np.where(_chance(rng, size, 0.5), saw, np.sin(2.0 * np.pi * turns))
    # Ten minutes average a fast cycle away.
    return shape * np.sinc(1.0 / period) * _between(rng, size, 3.0, 300.0)


def _load(rng: Generator, size: int) -> Matrix:
    """A machine that is busy or idle, for some in office hours only, and its heat."""
    leave = 1.0 / _between(rng, size, 3.0, 40.0)
    hour = (np.arange(_LENGTH) / 6.0 + rng.uniform(0.0, 24.0, (size, 1))) % 24.0
    office = (hour < _OFFICE_HOURS) | _chance(rng, size, 0.5)
    flips = rng.random((size, _LENGTH)) < leave
    busy = (np.cumsum(flips, axis=1) % 2 == 1) & office
    heat = _relax(busy.astype(np.float64), rng.uniform(0.3, 1.0, (size, 1)))
    return heat * _between(rng, size, 5.0, 400.0) * _sign(rng, size)


def _step(rng: Generator, size: int) -> Matrix:
    at = rng.integers(0, _LENGTH, (size, 1))
    height = _between(rng, size, 20.0, 500.0) * _sign(rng, size)
    after: Matrix = (np.arange(_LENGTH) >= at).astype(np.float64)
    return height * after


def _aging(rng: Generator, size: int) -> Matrix:
    per_day_ppb = rng.normal(0.0, 10.0, (size, 1))
    days: Matrix = np.arange(_LENGTH) / _DAY
    return days * per_day_ppb


def _track(rng: Generator, truth: Matrix) -> Matrix:
    """Return what a short-term model reports: noisy, and a little late.

    The bank finds about the best compromise between the two; so the gain is near the
    optimum for a random walk of this step under this noise.
    """
    size = truth.shape[0]
    step = np.median(np.abs(np.diff(truth, axis=1)), axis=1, keepdims=True) / 0.6745
    noise = step * _between(rng, size, 0.05, 20.0)
    drive = (step / noise) ** 2
    gain = (np.sqrt(drive * drive + 4.0 * drive) - drive) / 2.0
    gain = np.minimum(gain * _between(rng, size, 0.7, 1.4), 1.0)
    return _relax(truth + noise * rng.normal(size=truth.shape), gain)

"""The long-term model's view of the past: 10-minute rates, made scale-free.

Decides how three days of rates become the inputs of the network, the same way for one
clock and for a batch of simulated ones. Rates are in ppb, newest last, one per
`STEP_S`.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]
    Truths = NDArray[np.bool_]

__all__ = ["HORIZON", "INPUTS", "LEAST", "PAST", "STEP_S", "Features", "featurize"]

STEP_S = 600
"""Seconds between rates: an hour's holdover takes six."""
PAST = 432
"""Rates that are looked at: three days."""
HORIZON = 48
"""Steps that are forecast: eight hours."""
LEAST = 7
"""An hour and one: fewer rates say nothing of how the clock changes."""
_DAY = 144
# The older, the coarser: 10 minutes, 30 minutes, an hour.
_STRIDES = (1, 3, 6)
_SPANS = (1, 3, 6, 12, 24, 36, 48)
_DAYS_AGO = np.arange(len(_STRIDES), dtype=np.float64)
_SPAN_LENGTHS = np.array(_SPANS, np.float64)
INPUTS = sum(_DAY // stride for stride in _STRIDES) + len(_STRIDES) + len(_SPANS)
"""Length of a feature vector: three days of rates, how much of each is known, and how
fast the clock has been changing."""
# How much of each span's change is in that over each step that is forecast: spans ×
# steps, linear between two spans.
_STEPS = np.arange(1.0, HORIZON + 1.0)
_BETWEEN = np.array([np.interp(_STEPS, _SPANS, row) for row in np.eye(len(_SPANS))])
# A clock without any wander still needs a unit; no oscillator is this quiet.
_LEAST_SCALE_PPB = 1e-3
# Beyond this many deviations the network has no experience.
_CLIP = 10.0
_LEAST_CHANGES = 6


class Features(NamedTuple):
    """Inputs of the network, and what turns its outputs back into ppb."""

    inputs: Matrix
    """One row per clock, `INPUTS` long."""
    anchor_ppb: Matrix
    """The newest rate: what outputs are relative to."""
    unit_ppb: Matrix
    """Unit of the outputs: by how much the mean rate over the next 1, 2, … `HORIZON`
    steps has differed from the rate before it, so far. An output of 0 is "no change",
    and an error of 1 is what that has cost."""


def featurize(rates_ppb: Matrix, known: Matrix | None = None) -> Features:
    """Return the features of a batch.

    Args:
        rates_ppb: One row per clock, newest last, `LEAST` to `PAST` of them.
        known: How many of each row's newest rates count (all of them by default); the
            others are taken as equal to the anchor, and the network is told.
    """
    count, length = rates_ppb.shape
    anchor = rates_ppb[:, -1]
    centered = rates_ppb - anchor[:, None]
    valid = None
    if known is None:
        known = np.full(count, float(length))
    else:
        valid = np.arange(length - 1, -1, -1.0) < known[:, None]
        centered = np.where(valid, centered, 0.0)
    scale = _deviation(centered, known, valid)
    past = np.zeros((count, PAST))
    np.divide(centered, scale[:, None], out=past[:, PAST - length :])
    shares = known[:, None] / _DAY - _DAYS_AGO
    np.maximum(shares, 0.0, out=shares)
    np.minimum(shares, 1.0, out=shares)
    parts: list[Matrix] = []
    for day, stride in enumerate(_STRIDES):
        end = PAST - day * _DAY
        block = past[:, end - _DAY : end]
        if stride > 1:
            block = block.reshape(count, _DAY // stride, stride)
            block = np.add.reduce(block, axis=2) / stride
        parts += (block, shares[:, day, None])
    changes = _changes(centered, known, masked=valid is not None)
    parts.append(np.log(changes / scale[:, None]))
    inputs = np.concatenate(parts, axis=1)
    np.maximum(inputs, -_CLIP, out=inputs)
    np.minimum(inputs, _CLIP, out=inputs)
    unit = changes @ _BETWEEN
    return Features(inputs, anchor, unit)


def _deviation(centered: Matrix, known: Vector, valid: Truths | None) -> Matrix:
    """Return the standard deviation of the last day."""
    day = centered[:, -_DAY:]
    total = np.minimum(known, day.shape[1])
    mean = np.add.reduce(day, axis=1) / total
    apart = day - mean[:, None]
    if valid is not None:
        apart *= valid[:, -_DAY:]
    square = np.add.reduce(apart * apart, axis=1) / total
    return np.asarray(np.sqrt(square) + _LEAST_SCALE_PPB, np.float64)


def _changes(centered: Matrix, known: Vector, *, masked: bool) -> Matrix:
    """Return what "no change" has cost over each of `_SPANS`, ppb rms."""
    count, length = centered.shape
    total = np.zeros((count, length + 1))
    np.add.accumulate(centered, axis=1, out=total[:, 1:])
    number = known[:, None] - _SPAN_LENGTHS
    squares = np.zeros((count, len(_SPANS)))
    for column, span in enumerate(_SPANS):
        if length <= span:
            break
        error = total[:, 1 + span :] - total[:, 1:-span]
        error /= span
        error -= centered[:, :-span]
        if masked:
            # From the first change that lies wholly within what is known.
            error *= np.arange(length - span, 0.0, -1.0) <= number[:, column, None]
        error *= error
        np.add.reduce(error, axis=1, out=squares[:, column])
    rms: Matrix = np.sqrt(squares / np.maximum(number, 1.0)) + _LEAST_SCALE_PPB
    enough = number >= _LEAST_CHANGES
    if not enough.all():
        _wander_on(rms, enough)
    return rms


def _wander_on(rms: Matrix, enough: Truths) -> None:
    """Fill in spans that a history is too short for: a walk, as far as one can tell."""
    before, before_span = np.full(len(rms), _LEAST_SCALE_PPB), 1
    for column, span in enumerate(_SPANS):
        walked = before * sqrt(span / before_span)
        before = np.where(enough[:, column], rms[:, column], walked)
        rms[:, column], before_span = before, span

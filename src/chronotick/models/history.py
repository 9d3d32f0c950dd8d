"""The long-term model's view of the past: 10-minute rates, made scale-free.

Decides how three days of rates become the inputs of the network, the same way for one
clock and for a batch of simulated ones. Rates are in ppb, newest last, one per
`STEP_S`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
INPUTS = sum(_DAY // stride for stride in _STRIDES) + len(_STRIDES) + len(_SPANS)
"""Length of a feature vector: three days of rates, how much of each is known, and how
fast the clock has been changing."""
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
    if known is None:
        known = np.full(count, float(length))
    age = np.arange(length - 1, -1, -1.0)
    valid = age[None, :] < known[:, None]
    anchor = rates_ppb[:, -1]
    centered = np.where(valid, rates_ppb - anchor[:, None], 0.0)
    scale = _deviation(centered[:, -_DAY:], valid[:, -_DAY:])
    past = np.zeros((count, PAST))
    past[:, PAST - length :] = centered / scale[:, None]
    parts = []
    for day, stride in enumerate(_STRIDES):
        end = PAST - day * _DAY
        block = past[:, end - _DAY : end]
        parts.append(block.reshape(count, _DAY // stride, stride).mean(axis=2))
        parts.append(np.clip(known / _DAY - day, 0.0, 1.0)[:, None])
    changes = _changes(centered, known)
    parts.append(np.log(changes / scale[:, None]))
    inputs = np.clip(np.concatenate(parts, axis=1), -_CLIP, _CLIP)
    return Features(inputs, anchor, _to_every_step(changes))


def _deviation(centered: Matrix, valid: Truths) -> Matrix:
    total = valid.sum(axis=1)
    mean = centered.sum(axis=1) / total
    square = np.where(valid, (centered - mean[:, None]) ** 2, 0.0).sum(axis=1) / total
    return np.asarray(np.sqrt(square) + _LEAST_SCALE_PPB, np.float64)


def _changes(centered: Matrix, known: Matrix) -> Matrix:
    """Return what "no change" has cost over each of `_SPANS`, ppb rms."""
    count, length = centered.shape
    total = np.cumsum(np.pad(centered, ((0, 0), (1, 0))), axis=1)
    result = np.empty((count, len(_SPANS)))
    before, before_span = np.full(count, _LEAST_SCALE_PPB), 1
    for column, span in enumerate(_SPANS):
        # A history too short for this span wanders on as far as one can tell.
        result[:, column] = before * np.sqrt(span / before_span)
        if length > span:
            error = (total[:, 1 + span :] - total[:, 1:-span]) / span
            error -= centered[:, :-span]
            # From the first change that lies wholly within what is known.
            number = np.clip(known - span, 0.0, length - span)
            if (number < length - span).any():
                age = np.arange(length - span, 0.0, -1.0)
                error = np.where(age <= number[:, None], error, 0.0)
            square = np.einsum("ij,ij->i", error, error)
            rms = np.sqrt(square / np.maximum(number, 1.0)) + _LEAST_SCALE_PPB
            enough = number >= _LEAST_CHANGES
            result[enough, column] = rms[enough]
        before, before_span = result[:, column], span
    return result


def _to_every_step(changes: Matrix) -> Matrix:
    steps = np.arange(1.0, HORIZON + 1.0)
    right = np.clip(np.searchsorted(_SPANS, steps), 1, len(_SPANS) - 1)
    low, high = np.array(_SPANS)[right - 1], np.array(_SPANS)[right]
    share = (steps - low) / (high - low)
    between: Matrix = changes[:, right - 1] * (1.0 - share) + changes[:, right] * share
    return between

"""`models.history`: features are free of unit and origin, and know what is missing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.models.history import HORIZON, INPUTS, LEAST, PAST, featurize


def walk(seed: int, length: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return one clock's rates as a batch of one."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(1, length)).cumsum(axis=1) * 10.0


@given(
    st.integers(min_value=LEAST, max_value=PAST),
    st.floats(min_value=0.1, max_value=1e3),
    st.floats(min_value=-1e5, max_value=1e5),
)
def test_unit_and_origin_do_not_matter(
    length: int, scale: float, origin: float
) -> None:
    """Inputs stay the same; anchor and unit follow."""
    rates = walk(length, length)
    plain = featurize(rates)
    moved = featurize(scale * rates + origin)
    assert moved.inputs == pytest.approx(plain.inputs, rel=0.05, abs=0.05)
    assert moved.anchor_ppb == pytest.approx(scale * plain.anchor_ppb + origin)
    assert moved.unit_ppb == pytest.approx(scale * plain.unit_ppb, rel=0.05, abs=0.01)


@given(st.integers(min_value=LEAST, max_value=PAST - 1))
def test_unknown_past_is_the_same_as_no_past(known: int) -> None:
    """Masking older rates equals never having had them."""
    rates = walk(known, PAST)
    masked = featurize(rates, np.array([float(known)]))
    short = featurize(rates[:, -known:])
    assert masked.inputs == pytest.approx(short.inputs)
    assert masked.unit_ppb == pytest.approx(short.unit_ppb)


@pytest.mark.parametrize("length", [LEAST, 30, 144, PAST])
def test_shapes_and_limits(length: int) -> None:
    """Fixed lengths, finite and clipped, also for a clock that never changes."""
    for rates in (walk(1, length), np.full((1, length), 5.0)):
        features = featurize(rates)
        assert features.inputs.shape == (1, INPUTS)
        assert features.unit_ppb.shape == (1, HORIZON)
        assert np.isfinite(features.inputs).all()
        assert np.abs(features.inputs).max() <= 10.0
        assert (features.unit_ppb > 0.0).all()


def test_the_unit_is_what_no_change_has_cost() -> None:
    """On a random walk it grows with the square root of the horizon, about."""
    rng = np.random.default_rng(4)
    rates = rng.normal(size=(200, PAST)).cumsum(axis=1)
    unit = np.sqrt((featurize(rates).unit_ppb ** 2).mean(axis=0))
    # Mean of a walk over h steps: variance (h + 1)(2 h + 1) / (6 h).
    for steps in (1, 6, 48):
        expected = np.sqrt((steps + 1) * (2 * steps + 1) / (6 * steps))
        assert unit[steps - 1] == pytest.approx(expected, rel=0.15)

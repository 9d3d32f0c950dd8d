"""`models.hull`: the line between the bounds, long before the floor has been seen."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.units import NS_PER_S
from chronotick.models.bank import BankModel
from chronotick.models.hull import BoundHull
from unit.oscillators import EPOCH_NS, sample

FLOOR_NS = 40_000_000
RATE_PPB = 5_000
POLL_S = 64
BEND = 0.01


def truth_ns(raw_ns: int) -> int:
    """UTC − RAW of a steady clock."""
    return EPOCH_NS + raw_ns * RATE_PPB // NS_PER_S


def busy(rng: random.Random) -> tuple[int, int]:
    """Return queues there and back: 3 in 10 and 2 in 10 find the way free."""
    there = 0 if rng.random() < 0.3 else round(rng.expovariate(1 / 8e6))
    back = 0 if rng.random() < 0.2 else round(rng.expovariate(1 / 15e6))
    return there, back


@pytest.mark.parametrize("seed", range(8))
def test_half_an_hour_of_a_busy_path_is_enough(seed: int) -> None:
    """28 exchanges, of which one or two at most were quiet both ways: microseconds."""
    rng = random.Random(seed)
    hull = BoundHull()
    for k in range(28):
        raw_ns = k * POLL_S * NS_PER_S
        there, back = busy(rng)
        hull.add(
            raw_ns, truth_ns(raw_ns) + (there - back) // 2, FLOOR_NS + there + back
        )
    line = hull.line(BEND)
    assert line is not None
    error_ns = line.offset_ns - truth_ns(line.raw_ns)
    assert abs(error_ns) < 4.0 * line.variance.v0**0.5 + 1_000
    assert line.variance.v0**0.5 < 3_000_000


@pytest.mark.parametrize("seed", range(4))
def test_the_bank_has_its_help(seed: int) -> None:
    """In its first hour on such a path the bank is within 100 µs, and knows it."""
    rng = random.Random(100 + seed)
    bank = BankModel()
    for k in range(50):
        raw_ns = k * POLL_S * NS_PER_S
        there, back = busy(rng)
        offset_ns = truth_ns(raw_ns) + (there - back) // 2
        bank.observe(sample(raw_ns, offset_ns, delay_ns=FLOOR_NS + there + back))
    estimate = bank.predict(49 * POLL_S * NS_PER_S)
    assert estimate is not None
    error_ns = estimate.offset_ns - truth_ns(estimate.raw_ns)
    assert abs(error_ns) < 100_000
    assert estimate.variance.v0**0.5 < 300_000


def test_little_is_not_enough() -> None:
    """Seven exchanges, or eight at one instant: no line."""
    hull = BoundHull()
    for k in range(7):
        hull.add(k * NS_PER_S, EPOCH_NS, 1_000)
        assert hull.line(BEND) is None
    still = BoundHull()
    for _ in range(8):
        still.add(5, EPOCH_NS, 1_000)
    assert still.line(BEND) is None


def test_only_the_last_hour_counts() -> None:
    """An old jump has left the window."""
    hull = BoundHull()
    hull.add(0, EPOCH_NS - 10**9, 1_000)
    for k in range(10):
        raw_ns = (3601 + k) * NS_PER_S
        hull.add(raw_ns, truth_ns(raw_ns), 1_000_000)
    line = hull.line(BEND)
    assert line is not None
    assert line.offset_ns == pytest.approx(truth_ns(line.raw_ns), abs=2_000)
    assert line.rate_ppb == pytest.approx(RATE_PPB, rel=0.1)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**12),
            st.integers(-(10**15), 10**15),
            st.integers(0, 10**12),
        ),
        min_size=8,
        max_size=70,
    )
)
def test_any_exchanges_give_a_finite_line(
    exchanges: list[tuple[int, int, int]],
) -> None:
    """Contradicting bounds as well: the line is where they contradict least."""
    hull = BoundHull()
    for raw_ns, offset_ns, delay_ns in sorted(exchanges):
        hull.add(raw_ns, offset_ns, delay_ns)
    line = hull.line(BEND)
    if line is not None:
        assert 0.0 <= line.variance.v0 < float("inf")
        assert all(term == term for term in line.variance)  # noqa: PLR0124 - no NaN

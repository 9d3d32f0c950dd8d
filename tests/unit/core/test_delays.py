"""`core.delays`: how far the lowest delay may be above the floor."""

from __future__ import annotations

import random
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.delays import floor_doubt_ns

FLOOR_NS = 30_000_000


@given(st.lists(st.integers(0, 10**10), min_size=2, max_size=8), st.integers(8, 1000))
def test_the_doubt_is_never_negative_nor_that_of_luck_alone(
    delays_ns: list[int], count: int
) -> None:
    """Sorted delays, whatever they are; the more of them, the less is luck."""
    lowest = sorted(delays_ns)
    assert 0.0 <= floor_doubt_ns(lowest, count + 1) <= floor_doubt_ns(lowest, count)


def test_one_delay_may_be_all_queue() -> None:
    """There is no spacing to tell anything by."""
    assert floor_doubt_ns([FLOOR_NS], 1, 0.5) == FLOOR_NS


@pytest.mark.parametrize(("count", "expected"), [(64, 1.25), (1000, 1.05)])
def test_it_is_what_the_lowest_exceeds_the_floor_by(
    count: int, expected: float
) -> None:
    """Memoryless queues on both legs; averaged over 300 paths.

    The lowest eight of 64 reach beyond where the square holds: too large by a quarter.
    """
    doubts, excesses = [], []
    for seed in range(300):
        rng = random.Random(seed)
        lowest = sorted(
            FLOOR_NS + round(rng.expovariate(1e-6) + rng.expovariate(1e-6))
            for _ in range(count)
        )
        doubts.append(floor_doubt_ns(lowest[:8], count))
        excesses.append(lowest[0] - FLOOR_NS)
    assert mean(doubts) / mean(excesses) == pytest.approx(expected, abs=0.1)

"""`fusion.lean`: a trend of the error in the delay is doubt; noise is none."""

from __future__ import annotations

import random
from math import isfinite, sqrt
from statistics import median
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chronotick.fusion.lean import QueueLean

if TYPE_CHECKING:
    from collections.abc import Iterator

MEAN_NS = 1e6


def exchanges(
    seed: int, *, up: float, down: float, count: int = 2000
) -> Iterator[tuple[float, float]]:
    """Yield excess and error of `count` exchanges with memoryless queues.

    Args:
        seed: Of the queues.
        up: Mean queue on the way there, in ms.
        down: On the way back.
        count: How many.
    """
    rng = random.Random(seed)
    for _ in range(count):
        there = rng.expovariate(1.0 / (up * MEAN_NS)) if up else 0.0
        back = rng.expovariate(1.0 / (down * MEAN_NS))
        yield there + back, (there - back) / 2.0


def doubt_ns(seed: int, *, up: float, down: float, count: int = 2000) -> float:
    """Return the standard deviation that `count` exchanges leave."""
    lean = QueueLean()
    for excess_ns, error_ns in exchanges(seed, up=up, down=down, count=count):
        lean.add(excess_ns, error_ns, excess_ns**2 / 12.0)
    return sqrt(lean.variance)


def test_nothing_heard_is_no_doubt() -> None:
    """There is no path yet that could lean."""
    assert QueueLean().variance == 0.0


def test_before_a_trend_can_be_seen_it_may_be_any() -> None:
    """One exchange: a uniform slope, of which a uniform part remains at the floor."""
    lean = QueueLean()
    lean.add(1e6, 5e5, 1e10)
    assert sqrt(lean.variance) == pytest.approx(0.5 / sqrt(3.0) * 1e6 / sqrt(3.0))


def test_the_fewer_exchanges_the_more_they_may_lean() -> None:
    """Even queues: the doubt falls with the root of how many showed no trend."""
    doubts_ns = [doubt_ns(seed, up=1.0, down=1.0, count=8) for seed in range(20)]
    later_ns = [doubt_ns(seed, up=1.0, down=1.0, count=800) for seed in range(20)]
    assert median(doubts_ns) > 5.0 * median(later_ns) > 0.0


@pytest.mark.parametrize("seed", range(5))
def test_queues_on_one_leg_leave_most_of_what_they_can(seed: int) -> None:
    """Every exchange is off by half its queue, of which the quick ones have little."""
    lean = QueueLean()
    total = weight = 0.0
    for excess_ns, error_ns in exchanges(seed, up=0.0, down=1.0):
        noise = excess_ns**2 / 12.0 + 1e10
        lean.add(excess_ns, error_ns, noise)
        total, weight = total + excess_ns / noise, weight + 1.0 / noise
    expected_ns = 0.5 * (total / weight) / sqrt(3.0)
    assert sqrt(lean.variance) == pytest.approx(expected_ns, rel=0.3)


@pytest.mark.parametrize("seed", range(5))
def test_unlike_queues_are_told_from_like_ones(seed: int) -> None:
    """Three times as much on the way back is seen; chance trends are a fifth of it."""
    assert doubt_ns(seed, up=0.5, down=1.5) > 5.0 * doubt_ns(seed, up=1.0, down=1.0)


@pytest.mark.parametrize("seed", range(3))
def test_queues_that_have_become_long_are_not_judged_by_what_they_were(
    seed: int,
) -> None:
    """Short even queues for long; then such that lean, a hundred times as long."""
    before, since = QueueLean(), QueueLean()
    # Nobody knows the floor better than to a third of a queue.
    for excess_ns, error_ns in exchanges(seed, up=0.03, down=0.03):
        seen_ns = excess_ns + 0.01 * MEAN_NS
        before.add(seen_ns, error_ns, seen_ns**2 / 12.0)
    for excess_ns, error_ns in exchanges(seed, up=0.0, down=3.0):
        seen_ns = excess_ns + 1.0 * MEAN_NS
        for each in (before, since):
            each.add(seen_ns, error_ns, seen_ns**2 / 12.0)
    assert sqrt(before.variance) > 0.5 * sqrt(since.variance) > 0.0


def test_a_constant_error_is_no_trend() -> None:
    """What all exchanges share, nothing shows."""
    rng = random.Random(4)
    lean = QueueLean()
    for _ in range(1000):
        lean.add(rng.uniform(1e5, 1e6), 7e6, 1e6)
    assert sqrt(lean.variance) < 1e-4 * 1e6


@example([(0.0, 0.0, 0.0), (2.7e-155, 1.0, 0.0)])
@example([(0.0, 0.0, 0.0), (1e-3, 1e18, 0.0)])
@given(
    st.lists(
        st.tuples(st.floats(0.0, 1e11), st.floats(-1e18, 1e18), st.floats(0.0, 1e24)),
        max_size=50,
    )
)
def test_never_more_than_half_of_the_delays(
    seen: list[tuple[float, float, float]],
) -> None:
    """However absurd the errors, the doubt stays what queues can do."""
    lean = QueueLean()
    for excess_ns, error_ns, noise in seen:
        lean.add(excess_ns, error_ns, noise)
    most_ns = max((excess_ns for excess_ns, _, _ in seen), default=0.0)
    assert isfinite(lean.variance)
    assert 0.0 <= sqrt(lean.variance) <= 0.5 * most_ns * (1.0 + 1e-9)

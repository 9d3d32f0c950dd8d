"""`models.floor`: the lowest delay of the last days, and the doubt about it."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.units import NS_PER_S
from chronotick.models.floor import DelayFloor

HOUR_NS = 3600 * NS_PER_S
delays = st.integers(min_value=-10, max_value=10**10)


@given(st.lists(delays, min_size=1, max_size=60))
def test_the_excess_is_never_below_what_was_seen(values: list[int]) -> None:
    """No excess is negative or less than the distance to the lowest delay so far."""
    floor = DelayFloor()
    for k, delay_ns in enumerate(values):
        excess_ns = floor.excess_ns(k * NS_PER_S, delay_ns)
        seen = [max(value, 0) for value in values[: k + 1]]
        assert excess_ns >= max(delay_ns, 0) - min(seen) >= 0
        assert floor.lowest_ns == min(seen)


@given(delays)
def test_one_delay_says_nothing_of_the_floor(delay_ns: int) -> None:
    """After a single exchange all of the delay may be queueing."""
    assert DelayFloor().excess_ns(0, delay_ns) == max(delay_ns, 0)


def test_the_doubt_is_of_the_size_of_the_error() -> None:
    """With queues on both legs, lowest − doubt lies on either side of the floor."""
    covered = 0
    for seed in range(200):
        rng = random.Random(seed)
        floor = DelayFloor()
        doubt_ns = 0.0
        for k in range(100):
            queues = rng.expovariate(1e-6) + rng.expovariate(1e-6)
            delay_ns = 30_000_000 + round(queues)
            doubt_ns = floor.excess_ns(k, delay_ns) - (delay_ns - floor.lowest_ns)
        covered += floor.lowest_ns - doubt_ns <= 30_000_000
    assert 50 <= covered <= 150


def test_an_old_route_is_forgotten() -> None:
    """A floor that is never reached again rises after three days, not after hours."""
    floor = DelayFloor()
    floor.excess_ns(0, 1_000_000)
    for hour in range(1, 70):
        floor.excess_ns(hour * HOUR_NS, 5_000_000)
    assert floor.lowest_ns == 1_000_000
    floor.excess_ns(75 * HOUR_NS, 5_000_000)
    assert floor.lowest_ns == 5_000_000


def test_equal_delays_leave_no_doubt() -> None:
    """A path without jitter has a known floor."""
    floor = DelayFloor()
    assert [floor.excess_ns(k, 1000) for k in range(5)] == [1000.0, 0.0, 0.0, 0.0, 0.0]

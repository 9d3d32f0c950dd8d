"""`models.crossing`: a route's constant is learned while coasting, and then no more."""

from __future__ import annotations

import random
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.records import Variance
from chronotick.core.units import NS_PER_S
from chronotick.models.crossing import Crossing
from chronotick.models.filters import Mixture

EXTRA_NS = 8e6
# A clock known to 10 µs and 1 ppb, whose rate walks by 1 ppb/√s.
BEFORE = Mixture(5e6, 20_000.0, Variance(1e8, 0.0, 1.0, 1.0 / 3.0))
QUEUE_NS = 5e5


def crossed(seed: int, *, count: int, poll_s: int) -> tuple[Crossing, float]:
    """Return a crossing after some exchanges, and the error of its constant."""
    rng = random.Random(seed)
    constant_ns = rng.uniform(-EXTRA_NS / 2.0, EXTRA_NS / 2.0)
    x = BEFORE.x + rng.gauss(0.0, sqrt(BEFORE.variance.v0))
    y = BEFORE.y + rng.gauss(0.0, sqrt(BEFORE.variance.v2))
    crossing = Crossing(BEFORE, 0, EXTRA_NS)
    for k in range(1, count + 1):
        step_ppb = rng.gauss(0.0, sqrt(poll_s))
        x += poll_s * (y + step_ppb / 2.0) + rng.gauss(0.0, poll_s**1.5 / sqrt(12.0))
        y += step_ppb
        value_ns = x + constant_ns + rng.gauss(0.0, QUEUE_NS)
        crossing.learn(k * poll_s * NS_PER_S, value_ns, QUEUE_NS**2)
    return crossing, crossing.bias_ns - constant_ns


def test_before_anything_is_heard_it_may_be_any() -> None:
    """All that is longer may be on one leg."""
    crossing = Crossing(BEFORE, 0, EXTRA_NS)
    assert crossing.bias_ns == 0.0
    assert crossing.variance == pytest.approx(EXTRA_NS**2 / 12.0)


@pytest.mark.parametrize("poll_s", [4, 64, 1024])
def test_the_constant_is_off_by_what_is_said(poll_s: int) -> None:
    """Also after hundreds of exchanges, which show the clock's walk and no constant."""
    scores = []
    for seed in range(200):
        crossing, error_ns = crossed(seed, count=400, poll_s=poll_s)
        assert crossing.is_settled
        scores.append(error_ns**2 / crossing.variance)
    assert sum(scores) / len(scores) < 1.5
    assert sum(score > 9.0 for score in scores) <= 4


def test_faster_polls_know_it_better() -> None:
    """The more is heard while the clock can't have gone far."""
    slow, _ = crossed(1, count=400, poll_s=1024)
    usual, _ = crossed(1, count=400, poll_s=64)
    fast, _ = crossed(1, count=400, poll_s=4)
    assert fast.variance < usual.variance / 4.0 < slow.variance / 16.0


def test_what_is_settled_stays() -> None:
    """After a jump of the clock, what was believed before it says nothing."""
    crossing, _ = crossed(2, count=3, poll_s=4)
    crossing.settle()
    before = crossing.bias_ns, crossing.variance
    crossing.learn(100 * NS_PER_S, 1e12, 1.0)
    assert (crossing.bias_ns, crossing.variance) == before


def test_what_others_have_told_is_not_learned_again() -> None:
    """Coasting knows less of it."""
    crossing = Crossing.told(4e6, 1e8)
    crossing.learn(100 * NS_PER_S, 1e12, 1.0)
    assert crossing.is_settled
    assert (crossing.bias_ns, crossing.variance) == (4e6, 1e8)


@given(
    st.floats(min_value=0.0, max_value=1e11),
    st.lists(
        st.tuples(
            st.integers(0, 10**15),
            st.floats(min_value=-1e18, max_value=1e18),
            st.floats(min_value=1e-3, max_value=1e24),
        ),
        max_size=30,
    ),
)
def test_it_is_never_known_worse_than_by_its_length(
    extra_ns: float, seen: list[tuple[int, float, float]]
) -> None:
    """However absurd the offsets: no exception, and no more doubt than at first."""
    crossing = Crossing(BEFORE, 0, extra_ns)
    at_first = crossing.variance
    for raw_ns, value_ns, noise in seen:
        crossing.learn(raw_ns, value_ns, noise)
        assert 0.0 < crossing.variance <= at_first

"""`models.route`: a longer way is told from a queue, and from the usual way."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.units import NS_PER_S
from chronotick.models.route import Leg, Route

FLOOR_NS = 30_000_000
EXTRA_NS = 8_000_000


def legs(seed: int, *, count: int, start: int, end: int, poll_s: int = 64) -> list[Leg]:
    """Return the legs of exchanges of which those in [start, end) take a detour."""
    rng = random.Random(seed)
    route = Route("a")
    result = []
    for k in range(count):
        queues_ns = rng.expovariate(1e-6) + rng.expovariate(1e-6)
        extra_ns = EXTRA_NS if start <= k < end else 0
        result.append(
            route.leg(k * poll_s * NS_PER_S, FLOOR_NS + extra_ns + round(queues_ns))
        )
    return result


def test_queues_alone_are_rarely_a_detour() -> None:
    """Memoryless queues leave the usual route in less than 1 exchange in 200."""
    taken = [
        leg.extra_ns > 0
        for s in range(10)
        for leg in legs(s, count=400, start=0, end=0)
    ]
    assert sum(taken) / len(taken) < 0.005


def test_a_detour_is_seen_within_five_exchanges_and_left_at_once() -> None:
    """8 ms more for 100 exchanges: own account, own floor; then the old one again."""
    for seed in range(5):
        seen = legs(seed, count=400, start=200, end=300)
        assert all(leg.account != "a" for leg in seen[206:300])
        assert all(abs(leg.extra_ns - EXTRA_NS) < 3_000_000 for leg in seen[210:300])
        assert all(leg.excess_ns < 8_000_000 for leg in seen[210:300])
        assert [leg.account for leg in seen[302:]] == ["a"] * 98


def test_queues_that_looked_like_a_detour_leave_nothing_behind() -> None:
    """Five long queues, then shorter and shorter ones: nobody has gone another way."""
    rng = random.Random(1)
    route = Route("a")
    usual = [rng.expovariate(1e-6) + rng.expovariate(1e-6) for _ in range(400)]
    long = [6.0e6, 6.5e6, 5.4e6, 7.0e6, 6.6e6, 3.6e6, 2.4e6, 1.9e6, 1.6e6, 2.0e6]
    taken = [
        route.leg(k * 4 * NS_PER_S, FLOOR_NS + round(queue_ns))
        for k, queue_ns in enumerate([*usual, *long, *usual])
    ]
    assert any(leg.account != "a" for leg in taken[400:410])
    assert [leg.account for leg in taken[410:]] == ["a"] * 400


def test_a_detour_that_stays_becomes_the_usual_route() -> None:
    """After three days the longer way is the way, under the account that it has learned."""
    seen = legs(3, count=1300, start=200, end=1300, poll_s=256)
    assert seen[210].extra_ns > 0
    assert seen[-1].extra_ns == 0
    assert seen[-1].account == seen[400].account != "a"


@pytest.mark.parametrize("extra_ns", [20_000_000, 12_000_000])
@pytest.mark.parametrize("after", [1, 20])
def test_a_detour_that_is_shorter_than_the_last_is_another(
    extra_ns: int, after: int
) -> None:
    """Whether longer or shorter, and after however few exchanges: queues only add."""
    for seed in range(20):
        rng, route = random.Random(seed), Route("a")
        extras = [0] * 100 + [32_000_000] * (5 + after) + [extra_ns] * 50
        taken = [
            route.leg(
                k * 16 * NS_PER_S,
                FLOOR_NS + each + round(rng.gammavariate(2.0, 5e5)),
            )
            for k, each in enumerate(extras)
        ]
        before, late = taken[: 105 + after], taken[-20:]
        assert not {leg.account for leg in late} & {leg.account for leg in before}
        assert all(abs(leg.extra_ns - extra_ns) < 2_000_000 for leg in late)


def test_a_detour_whose_queues_come_in_two_sizes_is_one_detour() -> None:
    """Its first exchanges may have queued for long; then it is rarely lost again."""
    rng, opened = random.Random(7), []
    for _ in range(50):
        route = Route("a")
        for k in range(400):
            longer_ns = 20_000_000 if k >= 200 else 0
            queue_ns = rng.choice((0.0, 0.0, 0.0, 5e6)) + rng.expovariate(1e-5)
            leg = route.leg(k * NS_PER_S, FLOOR_NS + longer_ns + round(queue_ns))
        opened.append(int(leg.account.removeprefix("a#")))
    assert sum(opened) - len(opened) < 0.003 * len(opened) * 400


@pytest.mark.parametrize("longer_ns", [0, 3_000_000])
def test_a_server_that_was_silent_for_days_comes_back_as_it_was(longer_ns: int) -> None:
    """Its floor is forgotten: any way is the usual one, whatever was typical before."""
    for seed in range(30):
        rng, route = random.Random(seed), Route("a")
        for k in range(200):
            silent_s = 75 * 3600 if k >= 100 else 0
            queue_ns = rng.gammavariate(2.0, 3e5)
            leg = route.leg(
                (k * 64 + silent_s) * NS_PER_S,
                FLOOR_NS + (longer_ns if silent_s else 0) + round(queue_ns),
            )
            if k in range(100, 105):
                assert leg == Leg("a", leg.excess_ns, 0)
        assert leg.account == "a"


def test_a_detour_is_seen_after_days_of_silence_as_after_a_start() -> None:
    """What queues add is learned anew, from what is heard since."""
    rng, route = random.Random(1), Route("a")
    for k in range(300):
        silent_s = 75 * 3600 if k >= 100 else 0
        longer_ns = 3_000_000 if silent_s else 0
        longer_ns += EXTRA_NS if k >= 200 else 0
        leg = route.leg(
            (k * 64 + silent_s) * NS_PER_S,
            FLOOR_NS + longer_ns + round(rng.gammavariate(2.0, 3e5)),
        )
    assert leg.account != "a"
    assert abs(leg.extra_ns - EXTRA_NS) < 2_000_000


@given(
    st.lists(
        st.tuples(
            st.sampled_from((1, 1, 1, 1024, 6 * 3600, 71 * 3600, 73 * 3600, 10**6)),
            st.sampled_from((0, 0, 0, 5_000_000, 8_000_000, 40_000_000)),
            st.integers(min_value=-5, max_value=2_000_000),
            st.integers(min_value=1, max_value=15),
        ),
        max_size=40,
    )
)
def test_any_silences_are_accepted(
    phases: list[tuple[int, int, int, int]],
) -> None:
    """A way is met as a longer one, or is the first; queues never take anything off."""
    route, at_s, met = Route("a"), 0, {"a"}
    rng = random.Random(len(phases))
    for gap_s, longer_ns, queue_ns, count in phases:
        at_s += gap_s
        for _ in range(count):
            at_s += 16
            delay_ns = FLOOR_NS + longer_ns + round(rng.random() * queue_ns)
            leg = route.leg(at_s * NS_PER_S, delay_ns)
            assert leg.excess_ns >= 0.0
            assert leg.extra_ns >= 0
            assert leg.account in met or leg.extra_ns > 0
            met.add(leg.account)


@given(st.lists(st.integers(min_value=-5, max_value=10**11), max_size=80))
def test_any_delays_are_accepted(delays: list[int]) -> None:
    """No sequence of delays raises or yields a negative excess."""
    route = Route("a")
    for k, delay_ns in enumerate(delays):
        leg = route.leg(k * NS_PER_S, delay_ns)
        assert leg.excess_ns >= 0.0
        assert leg.extra_ns >= 0
        assert route.floor_ns >= 0
        # No floor is forgotten so soon.
        assert leg.account == "a" or leg.extra_ns > 0

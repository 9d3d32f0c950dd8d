"""The imagined path: floors, tails, episodes and every way to lose a packet."""

from __future__ import annotations

from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.units import NS_PER_S
from chronotick.sim.path import Leg, Path
from chronotick.sim.specs import (
    Congestion,
    Exponential,
    Gamma,
    LegSpec,
    Outage,
    Pareto,
    PathSpec,
    Shift,
)

PAYLOAD = bytes(range(48))


def leg(spec: LegSpec, *outages: Outage, seed: int = 1) -> Leg:
    """Return one direction of an imagined path."""
    return Leg(spec, outages, seed=seed, name="leg")


def delays_us(spec: LegSpec, count: int = 4000, at_s: float = 0.0) -> list[float]:
    """Return the delays of `count` packets sent at `at_s`, µs."""
    way, sent_ns = leg(spec), round(at_s * NS_PER_S)
    arrivals = [way.carry(PAYLOAD, sent_ns) for _ in range(count)]
    return [(copies[0].true_ns - sent_ns) / 1e3 for copies in arrivals]


@pytest.mark.parametrize(
    "jitter",
    [
        Exponential(mean_us=200.0),
        Gamma(shape=3.0, mean_us=200.0),
        Pareto(alpha=4.0, mean_us=200.0),
    ],
)
def test_jitter_comes_on_top_of_the_floor(
    jitter: Exponential | Gamma | Pareto,
) -> None:
    """No packet beats the floor, and the mean is the sum of both."""
    values = delays_us(LegSpec(base_us=1000.0, jitter=jitter))

    assert min(values) >= 1000.0
    assert fmean(values) == pytest.approx(1200.0, rel=0.03)


def test_without_jitter_the_delay_is_the_floor() -> None:
    """Exactly, to the nanosecond."""
    (arrival,) = leg(LegSpec(base_us=123.456)).carry(PAYLOAD, 7)

    assert (arrival.true_ns, arrival.payload) == (7 + 123_456, PAYLOAD)


@pytest.mark.parametrize(("at_s", "expected_us"), [(0, 100), (10, 180), (19, 180)])
def test_a_shift_moves_the_floor_while_it_lasts(at_s: int, expected_us: int) -> None:
    """A route change adds to the delay from its instant to its end."""
    spec = LegSpec(base_us=100.0, shifts=(Shift(at_s=10.0, for_s=10.0, by_us=80.0),))

    assert delays_us(spec, 1, at_s) == [expected_us]
    assert delays_us(spec, 1, 20.0) == [100.0]


def test_an_episode_can_repeat() -> None:
    """`every_s` brings it back with that period, and never before its first time."""
    spec = LegSpec(
        base_us=100.0, shifts=(Shift(at_s=10.0, for_s=5.0, every_s=60.0, by_us=1.0),)
    )

    on = [delays_us(spec, 1, float(s))[0] > 100.0 for s in range(140)]
    assert [s for s in range(140) if on[s]] == [
        *range(10, 15),
        *range(70, 75),
        *range(130, 135),
    ]


def test_no_shift_makes_a_packet_arrive_before_it_left() -> None:
    """A shift below zero delay is delay zero."""
    spec = LegSpec(base_us=100.0, shifts=(Shift(at_s=0.0, by_us=-500.0),))

    assert delays_us(spec, 1) == [0.0]


def test_congestion_adds_its_jitter_while_it_lasts() -> None:
    """The mean delay rises by the mean of the queue, then falls back."""
    spec = LegSpec(
        base_us=100.0,
        congestion=(
            Congestion(at_s=10.0, for_s=10.0, jitter=Exponential(mean_us=5000.0)),
        ),
    )

    assert fmean(delays_us(spec, at_s=15.0)) == pytest.approx(5100.0, rel=0.05)
    assert delays_us(spec, 1, at_s=25.0) == [100.0]


def test_loss_takes_its_share() -> None:
    """A lost packet has no arrivals."""
    way = leg(LegSpec(base_us=1.0, loss=0.3))
    lost = sum(not way.carry(PAYLOAD, i) for i in range(4000))

    assert lost / 4000 == pytest.approx(0.3, abs=0.03)


def test_losing_packets_changes_no_other_packets_delay() -> None:
    """Faults have dice of their own, so worlds with and without them compare."""
    jitter = Exponential(mean_us=100.0)
    clean = leg(LegSpec(base_us=1.0, jitter=jitter))
    lossy = leg(LegSpec(base_us=1.0, jitter=jitter, loss=0.5))

    for i in range(100):
        copies, expected = lossy.carry(PAYLOAD, i), clean.carry(PAYLOAD, i)
        assert not copies or copies == expected


def test_duplicates_arrive_not_before_the_original() -> None:
    """A duplicate is the same payload, later or at once."""
    way = leg(LegSpec(base_us=1.0, jitter=Exponential(mean_us=10.0), duplication=1.0))
    for i in range(100):
        first, second = way.carry(PAYLOAD, i)
        assert first.true_ns <= second.true_ns
        assert first.payload == second.payload == PAYLOAD


def test_reordered_packets_are_overtaken() -> None:
    """A packet held back arrives after one that left later."""
    way = leg(LegSpec(base_us=1.0, reordering=0.5, reordering_us=500.0))
    arrivals = [way.carry(PAYLOAD, i * 1000)[0].true_ns for i in range(100)]

    assert arrivals != sorted(arrivals)


def test_damage_changes_the_bytes_and_stays_below_the_mtu() -> None:
    """A damaged packet differs, and no damage inflates it beyond what links carry."""
    way = leg(LegSpec(base_us=1.0, corruption=1.0))
    seen = [way.carry(bytes(1280), i)[0].payload for i in range(300)]

    assert all(len(payload) <= 1280 for payload in seen)
    assert any(len(payload) < 1280 for payload in seen)
    assert sum(payload == bytes(1280) for payload in seen) < 150


@given(st.binary(max_size=100), st.integers(0, 10**6))
def test_any_payload_can_be_damaged(payload: bytes, seed: int) -> None:
    """No input breaks the breaking."""
    leg(LegSpec(base_us=1.0, corruption=1.0), seed=seed).carry(payload, 0)


def test_an_outage_stops_both_directions() -> None:
    """Nothing passes during a partition, everything does after it."""
    path = Path(
        PathSpec(forward=LegSpec(base_us=1.0), outages=(Outage(at_s=1.0, for_s=2.0),)),
        seed=1,
        name="path",
    )
    for way in (path.forward, path.backward):
        assert way.carry(PAYLOAD, NS_PER_S - 1)
        assert not way.carry(PAYLOAD, NS_PER_S)
        assert not way.carry(PAYLOAD, 3 * NS_PER_S - 1)
        assert way.carry(PAYLOAD, 3 * NS_PER_S)


def test_the_way_back_has_dice_of_its_own() -> None:
    """A symmetric path is symmetric in law, not packet by packet."""
    spec = PathSpec(forward=LegSpec(base_us=1.0, jitter=Exponential(mean_us=100.0)))
    path = Path(spec, seed=1, name="path")

    assert path.forward.carry(PAYLOAD, 0) != path.backward.carry(PAYLOAD, 0)


def test_one_seed_gives_one_fate() -> None:
    """Replaying the departures replays the arrivals."""
    spec = LegSpec(
        base_us=1.0,
        jitter=Pareto(alpha=2.0, mean_us=50.0),
        loss=0.1,
        duplication=0.1,
        corruption=0.1,
        reordering=0.1,
    )
    one, two, other = leg(spec), leg(spec), leg(spec, seed=2)

    fates = [one.carry(PAYLOAD, i) for i in range(200)]
    assert fates == [two.carry(PAYLOAD, i) for i in range(200)]
    assert fates != [other.carry(PAYLOAD, i) for i in range(200)]

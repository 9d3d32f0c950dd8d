"""Servers of different worth together: the good one is not spoilt by the other."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import msgspec
import pytest

from chronotick.sim.scenario import PollingSpec, Scenario
from chronotick.sim.server_specs import Claims, Honest, Lying, ServerSpec
from chronotick.sim.specs import (
    Exponential,
    HostSpec,
    Jump,
    LegSpec,
    OscillatorSpec,
    PathSpec,
    RateStep,
    Shift,
)
from simulation.sim_driver import simulate

if TYPE_CHECKING:
    from simulation.sim_driver import Run

pytestmark = pytest.mark.anyio

OSCILLATOR = OscillatorSpec(rate_ppb=-18_400.0, random_walk_ppb=0.3)


@pytest.fixture
def anyio_backend() -> str:
    """One backend: the histories are the same (test_sim_determinism)."""
    return "asyncio"


def path(
    base_us: float,
    queue_us: float,
    there: tuple[Shift, ...] = (),
    back: tuple[Shift, ...] = (),
) -> PathSpec:
    """Return a path whose legs are alike, but for shifts."""
    quick = Exponential(mean_us=queue_us)
    return PathSpec(
        forward=LegSpec(base_us=base_us, jitter=quick, shifts=there),
        backward=LegSpec(base_us=base_us, jitter=quick, shifts=back),
    )


NEAR = ServerSpec(name="near.test", path=path(50.0, 5.0))


def two_ways_alike() -> ServerSpec:
    """Return a server that is 1 ms fast or slow by the way, at the same delay."""
    there, back = (
        (Shift(at_s=at_s, for_s=7.0, every_s=14.0, by_us=2000.0),)
        for at_s in (0.0, 7.0)
    )
    return ServerSpec(name="far.test", path=path(4000.0, 100.0, there, back))


def wandering_clock() -> ServerSpec:
    """Return a server whose clock swings by 1.5 ms, as it says of itself."""
    return ServerSpec(
        name="far.test",
        path=path(5000.0, 100.0),
        wander_us=1500.0,
        wander_period_s=150.0,
        claims=Claims(root_dispersion_us=5000.0),
    )


def beside_near(other: ServerSpec, oscillator: OscillatorSpec = OSCILLATOR) -> Scenario:
    """Return a host that asks `NEAR` and another one, for five hours."""
    return Scenario(
        name="company",
        summary="One server is good, and one is not.",
        duration_s=5 * 3600.0,
        host=HostSpec(oscillator=oscillator),
        servers=(NEAR, other),
    )


def rms_ns(run: Run, from_s: float) -> float:
    """Return how far off the best guess is from then on."""
    off = [e.error_ns for e in run.recorder.publications if e.true_s >= from_s]
    assert len(off) > 100
    return sqrt(sum(each * each for each in off) / len(off))


@pytest.mark.parametrize(
    "other", [two_ways_alike(), wandering_clock()], ids=["two-ways", "wanders"]
)
async def test_one_that_scatters_does_not_cost_the_near_one_s_word(
    other: ServerSpec,
) -> None:
    """Nobody foresees what it is off by; whoever claims least is no better for that."""
    run = await simulate(beside_near(other), seed=0, keep_every_s=7.0, horizons_s=())
    assert not [each for each in run.recorder.publications if not each.holds]
    assert rms_ns(run, 7200.0) < 10_000.0


async def test_a_leap_is_settled_by_the_near_one_whoever_is_asked_in_between() -> None:
    """RAW leaps by 2 ms; the other's answers queue for as long, and can't tell."""
    busy = ServerSpec(name="far.test", path=path(15_000.0, 3000.0))
    leaps = OscillatorSpec(
        rate_ppb=-18_400.0,
        random_walk_ppb=0.3,
        jumps=(Jump(at_s=7200.0, by_s=0.002),),
    )
    for seed in range(3):
        run = await simulate(
            beside_near(busy, leaps), seed=seed, keep_every_s=16.0, horizons_s=()
        )
        assert rms_ns(run, 7200.0 + 1800.0) < 50_000.0


@pytest.mark.parametrize(
    ("wander_us", "period_s", "left"),
    [(1500.0, 900.0, 0.2), (3000.0, 900.0, 0.2), (1500.0, 3600.0, 0.4)],
)
async def test_a_near_server_that_swings_is_told_by_raw_and_a_far_one(
    wander_us: float, period_s: float, left: float
) -> None:
    """Of two that disagree, the one that moves against our own oscillator strays."""
    near = ServerSpec(
        name="near.test",
        path=path(500.0, 20.0),
        wander_us=wander_us,
        wander_period_s=period_s,
        claims=Claims(root_dispersion_us=3.0 * wander_us),
    )
    far = ServerSpec(name="far.test", path=path(15_000.0, 300.0))
    world = msgspec.structs.replace(beside_near(far), servers=(near, far))
    run = await simulate(world, seed=0, keep_every_s=7.0, horizons_s=())
    assert not [each for each in run.recorder.publications if not each.holds]
    # Two of its swings, or two hours, go by until it is sure of that.
    assert rms_ns(run, 7200.0) < left * wander_us * 1000.0
    settled = [p for p in run.recorder.publications if p.true_s >= 7200.0]
    assert all(abs(p.error_ns) <= (p.calibrated_99_ns or 0.0) for p in settled)


async def test_a_jump_is_as_old_as_its_first_suspect() -> None:
    """The rate changes a little between slow polls; one who can't tell is asked last.

    Counted from that one's answer, seconds before, the rate seems to have gone wild.
    """
    far = ServerSpec(name="far.test", path=path(10_000.0, 300.0))
    steps = OscillatorSpec(
        rate_ppb=-18_400.0,
        random_walk_ppb=0.3,
        rate_steps=(RateStep(at_s=9000.0, by_ppb=300.0),),
    )
    world = msgspec.structs.replace(
        beside_near(far, steps), polling=PollingSpec(min_poll_s=64.0, max_poll_s=1024.0)
    )
    for seed in range(3):
        run = await simulate(world, seed=seed, keep_every_s=16.0, horizons_s=())
        late = [p for p in run.recorder.publications if p.true_s >= 3600.0]
        assert max(abs(each.error_ns) for each in late) < 1_000_000


async def test_one_of_four_that_is_off_within_its_claims_moves_nobody() -> None:
    """5 ms from the fifth hour on, of the nearest one: the three others tell."""
    claims = Claims(root_dispersion_us=20_000.0)
    servers = tuple(
        ServerSpec(
            name=f"s{k}.test",
            path=path(8_000.0 + 6_000.0 * k, 300.0),
            claims=claims,
            serves=Lying(offset_s=0.005, from_s=4 * 3600.0) if k == 0 else Honest(),
        )
        for k in range(4)
    )
    clock = OscillatorSpec(rate_ppb=12_000.0, random_walk_ppb=0.2)
    world = Scenario(
        name="off",
        host=HostSpec(oscillator=clock),
        servers=servers,
        polling=PollingSpec(min_poll_s=64.0, max_poll_s=64.0),
    )
    for seed in (2, 5):
        run = await simulate(world, seed=seed, hours=16.0, horizons_s=())
        late = [p for p in run.recorder.publications if p.true_s >= 5 * 3600.0]
        assert all(each.holds for each in late)
        assert max(abs(each.error_ns) for each in late) < 500_000

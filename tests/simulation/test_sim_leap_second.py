"""A leap second: nothing of before counts afterwards, and nobody says so meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from chronotick.core.status import Status
from chronotick.sim.scenario import LeapSecondSpec, PollingSpec, Scenario
from chronotick.sim.server_specs import Honest, Kind, ServerSpec, Smearing, WrongLeap
from chronotick.sim.specs import Exponential, LegSpec, Outage, PathSpec
from simulation.sim_driver import simulate, unexcused

if TYPE_CHECKING:
    from simulation.sim_driver import Run

pytestmark = pytest.mark.anyio

AT_S = 3600.0
NEVER = Outage(at_s=1e6)


@pytest.fixture
def anyio_backend() -> str:
    """One backend: the histories are the same (test_sim_determinism)."""
    return "asyncio"


def world(
    *kinds: Kind,
    leap: LeapSecondSpec | None = LeapSecondSpec(at_s=AT_S),  # noqa: B008 - frozen
    poll_s: float = 64.0,
    outage: Outage = NEVER,
) -> Scenario:
    """Return a world with a server of each kind, an hour before the end of a month."""
    leg = LegSpec(base_us=10_000.0, jitter=Exponential(mean_us=300.0))
    path = PathSpec(forward=leg, backward=leg, outages=(outage,))
    return Scenario(
        name="leap",
        servers=tuple(
            ServerSpec(name=f"s{k}.test", path=path, serves=kind)
            for k, kind in enumerate(kinds)
        ),
        polling=PollingSpec(min_poll_s=min(poll_s, 16.0), max_poll_s=poll_s),
        leap_second=leap,
    )


def statuses(run: Run, start_s: float, end_s: float) -> set[Status]:
    """Return what was published in that time."""
    return {p.status for p in run.recorder.between(start_s, end_s)}


@pytest.mark.parametrize("kind", ["insert", "delete"])
@pytest.mark.parametrize("count", [1, 2, 4, 5])
async def test_an_announced_leap_second_leaves_no_time_until_it_is_over(
    kind: str, count: int
) -> None:
    """Then whoever is asked tells the new time."""
    leap = msgspec.convert({"at_s": AT_S, "kind": kind}, LeapSecondSpec)
    for seed in (1, 2, 3):
        honest = world(*[Honest()] * count, leap=leap)
        run = await simulate(honest, seed=seed, hours=1.2, keep_every_s=1.0)

        assert not unexcused(run)
        assert run.recorder.judgements > 1000
        assert statuses(run, AT_S - 600.0, AT_S - 70.0) == {Status.SYNCHRONIZED}
        assert Status.SYNCHRONIZED in statuses(run, AT_S + 500.0, AT_S + 720.0)
        assert Status.UNKNOWN not in statuses(run, AT_S + 75.0, AT_S + 720.0)


async def test_slow_polls_wait_for_the_next_answers() -> None:
    """Up to 17 minutes, which is what was asked for."""
    slow = world(*[Honest()] * 4, poll_s=1024.0)
    run = await simulate(slow, seed=1, hours=2.0, keep_every_s=4.0)

    assert not unexcused(run)
    assert run.recorder.publications[-1].status is Status.SYNCHRONIZED


async def test_an_outage_makes_nobody_forget_the_leap_second() -> None:
    """Ten minutes before it the network went; four hours later it is back."""
    outage = Outage(at_s=AT_S - 600.0, for_s=4 * 3600.0)
    away = world(*[Honest()] * 3, outage=outage)
    run = await simulate(away, seed=1, hours=5.3, keep_every_s=4.0)

    assert not unexcused(run)
    assert Status.HOLDOVER in statuses(run, AT_S - 300.0, AT_S - 10.0)
    assert statuses(run, AT_S + 60.0, outage.at_s + 4 * 3600.0) == {Status.UNKNOWN}
    assert run.recorder.publications[-1].status is Status.SYNCHRONIZED


@pytest.mark.parametrize("heralds", [1, 2])
@pytest.mark.parametrize("silent", [2, 3])
@pytest.mark.parametrize("poll_s", [64.0, 1024.0])
async def test_a_leap_second_that_few_announce_is_survived_as_well(
    heralds: int, silent: int, poll_s: float
) -> None:
    """All are right before and after it; most don't say that it comes."""
    kinds = [Honest()] * heralds + [Honest(announces=False)] * silent
    run = await simulate(
        world(*kinds, poll_s=poll_s), seed=1, hours=2.0, keep_every_s=1.0
    )

    assert not unexcused(run)
    assert run.recorder.publications[-1].status is Status.SYNCHRONIZED


@pytest.mark.parametrize(("count", "seed"), [(3, 1), (3, 2), (3, 3), (4, 1), (4, 2)])
async def test_whoever_falls_silent_last_takes_no_announcement_back(
    count: int, seed: int
) -> None:
    """One of the servers does not announce it; the others go away one after the other."""
    outage = Outage(at_s=AT_S - 1200.0, for_s=3 * 3600.0)
    kinds = [Honest(announces=False), *[Honest()] * (count - 1)]
    run = await simulate(
        world(*kinds, outage=outage), seed=seed, hours=2.0, keep_every_s=4.0
    )

    assert not unexcused(run)
    assert statuses(run, AT_S + 60.0, AT_S + 3500.0) == {Status.UNKNOWN}


async def test_smearing_servers_in_the_minority_are_found_out() -> None:
    """Before the leap they are off by half a second, which is a lie like any other."""
    smear = Smearing(from_s=AT_S - 1800.0, for_s=3600.0)
    mixed = world(Honest(), Honest(), Honest(), smear, smear)
    run = await simulate(mixed, seed=1, hours=2.0, keep_every_s=4.0)

    assert not unexcused(run)
    assert run.recorder.publications[-1].status is Status.SYNCHRONIZED


async def test_an_announcement_costs_nothing_on_other_days() -> None:
    """Some servers announce one all month, or always: this world begins with a month."""
    wrong = world(*[WrongLeap()] * 3, leap=None)
    run = await simulate(wrong, seed=1, hours=25.0, keep_every_s=4.0)

    assert not unexcused(run)
    assert Status.UNKNOWN not in statuses(run, 60.0, 25 * 3600.0)

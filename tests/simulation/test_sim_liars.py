"""Servers that lie: named, left out, and unable to move the bound off the truth."""

from __future__ import annotations

import msgspec
import pytest

from chronotick.core.status import Reason, Status
from chronotick.sim.scenario import PollingSpec, Scenario
from chronotick.sim.server_specs import Lying, ServerSpec
from chronotick.sim.specs import (
    Exponential,
    HostSpec,
    LegSpec,
    OscillatorSpec,
    Outage,
    PathSpec,
    Stop,
)
from simulation.sim_driver import simulate, unexcused

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """One backend: the histories are the same (test_sim_determinism)."""
    return "asyncio"


async def test_a_lie_of_a_second_is_found_at_once() -> None:
    """The liar is a falseticker from its first answer on and never anything else."""
    run = await simulate("falseticker", seed=1, hours=0.5)

    assert not unexcused(run)
    verdicts = [verdict for _, verdict in run.status.verdicts["liar.test"]]
    assert verdicts == ["pending", "falseticker"]
    for name in ("honest1.test", "honest2.test", "honest3.test"):
        assert run.status.row(name).verdict == "selected"
    last = run.recorder.publications[-1]
    assert last.reasons == Reason.FALSETICKERS


async def test_a_creeping_lie_is_survived_before_it_is_found_out() -> None:
    """Until its interval leaves the others' it can't be told apart, yet costs nothing."""
    run = await simulate("falseticker", seed=1, hours=3.0)

    assert not unexcused(run)
    assert run.status.row("drifter.test").verdict == "falseticker"
    errors = [abs(p.error_ns) for p in run.recorder.publications if p.status]
    assert max(errors) < 1_000_000


async def test_every_way_to_be_useless_has_its_word() -> None:
    """Refusals, silence and nonsense are told apart in the report."""
    run = await simulate("many-servers", seed=2, hours=0.5)
    row = run.status.row

    assert row("private.test").verdict == "denied"
    assert "DENY" in row("private.test").detail
    assert row("lost.test").rejected["unsynchronized"] > 0
    assert row("lost.test").samples == 0
    assert row("dead.test").verdict == "unreachable"
    assert row("closed.test").verdict == "unreachable"
    assert "refused" in row("closed.test").detail
    assert row("liar.test").verdict == "falseticker"
    assert row("smear.test").verdict == "falseticker"
    assert row("strict.test").samples > 0
    # A name with a dead first address is served by the second.
    assert row("pool.test").endpoint == "192.0.2.2:123"
    assert row("good4.test").endpoint == "[2001:db8::14]:123"


def liar_among(
    liar: ServerSpec, honest: int, base_us: float = 30_000.0, name: str = "liars"
) -> Scenario:
    """Return a world with `liar` and so many honest servers at `base_us`."""
    path = PathSpec(forward=LegSpec(base_us=base_us, jitter=Exponential(mean_us=200.0)))
    others = tuple(ServerSpec(name=f"honest{i}.test", path=path) for i in range(honest))
    return Scenario(name=name, servers=(liar, *others))


async def test_a_liar_that_answers_first_does_not_speak_first() -> None:
    """The near liar is 300 times faster; nothing is published on its word alone."""
    liar = ServerSpec(
        name="liar.test",
        path=PathSpec(forward=LegSpec(base_us=100.0)),
        serves=Lying(offset_s=0.5),
    )
    run = await simulate(
        liar_among(liar, honest=3), seed=1, hours=0.05, keep_every_s=0.0
    )

    assert not unexcused(run)
    first = next(p for p in run.recorder.publications if p.status)
    assert first.true_s < 2.0


async def test_two_that_disagree_leave_nobody_believed() -> None:
    """Without a majority no claim is made that could be wrong."""
    liar = ServerSpec(
        name="liar.test",
        path=PathSpec(forward=LegSpec(base_us=5000.0)),
        serves=Lying(offset_s=1.0, from_s=1800.0),
    )
    run = await simulate(liar_among(liar, honest=1), seed=1, hours=1.0)
    # Until it has proved itself, a server that jumped is not heard at all.
    late = run.recorder.between(2100.0, 3600.0)

    assert not unexcused(run)
    assert all(p.status in (Status.UNKNOWN, Status.HOLDOVER) for p in late)
    assert late[-1].reasons & Reason.NO_AGREEMENT


async def test_a_lie_that_ends_is_forgiven() -> None:
    """A server that comes back to the truth is heard again, after a while."""
    liar = ServerSpec(
        name="liar.test",
        path=PathSpec(forward=LegSpec(base_us=5000.0)),
        serves=Lying(offset_s=0.3, from_s=1200.0, until_s=2400.0),
    )
    run = await simulate(liar_among(liar, honest=3), seed=1, hours=1.0)
    verdicts = [verdict for _, verdict in run.status.verdicts["liar.test"]]

    assert not unexcused(run)
    assert verdicts[:2] == ["pending", "selected"]
    assert "falseticker" in verdicts
    assert verdicts[-1] == "selected"


async def test_a_liar_does_not_speak_first_when_the_host_wakes_up() -> None:
    """All is forgotten ten times; whoever is polled first then, a majority speaks."""
    liar = ServerSpec(
        name="liar.test",
        path=PathSpec(forward=LegSpec(base_us=5000.0)),
        serves=Lying(offset_s=0.3),
    )
    naps = tuple(Stop(at_s=600.0 * k, for_s=100.0) for k in range(1, 11))
    world = msgspec.structs.replace(
        liar_among(liar, honest=3),
        host=HostSpec(oscillator=OscillatorSpec(suspends=naps)),
    )
    run = await simulate(world, seed=1, hours=2.0)

    assert not unexcused(run)
    # Between a nap and the next one there is time enough for time.
    for nap in naps:
        awake = run.recorder.between(nap.at_s + 100.0, nap.at_s + 600.0)
        assert awake[0].status is Status.UNKNOWN
        assert awake[-1].status is Status.SYNCHRONIZED


SLOW = PollingSpec(min_poll_s=16.0, max_poll_s=64.0)


def a_liar_and(
    honest: int,
    offset_s: float,
    *,
    outages: tuple[Outage, ...] = (),
    away: tuple[Outage, ...] | None = None,
    serves: Lying | None = None,
    loss: float = 0.0,
    naps: tuple[Stop, ...] = (),
    polling: PollingSpec = SLOW,
) -> Scenario:
    """Return a world whose liar is nearer than the others.

    All are away in `outages`, but the honest ones in `away` where that is given.
    """

    def path(base_us: float, jitter_us: float, fails: tuple[Outage, ...]) -> PathSpec:
        leg = LegSpec(base_us=base_us, jitter=Exponential(mean_us=jitter_us), loss=loss)
        return PathSpec(forward=leg, backward=leg, outages=fails)

    liar = ServerSpec(
        name="liar.test",
        path=path(5000.0, 200.0, outages),
        serves=serves or Lying(offset_s=offset_s),
    )
    others = (
        ServerSpec(
            name=f"honest{k}.test",
            path=path(8000.0, 300.0, outages if away is None else away),
        )
        for k in range(honest)
    )
    return Scenario(
        name="liar",
        servers=(liar, *others),
        host=HostSpec(
            oscillator=OscillatorSpec(
                rate_ppb=12_000.0, random_walk_ppb=0.1, suspends=naps
            )
        ),
        polling=polling,
    )


@pytest.mark.parametrize("seed", [2, 4, 6, 10, 12])
@pytest.mark.parametrize(("honest", "offset_s"), [(2, 0.03), (3, 0.2)])
async def test_a_known_liar_does_not_speak_when_the_network_is_back(
    honest: int, offset_s: float, seed: int
) -> None:
    """One after another fell silent, one after another answers again."""
    world = a_liar_and(honest, offset_s, outages=(Outage(at_s=7200.0, for_s=3600.0),))
    run = await simulate(world, seed=seed, hours=3.6, keep_every_s=4.0)

    assert not unexcused(run)
    assert run.recorder.publications[-1].status is Status.SYNCHRONIZED


async def test_losses_leave_no_time_to_a_known_liar() -> None:
    """Every other exchange fails: at times only the liar and one other answer."""
    world = a_liar_and(3, 0.05, loss=0.26)
    for seed in (1, 2):
        run = await simulate(world, seed=seed, hours=6.0, keep_every_s=4.0)
        assert not unexcused(run)


async def test_two_that_disagree_do_not_agree_by_growing_old() -> None:
    """Between slow polls both intervals grow until they touch: that is no time."""
    polling = PollingSpec(min_poll_s=16.0, max_poll_s=256.0)
    for seed in range(1, 4):
        world = a_liar_and(1, 0.06, polling=polling)
        run = await simulate(world, seed=seed, hours=2.0, keep_every_s=4.0)
        assert not unexcused(run)
        assert {p.status for p in run.recorder.publications} == {Status.UNKNOWN}


@pytest.mark.parametrize("seed", [2, 3, 5])
async def test_a_laptop_that_wakes_before_its_network_believes_no_liar(
    seed: int,
) -> None:
    """All is forgotten, all polls are lost; then whoever is asked first answers."""
    naps = tuple(Stop(at_s=3600.0 * (2 * k + 1), for_s=3600.0) for k in range(4))
    away = tuple(
        Outage(at_s=3600.0 * (2 * k + 2) - 60.0, for_s=480.0) for k in range(4)
    )
    world = a_liar_and(3, 0.1, outages=away, naps=naps)
    run = await simulate(world, seed=seed, hours=9.0, keep_every_s=4.0)

    assert not unexcused(run)
    assert run.recorder.publications[-1].status is Status.SYNCHRONIZED


@pytest.mark.parametrize(("honest", "seed"), [(2, 4), (2, 35), (2, 70)])
async def test_a_network_that_comes_late_and_loses_packets_makes_no_time_for_a_liar(
    honest: int, seed: int
) -> None:
    """The liar answers; the first polls of all others, asked at once, are lost again."""
    late = (Outage(at_s=0.0, for_s=300.0),)
    world = a_liar_and(honest, 0.1, outages=late, loss=0.16)
    run = await simulate(world, seed=seed, hours=0.7, keep_every_s=4.0)

    assert not unexcused(run)
    assert any(p.status is Status.SYNCHRONIZED for p in run.recorder.publications)


@pytest.mark.parametrize("seed", [32, 67, 70, 97])
async def test_a_liar_does_not_speak_first_because_others_lose_their_first_packets(
    seed: int,
) -> None:
    """Thirty percent of the exchanges are lost, and at the start all have three tries."""
    world = a_liar_and(2, 0.1, loss=0.16)
    run = await simulate(world, seed=seed, hours=0.02, keep_every_s=0.0)

    assert not unexcused(run)
    assert next(p for p in run.recorder.publications if p.status).true_s < 20.0


async def test_a_majority_that_is_back_is_heard_whatever_one_said_meanwhile() -> None:
    """Alone for two hours, a server crept away; alone it has the say of one."""
    world = a_liar_and(
        2,
        0.0,
        away=(Outage(at_s=7200.0, for_s=7200.0),),
        serves=Lying(drift_ppb=10_000.0, from_s=7200.0),
    )
    run = await simulate(world, seed=1, hours=6.0, keep_every_s=4.0)
    # Until both have been asked again, there is nobody to contradict it.
    late = run.recorder.between(14_400.0 + 1200.0, 6 * 3600.0)

    assert not unexcused(run, (7200.0, 14_400.0 + 1200.0))
    assert {p.status for p in late} == {Status.SYNCHRONIZED}


@pytest.mark.parametrize("offset_s", [0.03, 0.1])
@pytest.mark.parametrize("gone_s", [5400.0, 10_800.0])
async def test_one_that_was_mended_counts_when_another_is_gone_for_good(
    gone_s: float, offset_s: float
) -> None:
    """Of three, one lies for two hours; one of the honest ones is switched off."""
    gone = Outage(at_s=gone_s)
    world = a_liar_and(2, offset_s, serves=Lying(offset_s=offset_s, until_s=7200.0))
    first, *others, last = world.servers
    last = msgspec.structs.replace(
        last, path=msgspec.structs.replace(last.path, outages=(gone,))
    )
    world = msgspec.structs.replace(world, servers=(first, *others, last))
    run = await simulate(world, seed=1, hours=5.0, keep_every_s=4.0)
    late = run.recorder.between(3.5 * 3600.0, 5 * 3600.0)

    assert not unexcused(run)
    assert {p.status for p in late} == {Status.SYNCHRONIZED}


async def test_two_that_contradicted_each_other_agree_once_one_is_mended() -> None:
    """By a step: what it answers then is as sharp as what it was found out by."""
    polling = PollingSpec(min_poll_s=16.0, max_poll_s=64.0)
    serves = Lying(offset_s=0.03, until_s=3600.0)
    world = a_liar_and(1, 0.0, serves=serves, polling=polling)
    run = await simulate(world, seed=1, hours=2.0, keep_every_s=4.0)

    assert not unexcused(run)
    assert run.recorder.publications[-1].status is Status.SYNCHRONIZED

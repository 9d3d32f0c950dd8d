"""What the host and its network go through: outages, steps, jumps, pauses."""

from __future__ import annotations

import pytest

from chronotick.core.status import Reason, Status
from chronotick.sim.scenario import PollingSpec, Scenario
from chronotick.sim.server_specs import Claims, ServerSpec
from chronotick.sim.specs import (
    ClockStep,
    Exponential,
    HostSpec,
    Jump,
    LegSpec,
    OscillatorSpec,
    Outage,
    PathSpec,
    RateStep,
    RealtimeSpec,
    Slew,
    Stop,
)
from simulation.sim_driver import simulate, unexcused

pytestmark = pytest.mark.anyio

WAY = LegSpec(base_us=4000.0, jitter=Exponential(mean_us=300.0))
# The longest that a poll, its jitter and a second opinion can take at 64 s polls.
NOTICE_S = 150.0


@pytest.fixture
def anyio_backend() -> str:
    """One backend: the histories are the same (test_sim_determinism)."""
    return "asyncio"


def scenario(
    oscillator: OscillatorSpec, *outages: Outage, realtime: RealtimeSpec | None = None
) -> Scenario:
    """Return a world with three honest servers at 4 ms."""
    return Scenario(
        name="disruption",
        host=HostSpec(oscillator=oscillator, realtime=realtime or RealtimeSpec()),
        servers=tuple(
            ServerSpec(
                name=f"s{i}.test",
                path=PathSpec(forward=WAY, outages=outages),
                claims=Claims(root_dispersion_us=100.0),
                error_us=error_us,
            )
            for i, error_us in enumerate((30.0, -20.0, 0.0))
        ),
    )


async def test_holdover_widens_and_holds() -> None:
    """Without servers: HOLDOVER, an ever wider bound, the truth inside; then back."""
    outage = Outage(at_s=7200.0, for_s=14_400.0)
    run = await simulate(scenario(OscillatorSpec(), outage), seed=1, hours=6.5)
    recorder = run.recorder
    held = [p for p in recorder.publications if p.status is Status.HOLDOVER]

    assert not unexcused(run)
    assert recorder.statuses() == [
        Status.UNKNOWN,
        Status.WARMUP,
        Status.SYNCHRONIZED,
        Status.HOLDOVER,
        Status.SYNCHRONIZED,
    ]
    # Then one answers, and the others, who fell silent with it, are waited for.
    why = [p.reasons for p in held if p.true_s <= outage.at_s + outage.for_s]
    assert all(reasons & Reason.SOURCES_LOST for reasons in why)
    bounds = [p.bound_ns for p in held]
    assert bounds == sorted(bounds)
    assert bounds[-1] > 2 * bounds[0]
    assert max(abs(p.error_ns) for p in held) < 5_000_000


async def test_all_are_asked_as_soon_as_one_answers_again() -> None:
    """Six hours without a network: one poll a quarter of an hour, until one succeeds."""
    outage = Outage(at_s=3600.0, for_s=6 * 3600.0)
    run = await simulate(scenario(OscillatorSpec(), outage), seed=1, hours=7.5)
    back_s = outage.at_s + outage.for_s
    after = [p for p in run.recorder.publications if p.true_s > back_s]
    heard_s = next(p.true_s for p in after if p.reasons & Reason.NO_AGREEMENT)
    known_s = next(p.true_s for p in after if p.status is Status.SYNCHRONIZED)

    assert not unexcused(run)
    assert known_s < heard_s + 60.0


async def test_lost_servers_are_noticed_within_a_few_polls() -> None:
    """HOLDOVER begins minutes after the last answer, not an hour after it."""
    outage = Outage(at_s=3600.0, for_s=1200.0)
    run = await simulate(scenario(OscillatorSpec(), outage), seed=1, hours=1.5)
    held = [p.true_s for p in run.recorder.publications if p.status is Status.HOLDOVER]

    assert held
    assert held[0] < 3600.0 + 4 * 64.0 + 60.0


async def test_a_frequency_step_within_the_stated_drift_breaks_nothing() -> None:
    """5 ppm at once: every interval holds, and the estimate recovers."""
    steps = (RateStep(at_s=3600.0, by_ppb=5000.0),)
    run = await simulate(
        scenario(OscillatorSpec(rate_ppb=-6000.0, rate_steps=steps)), seed=1, hours=2.5
    )

    assert not unexcused(run)
    assert run.recorder.publications[-1].status is Status.SYNCHRONIZED
    late = run.recorder.between(7200.0, 9000.0)
    assert max(abs(p.error_ns) for p in late) < 500_000


@pytest.mark.parametrize(
    "oscillator",
    [
        OscillatorSpec(jumps=(Jump(at_s=3600.0, by_s=0.020),)),
        OscillatorSpec(stalls=(Stop(at_s=3600.0, for_s=3.0),)),
    ],
    ids=["jump", "stall"],
)
async def test_a_hidden_jump_is_noticed_named_and_recovered_from(
    oscillator: OscillatorSpec,
) -> None:
    """Nobody can know before the next answers; then: no time, a reason, new time."""
    run = await simulate(scenario(oscillator), seed=1, hours=1.5)
    publications = run.recorder.publications

    assert not unexcused(run, (3600.0, 3600.0 + NOTICE_S))
    lost = [p for p in publications if p.true_s > 100.0 and p.status is Status.UNKNOWN]
    assert lost
    assert 3600.0 < lost[0].true_s < 3600.0 + NOTICE_S
    assert lost[-1].true_s < 3600.0 + 400.0
    assert publications[-1].status is Status.SYNCHRONIZED


async def test_a_hidden_jump_smaller_than_the_delay_is_found_out_by_the_models() -> (
    None
):
    """7 ms where paths take 8: no answer contradicts what was known, all of them do."""
    addresses = [f"192.0.2.{i + 1}" for i in range(3)]
    fast = Scenario(
        name="leap",
        host=HostSpec(
            oscillator=OscillatorSpec(jumps=(Jump(at_s=3600.0, by_s=0.007),))
        ),
        # Numeric addresses of nobody are our own: they may be polled fast.
        servers=tuple(
            ServerSpec(name=a, address=a, path=PathSpec(forward=WAY)) for a in addresses
        ),
        polling=PollingSpec(min_poll_s=4.0, max_poll_s=4.0),
    )
    run = await simulate(fast, seed=1, hours=1.2, keep_every_s=4.0)

    assert not unexcused(run, (3600.0, 3612.0))
    assert max(abs(p.error_ns) for p in run.recorder.between(3612.0, 4320.0)) < 500_000
    assert run.recorder.publications[-1].status is Status.SYNCHRONIZED


async def test_a_suspend_is_known_at_once() -> None:
    """On waking, nothing from before is published, and the time comes back."""
    oscillator = OscillatorSpec(suspends=(Stop(at_s=3600.0, for_s=600.0),))
    run = await simulate(scenario(oscillator), seed=1, hours=1.5)
    awake = run.recorder.between(4200.0, 9999.0)

    assert not unexcused(run)
    assert not run.recorder.between(3600.001, 4199.999)
    assert awake[0].status is Status.UNKNOWN
    assert awake[0].reasons & Reason.STEP
    assert awake[-1].status is Status.SYNCHRONIZED


class TestADaemonInDoubtAsksSooner:
    """One server, polled every 17 minutes since nothing happened for hours."""

    AT_S = 5 * 3600.0

    def alone(self, oscillator: OscillatorSpec) -> Scenario:
        """Return a world with one server, asked as rarely as NTP usually goes."""
        return Scenario(
            name="alone",
            host=HostSpec(oscillator=oscillator),
            servers=(ServerSpec(name="s.test", path=PathSpec(forward=WAY)),),
            polling=PollingSpec(max_poll_s=1024.0),
        )

    async def test_a_hidden_jump_is_settled_a_minute_after_its_first_sign(self) -> None:
        """7 ms where the path takes 8: the second answer tells it from a spike."""
        jump = Jump(at_s=self.AT_S, by_s=0.007)
        world = self.alone(OscillatorSpec(jumps=(jump,)))
        run = await simulate(world, seed=1, hours=6.0, keep_every_s=1.0)
        after = run.recorder.between(self.AT_S, 6 * 3600.0)

        # The guess is kept where it was, and said to be off by all of that, perhaps.
        sign_s = next(p.true_s for p in after if p.sigma_ns > 2e6)
        late = [p for p in after if p.true_s > sign_s + 75.0]
        assert max(abs(p.error_ns) for p in late) < 1_000_000

    async def test_after_a_sleep_nobody_waits_for_the_next_poll(self) -> None:
        """There is no time until it answers; a poll that slept, too, tells nothing."""
        stop = Stop(at_s=self.AT_S, for_s=600.0)
        world = self.alone(OscillatorSpec(suspends=(stop,)))
        run = await simulate(world, seed=1, hours=5.5, keep_every_s=1.0)
        awake_s = self.AT_S + stop.for_s
        after = run.recorder.between(awake_s, 6 * 3600.0)

        assert not unexcused(run)
        assert after[0].status is Status.UNKNOWN
        known_s = next(p.true_s for p in after if p.status is not Status.UNKNOWN)
        assert known_s < awake_s + 20.0


async def test_others_may_do_to_the_system_clock_what_they_like() -> None:
    """Steps of hours and slews of 500 ppm leave the published time alone."""
    realtime = RealtimeSpec(
        error_s=-1e6,
        steps=tuple(
            ClockStep(at_s=40.0 * i, by_s=3600.0 * (-1) ** i) for i in range(90)
        ),
        slews=(Slew(at_s=0.0, for_s=3600.0, by_ppm=500.0),),
    )
    disturbed = await simulate(
        scenario(OscillatorSpec(), realtime=realtime), seed=1, hours=1.0
    )

    assert not unexcused(disturbed)
    assert disturbed.recorder.statuses() == [
        Status.UNKNOWN,
        Status.WARMUP,
        Status.SYNCHRONIZED,
    ]
    errors = [abs(p.error_ns) for p in disturbed.recorder.between(600.0, 3600.0)]
    assert max(errors) < 300_000


async def test_short_outages_cost_nothing_but_width() -> None:
    """Ten minutes of every hour without network: always inside, and back at once."""
    outages = Outage(at_s=1800.0, for_s=600.0, every_s=3600.0)
    run = await simulate(scenario(OscillatorSpec(), outages), seed=1, hours=3.0)
    narrow = [p.bound_ns for p in run.recorder.between(1000.0, 1800.0)]
    wide = [p.bound_ns for p in run.recorder.between(2300.0, 2400.0)]

    assert not unexcused(run)
    assert min(wide) > max(narrow)
    assert run.recorder.publications[-1].status is Status.SYNCHRONIZED


async def test_the_first_answer_after_a_suspend_is_not_mixed_with_what_came_before() -> (
    None
):
    """An exchange may end before anyone has looked at the clocks again."""
    oscillator = OscillatorSpec(
        suspends=tuple(Stop(at_s=60.3 + 40.0 * i, for_s=10.0) for i in range(10))
    )
    path = PathSpec(forward=LegSpec(base_us=2000.0))
    addresses = [f"192.0.2.{i + 1}" for i in range(4)]
    fast = Scenario(
        name="fast",
        host=HostSpec(oscillator=oscillator),
        # Numeric addresses of nobody are our own: they may be polled fast.
        servers=tuple(ServerSpec(name=a, address=a, path=path) for a in addresses),
        polling=PollingSpec(min_poll_s=0.3, max_poll_s=0.3),
    )
    run = await simulate(fast, seed=1, hours=0.12)

    assert run.recorder.judgements > 1000
    assert not unexcused(run)

"""The imagined host: its clocks agree with each other and its timers sleep with it."""

from __future__ import annotations

import pytest
from anyio import create_task_group

from chrono_daemon import SimClock
from chronotick.core.units import NS_PER_S
from chronotick.sim.host import Host, Realtime
from chronotick.sim.specs import (
    ClockStep,
    HostSpec,
    OscillatorSpec,
    RealtimeSpec,
    Slew,
    Stop,
)

pytestmark = pytest.mark.anyio

EPOCH_NS = 1_767_225_600 * NS_PER_S
SLEEPY = HostSpec(
    oscillator=OscillatorSpec(
        suspends=(Stop(at_s=10.0, for_s=100.0),), stalls=(Stop(at_s=200.0, for_s=5.0),)
    )
)


def make(spec: HostSpec, clock: SimClock) -> Host:
    """Return a host on `clock`."""
    return Host("client", spec, seed=1, clock=clock, epoch_utc_ns=EPOCH_NS)


async def test_raw_starts_at_the_uptime_and_runs_with_the_world() -> None:
    """RAW is the oscillator's reading since boot."""
    clock = SimClock()
    host = make(HostSpec(uptime_s=50.0), clock)

    assert host.raw_ns() == 50 * NS_PER_S
    await clock.advance(10.0)
    assert host.raw_ns() == pytest.approx(60 * NS_PER_S, abs=1000)
    assert host.true_utc_ns(host.raw_ns()) == pytest.approx(
        EPOCH_NS + 10 * NS_PER_S, abs=1
    )


async def test_a_pair_belongs_to_one_instant() -> None:
    """Both readings are of now, with a stated reading error."""
    clock = SimClock()
    host = make(HostSpec(realtime=RealtimeSpec(error_s=-2.0)), clock)
    await clock.advance(123.456)
    pair = host.pair()

    assert pair.raw_ns == host.raw_ns()
    assert pair.realtime_ns == EPOCH_NS + 121_456_000_000
    assert pair.error_ns > 0
    assert pair.suspend_ns == 0


def test_others_step_and_slew_the_system_clock() -> None:
    """Steps act at once, slews gradually, and both stay."""
    realtime = Realtime(
        RealtimeSpec(
            error_s=1.0,
            steps=(ClockStep(at_s=10.0, by_s=-3.0),),
            slews=(Slew(at_s=20.0, for_s=10.0, by_ppm=500.0),),
        )
    )
    errors = [realtime.error_ns(s * NS_PER_S) for s in (9, 10, 20, 25, 30, 99)]

    assert errors == [
        1_000_000_000,
        -2_000_000_000,
        -2_000_000_000,
        -1_997_500_000,
        -1_995_000_000,
        -1_995_000_000,
    ]


async def test_the_kernel_counts_suspends_and_not_stalls() -> None:
    """`suspend_ns` grows by what BOOTTIME saw and MONOTONIC did not."""
    clock = SimClock()
    host = make(SLEEPY, clock)
    await clock.advance(1000.0)

    assert host.pair().suspend_ns == 100 * NS_PER_S
    assert host.raw_ns() == pytest.approx((3600 + 895) * NS_PER_S, abs=10_000)


async def test_timers_stand_still_while_the_host_does() -> None:
    """A timer counts running time, and one that is due in a pause fires at its end."""
    clock = SimClock()
    host = make(SLEEPY, clock)
    woken: list[tuple[float, float]] = []

    async def sleeper(seconds: float) -> None:
        await host.timers.sleep(seconds)
        woken.append((clock.now(), host.timers.now()))

    async with create_task_group() as group:
        for seconds in (9.0, 10.0, 11.0, 150.0):
            group.start_soon(sleeper, seconds)
        await clock.advance(1000.0)

    assert woken == [(9.0, 9.0), (110.0, 10.0), (111.0, 11.0), (255.0, 150.0)]


async def test_ticks_keep_their_phase_across_a_pause() -> None:
    """A periodic task resumes where it was, in running time."""
    clock = SimClock()
    host = make(SLEEPY, clock)
    ticks: list[tuple[float, float]] = []

    async def ticker() -> None:
        async for tick in host.timers.every(4.0, first="now"):
            ticks.append((tick, clock.now()))

    async with create_task_group() as group:
        group.start_soon(ticker)
        await clock.advance(120.0)
        group.cancel_scope.cancel()

    assert ticks == [
        (0.0, 0.0),
        (4.0, 4.0),
        (8.0, 8.0),
        (12.0, 112.0),
        (16.0, 116.0),
        (20.0, 120.0),
    ]


async def test_a_period_must_be_positive() -> None:
    """As for every clock, it is refused at the first tick."""
    ticks = make(SLEEPY, SimClock()).timers.every(0.0)

    with pytest.raises(ValueError, match="above 0"):
        await anext(ticks)


async def test_a_host_that_never_pauses_uses_the_worlds_clock() -> None:
    """No wrapper where there is nothing to wrap."""
    clock = SimClock()

    assert make(HostSpec(), clock).timers is clock


async def test_a_pause_decides_what_becomes_of_arriving_packets() -> None:
    """A suspended host hears nothing; a paused guest hears it all at once, later."""
    host = make(SLEEPY, SimClock())

    assert host.hears_at(9 * NS_PER_S) == 9 * NS_PER_S
    assert host.hears_at(50 * NS_PER_S) is None
    assert host.hears_at(202 * NS_PER_S) == 205 * NS_PER_S

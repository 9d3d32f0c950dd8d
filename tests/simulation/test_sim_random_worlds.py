"""Worlds that nobody thought of: the hard bound holds in each of them.

Everything is drawn, within the bound's assumptions: honest servers of any quality, any
asymmetry, any oscillator within 500 ppm that drifts less than 15 ppm, and a system
clock that others step and slew. More seeds: CHRONOTICK_WORLDS=100.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from chronotick.daemon.config import Selection
from chronotick.sim.dice import Dice
from chronotick.sim.scenario import PollingSpec, Scenario
from chronotick.sim.server_specs import (
    Claims,
    Honest,
    Lying,
    RateLimiting,
    ServerSpec,
    Unsynchronized,
    WrongLeap,
)
from chronotick.sim.specs import (
    ClockStep,
    Congestion,
    Exponential,
    Gamma,
    HostSpec,
    LegSpec,
    OscillatorSpec,
    Outage,
    Pareto,
    PathSpec,
    RateStep,
    RealtimeSpec,
    Shift,
    Slew,
    TemperatureSpec,
)
from simulation.sim_driver import simulate, unexcused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeVar

    from chronotick.sim.server_specs import Kind
    from chronotick.sim.specs import Jitter

    T = TypeVar("T")

pytestmark = pytest.mark.anyio

HOURS = 0.5
LENGTH_S = HOURS * 3600.0
WORLDS = range(int(os.environ.get("CHRONOTICK_WORLDS", "4")))
# A server whose own clock is disciplined wanders no faster than this.
MAX_WANDER_RATE = 5e-6


class Draw:
    """Everything that a random world needs, from one seed."""

    def __init__(self, seed: int) -> None:
        self._dice = Dice(seed, "random world")

    def between(self, low: float, high: float) -> float:
        """Return a number of ``[low, high)``."""
        return low + (high - low) * self._dice.uniform()

    def decades(self, low: float, high: float) -> float:
        """Return ten to a power of ``[low, high)``."""
        return float(10.0 ** self.between(low, high))

    def one(self, options: Sequence[T]) -> T:
        """Return one of `options`."""
        return options[int(self._dice.uniform() * len(options))]

    def jitter(self) -> Jitter:
        """Return any queueing delay up to some milliseconds."""
        mean_us = self.decades(0.0, 3.7)
        kinds: list[Jitter] = [
            Exponential(mean_us=mean_us),
            Gamma(shape=self.one([0.5, 2.0, 4.0]), mean_us=mean_us),
            Pareto(alpha=self.one([1.3, 2.0, 3.0]), mean_us=mean_us),
        ]
        return self.one(kinds)

    def leg(self) -> LegSpec:
        """Return one direction, with whatever can go wrong in it."""
        base_us = self.decades(1.0, 4.7)
        return LegSpec(
            base_us=base_us,
            jitter=self.jitter(),
            shifts=tuple(
                Shift(
                    at_s=self.between(0.0, LENGTH_S),
                    for_s=self.between(10.0, LENGTH_S),
                    by_us=self.between(-base_us, 2.0 * base_us),
                )
                for _ in range(self.one([0, 0, 1, 2]))
            ),
            congestion=tuple(
                Congestion(
                    at_s=self.between(0.0, LENGTH_S), for_s=600.0, jitter=self.jitter()
                )
                for _ in range(self.one([0, 0, 1]))
            ),
            loss=self.one([0.0, 0.0, 0.02, 0.3]),
            duplication=self.one([0.0, 0.1]),
            reordering=self.one([0.0, 0.1]),
            reordering_us=self.decades(2.0, 6.0),
        )

    def path(self) -> PathSpec:
        """Return a way there and a way back that have nothing in common."""
        return PathSpec(
            forward=self.leg(),
            backward=self.leg(),
            outages=tuple(
                Outage(at_s=self.between(0.0, LENGTH_S), for_s=self.decades(1.0, 3.0))
                for _ in range(self.one([0, 0, 0, 1]))
            ),
        )

    def server(self, index: int, kind: Kind) -> ServerSpec:
        """Return a server that is wrong by anything up to what it claims."""
        claims = Claims(
            stratum=self.one([1, 2, 3, 4]),
            root_delay_us=self.one([0.0, 0.0, 2000.0, 50_000.0]),
            root_dispersion_us=self.decades(1.0, 4.0),
        )
        error_us = claims.root_distance_us * self.between(-1.0, 1.0)
        room_us = claims.root_distance_us - abs(error_us)
        wander_us = 0.99 * room_us * self.between(0.0, 1.0)
        return ServerSpec(
            name=f"s{index}.test",
            path=self.path(),
            serves=kind,
            claims=claims,
            error_us=error_us,
            wander_us=wander_us,
            wander_period_s=max(600.0, 4.0 * wander_us / 1e6 / MAX_WANDER_RATE),
            turnaround_us=self.decades(0.0, 4.0),
        )

    def host(self) -> HostSpec:
        """Return a machine with any clock that the defaults allow for."""
        return HostSpec(
            oscillator=OscillatorSpec(
                rate_ppb=self.between(-480_000.0, 480_000.0),
                white_fm_ppb=self.one([0.0, 1.0, 50.0]),
                flicker_fm_ppb=self.one([0.0, 0.1, 10.0]),
                random_walk_ppb=self.one([0.0, 0.1, 1.0, 5.0]),
                temperature=TemperatureSpec(
                    ppb_per_c=self.one([0.0, 40.0, 200.0]), hvac_c=2.0, load_c=5.0
                ),
                rate_steps=tuple(
                    RateStep(
                        at_s=self.between(1.0, LENGTH_S),
                        by_ppb=self.between(-6000.0, 6000.0),
                    )
                    for _ in range(self.one([0, 0, 1]))
                ),
            ),
            realtime=RealtimeSpec(
                error_s=self.one([0.0, -3e8, 5.0]),
                steps=tuple(
                    ClockStep(
                        at_s=self.between(0.0, LENGTH_S),
                        by_s=self.one([1.0, -1.0, 0.002, -0.0005]),
                    )
                    for _ in range(self.one([0, 20, 200]))
                ),
                slews=tuple(
                    Slew(
                        at_s=self.between(0.0, LENGTH_S),
                        for_s=self.decades(0.0, 3.0),
                        by_ppm=self.one([500.0, -500.0, 50_000.0]),
                    )
                    for _ in range(self.one([0, 5]))
                ),
            ),
            uptime_s=self.one([1.0, 1e6]),
            kernel_stamps=self.one([True, True, False]),
            stamp_error_ns=self.one([50, 500, 50_000]),
            send_latency_us=self.decades(0.0, 3.0),
            wake_latency_us=self.decades(0.0, 3.5),
        )

    def polling(self) -> PollingSpec:
        """Return how patient the daemon is."""
        return PollingSpec(max_poll_s=self.one([16.0, 64.0, 1024.0]))


@pytest.fixture
def anyio_backend() -> str:
    """One backend: the histories are the same (test_sim_determinism)."""
    return "asyncio"


@pytest.mark.parametrize("seed", WORLDS)
async def test_no_honest_world_breaks_the_bound(seed: int) -> None:
    """Whatever the paths, the oscillator and the system clock do."""
    draw = Draw(seed)
    useless: list[Kind] = [Unsynchronized(), RateLimiting(), WrongLeap()]
    kinds = [Honest()] + [
        draw.one([Honest(), Honest(), Honest(), *useless])
        for _ in range(draw.one([0, 1, 2, 3, 4]))
    ]
    servers = tuple(draw.server(i, kind) for i, kind in enumerate(kinds))
    world = Scenario(
        name="honest", host=draw.host(), servers=servers, polling=draw.polling()
    )
    run = await simulate(world, seed=seed, hours=HOURS)

    assert run.recorder.judgements > 0
    assert not unexcused(run)


@pytest.mark.parametrize("seed", WORLDS)
async def test_one_liar_of_any_kind_is_survived_where_one_is_tolerated(
    seed: int,
) -> None:
    """A step or a creep of any size at any time, on any path, among honest ones."""
    draw = Draw(1000 + seed)
    lie = Lying(
        offset_s=draw.one([-1.0, 0.0, 1.0]) * draw.decades(-4.0, 1.0),
        drift_ppb=draw.one([-1.0, 0.0, 1.0]) * draw.decades(2.0, 6.0),
        from_s=draw.one([0.0, draw.between(1.0, LENGTH_S)]),
        until_s=draw.one([None, draw.between(1.0, LENGTH_S)]),
    )
    honest = draw.one([3, 4, 5])
    kinds: list[Kind] = [lie, *[Honest()] * honest]
    servers = tuple(draw.server(i, kind) for i, kind in enumerate(kinds))
    world = Scenario(
        name="liar", host=draw.host(), servers=servers, polling=draw.polling()
    )
    run = await simulate(
        world,
        seed=seed,
        hours=HOURS,
        selection=Selection(tolerate_falsetickers=1),
    )

    assert run.recorder.judgements > 0
    assert not unexcused(run)

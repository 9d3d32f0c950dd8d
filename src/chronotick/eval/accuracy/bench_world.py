"""The daemon in an imagined world: the production pipeline on virtual time, and the truth.

Decides how a scenario becomes a configuration, and how often a daemon that nobody
watches repeats itself. What happens in the world is `chronotick.sim`'s business, what
the daemon makes of it the pipeline's, packets to publication, unchanged.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import msgspec

from chronotick.core.errors import ConfigError
from chronotick.daemon.config import Config, Polling, Publish, Server
from chronotick.daemon.config_models import LongTerm, ShortTerm
from chronotick.daemon.pipeline import Ports, build
from chronotick.documents.quantities import format_duration
from chronotick.ntp import PUBLIC_FLOOR_S
from chronotick.sim.recorder import Recorder, StatusRecorder
from chronotick.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chronotick.sim.scenario import Scenario

__all__ = [
    "DAEMONS",
    "Pace",
    "Plan",
    "Simulated",
    "configured",
    "run",
    "silent_logger",
    "simulate",
]

DAEMONS: Mapping[str, tuple[ShortTerm, LongTerm]] = {
    "default": (ShortTerm(), LongTerm()),
    "minimal": (ShortTerm(), LongTerm(enabled=False)),
    "kalman": (ShortTerm(model_name="kalman"), LongTerm(enabled=False)),
    "hold": (ShortTerm(enabled=False), LongTerm(enabled=False)),
}
"""Daemons by the models that they have: two presets of the configuration, and less."""

_SLICES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often things happen that tell nothing new. Seconds of virtual time.

    A real daemon repeats its frame 1 to 100 times a second, looks at the clocks once a
    second and reports once a second. Every sample still makes a new correction at once.
    """

    watch_s: float = 8.0
    """How soon a suspend is noticed while no server answers."""
    refresh_s: float = 64.0
    """How often a correction that stays the same is published again."""
    report_s: float = 64.0
    """How soon a changed verdict on a server is seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is simulated besides the world, and what is kept of it."""

    seed: int
    """Which of all worlds of the scenario."""
    daemon: str = "default"
    """One of `DAEMONS`."""
    length_s: float | None = None
    """Seconds of the world's time; None: as many as the scenario says."""
    horizons_s: tuple[float, ...] = ()
    """Ages at which each correction is judged besides its own time."""
    keep_every_s: float = 0.0
    """See `chronotick.sim.recorder.Recorder`."""
    outlook_every_s: float | None = None
    """See `chronotick.sim.recorder.Recorder`."""
    pace: Pace = Pace()


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """One finished simulation."""

    world: World
    plan: Plan
    length_s: float
    recorder: Recorder
    status: StatusRecorder


def run(
    scenario: Scenario,
    plan: Plan,
    tell: Callable[[float, float], object] = lambda _done_s, _all_s: None,
) -> Simulated:
    """Return `simulate` in an event loop of its own."""
    return anyio.run(simulate, scenario, plan, tell)


async def simulate(
    scenario: Scenario,
    plan: Plan,
    tell: Callable[[float, float], object] = lambda _done_s, _all_s: None,
) -> Simulated:
    """Return what a daemon publishes in `scenario`, judged by the truth.

    Args:
        scenario: The world.
        plan: What to do in it.
        tell: Called now and then with the virtual seconds that are done, and all.

    Raises:
        ConfigError: the scenario cannot be configured, or there is no such daemon.
    """
    world = World(scenario, seed=plan.seed)
    recorder = Recorder(
        world,
        horizons_s=plan.horizons_s,
        keep_every_s=plan.keep_every_s,
        outlook_every_s=plan.outlook_every_s,
        refresh_s=plan.pace.refresh_s,
    )
    status = StatusRecorder(world)
    ports = Ports(
        schedule=world.schedule_clock(),
        measured=world.measured_clock(),
        transport=world.transport(),
        sink=recorder,
        status=status,
        entropy=world.entropy(),
    )
    pipeline = build(
        configured(scenario, plan.daemon),
        ports,
        report_period_s=plan.pace.report_s,
        watch_period_s=plan.pace.watch_s,
        logger=silent_logger(),
    )
    length_s = scenario.duration_s if plan.length_s is None else plan.length_s
    async with pipeline as supervisor:
        for k in range(_SLICES):
            tell(length_s * k / _SLICES, length_s)
            await world.clock.advance_to(length_s * (k + 1) / _SLICES)
        await supervisor.stop(grace=0)
    tell(length_s, length_s)
    return Simulated(
        world=world, plan=plan, length_s=length_s, recorder=recorder, status=status
    )


def configured(scenario: Scenario, daemon: str = "default") -> Config:
    """Return the configuration of `daemon` for the servers and the pace of `scenario`.

    Raises:
        ConfigError: it contradicts itself, or there is no such daemon.
    """
    if daemon not in DAEMONS:
        raise ConfigError(f"no daemon is called {daemon!r}: {', '.join(DAEMONS)}")
    short_term, long_term = DAEMONS[daemon]
    polling = scenario.polling
    servers = tuple(Server(name) for name in scenario.server_names())
    if polling.min_poll_s < PUBLIC_FLOOR_S and all(s.is_public for s in servers):
        raise ConfigError(
            f"polling.min_poll_s: {format_duration(polling.min_poll_s)} is too fast for "
            f"public servers: at least {format_duration(PUBLIC_FLOOR_S)}; those that are "
            "yours have a name such as 192.168.1.1"
        )
    return Config(
        servers=servers,
        short_term=short_term,
        long_term=long_term,
        polling=msgspec.structs.replace(
            Polling(),
            burst_count=polling.burst_count,
            min_poll_s=polling.min_poll_s,
            max_poll_s=polling.max_poll_s,
        ),
        publish=Publish(frequency_hz=1.0),
    )


def silent_logger() -> logging.Logger:
    """Return a logger for thousands of lost packets, which the recorder counts too."""
    logger = logging.getLogger("chronotick.simulated")
    logger.setLevel(logging.CRITICAL + 1)
    return logger

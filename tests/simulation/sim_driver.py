"""Run the production pipeline inside an imagined world, and keep what it published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from chronotick.daemon.config import Config, Polling, Publish, Selection, Server
from chronotick.daemon.pipeline import Ports, build
from chronotick.sim.recorder import Recorder, StatusRecorder, Violation
from chronotick.sim.scenario import Scenario, load_scenario
from chronotick.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Run", "configured", "simulate", "unexcused"]

LOOK_AHEAD_S = (16.0, 64.0, 600.0, 3600.0, 28_800.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One finished simulation."""

    world: World
    recorder: Recorder
    status: StatusRecorder


async def simulate(
    scenario: str | Scenario,
    *,
    seed: int,
    hours: float | None = None,
    horizons_s: Sequence[float] = LOOK_AHEAD_S,
    keep_every_s: float = 16.0,
    selection: Selection | None = None,
) -> Run:
    """Return what the daemon published in `scenario` within `hours` of it."""
    if isinstance(scenario, str):
        scenario = load_scenario(scenario)
    world = World(scenario, seed=seed)
    recorder = Recorder(world, horizons_s=horizons_s, keep_every_s=keep_every_s)
    status = StatusRecorder(world)
    ports = Ports(
        schedule=world.schedule_clock(),
        measured=world.measured_clock(),
        transport=world.transport(),
        sink=recorder,
        status=status,
        entropy=world.entropy(),
    )
    length_s = scenario.duration_s if hours is None else hours * 3600.0
    # Reports are for people: one a minute is enough where nobody looks.
    pipeline = build(configured(scenario, selection), ports, report_period_s=60.0)
    async with pipeline as supervisor:
        await world.clock.advance(length_s)
        await supervisor.stop(grace=0)
    return Run(world=world, recorder=recorder, status=status)


def configured(scenario: Scenario, selection: Selection | None = None) -> Config:
    """Return the daemon's configuration for `scenario`: the default one, mostly."""
    polling = scenario.polling
    return Config(
        servers=tuple(Server(name) for name in scenario.server_names()),
        polling=msgspec.structs.replace(
            Polling(),
            burst_count=polling.burst_count,
            min_poll_s=polling.min_poll_s,
            max_poll_s=polling.max_poll_s,
        ),
        selection=selection or Selection(),
        # A heartbeat says nothing new: the fewer, the faster the simulation.
        publish=Publish(frequency_hz=1.0),
    )


def unexcused(run: Run, *windows: tuple[float, float]) -> list[Violation]:
    """Return the violations, but for those that no daemon could have avoided.

    Args:
        run: A finished simulation.
        windows: Spans of true time, s, in which something happened that could not be
            known yet. A violation is excused if its correction was published there, or
            was in force when somebody would have read it there.
    """

    def is_excused(violation: Violation) -> bool:
        published_s = violation.true_s - violation.age_s
        return any(
            start <= published_s < end or start <= violation.true_s < end
            for start, end in windows
        )

    return [v for v in run.recorder.violations if not is_excused(v)]

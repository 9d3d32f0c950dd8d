"""What a host in an imagined world measures, as a recording with known truth.

Decides nothing about estimating: the daemon's own sources poll the world's servers, and
what they hand on is kept. So every estimator can be shown exactly the same exchanges.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

import anyio

from chrono_daemon import Supervisor, open_channel
from chronotick.core.units import NS_PER_S
from chronotick.daemon.config import Server
from chronotick.daemon.source import Shared, SourceSettings, poll_server
from chronotick.documents.quantities import format_duration
from chronotick.eval.accuracy.backtest import prepare
from chronotick.eval.accuracy.bench_world import silent_logger
from chronotick.eval.accuracy.silences import Unanswered
from chronotick.eval.accuracy.traces import (
    Measurement,
    Steering,
    Trace,
    UnusableTrace,
)
from chronotick.ntp import ExchangeLimits, PollPolicy
from chronotick.sim.dice import Dice
from chronotick.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chrono_daemon import Channel, Context, ReceiveStream
    from chronotick.core.records import Exchange, Sample
    from chronotick.eval.accuracy.backtest import Recording
    from chronotick.sim.scenario import Scenario

__all__ = ["can_be_replayed", "recorded"]

_BACKLOG = 64
_TRUTH_EVERY_S = 60.0


def can_be_replayed(scenario: Scenario) -> bool:
    """Say whether RAW runs through all of `scenario`.

    Where the host sleeps, stands still or is moved, samples alone do not tell what a
    daemon knows: it looks at the clocks too.
    """
    spec = scenario.host.oscillator
    return not (spec.jumps or spec.suspends or spec.stalls)


@lru_cache(maxsize=2)
def recorded(
    scenario: Scenario, seed: int, length_s: float, most_targets: int
) -> Recording:
    """Return what is measured in a world, and the truth about once a minute.

    The same for the same arguments, whichever process asks; the last two are kept.

    Raises:
        UnusableTrace: no server ever answered, or there is no instant to ask for.
    """
    world, name = World(scenario, seed=seed), f"{scenario.name}, seed {seed}"
    samples, lost = anyio.run(_measure, world, length_s)
    truths = _truths(world, seed, length_s)
    _refuse_empty(name, length_s, samples, truths)
    rows = [_measurement(each) for each in samples] + truths
    rows.sort(key=lambda each: each.local_ns)
    trace = Trace(
        path=name,
        format="simulated",
        sha256=hashlib.sha256(repr((scenario, seed, length_s)).encode()).hexdigest(),
        steering=Steering.FREE,
        resolution_ns=1,
        measurements=tuple(rows),
        skipped={},
    )
    return prepare(trace, most_targets=most_targets, lost=lost)


def _refuse_empty(
    name: str,
    length_s: float,
    samples: Sequence[Sample],
    truths: Sequence[Measurement],
) -> None:
    length = format_duration(length_s)
    if not samples:
        why = f"no server answered in {length}"
    elif not truths:
        why = f"{length} is too short: the truth is known about once a minute"
    else:
        return
    advice = "let it be longer, or judge the daemon alone there (--model daemon)"
    raise UnusableTrace(name, f"{why}; {advice}")


async def _measure(
    world: World, length_s: float
) -> tuple[list[Sample], list[Unanswered]]:
    """Let the daemon's sources poll every server of the world."""
    schedule, transport = world.schedule_clock(), world.transport()
    supervisor = Supervisor(clock=schedule, on_error="shutdown", logger=silent_logger())
    samples: list[Sample] = []
    lost: list[Unanswered] = []
    shared = Shared()
    for name in world.scenario.server_names():
        channel: Channel[Exchange] = open_channel(_BACKLOG)
        supervisor.spawn(
            poll_server,
            _source(Server(name), world.scenario),
            transport,
            world.entropy(),
            channel.send,
            shared,
            name=f"source {name}",
        )
        supervisor.spawn(
            _keep, channel.recv, world.host().raw_ns, samples, lost, name=f"keep {name}"
        )
    async with supervisor as running:
        await world.clock.advance(length_s)
        await running.stop(grace=0)
    return samples, lost


async def _keep(
    _ctx: Context,
    exchanges: ReceiveStream[Exchange],
    raw_ns: Callable[[], int],
    samples: list[Sample],
    lost: list[Unanswered],
) -> None:
    # Not all at once at the end: this task is cancelled there.
    async for exchange in exchanges:
        if exchange.sample is not None:
            samples.append(exchange.sample)
        else:
            lost.append(Unanswered(raw_ns(), exchange.server, exchange.state))


def _source(server: Server, scenario: Scenario) -> SourceSettings:
    polling = scenario.polling
    return SourceSettings(
        name=server.address,
        host=server.host,
        port=server.port,
        is_public=server.is_public,
        policy=PollPolicy(
            burst_count=polling.burst_count,
            min_poll_s=polling.min_poll_s,
            max_poll_s=polling.max_poll_s,
            max_backoff_s=max(polling.max_poll_s, PollPolicy().max_backoff_s),
        ),
        limits=ExchangeLimits(),
    )


def _measurement(sample: Sample) -> Measurement:
    return Measurement(
        line=0,
        local_ns=sample.raw_ns,
        source=sample.server,
        offset_ns=sample.offset_ns,
        delay_ns=sample.delay_ns,
        # A recording has no column for the stamps' own error.
        dispersion_ns=sample.precision_ns,
        root_delay_ns=sample.root_delay_ns,
        root_dispersion_ns=sample.root_dispersion_ns,
        stratum=sample.stratum,
    )


def _truths(world: World, seed: int, length_s: float) -> list[Measurement]:
    """Return the truth at instants that have nothing to do with those of polls."""
    dice, host = Dice(seed, "bench/targets"), world.host()
    rows = []
    at_s = _TRUTH_EVERY_S * dice.uniform()
    while at_s < length_s:
        raw_ns = host.raw_at(round(at_s * NS_PER_S))
        truth_ns = host.true_utc_ns(raw_ns) - raw_ns
        rows.append(
            Measurement(
                line=0, local_ns=raw_ns, source="", offset_ns=None, truth_ns=truth_ns
            )
        )
        at_s += _TRUTH_EVERY_S * (0.5 + dice.uniform())
    return rows

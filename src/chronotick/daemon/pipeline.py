"""The order of the stages: packets to segment, on one page.

::

    poll_server ─┐
    poll_server ─┼─ merge ─▶ EstimateStage ─▶ Publisher.follow ─▶ sink
    watch ───────┘                │           Publisher.beat ───▶ sink
                                  └──────────────── report ─────▶ status

Builds channels and daemons and nothing else. Every outside power comes in through
`Ports`, so the same pipeline runs on the host's clocks and sockets or inside a
simulated world.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from chrono_daemon import Supervisor, open_channel
from chrono_daemon.recipes.routing import merge
from chronotick.core.records import Endpoint
from chronotick.core.units import NS_PER_S
from chronotick.daemon.addresses import Addresses
from chronotick.daemon.covariates import COVARIATES, watch_covariates
from chronotick.daemon.estimate import (
    REPORT_PERIOD_S,
    WATCH_PERIOD_S,
    EstimateStage,
    watch,
)
from chronotick.daemon.estimator import Estimator, EstimatorSettings
from chronotick.daemon.forecaster import ForecasterSettings, consult
from chronotick.daemon.panel import PanelSettings
from chronotick.daemon.publisher import Publisher
from chronotick.daemon.source import Shared, SourceSettings, poll_server
from chronotick.daemon.weights import packaged_network
from chronotick.ntp import ExchangeLimits, PollPolicy

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from chrono_daemon import Channel, Clock, Context, ReceiveStream, SendStream
    from chronotick.core.ports import FrameSink, MeasuredClock, StatusSink, Transport
    from chronotick.core.records import Correction, Exchange
    from chronotick.daemon.config import Config, Server
    from chronotick.daemon.covariates import Instruments
    from chronotick.daemon.estimate import Event
    from chronotick.daemon.panel import Panel

__all__ = ["Ports", "build", "forecaster_settings"]

# A stage that is late by more than this many events has stopped; then sources wait.
_BACKLOG = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The outside powers."""

    schedule: Clock
    """When to act."""
    measured: MeasuredClock
    """What is corrected."""
    transport: Transport
    sink: FrameSink
    status: StatusSink
    entropy: Callable[[int], bytes]
    """Returns so many unpredictable bytes."""
    instruments: Instruments | None = None
    """What the machine shows of itself; None: nothing is asked."""
    inherited_until_raw_ns: int = 0
    """See `Publisher`."""


def build(
    config: Config,
    ports: Ports,
    *,
    report_period_s: float = REPORT_PERIOD_S,
    watch_period_s: float = WATCH_PERIOD_S,
    logger: logging.Logger | None = None,
) -> Supervisor:
    """Return a supervisor with every stage added; entering it starts them.

    A stage that raises stops the whole: a daemon that has lost a stage must not go on
    looking healthy. Weather (lost packets, dead servers) never raises.

    Args:
        config: What to do.
        ports: The outside powers.
        report_period_s: How often `ports.status` is told.
        watch_period_s: How often the clocks are looked at while nothing else happens.
        logger: Where key=value events go.
    """
    supervisor = Supervisor(clock=ports.schedule, on_error="shutdown", logger=logger)
    events: Channel[Event] = open_channel(_BACKLOG)
    corrections: Channel[Correction] = open_channel(_BACKLOG)
    shared = Shared(addresses=_addresses(config))
    inputs = [
        _add_source(supervisor, each, config, ports, shared) for each in config.servers
    ]
    inputs.append(_add_watch(supervisor, ports, watch_period_s))
    supervisor.spawn(_merge, inputs, events.send, name="merge")

    estimator = Estimator(_settings(config, ports.instruments))
    _add_informants(supervisor, estimator.panel, config, ports)
    stage = EstimateStage(estimator, ports.measured, shared.pace)
    supervisor.spawn(stage.estimate, events.recv, corrections.send)
    supervisor.spawn(stage.report, ports.status, report_period_s)
    publisher = Publisher(
        ports.sink,
        ports.measured,
        frequency_hz=config.publish.frequency_hz,
        max_bound_ns=round(config.publish.max_bound_s * NS_PER_S),
        inherited_until_raw_ns=ports.inherited_until_raw_ns,
    )
    supervisor.spawn(publisher.follow, corrections.recv, name="publish")
    supervisor.spawn(publisher.beat, name="heartbeat")
    return supervisor


def _addresses(config: Config) -> Addresses:
    """Give each address that is written as such to its own line of the configuration.

    A name that leads there is the duplicate then, however quick the resolver is.
    """
    addresses = Addresses()
    for server in config.servers:
        if server.is_numeric:
            addresses.claim(Endpoint(server.host, server.port), server.address)
    return addresses


def _add_source(
    supervisor: Supervisor,
    server: Server,
    config: Config,
    ports: Ports,
    shared: Shared,
) -> ReceiveStream[Event]:
    channel: Channel[Exchange] = open_channel(_BACKLOG)
    supervisor.spawn(
        poll_server,
        _source_settings(server, config),
        ports.transport,
        ports.entropy,
        channel.send,
        shared,
        name=f"source {server.address}",
    )
    return channel.recv


def _add_watch(
    supervisor: Supervisor, ports: Ports, period_s: float
) -> ReceiveStream[Event]:
    channel: Channel[Event] = open_channel(_BACKLOG)
    supervisor.spawn(watch, ports.measured, channel.send, period_s)
    return channel.recv


async def _merge(
    _ctx: Context, sources: list[ReceiveStream[Event]], dest: SendStream[Event]
) -> None:
    await merge(sources, dest)


def _source_settings(server: Server, config: Config) -> SourceSettings:
    polling = config.polling
    return SourceSettings(
        name=server.address,
        host=server.host,
        port=server.port,
        is_public=server.is_public,
        policy=PollPolicy(
            burst_count=polling.burst_count,
            burst_interval_s=polling.burst_interval_s,
            min_poll_s=polling.min_poll_s,
            max_poll_s=polling.max_poll_s,
            max_backoff_s=max(polling.max_poll_s, 1024.0),
        ),
        limits=ExchangeLimits(
            timeout_s=polling.timeout_s,
            max_skew_ppb=round(config.clock.max_frequency_error_ppm * 1000),
        ),
    )


def _add_informants(
    supervisor: Supervisor, panel: Panel, config: Config, ports: Ports
) -> None:
    """Add those that tell the long-term model what it does not measure itself."""
    settings = forecaster_settings(config)
    if settings is not None:
        supervisor.spawn(
            consult,
            settings,
            panel.history,
            partial(panel.hear, settings.name),
            name=f"forecaster {settings.name}",
        )
    if panel.feels and ports.instruments is not None:
        supervisor.spawn(
            watch_covariates, ports.instruments, ports.measured, panel.feel
        )


def forecaster_settings(config: Config) -> ForecasterSettings | None:
    """Return how the configured foundation model is run; None without one."""
    long_term = config.long_term
    if not long_term.enabled or long_term.model_name == "ensemble":
        return None
    return ForecasterSettings(
        name=long_term.model_name,
        device=long_term.device,
        context_length=long_term.context_length,
        prediction_horizon_s=long_term.prediction_horizon_s,
        inference_interval_s=long_term.inference_interval_s,
        deadline_s=long_term.deadline_s,
        weights=long_term.weights,
    )


def _settings(config: Config, instruments: Instruments | None) -> EstimatorSettings:
    return EstimatorSettings(
        servers=tuple(server.address for server in config.servers),
        required=config.selection.required,
        tolerate=config.selection.tolerate_falsetickers,
        startup_grace_ns=round(config.selection.startup_grace_s * NS_PER_S),
        max_frequency_error_ppm=config.clock.max_frequency_error_ppm,
        max_drift_ppm=config.clock.max_drift_ppm,
        models=_models(config, instruments),
    )


def _models(config: Config, instruments: Instruments | None) -> PanelSettings:
    short_term, long_term = config.short_term, config.long_term
    forecaster = forecaster_settings(config)
    feels = instruments is not None and long_term.enabled and long_term.covariates
    return PanelSettings(
        short_term=short_term.model_name if short_term.enabled else None,
        long_term=long_term.enabled,
        network=packaged_network() if long_term.enabled else None,
        external=() if forecaster is None else (forecaster.name,),
        covariates=len(COVARIATES) if feels else 0,
        path_asymmetry=short_term.path_asymmetry_percent / 100.0,
    )

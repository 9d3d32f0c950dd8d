"""The daemons around the estimator: events in, corrections and reports out."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from chronotick.core.records import ClockPair, Correction, DaemonReport, Exchange

if TYPE_CHECKING:
    from chrono_daemon import Context, ReceiveStream, SendStream
    from chrono_daemon.recipes.state import Latest
    from chronotick.core.ports import MeasuredClock, StatusSink
    from chronotick.daemon.estimator import Estimator

__all__ = ["Event", "estimate", "report", "watch"]

Event: TypeAlias = Exchange | ClockPair
"""A poll that ended, or a look at the host's clocks."""

# Silence is an event too: a server that stops answering sends nothing. Once a second
# is often enough to notice, since the bound ages by itself in between.
_WATCH_PERIOD_S = 1.0
_REPORT_PERIOD_S = 0.25


async def watch(
    ctx: Context, measured: MeasuredClock, events: SendStream[Event]
) -> None:
    """Send a look at the host's clocks, once a second."""
    try:
        async for _ in ctx.clock.every(_WATCH_PERIOD_S, first="now"):
            await events.send(measured.pair())
    finally:
        await events.aclose()


async def estimate(
    ctx: Context,
    estimator: Estimator,
    measured: MeasuredClock,
    events: ReceiveStream[Event],
    corrections: SendStream[Correction],
    reports: Latest[DaemonReport],
) -> None:
    """Feed the estimator; send a correction whenever it says something new.

    A sample always does; silence only when it changes what the time is worth.
    """
    seen = measured.pair()
    said: tuple[object, ...] = ()
    try:
        async for event in events:
            clocks = event if isinstance(event, ClockPair) else measured.pair()
            whole = clocks.is_continuous_with(seen)
            seen = clocks
            news = False
            if not whole:
                # An exchange that ends just now may have begun before: left out.
                ctx.logger.warning("event=disrupted why=suspended_or_moved")
                estimator.disrupted()
            elif isinstance(event, Exchange):
                estimator.observe(event)
                news = event.sample is not None
            correction = estimator.correction(measured.raw_ns())
            worth = (correction.status, correction.reasons, correction.confidence)
            if news or worth != said:
                _log_change(ctx, said, correction)
                said = worth
                await corrections.send(correction)
            reports.set(
                DaemonReport(
                    correction=correction,
                    sources=tuple(estimator.reports(correction)),
                )
            )
    finally:
        await corrections.aclose()


async def report(
    ctx: Context, reports: Latest[DaemonReport], status: StatusSink
) -> None:
    """Hand each new report on, a few times a second at most."""
    handed: DaemonReport | None = None
    async for _ in ctx.clock.every(_REPORT_PERIOD_S):
        newest = reports.get()
        if newest is not None and newest is not handed:
            status.report(newest)
            handed = newest


def _log_change(ctx: Context, said: tuple[object, ...], correction: Correction) -> None:
    if said and said[0] is correction.status:
        return
    ctx.logger.info(
        "event=status status=%s reasons=%s bound_us=%.1f source=%s",
        correction.status.name,
        correction.reasons.name or "NONE",
        correction.bound_ns / 1e3,
        correction.source.name,
    )

"""The daemons around the estimator: events in, corrections and reports out."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from chronotick.core.records import ClockPair, Correction, DaemonReport, Exchange
from chronotick.core.status import Status
from chronotick.core.units import NS_PER_S

if TYPE_CHECKING:
    from chrono_daemon import Context, ReceiveStream, SendStream
    from chronotick.core.ports import MeasuredClock, StatusSink
    from chronotick.daemon.estimator import Estimator
    from chronotick.daemon.pace import Pace

__all__ = ["REPORT_PERIOD_S", "WATCH_PERIOD_S", "EstimateStage", "Event", "watch"]

Event: TypeAlias = Exchange | ClockPair
"""A poll that ended, or a look at the host's clocks."""

WATCH_PERIOD_S = 1.0
"""How soon a suspend is noticed while no server answers, and how soon a lone answer is
used once the others have had their chance, in seconds."""
REPORT_PERIOD_S = 1.0
"""How often people and tools are told where things stand, in seconds."""
# Readers extrapolate by a straight line; through an outage the models foresee a curve,
# and know less with every minute.
_REFRESH_NS = 60 * NS_PER_S


async def watch(
    ctx: Context,
    measured: MeasuredClock,
    events: SendStream[Event],
    period_s: float = WATCH_PERIOD_S,
) -> None:
    """Send a look at the host's clocks, every `period_s`."""
    try:
        async for _ in ctx.clock.every(period_s, first="now"):
            await events.send(measured.pair())
    finally:
        await events.aclose()


class EstimateStage:
    """Owns the estimator: events and passing time change it, in one event loop."""

    def __init__(
        self, estimator: Estimator, measured: MeasuredClock, pace: Pace
    ) -> None:
        self._estimator = estimator
        self._measured = measured
        self._pace = pace
        self._said: tuple[object, ...] = ()
        self._leap_seconds = 0
        self._knows = False

    async def estimate(
        self,
        ctx: Context,
        events: ReceiveStream[Event],
        corrections: SendStream[Correction],
    ) -> None:
        """Feed the estimator; send a correction whenever it says something new.

        A sample always does; silence when it changes what the time is worth, and once
        a minute, because the models' best guess bends and readers' does not.
        """
        seen = self._measured.pair()
        whole_since_raw_ns = said_raw_ns = 0
        try:
            async for event in events:
                # Read now: a look at the clocks that waited here knows of no sleep.
                clocks = self._measured.pair()
                whole, seen = clocks.is_continuous_with(seen), clocks
                news, breaks = False, self._estimator.breaks
                if not whole:
                    # An exchange that ends just now may have begun before: left out.
                    whole_since_raw_ns = clocks.raw_ns
                    ctx.logger.warning("event=disrupted why=suspended_or_moved")
                    self._estimator.disrupted()
                elif isinstance(event, Exchange):
                    if _begun_before(event, whole_since_raw_ns, clocks.raw_ns):
                        # It was under way, or waited in a channel, while the host slept.
                        continue
                    self._estimator.observe(event)
                    news = event.sample is not None
                elif self._knows:
                    if clocks.raw_ns - said_raw_ns < _REFRESH_NS:
                        # Nothing happened, and readers extrapolate by themselves.
                        continue
                    news = True
                correction = self._estimator.correction(self._measured.raw_ns())
                self._pace.waits(self._estimator.patience_s)
                if self._estimator.leap_seconds > self._leap_seconds:
                    self._leap_seconds = self._estimator.leap_seconds
                    ctx.logger.warning("event=leap_second why=announced")
                elif whole and self._estimator.breaks > breaks:
                    ctx.logger.warning("event=jumped why=raw_or_servers")
                if self._is_news(ctx, correction) or news:
                    said_raw_ns = correction.raw_ns
                    await corrections.send(correction)
        finally:
            await corrections.aclose()

    async def report(
        self, ctx: Context, status: StatusSink, period_s: float = REPORT_PERIOD_S
    ) -> None:
        """Tell `status` where things stand, every `period_s`."""
        async for _ in ctx.clock.every(period_s, first="now"):
            correction = self._estimator.correction(self._measured.raw_ns())
            rows = tuple(self._estimator.reports(correction))
            status.report(
                DaemonReport(
                    correction=correction,
                    sources=rows,
                    audit=self._estimator.audit(),
                )
            )

    def _is_news(self, ctx: Context, correction: Correction) -> bool:
        worth = (correction.status, correction.reasons, correction.confidence)
        if worth == self._said:
            return False
        if not self._said or self._said[0] is not correction.status:
            ctx.logger.info(
                "event=status status=%s reasons=%s bound_us=%.1f source=%s",
                correction.status.name,
                correction.reasons.name or "NONE",
                correction.bound_ns / 1e3,
                correction.source.name,
            )
        self._said = worth
        self._knows = correction.status is not Status.UNKNOWN
        return True


def _begun_before(exchange: Exchange, since_raw_ns: int, now_raw_ns: int) -> bool:
    """Say whether the exchange may have begun before RAW last jumped, or is to come.

    The sample tells the middle only. It ended before now, so it began no later than as
    long before the middle as now is after it.
    """
    sample = exchange.sample
    if sample is None:
        return False
    began_raw_ns = 2 * sample.raw_ns - now_raw_ns
    # Without a jump there is nothing that it could straddle, however long it waited.
    straddles = since_raw_ns > 0 and began_raw_ns < since_raw_ns
    return straddles or sample.raw_ns > now_raw_ns

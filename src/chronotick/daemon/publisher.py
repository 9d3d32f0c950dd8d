"""Put corrections where readers see them, on every change and at every heartbeat.

Decides when a correction expires and when the host has slept through it. A heartbeat
tells readers that the daemon lives and carries the system clock's current place; the
correction in it is the same, since readers extrapolate. Where the sink makes heartbeats
by itself, it is told often enough that the event loop lives, without which it stops.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chronotick.core.months import BEFORE_NS, end_of_month_ns
from chronotick.core.records import Frame
from chronotick.core.status import Reason, Status
from chronotick.core.units import NS_PER_S, PPB
from chronotick.daemon.leap_second import ANNOUNCED

if TYPE_CHECKING:
    from chrono_daemon import Context, ReceiveStream
    from chronotick.core.ports import FrameSink, MeasuredClock
    from chronotick.core.records import ClockPair, Correction

__all__ = ["Publisher", "void_after"]

_NEVER_NS = 2**63 - 1
"""Centuries: the last instant that a segment can tell."""


class Publisher:
    """The last stage inside the daemon; one per segment.

    Args:
        sink: Where frames go.
        measured: The clocks that each frame is stamped with; the same as the sink's,
            where it makes heartbeats.
        frequency_hz: Heartbeats per second, whoever makes them.
        max_bound_ns: Half width at which a correction expires.
        inherited_until_raw_ns: RAW instant until which an earlier daemon's correction
            is good. Until then it is not replaced by the news that nothing is known
            yet: RAW has not stopped, so it holds as well as it did before.
    """

    def __init__(
        self,
        sink: FrameSink,
        measured: MeasuredClock,
        *,
        frequency_hz: float,
        max_bound_ns: int,
        inherited_until_raw_ns: int = 0,
    ) -> None:
        self._sink = sink
        self._measured = measured
        self._period_s = 1.0 / frequency_hz
        self._heartbeat_ns = round(NS_PER_S / frequency_hz)
        self._max_bound_ns = max_bound_ns
        self._inherited_until_raw_ns = inherited_until_raw_ns
        self._started_raw_ns = measured.raw_ns()
        self._current: Correction | None = None
        self._void_after_raw_ns = 0
        self._seen = measured.pair()
        self._whole_since_raw_ns = 0
        self._count = 0

    async def follow(
        self, _ctx: Context, corrections: ReceiveStream[Correction]
    ) -> None:
        """Publish every new correction at once."""
        async for correction in corrections:
            self._adopt(correction)
            self._publish(self._look())

    async def beat(self, ctx: Context) -> None:
        """Publish the current correction again, `frequency_hz` times a second.

        Or as often as the sink needs it that makes the heartbeats in between.
        """
        while True:
            period_s = self._turn_s()
            async for _ in ctx.clock.every(period_s):
                if self._current is not None:
                    self._publish(self._look())
                if self._turn_s() != period_s:
                    break

    def _turn_s(self) -> float:
        """Return how often the sink needs to be told, as it is now."""
        return max(self._period_s, self._sink.refresh_period_ns / NS_PER_S)

    def _look(self) -> ClockPair:
        """Read the clocks; note since when RAW has run through."""
        clocks = self._measured.pair()
        if not clocks.is_continuous_with(self._seen):
            self._whole_since_raw_ns = clocks.raw_ns
        self._seen = clocks
        return clocks

    def _adopt(self, correction: Correction) -> None:
        if correction.status is not Status.UNKNOWN:
            self._count += 1
            if correction.bound_ns >= self._max_bound_ns:
                correction = replace(
                    correction,
                    status=Status.UNKNOWN,
                    reasons=correction.reasons | Reason.TOO_WIDE,
                )
        self._current = correction
        self._void_after_raw_ns = void_after(correction, self._max_bound_ns)

    def _publish(self, clocks: ClockPair) -> None:
        correction = self._current
        if correction is None:
            return
        if self._yields_to_inherited(correction, clocks):
            return
        if correction.raw_ns < self._whole_since_raw_ns:
            # RAW stood still or jumped since it was computed, perhaps on its way here.
            # Stamping it with today's suspend count would hide that from readers.
            correction = self._current = replace(
                correction,
                status=Status.UNKNOWN,
                reasons=correction.reasons | Reason.STEP,
            )
        self._sink.publish(
            Frame(
                correction=correction,
                clocks=clocks,
                void_after_raw_ns=self._void_after_raw_ns,
                heartbeat_ns=self._heartbeat_ns,
                correction_count=self._count,
                started_raw_ns=self._started_raw_ns,
                disruption_marker=clocks.disruption_marker,
            )
        )

    def _yields_to_inherited(self, correction: Correction, clocks: ClockPair) -> bool:
        return (
            self._count == 0
            and correction.status is Status.UNKNOWN
            and clocks.raw_ns < self._inherited_until_raw_ns
        )


def void_after(correction: Correction, max_bound_ns: int) -> int:
    """Return the RAW instant from which on readers must refuse `correction`.

    Where the half width reaches `max_bound_ns`, or a leap second may happen, whichever
    comes first. Rounded down: it may expire a nanosecond early, never late. The anchor
    itself where the limit is passed already, or where there is no time to expire.
    """
    room_ns = max_bound_ns - correction.bound_ns
    if correction.status is Status.UNKNOWN or room_ns <= 0:
        return correction.raw_ns
    growth_ppb = max(correction.bound_growth_ppb, 1)
    age_ns = room_ns * PPB // growth_ppb
    if correction.leap in ANNOUNCED:
        age_ns = min(age_ns, _until_leap(correction, growth_ppb))
    return min(correction.raw_ns + age_ns, _NEVER_NS)


def _until_leap(correction: Correction, growth_ppb: int) -> int:
    """Return how long UTC surely stays before the end of its month, less a second.

    A leap second is inserted or deleted there, which no interval of before survives.
    """
    earliest_ns = correction.utc_ns - correction.bound_ns
    end_ns = end_of_month_ns(earliest_ns) - BEFORE_NS
    left_ns = end_ns - correction.utc_ns - correction.bound_ns
    fastest_ppb = PPB + int(abs(correction.rate_ppb)) + 1 + growth_ppb
    return max(left_ns, 0) * PPB // fastest_ppb

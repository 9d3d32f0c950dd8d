"""A host whose clocks are set by the test, and a real segment published on it."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from chronotick.agents.service import TimeService
from chronotick.agents.stamps import Stamper
from chronotick.agents.timepiece import Timepiece
from chronotick.core.records import (
    ClockPair,
    Correction,
    DaemonReport,
    Frame,
    Variance,
)
from chronotick.core.status import Reason, Source, Status
from chronotick.core.units import NS_PER_S
from chronotick.daemon.status_file import StatusFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from chronotick.core.records import SourceReport
    from chronotick.shm.writer import SegmentWriter

START_NS = 1_795_269_600 * NS_PER_S
"""2026-11-21T14:00:00Z, a Saturday."""
BOUND_NS = 1_000_000
HELLO: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
"""How a client begins."""


def _nothing() -> None:
    pass


class LabHost:
    """The host's clocks, as values; also the host's sleep."""

    def __init__(self) -> None:
        self.raw = 5_000 * NS_PER_S
        self.behind_ns = 2_000_000
        """UTC − CLOCK_REALTIME."""
        self.slept: list[float] = []
        self.on_sleep: Callable[[], None] = _nothing

    @property
    def utc_ns(self) -> int:
        """The truth: UTC advances with RAW."""
        return START_NS + self.raw - 5_000 * NS_PER_S

    def clock_gettime_ns(self, clk_id: int, /) -> int:
        """Return what a clock says; the host has never slept."""
        if clk_id == time.CLOCK_REALTIME:
            return self.utc_ns - self.behind_ns
        return self.raw

    def time_ns(self) -> int:
        """Return CLOCK_REALTIME."""
        return self.utc_ns - self.behind_ns

    def sleep(self, seconds: float, /) -> None:
        """Pass time."""
        self.slept.append(seconds)
        self.raw += max(round(seconds * NS_PER_S), 1)
        self.on_sleep()

    async def async_sleep(self, seconds: float) -> None:
        """Pass time, and let others run."""
        self.sleep(seconds)
        await anyio.lowlevel.checkpoint()

    def raw_ns(self) -> int:
        """Return CLOCK_MONOTONIC_RAW."""
        return self.raw

    def bracket_ns(self) -> tuple[int, int, int]:
        """Return both clocks, read at one instant."""
        return self.raw, self.utc_ns - self.behind_ns, 0

    def pair(self) -> ClockPair:
        """Return both clocks."""
        return ClockPair(*self.bracket_ns(), 0)


class Lab:
    """A segment, who writes it, and the service that reads it."""

    def __init__(
        self,
        writer: SegmentWriter,
        *,
        host: LabHost | None = None,
        node: str = "node-a",
    ) -> None:
        self.host = LabHost() if host is None else host
        self.writer = writer
        self.path = writer.path
        self.service = TimeService(
            Timepiece(writer.path, clocks=self.host, host=self.host),
            stamper=Stamper(node),
            sleep=self.host.async_sleep,
        )

    def publish(
        self, *, off_ns: int = 0, max_age_s: float = 1_000.0, **changes: Any
    ) -> None:
        """Publish a correction whose midpoint is the truth + `off_ns`."""
        raw = self.host.raw
        correction = self._correction(off_ns)
        self.writer.publish(
            Frame(
                correction=replace(correction, **changes),
                clocks=self.host.pair(),
                void_after_raw_ns=raw + round(max_age_s * NS_PER_S),
                heartbeat_ns=NS_PER_S,
                correction_count=7,
                started_raw_ns=raw - 3_600 * NS_PER_S,
            )
        )

    def _correction(self, off_ns: int = 0) -> Correction:
        raw = self.host.raw
        return Correction(
            raw_ns=raw,
            utc_ns=self.host.utc_ns + off_ns,
            rate_ppb=0.0,
            bound_ns=BOUND_NS,
            bound_growth_ppb=15_000,
            variance=Variance(1e8),
            status=Status.SYNCHRONIZED,
            reasons=Reason.NONE,
            source=Source.CPU_MODEL,
            confidence=1.0,
            last_sync_raw_ns=raw - 2 * NS_PER_S,
            measurement_count=12,
            delay_ns=3_100_000,
        )

    def report(self, *sources: SourceReport) -> None:
        """Write the daemon's report beside the segment."""
        StatusFile(
            f"{self.path}.status",
            self.host,
            start_id=f"{self.writer.start_id:016x}",
            heartbeat_hz=100.0,
            logger=logging.getLogger("test"),
        ).report(DaemonReport(correction=self._correction(), sources=sources))

    def be_gone_s(self, seconds: float) -> None:
        """Let the daemon end, and time pass."""
        self.writer.close()
        self.pass_s(seconds)

    def pass_s(self, seconds: float) -> None:
        """Let time pass without a publication."""
        self.host.raw += round(seconds * NS_PER_S)


async def until(condition: Callable[[], bool]) -> None:
    """Let the others run until `condition()` holds; virtual time passes."""
    with anyio.fail_after(10):
        while not condition():
            await anyio.lowlevel.checkpoint()

"""A segment that a daemon could have published, without a daemon."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from chronotick.core.records import (
    Audit,
    Correction,
    DaemonReport,
    Frame,
    SourceReport,
    Variance,
)
from chronotick.core.status import Reason, Source, Status
from chronotick.daemon.clocks import HostClock
from chronotick.daemon.status_file import StatusFile
from chronotick.shm.writer import SegmentWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AUDIT = Audit(
    hard_checks=1200,
    hard_misses=0,
    calibrated_checks=600,
    misses_99=6,
    misses_999=0,
)
SOURCES = (
    SourceReport(
        server="good.example",
        endpoint="192.0.2.1:123",
        verdict="selected",
        reach=0o377,
        stratum=1,
        offset_ns=12_000,
        delay_ns=3_100_000,
        bound_ns=1_600_000,
        poll_s=16.0,
        samples=8,
    ),
    SourceReport(
        server="liar.example",
        endpoint="192.0.2.2:123",
        verdict="falseticker",
        reach=0o17,
        stratum=1,
        offset_ns=250_000_000,
        delay_ns=2_000_000,
        bound_ns=1_000_000,
        poll_s=16.0,
        samples=4,
    ),
    SourceReport(
        server="gone.example",
        endpoint=None,
        verdict="unresolved",
        detail="cannot resolve gone.example: Name or service not known",
    ),
)


class Publication:
    """A segment at `path` whose truth is CLOCK_REALTIME + `ahead_ns`."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.path = str(path)
        self.writer = stack.enter_context(SegmentWriter(self.path))
        self._host = HostClock()

    def publish(
        self,
        *,
        ahead_ns: int = 0,
        max_age_ns: int = 10**12,
        silent_for_s: int = 0,
        **changes: Any,
    ) -> None:
        """Publish a correction that is good for `max_age_ns`."""
        clocks = self._host.pair()
        clocks = clocks._replace(
            raw_ns=clocks.raw_ns - silent_for_s * 10**9,
            realtime_ns=clocks.realtime_ns - silent_for_s * 10**9,
        )
        correction = Correction(
            raw_ns=clocks.raw_ns,
            utc_ns=clocks.realtime_ns + ahead_ns,
            rate_ppb=0.0,
            bound_ns=1_000_000,
            bound_growth_ppb=15_000,
            variance=Variance(1e8),
            status=Status.SYNCHRONIZED,
            reasons=Reason.NONE,
            source=Source.CPU_MODEL,
            confidence=1 / 3,
            last_sync_raw_ns=clocks.raw_ns - 2_000_000_000,
            measurement_count=12,
            delay_ns=3_100_000,
        )
        correction = replace(correction, **changes)
        self.writer.publish(
            Frame(
                correction=correction,
                clocks=clocks,
                void_after_raw_ns=clocks.raw_ns + max_age_ns,
                # Nobody beats here.
                heartbeat_ns=10**7 if silent_for_s else 100 * 10**9,
                correction_count=7,
                started_raw_ns=clocks.raw_ns - 3_723 * 10**9,
            )
        )
        self.report(correction)

    def report(self, correction: Correction) -> None:
        """Write the daemon's report beside the segment."""
        StatusFile(
            f"{self.path}.status",
            self._host,
            start_id=f"{self.writer.start_id:016x}",
            heartbeat_hz=100.0,
            logger=logging.getLogger("test"),
        ).report(DaemonReport(correction=correction, sources=SOURCES, audit=AUDIT))


@pytest.fixture
def publication(tmp_path: Path) -> Iterator[Publication]:
    """A segment to which nothing has been published yet."""
    with ExitStack() as stack:
        yield Publication(tmp_path / "segment", stack)

"""Everything that can be found out about the daemon of a segment, in one record.

Decides nothing about the time: the clock does. Gathers also when there is no time, for
that is when people ask.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from chronotick.cli.latency import measure
from chronotick.cli.read import as_record
from chronotick.cli.sighting import sight
from chronotick.client.clock import Clock
from chronotick.client.status import read_status
from chronotick.client.view import silent_from_ns
from chronotick.core.errors import ClockDisrupted, ClockError, NotSynchronized
from chronotick.core.status import Status
from chronotick.core.units import NS_PER_S
from chronotick.daemon.clocks import HostClock
from chronotick.shm.reader import SegmentReader

if TYPE_CHECKING:
    from chronotick.cli.sighting import Sighting
    from chronotick.client.status import StatusReport
    from chronotick.shm.codec import Snapshot
    from chronotick.shm.reader import Header

__all__ = ["Overview", "overview"]

_LATENCY_READINGS = 1_000
_LEARNED = frozenset({Status.SYNCHRONIZED, Status.HOLDOVER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What a segment, its daemon's report and a few readings say."""

    path: str
    header: Header
    snapshot: Snapshot | None
    """None before the first publication."""
    seen: Sighting | None
    trouble: ClockError | None
    """Why there is no reading."""
    report: StatusReport | None
    """The daemon's own report; None where it is missing or another daemon's."""
    latency_ns: float | None
    """Median of a reading."""
    raw_ns: int
    """RAW at the look."""

    @property
    def report_age_s(self) -> float | None:
        """Age of the daemon's report; None where there is none."""
        if self.report is None:
            return None
        return self._seconds(self.report.age_ns(self.raw_ns))

    @property
    def state(self) -> str:
        """The status in a word, lower case."""
        return self.seen.now.status.name.lower() if self.seen else "unknown"

    @property
    def uptime_s(self) -> float:
        """Seconds since the daemon's start, until its last publication."""
        if self.snapshot is None:
            return 0.0
        return self._seconds(self.snapshot.as_of_raw_ns - self.header.started_raw_ns)

    @property
    def heard_s(self) -> float | None:
        """Seconds since the last publication."""
        if self.snapshot is None:
            return None
        return self._seconds(self.raw_ns - self.snapshot.as_of_raw_ns)

    @property
    def is_silent(self) -> bool:
        """Whether the daemon has missed its heartbeat, as readers judge it."""
        if self.snapshot is None or isinstance(self.trouble, ClockDisrupted):
            return False  # Nothing to be heard, or RAW doesn't tell for how long.
        return self.raw_ns >= silent_from_ns(self.snapshot)

    @property
    def synced_s(self) -> float | None:
        """Seconds since the newest measurement that was used."""
        if self.snapshot is None or self.snapshot.last_sync_raw_ns is None:
            return None
        return self._seconds(self.raw_ns - self.snapshot.last_sync_raw_ns)

    @property
    def is_warmup_complete(self) -> bool:
        """Whether the oscillator's rate has been learned."""
        return self.snapshot is not None and self.snapshot.status in _LEARNED

    def as_record(self) -> dict[str, object]:
        """Return it as it is printed in JSON."""
        snapshot, report = self.snapshot, self.report
        return {
            "segment": self.path,
            "state": self.state,
            "error": str(self.trouble) if self.trouble else None,
            "reading": as_record(self.seen.now) if self.seen else None,
            "system_offset_ns": self.seen.system_offset_ns if self.seen else None,
            "pid": self.header.writer_pid,
            "uptime_s": self.uptime_s,
            "heard_s": self.heard_s,
            "is_warmup_complete": self.is_warmup_complete,
            "measurement_count": snapshot.measurement_count if snapshot else 0,
            "total_corrections": snapshot.correction_count if snapshot else 0,
            "last_sync_age_s": self.synced_s,
            "rss_bytes": report.rss_bytes if report else None,
            "cpu_affinity": list(report.cpu_affinity) if report else None,
            "heartbeat_hz": report.heartbeat_hz if report else None,
            "read_latency_ns": self.latency_ns,
            "audit": asdict(report.audit) if report else None,
            "report_age_s": self.report_age_s,
            "sources": [asdict(source) for source in report.sources] if report else [],
        }

    @staticmethod
    def _seconds(duration_ns: int) -> float:
        return duration_ns / NS_PER_S


def overview(path: str | None) -> Overview:
    """Look at the segment at `path`, its daemon's report, and the time.

    Raises:
        NoDaemon: there is no segment.
        ClockDisrupted: the segment is of another boot.
        SegmentError: it cannot be read.
    """
    reader = SegmentReader(path)
    try:
        snapshot = reader.read()
    except NotSynchronized:
        snapshot = None
    host, seen, trouble, latency_ns = HostClock(), None, None, None
    with Clock(path) as clock:
        try:
            seen = sight(clock, host)
            latency_ns = measure(clock.interval, _LATENCY_READINGS).median_ns
        except ClockError as error:
            trouble = error
    header, report = reader.header, read_status(path)
    if report is not None and report.start_id != header.start_id:
        report = None
    return Overview(
        path=reader.path,
        header=header,
        snapshot=snapshot,
        seen=seen,
        trouble=trouble,
        report=report,
        latency_ns=latency_ns,
        raw_ns=host.raw_ns(),
    )

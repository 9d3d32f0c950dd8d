"""The daemon's report for people and tools: a JSON file beside the segment.

The segment has room for one time, not for a table of servers. Readers
(`chronotick status`, `ChronoTickClient.get_daemon_info`) find the file at the
segment's path with ``.status`` appended; nothing that a timestamp depends on is in it.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from chronotick.core.report import REPORT_SCHEMA

if TYPE_CHECKING:
    import logging

    from chronotick.core.ports import MeasuredClock
    from chronotick.core.records import DaemonReport

__all__ = ["StatusFile"]

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class StatusFile:
    """Writes the report; a full disk costs the report, never a publication.

    Args:
        path: The file; replaced as a whole, so readers never see half a report.
        measured: The host's clocks.
        start_id: Identifies this run of the daemon, as in the segment's header.
        heartbeat_hz: Publications per second.
        logger: Told once when the file can't be written, and once when it can again.
    """

    def __init__(
        self,
        path: str,
        measured: MeasuredClock,
        *,
        start_id: str,
        heartbeat_hz: float,
        logger: logging.Logger,
    ) -> None:
        self._path = Path(path)
        self._measured = measured
        self._start_id = start_id
        self._heartbeat_hz = heartbeat_hz
        self._logger = logger
        self._started_realtime_ns = measured.pair().realtime_ns
        self._failing = False

    def report(self, report: DaemonReport) -> None:
        """Replace the file's content."""
        try:
            self._replace(msgspec.json.encode(self._document(report)))
        except OSError as error:
            if not self._failing:
                self._logger.warning(
                    'event=status_unwritable path=%s why="%s"',
                    self._path,
                    error.strerror,
                )
            self._failing = True
        else:
            if self._failing:
                self._logger.info("event=status_writable path=%s", self._path)
            self._failing = False

    def _document(self, report: DaemonReport) -> dict[str, object]:
        correction, now = report.correction, self._measured.pair()
        return {
            "schema": REPORT_SCHEMA,
            "pid": os.getpid(),
            "start_id": self._start_id,
            "written_raw_ns": now.raw_ns,
            "written_realtime_ns": now.realtime_ns,
            "started_realtime_ns": self._started_realtime_ns,
            "state": correction.status.name,
            "reasons": [flag.name for flag in correction.reasons],
            "measurements": correction.measurement_count,
            "rss_bytes": _rss_bytes(),
            "cpu_affinity": sorted(os.sched_getaffinity(0)),
            "heartbeat_hz": self._heartbeat_hz,
            "audit": asdict(report.audit),
            "sources": [asdict(source) for source in report.sources],
        }

    def _replace(self, content: bytes) -> None:
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        # O_EXCL and O_NOFOLLOW: the directory may be world-writable, and a link laid
        # there must not lead this write elsewhere.
        fresh.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.fdopen(os.open(fresh, flags, 0o644), "wb")
        try:
            with file:
                os.fchmod(file.fileno(), 0o644)
                file.write(content)
            fresh.replace(self._path)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise


def _rss_bytes() -> int | None:
    """Return the resident memory of this process; None where /proc is not mounted."""
    try:
        resident = Path("/proc/self/statm").read_bytes().split()[1]
    except OSError:
        return None
    return int(resident) * _PAGE_BYTES

"""The daemon's report for people and tools: a JSON file beside the segment.

Decides whether a file there is this daemon's report. No time is computed from it; the
segment alone says what the time is worth.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from chronotick.core.records import Audit, SourceReport
from chronotick.core.report import REPORT_SCHEMA, REPORT_SUFFIX
from chronotick.shm.segment import segment_path

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["StatusReport", "read_status"]

_LARGEST = 1 << 20


class StatusReport(NamedTuple):
    """One report, as the daemon last wrote it."""

    pid: int
    start_id: int
    """The header's `start_id` if the report is of the daemon that published last."""
    written_raw_ns: int
    """RAW when it was written, of the boot that the segment is of."""
    written_realtime_ns: int
    state: str
    started_realtime_ns: int
    rss_bytes: int | None
    cpu_affinity: tuple[int, ...]
    heartbeat_hz: float
    sources: tuple[SourceReport, ...]
    audit: Audit
    """How published claims did; zeros from a daemon that does not say."""

    def age_ns(self, raw_ns: int) -> int:
        """Return how old it is at `raw_ns`; beyond `REPORT_STALE_NS` it tells the past."""
        return max(raw_ns - self.written_raw_ns, 0)


def read_status(path: str | os.PathLike[str] | None = None) -> StatusReport | None:
    """Return the report of the daemon at `path`, or None where there is none.

    None, too, for a file that is not such a report, or that belongs to somebody other
    than the segment does: in a world-writable directory anybody can put one there. A
    report outlives its daemon: compare `start_id` with the header's, and see `StatusReport.age_ns`.
    """
    segment = segment_path(path)
    try:
        owner = os.stat(segment).st_uid
        with open(segment + REPORT_SUFFIX, "rb") as file:
            if os.fstat(file.fileno()).st_uid != owner:
                return None
            return _report(json.loads(file.read(_LARGEST)))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _report(document: Mapping[str, Any]) -> StatusReport | None:
    if document["schema"] != REPORT_SCHEMA:
        return None
    return StatusReport(
        pid=int(document["pid"]),
        start_id=int(document["start_id"], 16),
        written_raw_ns=int(document["written_raw_ns"]),
        written_realtime_ns=int(document["written_realtime_ns"]),
        state=str(document["state"]),
        started_realtime_ns=int(document["started_realtime_ns"]),
        rss_bytes=None if document["rss_bytes"] is None else int(document["rss_bytes"]),
        cpu_affinity=tuple(int(cpu) for cpu in document["cpu_affinity"]),
        heartbeat_hz=float(document["heartbeat_hz"]),
        sources=tuple(_source(source) for source in document["sources"]),
        audit=_audit(document.get("audit", {})),
    )


_AUDIT_FIELDS = frozenset(Audit.__dataclass_fields__)
_SOURCE_FIELDS = frozenset(SourceReport.__dataclass_fields__)


def _source(row: Mapping[str, Any]) -> SourceReport:
    """Build a row; a newer daemon may say more than this reader knows."""
    return SourceReport(**{k: v for k, v in row.items() if k in _SOURCE_FIELDS})


def _audit(counts: Mapping[str, Any]) -> Audit:
    return Audit(**{k: int(v) for k, v in counts.items() if k in _AUDIT_FIELDS})

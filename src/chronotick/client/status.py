"""The daemon's report for people and tools: a JSON file beside the segment.

Decides whether a file there is this daemon's report. No time is computed from it; the
segment alone says what the time is worth.
"""

from __future__ import annotations

import json
import os
import stat
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from chronotick.core.records import Audit, SourceReport
from chronotick.core.report import REPORT_SCHEMA, REPORT_SUFFIX
from chronotick.core.status import Leap
from chronotick.shm.segment import segment_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["StatusReport", "read_status"]

_LARGEST = 1 << 20
_WORD_BITS = 63
# What reading something else than a report can raise: other JSON, or nested too deeply.
_MALFORMED = (
    ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError,
)  # fmt: skip


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
        content = _content(segment + REPORT_SUFFIX, owner=os.stat(segment).st_uid)
        return None if content is None else _report(json.loads(content))
    except (OSError, *_MALFORMED):
        return None


def _content(path: str, *, owner: int) -> bytes | None:
    """Return what `owner` has written there; None if it is not theirs, or no file.

    Whatever else others have put there, a link or a FIFO, is neither followed nor waited
    for.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        if status.st_uid != owner or not stat.S_ISREG(status.st_mode):
            return None
        return file.read(_LARGEST)


def _report(document: Mapping[str, Any]) -> StatusReport | None:
    if document["schema"] != REPORT_SCHEMA:
        return None
    return StatusReport(
        pid=_whole(document["pid"]),
        start_id=int(document["start_id"], 16),
        written_raw_ns=_whole(document["written_raw_ns"]),
        written_realtime_ns=_whole(document["written_realtime_ns"]),
        state=str(document["state"]),
        started_realtime_ns=_whole(document["started_realtime_ns"]),
        rss_bytes=_or_none(_whole)(document["rss_bytes"]),
        cpu_affinity=tuple(_whole(cpu) for cpu in document["cpu_affinity"]),
        heartbeat_hz=_finite(document["heartbeat_hz"]),
        sources=tuple(_source(source) for source in document["sources"]),
        audit=_audit(document.get("audit", {})),
    )


def _whole(value: Any) -> int:  # noqa: ANN401 - whatever JSON has
    number = int(value)
    if number.bit_length() > _WORD_BITS:
        raise ValueError("no such number is written by a daemon")
    return number


def _finite(value: Any) -> float:  # noqa: ANN401
    number = float(value)
    if not isfinite(number):
        raise ValueError("not a number")
    return number


def _counts(value: Mapping[str, Any]) -> Mapping[str, int]:
    return {str(reason): _whole(count) for reason, count in value.items()}


def _or_none(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


_AUDIT_FIELDS = frozenset(Audit.__dataclass_fields__)
_SOURCE_FIELDS: dict[str, Callable[[Any], Any]] = {
    "server": str,
    "endpoint": _or_none(str),
    "verdict": str,
    "detail": str,
    "reach": _whole,
    "stratum": _or_none(_whole),
    "offset_ns": _or_none(_whole),
    "delay_ns": _or_none(_whole),
    "bound_ns": _or_none(_whole),
    "poll_s": _or_none(_finite),
    "samples": _whole,
    "rejected": _counts,
    "leap": Leap,
}


def _source(row: Mapping[str, Any]) -> SourceReport:
    """Build a row; a newer daemon may say more than this reader knows."""
    said = {k: _SOURCE_FIELDS[k](v) for k, v in row.items() if k in _SOURCE_FIELDS}
    return SourceReport(**said)


def _audit(counts: Mapping[str, Any]) -> Audit:
    return Audit(**{k: _whole(v) for k, v in counts.items() if k in _AUDIT_FIELDS})

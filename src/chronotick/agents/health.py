"""Tell how the daemon and its servers are doing; there is an answer in every state.

Decides what counts as a problem. A server that is not believed is one even while the
time is good: the next one to fail may be the majority.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chronotick.agents.availability import advice, state_of, trouble_of
from chronotick.agents.results import DaemonStatus, Server
from chronotick.agents.telling import half_width_s
from chronotick.agents.wording import duration
from chronotick.core.errors import ChronotickError
from chronotick.core.status import Status
from chronotick.core.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chronotick.agents.requests import GetDaemonStatus
    from chronotick.agents.service import TimeService
    from chronotick.agents.timepiece import Inspection
    from chronotick.core.records import SourceReport

__all__ = ["get_daemon_status", "servers"]

_MIB = 1 << 20
_UNKNOWN_FACTS = (
    "uptime_s", "measurement_count", "correction_count", "last_sync_age_s",
    "heartbeat_age_s", "write_rate_hz", "pid", "memory_mb", "cpu_affinity",
)  # fmt: skip


def get_daemon_status(service: TimeService, request: GetDaemonStatus) -> DaemonStatus:
    """Return how the daemon and its servers are doing; there is an answer always."""
    timepiece = service.timepiece
    now, problems, hints = None, [], []
    try:
        now = timepiece.interval()
        state, doubt = state_of(now.status), advice(now, timepiece.path)
        if doubt is not None:
            problems, hints = [doubt[0]], [doubt[1]]
    except ChronotickError as error:
        trouble = trouble_of(error, timepiece.path)
        state, problems, hints = trouble.state, [trouble.cause], [trouble.mend]
    try:
        found: Inspection | None = timepiece.inspect()
    except ChronotickError:
        found = None  # The clock has just said the same.
    rows: Sequence[SourceReport] = (
        () if found is None or found.report is None else found.report.sources
    )
    problems += _complaints(rows)
    bound = f" ± {duration(now.width_ns / 2)}" if now else ""
    selected = sum(row.verdict == "selected" for row in rows)
    told = f"; {selected} of {len(rows)} servers agree" if rows else ""
    return DaemonStatus(
        summary=f"The time is {state}{bound}{told}."
        + "".join(f" {problem[:1].upper()}{problem[1:]}." for problem in problems),
        status=state.value,
        mend=hints[0] if hints else None,
        segment=timepiece.path,
        uncertainty_s=half_width_s(now) if now else None,
        **_facts(found),
        servers=servers(rows, verbose=request.verbose),
        problems=problems,
        hints=hints,
    )


def servers(rows: Sequence[SourceReport], *, verbose: bool) -> list[Server]:
    """Return the table of servers."""
    table = []
    for row in rows:
        server = Server(
            server=row.server,
            address=row.endpoint,
            verdict=row.verdict,
            reach=f"{row.reach:o}",
            stratum=row.stratum,
            offset_s=_seconds(row.offset_ns),
            detail=row.detail,
        )
        if verbose:
            server = Server(
                **{name: getattr(server, name) for name in server.__struct_fields__}
                | {
                    "delay_s": _seconds(row.delay_ns),
                    "bound_s": _seconds(row.bound_ns),
                    "poll_s": row.poll_s,
                    "samples": row.samples,
                    "rejected": dict(row.rejected),
                }
            )
        table.append(server)
    return table


def _complaints(rows: Sequence[SourceReport]) -> list[str]:
    told = []
    for row in rows:
        if row.verdict not in ("selected", "pending"):
            detail = f": {row.detail}" if row.detail else ""
            told.append(f"server {row.server} is {row.verdict}{detail}")
    return told


def _facts(found: Inspection | None) -> dict[str, Any]:
    snapshot = found.snapshot if found else None
    report = found.report if found else None
    known: dict[str, Any] = dict.fromkeys(_UNKNOWN_FACTS)
    known["warmup_complete"] = snapshot is not None and snapshot.status in (
        Status.SYNCHRONIZED,
        Status.HOLDOVER,
    )
    if found is not None:
        known["pid"] = found.header.writer_pid
    if found is not None and snapshot is not None:
        started_ns, synced_ns = found.header.started_raw_ns, snapshot.last_sync_raw_ns
        known |= {
            "uptime_s": _seconds(snapshot.as_of_raw_ns - started_ns),
            "measurement_count": snapshot.measurement_count,
            "correction_count": snapshot.correction_count,
            "last_sync_age_s": (
                None if synced_ns is None else _seconds(found.raw_ns - synced_ns)
            ),
            "heartbeat_age_s": _seconds(found.raw_ns - snapshot.as_of_raw_ns),
        }
    if report is not None:
        known |= {
            "write_rate_hz": report.heartbeat_hz,
            "memory_mb": _megabytes(report.rss_bytes),
            "cpu_affinity": list(report.cpu_affinity),
        }
    return known


def _seconds(duration_ns: int | None) -> float | None:
    return None if duration_ns is None else duration_ns / NS_PER_S


def _megabytes(size_bytes: int | None) -> float | None:
    return None if size_bytes is None else round(size_bytes / _MIB, 1)

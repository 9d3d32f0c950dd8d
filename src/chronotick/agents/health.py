"""Tell how the daemon and its servers are doing; there is an answer in every state.

Decides what counts as a problem, and what is still true of a daemon that is silent. A
server that is not believed is a problem even while the time is good: the next one to
fail may be the majority.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

from chronotick.agents.availability import State, advice, state_of, trouble_of
from chronotick.agents.results import DaemonStatus, Server
from chronotick.agents.telling import half_width_s
from chronotick.agents.wording import duration
from chronotick.client.view import silent_from_ns
from chronotick.core.errors import ChronotickError
from chronotick.core.report import REPORT_STALE_NS
from chronotick.core.status import Reason, Status
from chronotick.core.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chronotick.agents.requests import GetDaemonStatus
    from chronotick.agents.service import TimeService
    from chronotick.agents.timepiece import Inspection
    from chronotick.core.reading import Interval
    from chronotick.core.records import SourceReport

__all__ = ["Look", "get_daemon_status", "look", "servers"]

_MIB = 1 << 20
_UNKNOWN_FACTS = (
    "uptime_s", "measurement_count", "correction_count", "last_sync_age_s",
    "heartbeat_age_s", "write_rate_hz", "pid", "memory_mb", "cpu_affinity",
)  # fmt: skip
_OF_A_LIVING_DAEMON = ("uptime_s", "write_rate_hz", "pid", "memory_mb", "cpu_affinity")


class Look(NamedTuple):
    """The time and its daemon at one look."""

    state: State
    now: Interval | None
    doubt: tuple[str, str] | None
    """What is wrong with the time, and the command to run; None if nothing is."""
    found: Inspection | None
    """None where there is no segment that can be read."""

    @property
    def rows(self) -> Sequence[SourceReport]:
        """The servers, as the daemon reported them last."""
        found = self.found
        return () if found is None or found.report is None else found.report.sources

    @property
    def reasons(self) -> Reason:
        """Why the time is in doubt; nothing where it is not."""
        if self.now is not None:
            return Reason.NONE if self.doubt is None else self.now.reasons
        snapshot = self.found.snapshot if self.found else None
        return snapshot.reasons if snapshot else Reason.NONE

    @property
    def is_silent(self) -> bool:
        """Whether nothing has been heard of the daemon lately, as far as is known.

        Before its first publication there was nothing to be heard.
        """
        if self.now is not None:
            return Reason.WRITER_SILENT in self.now.reasons
        if self.found is None or self.found.snapshot is None:
            return False
        if self.state is State.DISRUPTED:
            return True
        return self.found.raw_ns >= silent_from_ns(self.found.snapshot)

    @property
    def report_age_ns(self) -> int | None:
        """Age of the daemon's report; None where there is none, or RAW stood still."""
        found = self.found
        if found is None or found.report is None or self.state is State.DISRUPTED:
            return None
        return found.report.age_ns(found.raw_ns)

    @property
    def is_of_the_past(self) -> bool:
        """Whether the daemon's report tells of what was: of servers, above all."""
        age_ns = self.report_age_ns
        return self.is_silent or (age_ns is not None and age_ns > REPORT_STALE_NS)

    @property
    def quiet_ns(self) -> int | None:
        """Time since the last publication; None where RAW did not run through."""
        if self.found is None or self.found.snapshot is None:
            return None
        if self.state is State.DISRUPTED:
            return None
        return self.found.raw_ns - self.found.snapshot.as_of_raw_ns


def look(service: TimeService) -> Look:
    """Look at the time and its daemon; there is something to see in every state."""
    timepiece, now = service.timepiece, None
    doubt: tuple[str, str] | None
    try:
        now = timepiece.interval()
        state, doubt = state_of(now.status), advice(now, timepiece.path)
    except ChronotickError as error:
        trouble = trouble_of(error, timepiece.path)
        state, doubt = trouble.state, (trouble.cause, trouble.mend)
    try:
        found: Inspection | None = timepiece.inspect()
    except ChronotickError:
        found = None  # The clock has just said the same.
    return Look(state, now, doubt, found)


def get_daemon_status(service: TimeService, request: GetDaemonStatus) -> DaemonStatus:
    """Return how the daemon and its servers are doing; there is an answer always."""
    seen = look(service)
    now, rows = seen.now, seen.rows
    told = [] if seen.doubt is None else [seen.doubt]
    told += _complaints(seen)
    problems = [problem for problem, _ in told]
    bound = f" ± {duration(now.width_ns / 2)}" if now else ""
    agreed = ""
    if rows and not seen.is_of_the_past:
        selected = sum(row.verdict == "selected" for row in rows)
        agreed = f"; {selected} of {len(rows)} servers agree"
    return DaemonStatus(
        summary=f"The time is {seen.state}{bound}{agreed}."
        + "".join(f" {problem[:1].upper()}{problem[1:]}." for problem in problems),
        status=seen.state.value,
        # What mends a server does not improve a time that is not in doubt.
        mend=None if seen.doubt is None else seen.doubt[1],
        segment=service.timepiece.path,
        uncertainty_s=half_width_s(now) if now else None,
        **_facts(seen),
        servers=servers(rows, verbose=request.verbose),
        problems=problems,
        hints=[command for _, command in told if command],
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


def _complaints(seen: Look) -> list[tuple[str, str]]:
    """Return each problem with the servers, and the command that looks into it."""
    if seen.is_of_the_past:
        # Whoever was not believed then may be now; the daemon's silence is told.
        return [(_as_of_report(seen), "")] if seen.rows else []
    told = []
    for row in seen.rows:
        if row.verdict not in ("selected", "pending"):
            detail = f": {row.detail}" if row.detail else ""
            command = f"chronotick doctor --server {shlex.quote(row.server)}"
            told.append((f"server {row.server} is {row.verdict}{detail}", command))
    return told


def _as_of_report(seen: Look) -> str:
    told = "the servers are told as of the daemon's last report"
    age_ns = seen.report_age_ns
    told = told if age_ns is None else f"{told}, {duration(age_ns)} ago"
    if not seen.is_silent:
        told += " (it cannot write one: see its log)"
    return told


def _facts(seen: Look) -> dict[str, Any]:
    found, quiet_ns = seen.found, seen.quiet_ns
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
        as_of_ns, synced_ns = snapshot.as_of_raw_ns, snapshot.last_sync_raw_ns
        known |= {
            "uptime_s": _seconds(as_of_ns - found.header.started_raw_ns),
            "measurement_count": snapshot.measurement_count,
            "correction_count": snapshot.correction_count,
            "heartbeat_age_s": _seconds(quiet_ns),
        }
        if synced_ns is not None and quiet_ns is not None:
            known["last_sync_age_s"] = _seconds(found.raw_ns - synced_ns)
    if report is not None:
        known |= {
            "write_rate_hz": report.heartbeat_hz,
            "memory_mb": _megabytes(report.rss_bytes),
            "cpu_affinity": list(report.cpu_affinity),
        }
    return known | dict.fromkeys(_OF_A_LIVING_DAEMON if seen.is_silent else ())


def _seconds(duration_ns: int | None) -> float | None:
    return None if duration_ns is None else duration_ns / NS_PER_S


def _megabytes(size_bytes: int | None) -> float | None:
    return None if size_bytes is None else round(size_bytes / _MIB, 1)

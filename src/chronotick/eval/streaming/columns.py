"""The columns of the recorded events: names, types, units, meanings; nothing is read here.

One table for workers and one for the coordinator. The original framework's columns come
first and in its order; ours follow. A value that was not available is empty, never zero:
`ct_status` (or `ntp_status`) says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias
from urllib.parse import quote

from chronotick.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ACKNOWLEDGED_AFTER",
    "COORDINATOR_COLUMNS",
    "WORKER_COLUMNS",
    "Column",
    "Kind",
    "check_node_name",
    "coordinator_columns",
    "coordinator_file",
    "file_name",
    "worker_file",
]

Kind: TypeAlias = Literal["int", "float", "text"]


class Column(NamedTuple):
    """One column of a table of events."""

    name: str
    kind: Kind
    meaning: str


_OURS = (
    Column(
        "ct_status", "text", "Status of the ChronoTick reading, or why there is none"
    ),
    Column("ct_hard_lower_ns", "int", "Earliest instant by the hard bound, Unix ns"),
    Column("ct_hard_upper_ns", "int", "Latest instant by the hard bound, Unix ns"),
)
_CLOCKS = (
    Column(
        "ntp_offset_ms", "float", "Offset of the newest exchange, true − system, ms"
    ),
    Column("ntp_uncertainty_ms", "float", "Root distance of that exchange, ms"),
    Column("ntp_timestamp_ns", "int", "System time plus that offset, Unix ns"),
    Column("ct_offset_ms", "float", "ChronoTick's offset, true − system, ms"),
    Column(
        "ct_uncertainty_ms", "float", "Standard deviation that the model claims, ms"
    ),
    Column("ct_timestamp_ns", "int", "Middle of ChronoTick's interval, Unix ns"),
    Column(
        "ct_lower_bound_ns", "int", "Earliest instant, calibrated interval, Unix ns"
    ),
    Column("ct_upper_bound_ns", "int", "Latest instant, calibrated interval, Unix ns"),
)
_NOT_SENT = {"ntp_uncertainty_ms", "ct_uncertainty_ms"}

WORKER_COLUMNS: tuple[Column, ...] = (
    Column("event_id", "int", "Number of the event, the same on all nodes"),
    Column("node_id", "text", "Name of the worker"),
    Column("sequence_number", "int", "Number of the datagram to this worker"),
    Column("receive_time_ns", "int", "System time of the arrival (kernel), Unix ns"),
    Column("coordinator_send_time_ns", "int", "Coordinator's system time, Unix ns"),
    *_CLOCKS,
    Column("ct_uncertainty_30s_ms", "float", "The same standard deviation 30 s later"),
    Column("ct_uncertainty_60s_ms", "float", "The same standard deviation 60 s later"),
    Column("run_id", "text", "Which run it was, 32 hexadecimal digits"),
    *_OURS,
    Column("commit_wait_ns", "int", "From the stamp until now.earliest was past it"),
    Column("true_time_ns", "int", "True time of the arrival; simulated runs only"),
    Column("ntp_status", "text", "`ok`, or why there is no plain NTP reading"),
)
"""What a worker writes of each event."""

ACKNOWLEDGED_AFTER = "acknowledged_after_ns:"
"""Begins the names of columns of which there is one a worker; its name follows."""

COORDINATOR_COLUMNS: tuple[Column, ...] = (
    Column("event_id", "int", "Number of the event"),
    Column("sequence_number", "int", "Number of the event's datagrams"),
    Column("send_time_ns", "int", "System time just before the first send, Unix ns"),
    Column("send_time_iso", "text", "The same for people, UTC"),
    *(column for column in _CLOCKS if column.name not in _NOT_SENT),
    Column("pattern_delay_ms", "float", "Gap to the event before, ms"),
    Column("workers_sent", "int", "Workers that acknowledged it"),
    Column("workers_failed", "int", "Workers that did not in time"),
    Column("run_id", "text", "Which run it was, 32 hexadecimal digits"),
    *_OURS,
    Column("true_time_ns", "int", "True time of the send; simulated runs only"),
    Column("ntp_status", "text", "`ok`, or why there is no plain NTP reading"),
    Column(
        ACKNOWLEDGED_AFTER,
        "int",
        "With a worker's name after the colon, a column each: from `send_time_ns` to its "
        "acknowledgement, ns; null without one in time",
    ),
)
"""What the coordinator writes of each event. The hard bound is there because causality
is judged with the same clock at both ends."""


def coordinator_columns(workers: Iterable[str]) -> tuple[Column, ...]:
    """Return what the coordinator of these workers writes."""
    *shared, each = COORDINATOR_COLUMNS
    theirs = (each._replace(name=ACKNOWLEDGED_AFTER + name) for name in workers)
    return (*shared, *theirs)


_LONGEST_NAME = 100


def check_node_name(name: str) -> str:
    """Return `name`, if it can name a node in every file and report.

    Raises:
        ConfigError: it is empty, too long, or has characters that cannot be shown.
    """
    if not (name.isprintable() and 0 < len(name.encode()) <= _LONGEST_NAME):
        raise ConfigError(
            f"node name {name!r}: expected printable characters, 1 to {_LONGEST_NAME} "
            "octets of UTF-8"
        )
    return name


def file_name(name: str) -> str:
    """Return a node's name as part of a file name: no two names become the same."""
    return "".join(c if _is_safe(c) else quote(c, safe="") for c in name)


def _is_safe(character: str) -> bool:
    return character.isprintable() and character not in "/\\%"


def worker_file(node_id: str) -> str:
    """Return the name of a worker's file without its ending."""
    return f"worker_{file_name(node_id)}"


def coordinator_file() -> str:
    """Return the name of the coordinator's file without its ending."""
    return "coordinator"

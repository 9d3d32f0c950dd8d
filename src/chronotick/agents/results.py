"""What agents are answered: the fields of every result, with units.

Decides names and types; the output schemas are made from these classes. Every result
carries `summary`, one sentence that stands by itself, because many clients show a model
the structured fields only. Nanoseconds are decimal strings. What is not known is null,
never a number.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from chronotick.agents.requests import Stamp  # noqa: TC001 - read by msgspec

__all__ = [
    "CommitResult",
    "Conversion",
    "Converted",
    "DaemonStatus",
    "DeadlineResult",
    "ElapsedResult",
    "FutureUncertainty",
    "Moment",
    "OrderResult",
    "Pair",
    "Rendezvous",
    "Server",
    "StampResult",
    "TimeNow",
    "Unavailable",
    "WaitResult",
]

_Summary: TypeAlias = Annotated[str, Meta(description="The answer in one sentence.")]
_Status: TypeAlias = Annotated[
    Literal[
        "synchronized",
        "holdover",
        "warmup",
        "unsynchronized",
        "stale",
        "disrupted",
        "daemon_down",
        "segment_unusable",
    ],
    Meta(description="Only synchronized, holdover and warmup carry a time."),
]
_Mend: TypeAlias = Annotated[
    str | None,
    Meta(description="Command to run on this host if the status is to improve."),
]
_BoundKind: TypeAlias = Annotated[
    Literal["worst-case"],
    Meta(description="Holds while most time servers tell the truth."),
]
_UnixNs: TypeAlias = Annotated[str, Meta(description="Unix ns, decimal string.")]
_HalfWidth: TypeAlias = Annotated[
    float, Meta(description="The true time is within ± this, in s.")
]
_Rfc3339: TypeAlias = Annotated[str, Meta(description="RFC 3339.")]


class _Result(Struct, frozen=True, kw_only=True):
    """Base of all results."""

    summary: _Summary


class Unavailable(_Result, frozen=True, kw_only=True):
    """There is no trustworthy time; the shape of every tool's failure."""

    status: _Status
    cause: str
    mend: _Mend


class Moment(Struct, frozen=True, kw_only=True):
    """An instant with its bound."""

    utc: _Rfc3339
    unix_ns: _UnixNs
    earliest_unix_ns: _UnixNs
    latest_unix_ns: _UnixNs
    uncertainty_s: _HalfWidth


class _Sighting(_Result, frozen=True, kw_only=True):
    """Base of the results that tell the time now."""

    status: _Status
    mend: _Mend
    error_bound_kind: _BoundKind
    source_age_s: Annotated[
        float | None, Meta(description="Since the newest measurement, in s.")
    ]


class TimeNow(_Sighting, frozen=True, kw_only=True):
    """Result of get_time."""

    utc: _Rfc3339
    local: _Rfc3339 | None
    timezone: str
    weekday: str
    unix_ns: _UnixNs
    unix_s: float
    earliest_unix_ns: _UnixNs
    latest_unix_ns: _UnixNs
    uncertainty_s: _HalfWidth
    offset_s: Annotated[
        float, Meta(description="UTC − this host's system clock, in s.")
    ]
    drift_ppm: Annotated[
        float, Meta(description="UTC's rate against this host's oscillator, in ppm.")
    ]
    confidence: Annotated[
        float, Meta(description="Share of the servers that agree, 0..1.")
    ]
    source: str
    valid_until: Annotated[
        str, Meta(description="The correction expires then, unless renewed; RFC 3339.")
    ]
    system_clock_utc: Annotated[
        str, Meta(description="What this host's system clock says; RFC 3339.")
    ]


class FutureUncertainty(_Sighting, frozen=True, kw_only=True):
    """Result of get_time_with_future_uncertainty."""

    now: Moment
    future_utc: _Rfc3339
    future_unix_ns: _UnixNs
    future_uncertainty_s: Annotated[
        float | None,
        Meta(
            description="± in s if no measurement comes until then; null if the "
            "correction will have expired."
        ),
    ]
    uncertainty_increase_s: float | None
    valid_until: _Rfc3339
    model: Annotated[str, Meta(description="What made the correction.")]


class Server(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One time server, as the daemon sees it."""

    server: str
    address: str | None
    verdict: str
    reach: Annotated[str, Meta(description="Last eight polls, octal; 377 is all.")]
    stratum: int | None
    offset_s: Annotated[
        float | None, Meta(description="Server − published time, in s.")
    ]
    detail: str = ""
    delay_s: float | None = None
    bound_s: float | None = None
    poll_s: float | None = None
    samples: int | None = None
    rejected: dict[str, int] | None = None


class DaemonStatus(_Result, frozen=True, kw_only=True):
    """Result of get_daemon_status; there is one in every state."""

    status: _Status
    mend: _Mend
    segment: str
    uncertainty_s: float | None
    uptime_s: float | None
    warmup_complete: bool
    measurement_count: int | None
    correction_count: int | None
    last_sync_age_s: float | None
    heartbeat_age_s: float | None
    write_rate_hz: float | None
    pid: int | None
    memory_mb: float | None
    cpu_affinity: list[int] | None
    servers: list[Server]
    problems: list[str]
    hints: list[str]


class Pair(Struct, frozen=True, kw_only=True):
    """How two events compare."""

    a: str
    b: str
    relation: Literal["before", "after", "uncertain"]
    margin_s: Annotated[
        float,
        Meta(description="Gap between the intervals in s; negative: they overlap."),
    ]


class OrderResult(_Result, frozen=True, kw_only=True):
    """Result of order_timestamps."""

    order: Annotated[list[str], Meta(description="Most plausible order of the ids.")]
    total_order: Annotated[bool, Meta(description="Whether that order is certain.")]
    pairs: list[Pair]


class StampResult(_Sighting, frozen=True, kw_only=True):
    """Result of stamp_event."""

    stamp: Stamp
    utc: _Rfc3339
    earliest_unix_ns: _UnixNs
    latest_unix_ns: _UnixNs


class WaitResult(_Sighting, frozen=True, kw_only=True):
    """Result of wait_until."""

    reached: bool
    waited_s: float
    remaining_s: Annotated[float, Meta(description="0 where it is reached.")]
    target_unix_ns: _UnixNs
    now: Moment


class CommitResult(_Sighting, frozen=True, kw_only=True):
    """Result of commit_wait."""

    committed: bool
    waited_s: float
    remaining_s: float
    commit_unix_ns: Annotated[
        str | None, Meta(description="Earliest the time can be now, Unix ns.")
    ]


class DeadlineResult(_Sighting, frozen=True, kw_only=True):
    """Result of deadline."""

    state: Literal["ok", "tight", "missed", "uncertain"]
    remaining_s: Annotated[float, Meta(description="At least this much, in s.")]
    remaining_optimistic_s: Annotated[float, Meta(description="At most this much.")]
    percent_used: float | None
    latest_start_utc: Annotated[
        str | None,
        Meta(
            description="Start before this to be done in time, by this host's clock as "
            "far as its bound can have grown by then; RFC 3339."
        ),
    ]


class ElapsedResult(_Result, frozen=True, kw_only=True):
    """Result of elapsed."""

    status: Annotated[
        _Status | None, Meta(description="Of now; null where until was given.")
    ]
    mend: _Mend
    min_s: Annotated[float, Meta(description="At least this much, in s.")]
    max_s: Annotated[float, Meta(description="At most this much, in s.")]
    human: str
    days_rolled_over: Annotated[
        int, Meta(description="How often the date changed in `timezone`.")
    ]
    timezone: str


class Converted(Struct, frozen=True, kw_only=True):
    """The instant in one zone."""

    timezone: str
    local: _Rfc3339
    utc_offset: str
    weekday: str
    is_dst: Annotated[
        bool,
        Meta(
            description="Clocks are ahead of the zone's standard time. Never in "
            "Europe/Dublin, whose winter time is behind it by law."
        ),
    ]
    dst_note: str | None


class Conversion(_Result, frozen=True, kw_only=True):
    """Result of convert_time."""

    utc: _Rfc3339
    unix_ns: _UnixNs
    results: list[Converted]


class Rendezvous(_Sighting, frozen=True, kw_only=True):
    """Result of plan_rendezvous."""

    fire_at_utc: _Rfc3339
    fire_at_unix_ns: _UnixNs
    guard_s: Annotated[
        float,
        Meta(
            description="This long after fire_at, by its own clock, each participant "
            "can be sure that all have acted, if no bound is wider than given."
        ),
    ]
    all_fired_after_unix_ns: _UnixNs
    simultaneous_within_s: Annotated[
        float,
        Meta(
            description="Farthest apart that they act if none does while its bound is "
            "wider than given, in s."
        ),
    ]
    own_future_uncertainty_s: Annotated[
        float | None,
        Meta(
            description="± of this host at fire_at if no measurement comes until then; "
            "null if its correction will have expired."
        ),
    ]

"""What agents may ask: the arguments of every tool, with units and ranges.

Decides names, types, ranges and descriptions; the JSON Schemas that clients see are
made from these classes (`chronotick.agents.schema`). Unknown arguments are refused,
because an argument that is silently ignored looks as if it had been obeyed.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct, field

__all__ = [
    "CommitWait",
    "ConvertTime",
    "Deadline",
    "Elapsed",
    "Event",
    "GetDaemonStatus",
    "GetFutureUncertainty",
    "GetTime",
    "LONGEST_WAIT_S",
    "OrderTimestamps",
    "Participant",
    "PlanRendezvous",
    "Stamp",
    "StampEvent",
    "WaitUntil",
]

LONGEST_WAIT_S = 50.0
"""Several clients give a call up after 60 s."""

_DAY_S = 86_400.0
_YEAR_S = 366 * _DAY_S

_Text: TypeAlias = Annotated[str, Meta(max_length=64)]
_Zone: TypeAlias = Annotated[
    str,
    Meta(max_length=64, description="IANA time zone such as Europe/Berlin, or UTC."),
]
_Label: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=200, description="Returned unchanged.")
]
_Digits: TypeAlias = Annotated[
    str, Meta(max_length=24, pattern=r"^[0-9]+$", description="Unix nanoseconds.")
]
_HalfWidth: TypeAlias = Annotated[
    float,
    Meta(
        ge=0,
        le=_DAY_S,
        description="How far the true instant can lie from the time given, in s.",
    ),
]


class Stamp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stamp from stamp_event, passed on unchanged."""

    hlc: Annotated[str, Meta(max_length=128)]
    unix_ns: _Digits
    uncertainty_s: _HalfWidth
    node: _Text
    boot_id: _Text
    seq: Annotated[int, Meta(ge=0, le=2**53)]
    label: _Label | None = None


_Instant: TypeAlias = Annotated[
    str,
    Meta(
        max_length=64,
        description="RFC 3339 with offset (2026-11-21T14:00:00Z, …+01:00) or Unix "
        "nanoseconds as a decimal string.",
    ),
]
_InstantOrStamp: TypeAlias = Annotated[
    str | Stamp,
    Meta(
        description="RFC 3339 with offset, Unix nanoseconds as a decimal string, or a "
        "stamp from stamp_event."
    ),
]
_MaxWait: TypeAlias = Annotated[
    float,
    Meta(ge=0, le=LONGEST_WAIT_S, description="Longest time to block, in s."),
]


class _Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all requests."""


class GetTime(_Request, frozen=True, kw_only=True):
    """Arguments of get_time."""

    timezone: _Zone | None = None


class GetDaemonStatus(_Request, frozen=True, kw_only=True):
    """Arguments of get_daemon_status."""

    verbose: Annotated[
        bool, Meta(description="Add each server's delay, bound, poll and drops.")
    ] = False


class GetFutureUncertainty(_Request, frozen=True, kw_only=True):
    """Arguments of get_time_with_future_uncertainty."""

    future_seconds: Annotated[
        float, Meta(ge=0, le=_DAY_S, description="How far ahead to look, in s.")
    ]


class Event(_Request, frozen=True, kw_only=True):
    """One event to put in order."""

    id: Annotated[str, Meta(min_length=1, max_length=100)]
    time: _InstantOrStamp
    uncertainty_s: _HalfWidth | None = None


class OrderTimestamps(_Request, frozen=True, kw_only=True):
    """Arguments of order_timestamps."""

    events: Annotated[
        list[Event],
        Meta(
            min_length=2,
            max_length=24,
            description="Each with its uncertainty_s, unless its time is a stamp.",
        ),
    ]


class StampEvent(_Request, frozen=True, kw_only=True):
    """Arguments of stamp_event."""

    label: _Label | None = None
    previous: (
        Annotated[
            Stamp,
            Meta(description="The stamp of what caused this event, if there is one."),
        ]
        | None
    ) = None


class WaitUntil(_Request, frozen=True, kw_only=True):
    """Arguments of wait_until."""

    time: _InstantOrStamp | None = None
    in_seconds: (
        Annotated[float, Meta(ge=0, le=_YEAR_S, description="From now, in s.")] | None
    ) = None
    guarantee: Annotated[
        Literal["earliest", "midpoint", "latest"],
        Meta(
            description="earliest: return when the time has certainly come; midpoint: "
            "when it probably has; latest: when it may have."
        ),
    ] = "earliest"
    max_wait_s: _MaxWait = LONGEST_WAIT_S


class CommitWait(_Request, frozen=True, kw_only=True):
    """Arguments of commit_wait."""

    stamp: _InstantOrStamp
    max_wait_s: _MaxWait = LONGEST_WAIT_S


class Deadline(_Request, frozen=True, kw_only=True):
    """Arguments of deadline."""

    deadline: _Instant
    work_estimate_s: (
        Annotated[
            float,
            Meta(ge=0, le=_YEAR_S, description="How long the work still takes, in s."),
        ]
        | None
    ) = None
    started_at: _Instant | None = None


class Elapsed(_Request, frozen=True, kw_only=True):
    """Arguments of elapsed."""

    since: _InstantOrStamp
    until: _InstantOrStamp | None = None
    timezone: _Zone | None = None


class ConvertTime(_Request, frozen=True, kw_only=True):
    """Arguments of convert_time."""

    time: Annotated[
        str,
        Meta(
            max_length=64,
            description="RFC 3339 with offset, Unix nanoseconds as a decimal string, "
            "or, with from_timezone, a local time such as 2026-11-21T14:00:00.",
        ),
    ]
    from_timezone: _Zone | None = None
    to_timezones: Annotated[list[_Zone], Meta(min_length=1, max_length=16)] = field(
        default_factory=lambda: ["UTC"]
    )
    fold: (
        Annotated[
            Literal[0, 1],
            Meta(
                description="For a local time that occurs twice: 0 the first, 1 the "
                "second."
            ),
        ]
        | None
    ) = None


class Participant(_Request, frozen=True, kw_only=True):
    """One of those who want to act together."""

    node: Annotated[str, Meta(min_length=1, max_length=100)]
    uncertainty_s: Annotated[
        float,
        Meta(
            ge=0,
            le=_DAY_S,
            description="How far its clock can be wrong when it acts, in s: "
            "future_uncertainty_s of its own get_time_with_future_uncertainty; where "
            "that is null, the widest with which it may act.",
        ),
    ]


class PlanRendezvous(_Request, frozen=True, kw_only=True):
    """Arguments of plan_rendezvous."""

    participants: Annotated[
        list[Participant],
        Meta(
            min_length=2,
            max_length=64,
            description="Each with the uncertainty_s that it will have when it acts: "
            "future_uncertainty_s of its own get_time_with_future_uncertainty for that "
            "instant, because today's bound grows until then.",
        ),
    ]
    at: _Instant | None = None
    in_seconds: (
        Annotated[float, Meta(ge=0, le=_YEAR_S, description="From now, in s.")] | None
    ) = None

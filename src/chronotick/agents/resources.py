"""What can be read by address: ``chronotick://…``. Decides addresses and contents.

A resource has an answer in every state, and says which state it is: without a
trustworthy time `chronotick://time` is the same structured "no" that the tools give,
and what was measured before is told as the past.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from chronotick.agents.availability import State, state_of
from chronotick.agents.guidance import GUIDE
from chronotick.agents.health import get_daemon_status, look
from chronotick.agents.requests import GetDaemonStatus, GetTime
from chronotick.agents.telling import get_time
from chronotick.agents.tools import unavailable
from chronotick.agents.wording import RequestError, rfc3339
from chronotick.core.errors import ClockError, SegmentError
from chronotick.core.units import NS_PER_S, PPB, PPB_PER_PPM, SUSPEND_SLACK_NS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chronotick.agents.health import Look
    from chronotick.agents.service import TimeService
    from chronotick.shm.codec import PastCorrection

__all__ = [
    "HISTORY_TEMPLATE",
    "RESOURCES",
    "STATUS_URI",
    "Resource",
    "history",
    "read_resource",
]

STATUS_URI = "chronotick://status"
"""Clients can subscribe to this one."""
HISTORY_TEMPLATE = "chronotick://history/{seconds}"
_HISTORY = re.compile(r"chronotick://history/(\d{1,6})", re.ASCII)
_OF_SOURCES = ("summary", "status", "mend", "servers")
_FS_PER_PPB = 1_000_000
# In these the clock has just seen that RAW ran through since the newest publication.
_UNBROKEN = frozenset({State.SYNCHRONIZED, State.HOLDOVER, State.WARMUP, State.STALE})
_JSON, _MARKDOWN = "application/json", "text/markdown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One fixed address."""

    uri: str
    name: str
    title: str
    description: str
    mime_type: str = _JSON


RESOURCES: Mapping[str, Resource] = {
    resource.uri: resource
    for resource in (
        Resource(
            uri=STATUS_URI,
            name="status",
            title="State of the time service",
            description="As get_daemon_status. Subscribe to hear when it changes.",
        ),
        Resource(
            uri="chronotick://time",
            name="time",
            title="The time now",
            description="As get_time, in UTC.",
        ),
        Resource(
            uri="chronotick://sources",
            name="sources",
            title="The time servers",
            description="The state, and each server's verdict, reach, offset, delay "
            "and bound.",
        ),
        Resource(
            uri="chronotick://docs/using-time",
            name="using-time",
            title="Using time",
            description="How to use bounded time: order, commit-wait, rendezvous.",
            mime_type=_MARKDOWN,
        ),
    )
}
"""Every fixed resource by its address."""


def read_resource(service: TimeService, uri: str) -> tuple[str, str]:
    """Return the MIME type and the text at `uri`.

    Raises:
        RequestError: nothing has this address.
    """
    found = _HISTORY.fullmatch(uri)
    if found is not None:
        return _JSON, _told(service, lambda: history(service, int(found[1])))
    if uri not in RESOURCES:
        known = ", ".join((*RESOURCES, HISTORY_TEMPLATE))
        raise RequestError(f"there is no resource {uri[:200]!r}: there are {known}")
    if uri == "chronotick://docs/using-time":
        return _MARKDOWN, GUIDE
    verbose = GetDaemonStatus(verbose=True)
    if uri == "chronotick://time":
        return _JSON, _told(service, lambda: get_time(service, GetTime()))
    status = get_daemon_status(service, verbose)
    if uri == STATUS_URI:
        return _JSON, _json(status)
    return _JSON, _json({key: getattr(status, key) for key in _OF_SOURCES})


def history(service: TimeService, seconds: int) -> dict[str, Any]:
    """Return the corrections of the last `seconds` that are still remembered.

    Those whose age is not known are among them: the host slept after them, so that its
    oscillator, which stood still, tells no age.

    Raises:
        ClockError, SegmentError: there is no segment.
    """
    past, raw_ns = service.timepiece.history()
    seen = look(service)
    doubt, mend = seen.doubt or (None, None)
    suspend_ns = _suspend_ns(seen)
    since_ns = raw_ns - seconds * NS_PER_S
    entries = [
        _entry(entry, raw_ns, suspend_ns)
        for entry in past
        if entry.as_of_raw_ns >= since_ns
    ]
    ageless = sum(entry["age_s"] is None for entry in entries)
    return {
        "summary": f"The time is {seen.state}{f' ({doubt})' if doubt else ''}. "
        f"{len(entries)} corrections in the last {seconds} s"
        f"{f', {ageless} of unknown age' if ageless else ''}; the newest {len(past)} "
        "are remembered. Each is what was published then, not the time now.",
        "status": seen.state.value,
        "mend": mend,
        "corrections": entries,
    }


def _suspend_ns(seen: Look) -> int | None:
    """Return how long the host has slept since it started; None if not known."""
    snapshot = seen.found.snapshot if seen.found else None
    return snapshot.suspend_ns if snapshot and seen.state in _UNBROKEN else None


def _entry(past: PastCorrection, raw_ns: int, suspend_ns: int | None) -> dict[str, Any]:
    age_ns = past.as_of_raw_ns - past.raw_ns
    utc_ns = past.utc_ns + age_ns + int(age_ns * past.rate_fs_per_s / 1e15)
    half_ns = past.bound_ns + -(-abs(age_ns) * past.bound_growth_ppb // PPB)
    is_unbroken = (
        suspend_ns is not None and abs(suspend_ns - past.suspend_ns) <= SUSPEND_SLACK_NS
    )
    return {
        "age_s": (raw_ns - past.as_of_raw_ns) / NS_PER_S if is_unbroken else None,
        "utc": rfc3339(utc_ns),
        "unix_ns": str(utc_ns),
        "uncertainty_s": half_ns / NS_PER_S,
        "offset_s": (utc_ns - past.realtime_ns) / NS_PER_S,
        "drift_ppm": past.rate_fs_per_s / _FS_PER_PPB / PPB_PER_PPM,
        "status": state_of(past.status).value,
    }


def _told(service: TimeService, read: Any) -> str:  # noqa: ANN401 - any result
    try:
        return _json(read())
    except (ClockError, SegmentError) as error:
        return _json(unavailable(error, service.timepiece.path).structured)


def _json(value: object) -> str:
    return json.dumps(msgspec.to_builtins(value), allow_nan=False, ensure_ascii=False)

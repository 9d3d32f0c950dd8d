"""The tools: their names, what they are for, and how one is called.

Decides what an agent can call and how every outcome looks; what a tool computes is in
the modules it comes from. Knows no protocol: every shell (MCP, HTTP, hooks) is a thin
layer over `call`. All tools only read: none can cause an NTP query or change a byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import msgspec

from chronotick.agents import requests, results
from chronotick.agents.availability import trouble_of
from chronotick.agents.health import get_daemon_status
from chronotick.agents.ordering import order_timestamps, plan_rendezvous, stamp_event
from chronotick.agents.reckoning import convert_time, deadline, elapsed
from chronotick.agents.schema import Schema, input_schema, output_schema
from chronotick.agents.service import TimeService
from chronotick.agents.telling import get_time, get_time_with_future_uncertainty
from chronotick.agents.waiting import commit_wait, wait_until
from chronotick.agents.wording import RequestError
from chronotick.core.errors import ClockError, SegmentError

__all__ = [
    "TOOLS",
    "Outcome",
    "Tool",
    "call",
    "commit_wait",
    "convert_time",
    "deadline",
    "elapsed",
    "get_daemon_status",
    "get_time",
    "get_time_with_future_uncertainty",
    "order_timestamps",
    "plan_rendezvous",
    "stamp_event",
    "unavailable",
    "wait_until",
]

_new = tuple.__new__  # builds a NamedTuple in half the time that its class takes
# In what msgspec says of an object that is not the arguments, but within them.
_INNER = re.compile(r"^Object .* - at `\$(.+)`$")
_STEP = re.compile(r"\.(\w+)|\[\d+\]")
_Function: TypeAlias = Callable[[TimeService, Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool, for any protocol."""

    name: str
    title: str
    description: str
    """When to call it and what its answer is worth."""
    request: type[msgspec.Struct]
    result: type[msgspec.Struct]
    run: _Function
    """Takes the service and a request; returns a result, its fields as a dict, or an
    awaitable of a result."""
    is_idempotent: bool = False
    """Whether the same arguments get the same answer."""

    @property
    def input_schema(self) -> Schema:
        """JSON Schema of the arguments."""
        return input_schema(self.request)

    @property
    def output_schema(self) -> Schema:
        """JSON Schema of the structured result."""
        return output_schema(self.result)


class Outcome(NamedTuple):
    """How a call ended. A NamedTuple because each call builds one."""

    text: str
    """For a person or a model; the structured result's `summary` where there is one."""
    structured: dict[str, Any] | None
    """None where the request was refused."""
    is_error: bool = False
    """The request was refused, or there is no trustworthy time."""


TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            name="get_time",
            title="What time is it?",
            description=(
                "The time now, with a bound: the true UTC lies between "
                "earliest_unix_ns and latest_unix_ns. Call it whenever the date or time "
                "matters; never guess one. It describes the instant of the call: by the "
                "time you read it some ms to s have passed. For a precise order use "
                "stamp_event, to act at a time wait_until."
            ),
            request=requests.GetTime,
            result=results.TimeNow,
            run=get_time,
        ),
        Tool(
            name="get_daemon_status",
            title="How is the clock doing?",
            description=(
                "State of the time service on this host: whether the time can be "
                "trusted, each time server's verdict, problems, and the command that "
                "mends each. Call it when another tool has no trustworthy time, or a "
                "bound is wider than expected."
            ),
            request=requests.GetDaemonStatus,
            result=results.DaemonStatus,
            run=get_daemon_status,
        ),
        Tool(
            name="get_time_with_future_uncertainty",
            title="How sure will the time be later?",
            description=(
                "The time now, and how wide its bound will be in future_seconds if no "
                "measurement comes until then, for instance while the network is away. "
                "Null if the time will have expired."
            ),
            request=requests.GetFutureUncertainty,
            result=results.FutureUncertainty,
            run=get_time_with_future_uncertainty,
        ),
        Tool(
            name="order_timestamps",
            title="Which happened first?",
            description=(
                "Order of 2 to 24 events by their bounds, each pair before, after or "
                "uncertain. Give stamps from stamp_event, or times with their "
                "uncertainty_s. Don't claim an order that is uncertain."
            ),
            request=requests.OrderTimestamps,
            result=results.OrderResult,
            run=order_timestamps,
            is_idempotent=True,
        ),
        Tool(
            name="stamp_event",
            title="Stamp an event",
            description=(
                "A bounded stamp of now (hybrid logical clock) for logs, messages and "
                "audit trails. If the event was caused by a stamped one, pass that "
                "stamp as previous: then this one is greater, on any host. hlc sorts as "
                "text: causes before effects, and what a commit_wait was called for "
                "before what is stamped after it."
            ),
            request=requests.StampEvent,
            result=results.StampResult,
            run=stamp_event,
        ),
        Tool(
            name="wait_until",
            title="Wait for a time",
            description=(
                "Blocks until an instant has come, at most 50 s a call; if reached is "
                "false call again with time=target_unix_ns. guarantee=earliest returns when "
                "it has certainly come."
            ),
            request=requests.WaitUntil,
            result=results.WaitResult,
            run=wait_until,
        ),
        Tool(
            name="commit_wait",
            title="Wait until a stamp is in the past for everybody",
            description=(
                "Blocks until the true time is certainly past a stamp and its hlc; "
                "publish after it, and every stamp that anybody makes later has a "
                "greater hlc. Usually takes twice the bound."
            ),
            request=requests.CommitWait,
            result=results.CommitResult,
            run=commit_wait,
        ),
        Tool(
            name="deadline",
            title="How much time is left?",
            description=(
                "Time left until a deadline, and whether the work still fits: ok, "
                "tight (it doesn't fit for certain), missed, or uncertain (now is "
                "within the bound of the deadline)."
            ),
            request=requests.Deadline,
            result=results.DeadlineResult,
            run=deadline,
        ),
        Tool(
            name="elapsed",
            title="How long did it take?",
            description=(
                "Time between two instants, or from one to now, as a range that "
                "contains the truth if the instants are stamps or exact."
            ),
            request=requests.Elapsed,
            result=results.ElapsedResult,
            run=elapsed,
        ),
        Tool(
            name="convert_time",
            title="Convert between time zones",
            description=(
                "An instant in other IANA time zones. A local time needs "
                "from_timezone; one that clocks skip or show twice is refused with the "
                "choices. Works without a daemon."
            ),
            request=requests.ConvertTime,
            result=results.Conversion,
            run=convert_time,
            is_idempotent=True,
        ),
        Tool(
            name="plan_rendezvous",
            title="Act at the same time",
            description=(
                "When several participants should act, each by its own clock, and how "
                "far apart their actions can be. Bounds grow until then: give for each "
                "the future_uncertainty_s of its own get_time_with_future_uncertainty, "
                "and let it act only while its bound is no wider."
            ),
            request=requests.PlanRendezvous,
            result=results.Rendezvous,
            run=plan_rendezvous,
        ),
    )
}
"""Every tool by name, in the order in which clients list them."""


async def call(
    service: TimeService, name: str, arguments: Mapping[str, Any] | None = None
) -> Outcome:
    """Call a tool by name; every expected failure is an outcome, not an exception."""
    tool = TOOLS.get(name)
    if tool is None:
        known = ", ".join(TOOLS)
        return _refused(f"there is no tool {name[:80]!r}: there are {known}")
    try:
        request = msgspec.convert(dict(arguments) if arguments else {}, tool.request)
        result = tool.run(service, request)
        if type(result) is not dict:
            if not isinstance(result, msgspec.Struct):
                result = await result
            result = msgspec.to_builtins(result)
    except msgspec.ValidationError as error:
        return _refused(f"{name}: {error} ({_allowed(tool, str(error))})")
    except RequestError as error:
        return _refused(f"{name}: {error}")
    except (ClockError, SegmentError) as error:
        return unavailable(error, service.timepiece.path)
    return _new(Outcome, (result["summary"], result, False))


def unavailable(error: ClockError | SegmentError, path: str) -> Outcome:
    """Return the outcome of every call while there is no trustworthy time."""
    trouble = trouble_of(error, path)
    summary = (
        f"No trustworthy time ({trouble.state}): {trouble.cause}. "
        f"To mend it run `{trouble.mend}` on this host. Don't guess the time."
    )
    told = results.Unavailable(
        summary=summary,
        status=trouble.state.value,
        cause=trouble.cause,
        mend=trouble.mend,
    )
    return Outcome(text=summary, structured=msgspec.to_builtins(told), is_error=True)


def _allowed(tool: Tool, error: str) -> str:
    """Return what can be written instead of what msgspec's `error` complains of."""
    field = error.rpartition("`$.")[2].partition("`")[0]
    schema = tool.input_schema["properties"].get(field, {})
    kinds = schema.get("anyOf", [schema])
    choices = [choice for kind in kinds for choice in kind.get("enum", ())]
    if choices:
        return f"{field} is one of {', '.join(json.dumps(each) for each in choices)}"
    if error.startswith("Expected `str") and "got `int`" in error:
        return f"{field} is a string: put quotation marks around the digits"
    inner = _INNER.search(error)
    if inner is not None:
        return _fields_at(inner[1], tool.input_schema)
    names = ", ".join(tool.request.__struct_fields__) or "none"
    return f"arguments: {names}"


def _fields_at(path: str, schema: dict[str, Any]) -> str:
    """Return what the object at `path` in the arguments consists of."""
    for step in _STEP.finditer(path):
        name = step[1]
        schema = _with_parts(schema["properties"][name] if name else schema["items"])
    needed = schema["required"]
    others = [name for name in schema["properties"] if name not in needed]
    told = f"{path[1:]} needs {', '.join(needed)}"
    return f"{told}, and can have {', '.join(others)}" if others else told


def _with_parts(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the one of several kinds that has parts: an object or a list."""
    kinds = map(_with_parts, schema.get("anyOf", ()))
    return next(
        (kind for kind in kinds if {"properties", "items"} & kind.keys()), schema
    )


def _refused(why: str) -> Outcome:
    return Outcome(text=why, structured=None, is_error=True)

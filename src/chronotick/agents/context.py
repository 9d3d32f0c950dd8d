"""The time as one line for a model's context, for prompts and hooks.

Agents forget to ask what time it is, so they are told at each turn. Decides the
sentence, and that it says so where the time is not known.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chronotick.agents.availability import advice, state_of, trouble_of
from chronotick.agents.wording import duration
from chronotick.core.errors import ClockError, SegmentError
from chronotick.core.units import NS_PER_S

if TYPE_CHECKING:
    from datetime import tzinfo

    from chronotick.agents.service import TimeService
    from chronotick.core.reading import Interval

__all__ = ["claude_hook", "context_line", "context_record"]

HOOK_EVENT = "UserPromptSubmit"


def context_line(service: TimeService, zone: tzinfo | None = None) -> str:
    """Return one line that says what time it is, or that nobody here knows.

    Args:
        service: Where the time comes from.
        zone: For the local time; default the host's.
    """
    line: str = context_record(service, zone)["line"]
    return line


def context_record(service: TimeService, zone: tzinfo | None = None) -> dict[str, Any]:
    """Return the same with its fields: `line`, `status`, and the interval or nulls.

    All of one reading, so that the line and the fields agree.

    Args:
        service: Where the time comes from.
        zone: For the local time in the line; default the host's.
    """
    path = service.timepiece.path
    try:
        now = service.timepiece.interval()
    except (ClockError, SegmentError) as error:
        trouble = trouble_of(error, path)
        held = f"; {trouble.holder}" if trouble.holder else ""
        return {
            "line": f"Current time: unknown ({trouble.state}{held}). Don't guess a date or "
            f"time; to mend it run `{trouble.mend}`.",
            "status": trouble.state.value,
            "earliest_ns": None,
            "latest_ns": None,
            "mend": trouble.mend,
        }
    doubt = advice(now, path)
    return {
        "line": _line(now, doubt, zone),
        "status": state_of(now.status).value,
        "earliest_ns": str(now.earliest_ns),
        "latest_ns": str(now.latest_ns),
        "mend": None if doubt is None else doubt[1],
    }


def claude_hook(service: TimeService, event: str = HOOK_EVENT) -> dict[str, Any]:
    """Return the line as the output of a Claude Code hook.

    Args:
        service: Where the time comes from.
        event: The hook's event; its name must be told back.
    """
    return {
        "hookSpecificOutput": {
            "hookEventName": event,
            "additionalContext": context_line(service),
        }
    }


def _line(now: Interval, doubt: tuple[str, str] | None, zone: tzinfo | None) -> str:
    told = "" if doubt is None else f"; {doubt[0]}: run `{doubt[1]}`"
    return (
        f"Current time: {_spelled(now, zone)}, Unix {now.midpoint_ns // NS_PER_S}, "
        f"± {duration(now.width_ns / 2)}, {state_of(now.status)}{told} (ChronoTick)."
    )


def _spelled(now: Interval, zone: tzinfo | None) -> str:
    moment = datetime.fromtimestamp(now.midpoint_ns // NS_PER_S, UTC)
    local = moment.astimezone(zone)
    text = f"{moment:%A %Y-%m-%d %H:%M:%S} UTC"
    if local.utcoffset():
        text += f" (local {local:%A %Y-%m-%d %H:%M:%S%z})"
    return text

"""What an agent is told when the time is not as good as it should be, or not there.

Decides the one word for each state and the command that mends it. There is no state
"ok", and where no trustworthy time exists there is no number.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, NamedTuple

from chronotick.agents.holder import holder_of
from chronotick.client.explain import explain
from chronotick.core.commands import at_segment
from chronotick.core.errors import (
    ChronotickError,
    ClockDisrupted,
    NoDaemon,
    NotSynchronized,
    SegmentError,
    StaleCorrection,
    TornRead,
)
from chronotick.core.status import Reason, Status

if TYPE_CHECKING:
    from chronotick.core.reading import Interval

__all__ = ["State", "Trouble", "advice", "state_of", "trouble_of"]

_COMMAND = re.compile(r"`(chronotick [a-z]+)`")


class State(enum.StrEnum):
    """How far the time can be trusted. The first three carry a time."""

    SYNCHRONIZED = "synchronized"
    HOLDOVER = "holdover"
    """No fresh measurement: the bound still holds, and grows."""
    WARMUP = "warmup"
    """The bound holds; the oscillator's rate is still being learned."""
    UNSYNCHRONIZED = "unsynchronized"
    """A daemon runs, but has no trustworthy time."""
    STALE = "stale"
    """The last correction has expired."""
    DISRUPTED = "disrupted"
    """The host slept, rebooted or was moved since the correction was made."""
    DAEMON_DOWN = "daemon_down"
    """Nothing publishes at the segment."""
    SEGMENT_UNUSABLE = "segment_unusable"
    """What lies at the segment's path cannot be read as one."""


_BY_STATUS = {
    Status.SYNCHRONIZED: State.SYNCHRONIZED,
    Status.HOLDOVER: State.HOLDOVER,
    Status.WARMUP: State.WARMUP,
    Status.UNKNOWN: State.UNSYNCHRONIZED,
}
_BY_ERROR: tuple[tuple[type[ChronotickError], State], ...] = (
    (NoDaemon, State.DAEMON_DOWN),
    (NotSynchronized, State.UNSYNCHRONIZED),
    (TornRead, State.UNSYNCHRONIZED),
    (StaleCorrection, State.STALE),
    (ClockDisrupted, State.DISRUPTED),
    (SegmentError, State.SEGMENT_UNUSABLE),
)
_COMMANDS = {
    State.WARMUP: "chronotick status",
    State.UNSYNCHRONIZED: "chronotick status",
    State.STALE: "chronotick daemon",
    State.DISRUPTED: "chronotick daemon",
    State.DAEMON_DOWN: "chronotick daemon",
    State.SEGMENT_UNUSABLE: "chronotick doctor",
}


class Trouble(NamedTuple):
    """Why there is no trustworthy time."""

    state: State
    cause: str
    """One sentence."""
    mend: str
    """The command to run on this host."""
    holder: str | None = None
    """Who keeps another daemon from being started, where that is so: one clause."""


def state_of(status: Status) -> State:
    """Return the word for a published status."""
    return _BY_STATUS[status]


def trouble_of(error: ChronotickError, path: str) -> Trouble:
    """Tell what an error of the clock at `path` means and what mends it."""
    state = _state_without_time(error)
    command = _COMMANDS[state]
    # Some of the clock's own words name commands without the segment.
    cause = _COMMAND.sub(lambda found: f"`{at_segment(found[1], path)}`", str(error))
    # While a host wakes up, its daemon is not heard of, but hangs no more than others.
    is_silent = state in {State.STALE, State.DAEMON_DOWN}
    holder = holder_of(path) if is_silent else None
    if holder is not None:
        return Trouble(state, f"{cause}; {holder.what}", holder.mend, holder.what)
    return Trouble(state, cause, at_segment(command, path))


def _state_without_time(error: ChronotickError) -> State:
    if isinstance(error, NotSynchronized) and error.is_silent:
        return State.DAEMON_DOWN  # It never had a time, and is gone.
    kinds = (state for kind, state in _BY_ERROR if isinstance(error, kind))
    return next(kinds, State.UNSYNCHRONIZED)


def advice(now: Interval, path: str) -> tuple[str, str] | None:
    """Return what is not perfect about `now` and the command to run; None if nothing.

    A falseticker among an agreeing majority is no reason for doubt, so it is not told.
    """
    if now.status is Status.SYNCHRONIZED:
        return None
    if Reason.WRITER_SILENT in now.reasons:
        why = "the daemon is silent, so the bound grows until the time expires"
        holder = holder_of(path)
        if holder is not None:
            return f"{why}; {holder.what}", holder.mend
        return why, at_segment("chronotick daemon", path)
    if now.status is Status.HOLDOVER:
        why = f"no fresh measurement ({explain(now.reasons)}), so the bound grows"
        return why, at_segment("chronotick status", path)
    return (
        "the oscillator's rate is still being learned, so the bound is wide",
        at_segment(_COMMANDS[State.WARMUP], path),
    )

"""What is known about a daemon, and what its policy is.

It decides the words; `_attempt` and `_lifecycle` decide when which of them is true.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import anyio

    from chrono_daemon._types import OnError
    from chrono_daemon.daemon import Daemon

__all__ = [
    "DaemonFailurePhase",
    "DaemonHealth",
    "DaemonState",
    "Entry",
    "RestartPolicy",
]

DaemonState = Literal["starting", "running", "restarting", "stopped", "failed"]
"""Where a daemon is in its life."""

DaemonFailurePhase = Literal["on_start", "run", "on_stop"]
"""The hook in which a daemon failed."""


@dataclass
class RestartPolicy:
    """How long to wait before each restart, and how often to try. Not validated.

    The delays are base, base·factor, base·factor², …, none above `cap` but the first.
    """

    base: float = 0.1
    """Seconds before the first restart, on the supervisor's clock."""
    factor: float = 2.0
    """What each delay is multiplied with to give the next."""
    cap: float = 5.0
    """Seconds that a delay grows to at most."""
    max_retries: int | None = None
    """Restarts before the daemon fails for good; None for no limit."""
    reset_after: float | None = field(default=None, kw_only=True)
    """Seconds of running after which a failure counts as the first; None: never."""


@dataclass(frozen=True)
class DaemonHealth:
    """One daemon at one moment."""

    name: str
    state: DaemonState
    restart_count: int
    """Restarts so far, the one that was refused included."""
    last_error: BaseException | None
    """The latest failure; it survives a later clean finish."""
    last_error_phase: DaemonFailurePhase | None
    """The hook that the latest failure came from."""
    started_at: float | None
    """When the latest attempt's `on_start` returned, in seconds on the clock."""
    uptime: float | None
    """Seconds since `started_at`, while running; else None."""
    heartbeat_deadline: float | None = None
    """Seconds that the daemon may go without a heartbeat; None for no deadline."""
    last_heartbeat: float | None = None
    """When it last gave one, in seconds on the clock; None if never."""
    missed_heartbeats: int = 0
    """How often it let the deadline pass."""


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """A supervisor's own record of one daemon."""

    name: str
    daemon: Daemon
    on_error: OnError
    restart: RestartPolicy
    heartbeat_deadline: float | None
    start_timeout: float | None
    state: DaemonState = "starting"
    restart_count: int = 0
    last_error: BaseException | None = None
    last_error_phase: DaemonFailurePhase | None = None
    started_at: float | None = None
    last_heartbeat: float | None = None
    missed_heartbeats: int = 0
    live: bool = False
    """Whether a task of the supervisor runs it."""
    wish: Literal["restart", "remove"] | None = None
    """What was asked for this daemon alone; its scope is cancelled to bring it about."""
    scope: anyio.CancelScope | None = None
    """What to cancel: the present attempt, or the delay before the next."""
    settled: anyio.Event | None = None
    """Set once `on_start` has succeeded, or the daemon has finished for good."""

    def failed(self, error: BaseException, phase: DaemonFailurePhase) -> None:
        """Remember the latest failure."""
        self.last_error = error
        self.last_error_phase = phase

    def health(self, now: float | None) -> DaemonHealth:
        """Return the public view; `now` is needed only for a running daemon."""
        uptime = None
        if self.state == "running" and self.started_at is not None and now is not None:
            uptime = now - self.started_at
        return DaemonHealth(
            self.name,
            self.state,
            self.restart_count,
            self.last_error,
            self.last_error_phase,
            self.started_at,
            uptime,
            self.heartbeat_deadline,
            self.last_heartbeat,
            self.missed_heartbeats,
        )

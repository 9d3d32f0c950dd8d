"""Several simulated robots at once, each with a clock of its own.

The outer supervisor lives in real time; each session is one of its daemons, and opens
an inner supervisor on a `SimClock`. Sessions come and go; none sees another's time.

Run it: ``python examples/system_stack_multi_session.py``
"""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio
import anyio.lowlevel

from chrono_daemon import (
    Channel,
    Context,
    SimClock,
    Supervisor,
    WallClock,
    daemon,
    open_channel,
)
from chrono_daemon.recipes.state import Latest
from system_stack_mock import (
    OBS_RATE_HZ,
    Action,
    Chunk,
    Obs,
    Subgoal,
    actuator,
    s0_dispenser,
    s1_policy,
    s2_planner,
)

__all__ = ["Dispatcher", "SessionLog", "run_multi_session", "run_with_early_unregister"]


@dataclass
class SessionLog:
    """What one session's actuator did."""

    sid: str
    actions: list[Action] = field(default_factory=list)


@daemon
async def session(
    ctx: Context, log: SessionLog, duration_s: float, cancelled: anyio.Event
) -> None:
    """Run one stack for `duration_s` of its own time, or until cancelled."""
    clock = SimClock()
    observations: Latest[Obs] = Latest()
    subgoals: Latest[Subgoal] = Latest()
    chunks: Channel[Chunk] = open_channel(4)
    actions: Channel[Action] = open_channel(64)
    async with Supervisor(clock=clock, logger=ctx.supervisor.logger) as inner:
        inner.add(s2_planner(observations, subgoals), name=f"{log.sid}/s2")
        inner.add(s1_policy(observations, subgoals, chunks.send), name=f"{log.sid}/s1")
        inner.add(s0_dispenser(chunks.recv, actions.send), name=f"{log.sid}/s0")
        inner.add(actuator(actions.recv, log.actions), name=f"{log.sid}/actuator")
        for seq in range(max(1, round(duration_s * OBS_RATE_HZ))):
            if cancelled.is_set():
                break
            observations.set(Obs(clock.now(), seq))
            await anyio.lowlevel.checkpoint()
            await clock.advance(1 / OBS_RATE_HZ)
        await inner.stop(grace=0)


class Dispatcher:
    """Starts and ends sessions under one outer supervisor."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._logs: dict[str, SessionLog] = {}
        self._cancelled: dict[str, anyio.Event] = {}

    def register(self, sid: str, *, duration_s: float) -> None:
        """Start a session.

        Raises:
            ValueError: there is one of that name already.
        """
        if sid in self._logs:
            raise ValueError(f"session {sid!r} is registered already")
        log = self._logs[sid] = SessionLog(sid)
        cancelled = self._cancelled[sid] = anyio.Event()
        self._supervisor.add(session(log, duration_s, cancelled), name=sid)

    def unregister(self, sid: str) -> None:
        """Let a session end at its next step."""
        self._cancelled[sid].set()

    def log_for(self, sid: str) -> SessionLog:
        """Return what a session did so far."""
        return self._logs[sid]


async def run_multi_session(sessions: dict[str, float]) -> dict[str, SessionLog]:
    """Run sessions, each for its own virtual seconds, side by side."""
    async with Supervisor(clock=WallClock()) as supervisor:
        dispatcher = Dispatcher(supervisor)
        for sid, duration_s in sessions.items():
            dispatcher.register(sid, duration_s=duration_s)
    return {sid: dispatcher.log_for(sid) for sid in sessions}


async def run_with_early_unregister(
    long_duration_s: float, cancel_after_s: float
) -> SessionLog:
    """Start a long session and end it after `cancel_after_s` real seconds."""
    clock = WallClock()
    async with Supervisor(clock=clock) as supervisor:
        dispatcher = Dispatcher(supervisor)
        dispatcher.register("victim", duration_s=long_duration_s)
        await clock.sleep(cancel_after_s)
        dispatcher.unregister("victim")
    return dispatcher.log_for("victim")


def main() -> None:
    """Run two sessions side by side and print what came out."""
    logs = anyio.run(run_multi_session, {"short": 2.0, "long": 3.0})
    for sid, log in logs.items():
        print(f"{sid}: {len(log.actions)} actions")


if __name__ == "__main__":
    main()

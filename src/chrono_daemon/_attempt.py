"""One attempt at a daemon: its hooks, in a scope and with a context of its own.

It decides which hook runs when, and what counts as the failure; what follows from one
is decided in `_lifecycle`.

The one rule behind all branches: `on_stop` is owed once for each `on_start` that
succeeded. On the normal path it may take its time; when the daemon failed or is being
cancelled it runs shielded, for a bounded time, and can't hide what went wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from chrono_daemon._logging import ClockAwareLoggerAdapter
from chrono_daemon._parking import start_in_order
from chrono_daemon._types import HeartbeatMissed, StartTimeout
from chrono_daemon.context import Context

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from chrono_daemon._health import DaemonFailurePhase, DaemonState, Entry
    from chrono_daemon.clock import Clock
    from chrono_daemon.supervisor import Supervisor

__all__ = ["Attempt", "Home"]


@dataclass(slots=True, kw_only=True, eq=False)
class Home:
    """What a supervisor lends to its daemons for the time of one entry."""

    supervisor: Supervisor
    clock: Clock
    logger: logging.Logger
    group: TaskGroup
    stop_event: anyio.Event
    finalize_timeout: float
    """Wall seconds for a shielded `on_stop`; `Supervisor.stop` may change it."""
    changed: Callable[[Entry], None]
    """Called after each change of state."""
    may_restart: Callable[[], bool]
    """Counts a restart of any daemon; False when there were too many of late."""

    def enter(self, entry: Entry, state: DaemonState) -> None:
        """Put `entry` into a state, and say so."""
        entry.state = state
        self.changed(entry)


class Attempt:
    """One pass through the hooks, in a scope and with a context of its own."""

    def __init__(self, entry: Entry, home: Home) -> None:
        self.entry = entry
        self.home = home
        self._started = False
        self._scope = anyio.CancelScope()
        self._watches: list[anyio.CancelScope] = []
        self._verdict: Exception | None = None
        self.logger = ClockAwareLoggerAdapter(
            home.logger.getChild(entry.name), home.clock
        )
        self._ctx = Context(
            home.clock,
            self._scope,
            self.logger,
            entry.name,
            home.supervisor,
            home.stop_event,
        )

    async def run(self) -> Exception | None:
        """Run the hooks; return what the policy has to deal with, if anything.

        Cancellation and errors that aren't an Exception are raised on, after the
        `on_stop` that is owed.
        """
        entry = self.entry
        entry.started_at = None
        entry.scope = self._scope
        self.home.enter(entry, "starting")
        try:
            with self._scope:
                await self._start_and_run()
        except GeneratorExit:
            # The coroutine is being thrown away, not run: it may not await any more.
            raise
        except BaseException as error:  # noqa: BLE001  (sorted out, and raised on)
            return await self._end_by_force(error)
        finally:
            for watch in self._watches:
                watch.cancel()
        if self._verdict is not None:
            return await self._end_by_force(self._verdict)
        if not self._started:
            self.home.enter(entry, "stopped")
            return None
        return await self._end_normally()

    def was_healthy(self) -> bool:
        """Say whether it ran for long enough to count as a fresh beginning."""
        after = self.entry.restart.reset_after
        started_at = self.entry.started_at
        return (
            after is not None
            and started_at is not None
            and self.home.clock.now() - started_at >= after
        )

    async def _start_and_run(self) -> None:
        entry, home = self.entry, self.home
        if entry.start_timeout is not None:
            self._watch(self._watch_start, entry.start_timeout)
        await entry.daemon.on_start(self._ctx)
        self._started = True
        entry.started_at = home.clock.now()
        if entry.settled is not None:
            entry.settled.set()
        home.enter(entry, "running")
        if entry.heartbeat_deadline is not None:
            entry.last_heartbeat = entry.started_at
            self._watch(self._watch_heartbeat, entry.heartbeat_deadline)
        await entry.daemon.run(self._ctx)

    async def _end_normally(self) -> Exception | None:
        try:
            await self.entry.daemon.on_stop(self._ctx)
        except GeneratorExit:
            raise
        except BaseException as error:
            failure = _ordinary(error)
            if failure is None:
                self._note_extraordinary(error, "on_stop")
                raise
            self.entry.failed(failure, "on_stop")
            return failure
        self.home.enter(self.entry, "stopped")
        return None

    async def _end_by_force(self, error: BaseException) -> Exception | None:
        phase: DaemonFailurePhase = "run" if self._started else "on_start"
        if self._started:
            await self._stop_shielded()
        failure = _ordinary(error)
        if failure is None:
            self._note_extraordinary(error, phase)
            raise error
        if self._verdict is not None and failure is not self._verdict:
            self._verdict.__context__ = failure
            failure = self._verdict
        self.entry.failed(failure, phase)
        return failure

    async def _stop_shielded(self) -> None:
        try:
            with anyio.move_on_after(self.home.finalize_timeout, shield=True):
                await self.entry.daemon.on_stop(self._ctx)
        except Exception:
            self.logger.exception("on_stop raised during teardown")

    def _note_extraordinary(
        self, error: BaseException, phase: DaemonFailurePhase
    ) -> None:
        if _is_cancellation(error):
            self.home.enter(self.entry, "stopped")
        else:
            self.entry.failed(error, phase)
            self.home.enter(self.entry, "failed")

    def _watch(self, watch: Callable[[float], Awaitable[None]], limit_s: float) -> None:
        """Run `watch` beside the attempt, for as long as the attempt lasts."""
        scope = anyio.CancelScope()
        self._watches.append(scope)

        async def watch_in_scope() -> None:
            with scope:
                await watch(limit_s)

        start_in_order(
            self.home.group, watch_in_scope, name=f"watchdog of {self.entry.name}"
        )

    async def _watch_start(self, limit_s: float) -> None:
        await self.home.clock.sleep(limit_s)
        if not self._started:
            self._condemn(StartTimeout(f"on_start took more than {limit_s} s"))

    async def _watch_heartbeat(self, limit_s: float) -> None:
        entry, clock = self.entry, self.home.clock
        while True:
            due = (entry.last_heartbeat or 0.0) + limit_s
            await clock.wait_until(due)
            if clock.now() >= (entry.last_heartbeat or 0.0) + limit_s:
                entry.missed_heartbeats += 1
                self._condemn(HeartbeatMissed(f"no heartbeat for {limit_s} s"))
                return

    def _condemn(self, verdict: Exception) -> None:
        self._verdict = verdict
        self._scope.cancel()


def _is_cancellation(error: BaseException) -> bool:
    cancelled = anyio.get_cancelled_exc_class()
    if isinstance(error, BaseExceptionGroup):
        return error.split(cancelled)[1] is None
    return isinstance(error, cancelled)


def _ordinary(error: BaseException) -> Exception | None:
    """Return the Exception to deal with, or None when `error` must be raised on.

    A group may mix cancellations with exceptions; the exceptions then count.
    """
    if isinstance(error, Exception):
        return error
    if isinstance(error, BaseExceptionGroup):
        rest = error.split(anyio.get_cancelled_exc_class())[1]
        if isinstance(rest, ExceptionGroup):
            return rest
    return None

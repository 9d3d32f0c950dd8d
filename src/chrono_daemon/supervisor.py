"""Runs a set of daemons together, restarts them, and tells how they are.

It decides who is started, told to stop and cancelled; what one daemon's hooks and
failures mean is decided in `_lifecycle`.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Final, Self

import anyio

from chrono_daemon._attempt import Home
from chrono_daemon._changes import Changes
from chrono_daemon._health import (
    DaemonFailurePhase,
    DaemonHealth,
    DaemonState,
    Entry,
    RestartPolicy,
)
from chrono_daemon._lifecycle import live
from chrono_daemon._parking import keep_order, start_in_order
from chrono_daemon._restarts import RestartLimit
from chrono_daemon._types import OnError, SupervisorStopped
from chrono_daemon.clock import Clock, SimClock, WallClock
from chrono_daemon.context import StopEvent
from chrono_daemon.daemon import Daemon, FunctionDaemon, is_factory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from chrono_daemon.context import Context

__all__ = [
    "DaemonFailurePhase",
    "DaemonHealth",
    "DaemonState",
    "RestartPolicy",
    "Supervisor",
]

_ON_ERROR: Final = ("shutdown", "restart", "ignore")

_FINALIZE_TIMEOUT_S: Final = 2.0
"""Wall seconds for a shielded `on_stop` until `stop` says otherwise."""


class Supervisor:
    """Runs daemons for the time of an `async with` block, on one clock.

    Leaving the block signals nothing: it waits until every daemon has returned. What
    goes wrong comes out in an exception group, as from a task group. Constructing,
    `add`, `spawn`, `snapshot` and `signal_stop` work outside an event loop too.

    A daemon may open a supervisor of its own, with a clock of its own; a failure that
    this one does not absorb is then a failure of that daemon.

    Args:
        clock: what the daemons live by; a `WallClock` by default.
        on_error: what a daemon's failure does, unless `add` says otherwise: "shutdown"
            ends the supervisor, "restart" tries again, "ignore" ends that daemon.
        restart: delays and limits of "restart".
        logger: the parent of the daemons' loggers; "chrono_daemon" by default.
        max_restarts: restarts of all daemons together within `restart_period` that are
            tolerated; one more is a failure of the supervisor. None for no limit.
        restart_period: seconds on `clock`.
        on_change: called with a daemon's health after each change of its state. It
            must not block; an exception in it is logged and goes no further.
        history: how many changes of state `history` remembers for each daemon.

    Raises:
        ValueError: `on_error` is none of the three, or a limit is negative.
    """

    def __init__(  # noqa: PLR0913  (all keyword-only)
        self,
        *,
        clock: Clock | None = None,
        on_error: OnError = "shutdown",
        restart: RestartPolicy | None = None,
        logger: logging.Logger | None = None,
        max_restarts: int | None = None,
        restart_period: float = 60.0,
        on_change: Callable[[DaemonHealth], None] | None = None,
        history: int = 0,
    ) -> None:
        _check_on_error(on_error)
        if max_restarts is not None and max_restarts < 0:
            raise ValueError(f"max_restarts must not be negative, not {max_restarts!r}")
        if history < 0:
            raise ValueError(f"history must not be negative, not {history!r}")
        _check_seconds("restart_period", restart_period)
        self._clock: Clock = WallClock() if clock is None else clock
        self._on_error: OnError = on_error
        self._restart = RestartPolicy() if restart is None else restart
        self._logger = logging.getLogger("chrono_daemon") if logger is None else logger
        self._restarts = RestartLimit(self._clock, max_restarts, restart_period)
        self._changes = Changes(self._clock, self._logger, on_change, history)
        self._entries: dict[str, Entry] = {}
        self._queued: list[Entry] = []
        self._home: Home | None = None
        self._stop_event: anyio.Event | None = None
        self._finalize_timeout = _FINALIZE_TIMEOUT_S
        self._active = 0
        self._all_finished: list[anyio.Event] = []

    @property
    def clock(self) -> Clock:
        """The clock that the daemons live by."""
        return self._clock

    @property
    def logger(self) -> logging.Logger:
        """The parent of the daemons' loggers."""
        return self._logger

    @property
    def stop_event(self) -> anyio.Event:
        """The event that tells the daemons of the latest entry to finish.

        Raises:
            RuntimeError: the supervisor was never entered.
        """
        if self._stop_event is None:
            raise RuntimeError("stop_event exists once the supervisor was entered")
        return self._stop_event

    async def __aenter__(self) -> Self:
        """Start every daemon queued so far, in order of registration.

        Raises:
            RuntimeError: the supervisor is entered already.
        """
        if self._home is not None:
            raise RuntimeError("this supervisor is running already")
        if isinstance(self._clock, SimClock):
            keep_order()
        group = anyio.create_task_group()
        await group.__aenter__()
        self._stop_event = StopEvent()
        self._home = Home(
            supervisor=self,
            clock=self._clock,
            logger=self._logger,
            group=group,
            stop_event=self._stop_event,
            finalize_timeout=self._finalize_timeout,
            changed=self._changes.report,
            may_restart=self._restarts.count,
        )
        queued, self._queued = self._queued, []
        for entry in queued:
            self._launch(entry, self._home)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool | None:
        """Wait for every daemon; an error of the block cancels them first."""
        if self._home is None:
            raise RuntimeError("this supervisor was not entered")
        try:
            return await self._home.group.__aexit__(exc_type, exc_val, exc_tb)
        finally:
            self._home = None

    def add(
        self,
        daemon: Daemon,
        *,
        name: str | None = None,
        on_error: OnError | None = None,
        restart: RestartPolicy | None = None,
        watchdog: float | None = None,
        start_timeout: float | None = None,
    ) -> None:
        """Register a daemon: queued before entry, scheduled at once inside the block.

        After `signal_stop`, and while the block waits for its daemons, it still runs.

        Args:
            daemon: what to run.
            name: unique for ever on this supervisor; `daemon.name`, or the name of its
                class, by default.
            on_error: this daemon's policy, instead of the supervisor's.
            restart: this daemon's delays and limits, instead of the supervisor's.
            watchdog: seconds on the clock that `run` may go without `ctx.heartbeat()`,
                instead of `daemon.heartbeat_deadline`; `math.inf` for no deadline.
            start_timeout: seconds on the clock that `on_start` may take.

        Raises:
            TypeError: `daemon` is not a `Daemon`, for instance an uncalled factory.
            ValueError: the name is taken, or an option is out of range.
            SupervisorStopped: the supervisor is being torn down by force.
        """
        if not isinstance(daemon, Daemon):
            raise TypeError(_not_a_daemon(daemon))
        name = name or daemon.name or type(daemon).__name__
        if name in self._entries:
            raise ValueError(f"duplicate daemon name: {name!r}")
        if on_error is not None:
            _check_on_error(on_error)
        deadline = daemon.heartbeat_deadline if watchdog is None else watchdog
        for option, value in (("watchdog", deadline), ("start_timeout", start_timeout)):
            if value is not None:
                _check_seconds(option, value)
        self._check_not_torn_down(name)
        home = self._home
        entry = Entry(
            name=name,
            daemon=daemon,
            on_error=on_error or self._on_error,
            restart=restart or self._restart,
            heartbeat_deadline=None if deadline == math.inf else deadline,
            start_timeout=start_timeout,
        )
        self._entries[name] = entry
        if home is None:
            self._queued.append(entry)
            return
        try:
            self._launch(entry, home)
        except SupervisorStopped:
            del self._entries[name]
            raise

    def spawn(
        self,
        fn: Callable[..., Awaitable[object]],
        *args: object,
        name: str | None = None,
        **kwargs: object,
    ) -> None:
        """Register `fn(ctx, *args, **kwargs)` as a daemon; see `add`."""

        def run(ctx: Context) -> Awaitable[object]:
            return fn(ctx, *args, **kwargs)

        called: str = getattr(fn, "__name__", type(fn).__name__)
        self.add(FunctionDaemon(run, name or called))

    def signal_stop(self) -> None:
        """Ask every daemon to finish; nothing is cancelled.

        Callable again, and anywhere in the thread of the event loop, also from inside a
        daemon; from another thread, through `anyio.from_thread.run_sync` or a portal.
        Before the first entry it does nothing and is not remembered.
        """
        if self._stop_event is not None:
            self._stop_event.set()

    async def stop(self, grace: float = 5.0, finalize_timeout: float = 2.0) -> None:
        """Ask every daemon to finish, and cancel those that haven't after `grace`.

        Returns once they have finished, or once the cancellation is under way: the end
        of the block waits for the teardown. The block's own body is cancelled too, at
        its next await; the block absorbs that. From inside a daemon it would wait for
        itself: use `signal_stop` there.

        Args:
            grace: wall seconds, whatever the clock; with 0 nothing is awaited.
            finalize_timeout: wall seconds for each `on_stop` of a cancelled daemon.

        Raises:
            ValueError: an argument is negative or NaN.
        """
        _check_seconds("finalize_timeout", finalize_timeout)
        _check_seconds("grace", grace)
        self._finalize_timeout = finalize_timeout
        home = self._home
        if home is not None:
            home.finalize_timeout = finalize_timeout
        self.signal_stop()
        if home is None or not self._active:
            return
        if grace > 0:
            with anyio.move_on_after(grace):
                await self._wait_finished()
                return
        if self._home is home and self._active:
            home.group.cancel_scope.cancel()

    async def drain(self) -> None:
        """Ask every daemon to finish and wait until all have; nothing is cancelled.

        For a shutdown that may take the time it takes. From inside a daemon it would
        wait for itself.
        """
        self.signal_stop()
        await self._wait_finished()

    def remove(self, name: str) -> None:
        """Cancel one daemon and forget it: its record goes, its name is free again.

        It ends as if it had cancelled its own scope, `on_stop` included, and its
        siblings go on. The record is kept until it has ended.

        Raises:
            ValueError: there is no such daemon.
        """
        entry = self._entry(name)
        if not entry.live:
            self._forget(entry)
        else:
            entry.wish = "remove"
            if entry.scope is not None:
                entry.scope.cancel()

    def restart(self, name: str) -> None:
        """Begin a new attempt of one daemon now, whatever it is doing.

        A running attempt ends as if it had cancelled its own scope; a delay before the
        next is cut short; a daemon that has finished is started again. It does not
        count as a retry.

        Raises:
            ValueError: there is no such daemon.
            RuntimeError: the supervisor isn't entered.
            SupervisorStopped: the supervisor is being torn down by force.
        """
        entry = self._entry(name)
        home = self._home
        if home is None:
            raise RuntimeError("the supervisor isn't running")
        self._check_not_torn_down(name)
        if not entry.live:
            self._launch(entry, home)
        else:
            entry.wish = "restart"
            if entry.scope is not None:
                entry.scope.cancel()

    async def wait_all_started(self) -> None:
        """Wait until every daemon registered by now has started, or ended for good.

        A daemon that fails to start and is restarted counts when an attempt succeeds.
        Returns at once when the supervisor isn't entered.
        """
        if self._home is None:
            return
        for entry in list(self._entries.values()):
            if entry.settled is not None and not entry.settled.is_set():
                await entry.settled.wait()

    def snapshot(self) -> dict[str, DaemonHealth]:
        """Return every daemon's health, in order of registration."""
        running = any(entry.state == "running" for entry in self._entries.values())
        now = self._clock.now() if running else None
        return {name: entry.health(now) for name, entry in self._entries.items()}

    def history(self, name: str) -> tuple[DaemonHealth, ...]:
        """Return a daemon's latest changes of state, oldest first.

        As many as the argument `history` of the supervisor says.

        Raises:
            ValueError: there is no such daemon.
        """
        return self._changes.of(self._entry(name).name)

    def heartbeat(self, name: str) -> None:
        """Note that the daemon called `name` is alive; see `Context.heartbeat`.

        Raises:
            ValueError: there is no such daemon.
        """
        self._entry(name).last_heartbeat = self._clock.now()

    def _entry(self, name: str) -> Entry:
        entry = self._entries.get(name)
        if entry is None:
            raise ValueError(f"no daemon is called {name!r}")
        return entry

    def _check_not_torn_down(self, name: str) -> None:
        home = self._home
        if home is not None and home.group.cancel_scope.cancel_called:
            raise SupervisorStopped(f"too late for {name!r}: all is being cancelled")

    def _forget(self, entry: Entry) -> None:
        del self._entries[entry.name]
        self._changes.forget(entry.name)
        if entry in self._queued:
            self._queued.remove(entry)

    def _launch(self, entry: Entry, home: Home) -> None:
        entry.settled = anyio.Event()
        entry.state = "starting"
        entry.live = True
        self._active += 1
        try:
            start_in_order(
                home.group, self._live, entry, home, name=f"daemon {entry.name}"
            )
        except RuntimeError as error:
            entry.live = False
            self._active -= 1
            raise SupervisorStopped(f"too late for {entry.name!r}") from error

    async def _live(self, entry: Entry, home: Home) -> None:
        try:
            await live(entry, home)
        finally:
            entry.live = False
            entry.scope = None
            if entry.wish == "remove":
                self._forget(entry)
            self._active -= 1
            if not self._active:
                finished, self._all_finished = self._all_finished, []
                for event in finished:
                    event.set()

    async def _wait_finished(self) -> None:
        while self._active:
            event = anyio.Event()
            self._all_finished.append(event)
            await event.wait()


def _not_a_daemon(thing: object) -> str:
    if is_factory(thing):
        called = getattr(thing, "__name__", "fn")
        return f"{called} is a @daemon factory: call it, as in add({called}(...))"
    return f"expected a Daemon, got {type(thing).__name__}"


def _check_on_error(on_error: str) -> None:
    if on_error not in _ON_ERROR:
        raise ValueError(f"on_error must be one of {_ON_ERROR}, not {on_error!r}")


def _check_seconds(name: str, value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{name} must be 0 or more seconds, not {value!r}")

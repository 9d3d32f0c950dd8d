"""What a daemon is given: its clock, its scope, its logger, and when to stop.

It decides nothing; the supervisor fills it in, anew for every attempt.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

import anyio

from chrono_daemon._parking import new_seat, yield_now

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable, Iterator

    from chrono_daemon._logging import ClockAwareLoggerAdapter
    from chrono_daemon._parking import Seat
    from chrono_daemon.clock import Clock
    from chrono_daemon.supervisor import Supervisor

__all__ = ["Context", "StopEvent", "unless_set"]


@dataclass(frozen=True, slots=True)
class Context:
    """One attempt at running one daemon.

    Every restart gets a new context with a new scope. `on_start` and `run` execute
    inside the scope; `on_stop`, when reached normally, after it was left.
    """

    clock: Clock
    """The supervisor's clock: sleep on it, never on the backend."""
    cancel_scope: anyio.CancelScope
    """Cancelling it ends this daemon alone, cleanly and without an error."""
    logger: ClockAwareLoggerAdapter | logging.Logger
    """A child of the supervisor's logger, named after the daemon."""
    name: str
    """The daemon's name, unique within its supervisor."""
    supervisor: Supervisor
    """Who runs the daemon; use `signal_stop`, never `stop`, from inside one."""
    stop_event: anyio.Event
    """Set when the daemon should finish; shared by all daemons of the supervisor."""

    @property
    def stopping(self) -> bool:
        """Say whether the daemon has been asked to finish."""
        return self.stop_event.is_set()

    def heartbeat(self) -> None:
        """Tell the supervisor that this daemon is alive and making progress.

        A daemon with a heartbeat deadline calls it more often than the deadline; for
        others it only leaves its trace in the health record.
        """
        self.supervisor.heartbeat(self.name)

    async def sleep(self, seconds: float) -> bool:
        """Sleep on the clock, but no longer than until the daemon should finish.

        Returns:
            True after `seconds`, False as soon as `stop_event` is set.

        Raises:
            ValueError: `seconds` is NaN.
        """
        return await unless_set(self.stop_event, partial(self.clock.sleep, seconds))


async def unless_set(event: anyio.Event, wait: Callable[[], Awaitable[object]]) -> bool:
    """Await `wait()`, but cancel it as soon as `event` is set.

    Returns:
        True when the wait came to its end, False when the event is set.
    """
    if event.is_set():
        return False
    if isinstance(event, StopEvent):
        with anyio.CancelScope() as scope, event.calling(scope.cancel):
            await wait()
        return not event.is_set()
    error: Exception | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(_cancel_when_set, event, group.cancel_scope)
        try:
            await wait()
        except Exception as raised:  # noqa: BLE001  (raised again, outside the group)
            error = raised
        group.cancel_scope.cancel()
    if error is not None:
        raise error
    return not event.is_set()


async def _cancel_when_set(event: anyio.Event, scope: anyio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


class StopEvent(anyio.Event):
    """An event whose waiters wake in the order they came, on either backend.

    It also calls back, so that a wait can be cut short without a task to watch it.
    """

    __slots__ = ("_callbacks", "_is_set", "_seats")

    def __new__(cls) -> Self:
        """Make the event itself, where `anyio.Event` would make the backend's own."""
        return object.__new__(cls)

    def __init__(self) -> None:
        self._is_set = False
        self._seats: dict[Seat, None] = {}
        self._callbacks: dict[object, Callable[[], object]] = {}

    def set(self) -> None:
        """Wake all waiters, and make all calls, in order. Idempotent."""
        self._is_set = True
        for seat in list(self._seats):
            if not seat.done():
                seat.set_result(None)
        for callback in list(self._callbacks.values()):
            callback()

    def is_set(self) -> bool:
        """Say whether it was set."""
        return self._is_set

    async def wait(self) -> None:
        """Return once it is set; yield once if it is already."""
        if self._is_set:
            await yield_now()
            return
        seat = new_seat()
        self._seats[seat] = None
        try:
            await seat
        finally:
            del self._seats[seat]

    def statistics(self) -> anyio.EventStatistics:
        """Count the tasks that wait."""
        return anyio.EventStatistics(tasks_waiting=len(self._seats))

    @contextmanager
    def calling(self, callback: Callable[[], object]) -> Iterator[None]:
        """Call `callback` when the event is set within the block."""
        token = object()
        self._callbacks[token] = callback
        try:
            yield
        finally:
            del self._callbacks[token]

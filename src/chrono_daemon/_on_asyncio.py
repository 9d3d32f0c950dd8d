"""All that is special about asyncio: knowing when every task is blocked.

asyncio has no such question. One monitor per loop looks at the loop's own queue of
ready callbacks: it is empty exactly when nothing can run. What is private to a loop is
read by name and may be missing; the tasks are then looked at instead.
"""

from __future__ import annotations

import asyncio
from asyncio.base_events import BaseEventLoop
from collections import deque
from contextvars import Context
from typing import TYPE_CHECKING, Final

from anyio.lowlevel import RunVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chrono_daemon._settling import Patience

__all__ = ["drive", "watched_files"]

_SCAN_AFTER: Final = 64
"""Busy passes before the tasks are looked at one by one; then at each doubling."""

_ASK_EVERY: Final = 2_000
"""Busy passes between two looks at the tasks once there were very many."""

_IN_PLACE: Final = 256
"""Callbacks run in one pass of the loop before it sees to I/O and timers again."""


def drive(
    step: Callable[[], bool], patience: Patience
) -> Awaitable[tuple[str, ...] | None]:
    """Call `step` at rest until it returns True.

    Returns:
        None, or the names of the tasks that spin if there is no rest to be had.
    """
    monitor = _monitors.get(None)
    if monitor is None:
        monitor = _Monitor(asyncio.get_running_loop())
        _monitors.set(monitor)
    return monitor.drive(step, patience)


def watched_files() -> int | None:
    """Count the files that the running event loop watches, its own pipe apart."""
    return _LoopQueue(asyncio.get_running_loop()).watched_files()


class _Driver:
    """One call of `drive`: its step, and the future it waits on for who spins."""

    __slots__ = ("future", "patience", "step")

    def __init__(
        self,
        step: Callable[[], bool],
        patience: Patience,
        future: asyncio.Future[tuple[str, ...] | None],
    ) -> None:
        self.step = step
        self.patience = patience
        self.future = future


class _Monitor:
    """Watches one asyncio loop from a callback that goes to the back of its queue."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue = _LoopQueue(loop)
        self._drivers: deque[_Driver] = deque()
        self._probing = False
        # Callbacks that run in place bring their own context; a context can't be
        # entered twice, so the probe has one that nothing else uses.
        self._context = Context()
        self._busy_passes = 0
        self._seen_empty = False
        self._seen_clean = False
        self._noise: list[object] = []

    async def drive(
        self, step: Callable[[], bool], patience: Patience
    ) -> tuple[str, ...] | None:
        driver = _Driver(step, patience, self._loop.create_future())
        self._drivers.append(driver)
        self._arm()
        try:
            return await driver.future
        finally:
            if driver in self._drivers:
                self._drivers.remove(driver)

    def _arm(self) -> None:
        if not self._probing:
            self._probing = True
            self._loop.call_soon(self._probe, context=self._context)

    def _probe(self) -> None:
        try:
            if self._drivers:
                self._look()
        finally:
            self._probing = False
            if self._drivers:
                self._arm()

    def _look(self) -> None:
        queue = self._queue
        if queue.ready is None or queue.ready:
            self._seen_empty = False
            if self._rest_despite_noise():
                self._take_step()
        elif queue.is_alone():
            self._note_rest()
            self._step_in_place(queue.ready)
        elif self._seen_empty:
            # Two empty passes with the selector polled in between: what the kernel had
            # ready would be in the queue now.
            self._note_rest()
            self._take_step()
        else:
            self._seen_empty = True

    def _note_rest(self) -> None:
        if self._busy_passes >= _SCAN_AFTER:
            self._drivers[0].patience.renew()
        self._busy_passes = 0
        self._seen_empty = self._seen_clean = False
        self._noise = []

    def _take_step(self) -> None:
        drivers = self._drivers
        driver = drivers[0]
        try:
            finished = driver.step()
        except BaseException as error:  # noqa: BLE001  (handed to the driver's task)
            drivers.popleft()
            if not driver.future.done():
                driver.future.set_exception(error)
            return
        if finished:
            drivers.popleft()
            if not driver.future.done():
                driver.future.set_result(None)
        elif len(drivers) > 1:
            drivers.rotate(-1)

    def _step_in_place(self, ready: deque[asyncio.Handle]) -> None:
        """Take steps, and run what they make ready, without leaving this callback.

        The queue is empty, so this callback is the last of the loop's present pass, and
        whatever appears in it was put there since: running it here, in order, is what
        the loop would do next, less one poll of the selector for each wake. With no
        socket registered and no timer due the poll would find nothing.
        """
        left = _IN_PLACE
        is_alone = self._queue.is_alone
        while self._drivers:
            self._take_step()
            while ready and left:
                left -= 1
                handle = ready.popleft()
                if not handle.cancelled():
                    handle._run()  # noqa: SLF001  (what BaseEventLoop._run_once does)
            if not left or ready or not is_alone():
                return

    def _rest_despite_noise(self) -> bool:
        """Say whether all tasks are blocked although some callback is ready.

        Callbacks that put themselves back for ever keep the queue from emptying:
        another library's monitor, or anyio's delivery of a cancellation to a shielded
        task. Tasks are scanned after many passes, and rest takes two clean scans in a
        row with the same callbacks: a chain of different ones still leads somewhere.
        Loops that hide their queue are always read this way.
        """
        self._busy_passes += 1
        passes = self._busy_passes
        if not self._seen_clean and not self._is_time_to_scan(passes):
            return False
        busy = self._busy_tasks()
        callbacks = self._queue.callbacks()
        if not busy and self._seen_clean and _are_among(callbacks, self._noise):
            self._note_rest()
            self._noise = callbacks
            return True
        self._seen_clean = not busy
        if not busy:
            self._noise = callbacks
        driver = self._drivers[0]
        if busy and driver.patience.is_exhausted(passes):
            self._note_rest()
            self._drivers.popleft()
            if not driver.future.done():
                driver.future.set_result(busy)
        return False

    def _is_time_to_scan(self, passes: int) -> bool:
        if passes >= _SCAN_AFTER and (
            passes & (passes - 1) == 0 or passes % _ASK_EVERY == 0
        ):
            return True
        return bool(self._noise) and _are_among(self._queue.callbacks(), self._noise)

    def _busy_tasks(self) -> tuple[str, ...]:
        """Return the names of the tasks that could run now."""
        return tuple(
            sorted(
                task.get_name()
                for task in asyncio.all_tasks(self._loop)
                if _is_runnable(task)
            )
        )


_monitors: Final = RunVar[_Monitor | None]("chrono_daemon_monitor")


def _are_among(callbacks: list[object], known: list[object]) -> bool:
    return all(callback in known for callback in callbacks)


def _is_runnable(task: asyncio.Task[object]) -> bool:
    # Both task implementations of CPython have the attribute; one that hasn't it can't
    # be seen to wait, and is taken for runnable.
    waits_for = getattr(task, "_fut_waiter", None)
    return waits_for is None or waits_for.done()


class _LoopQueue:
    """What can be seen of a loop's queue, with every private name in one place."""

    __slots__ = ("_fds", "_in_place", "_loop", "_timers", "ready")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        ready = getattr(loop, "_ready", None)
        self.ready: deque[asyncio.Handle] | None = (
            ready if isinstance(ready, deque) else None
        )
        selector = getattr(loop, "_selector", None)
        self._fds = None if selector is None else selector.get_map()
        timers = getattr(loop, "_scheduled", None)
        self._timers: list[asyncio.TimerHandle] | None = (
            timers if isinstance(timers, list) else None
        )
        run_once = getattr(type(loop), "_run_once", None)
        self._in_place = run_once is getattr(BaseEventLoop, "_run_once", None)

    def is_alone(self) -> bool:
        """Say whether nothing outside the queue could make a callback ready now.

        That is: only the loop's own wake-up pipe is registered, and no timer is due.
        """
        if not self._in_place or self._fds is None or len(self._fds) > 1:
            return False
        timers = self._timers
        if timers is None or self._loop.get_debug():
            return False
        return not timers or timers[0].when() > self._loop.time()

    def watched_files(self) -> int | None:
        """Count the registered files but for the loop's own; None if unseen."""
        return None if self._fds is None else max(0, len(self._fds) - 1)

    def callbacks(self) -> list[object]:
        """Return what waits in the queue, as far as it can be seen."""
        return [getattr(handle, "_callback", None) for handle in self.ready or ()]

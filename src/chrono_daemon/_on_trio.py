"""All that is special about trio: parking, order, and knowing when all is at rest.

trio runs the tasks of one scheduler pass in random order. That is a virtue in
production and a nuisance in a simulation, whose outcome should depend on the program
alone. While a `SimClock` is in use, everything this package wakes passes one turnstile:
a single woken task at a time, first woken first, which is the order asyncio has by
nature. Tasks woken by trio's own events are not under its control.

Only public names of `trio.lowlevel` are used. Import this module on trio only.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Final

import trio
import trio.testing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from chrono_daemon._settling import Patience

__all__ = [
    "Start",
    "TrioSeat",
    "drive",
    "keep_order",
    "reserve_start",
    "watched_files",
    "yield_now",
]

_SUSPECT_PASSES: Final = 1000
"""Scheduler passes without rest before the tasks that run are counted."""


class _Turnstile:
    """The woken tasks of one run that have not passed yet, first woken first."""

    __slots__ = ("passing", "waiting")

    def __init__(self) -> None:
        self.passing: trio.lowlevel.Task | Start | None = None
        self.waiting: deque[trio.lowlevel.Task | Start] = deque()

    def admit(self, task: trio.lowlevel.Task) -> None:
        """Let `task` run as soon as all who were woken before it have."""
        if self.passing is None:
            self.passing = task
            trio.lowlevel.reschedule(task)
        else:
            self.waiting.append(task)

    def passed(self) -> None:
        """Let the next one through; the caller is the one that just passed.

        It is rescheduled while the caller's pass still runs, so it gets the next one,
        alone: trio has nothing to shuffle.
        """
        self.passing = None
        if not self.waiting:
            return
        following = self.passing = self.waiting.popleft()
        if isinstance(following, Start):
            if following.task is not None:
                trio.lowlevel.reschedule(following.task)
        else:
            trio.lowlevel.reschedule(following)


_turnstile: Final = trio.lowlevel.RunVar[_Turnstile | None](
    "chrono_daemon_turnstile", None
)


_starts: Final = trio.lowlevel.RunVar[_Turnstile | None]("chrono_daemon_starts", None)


def keep_order() -> None:
    """Let the tasks of this run through in order from now on."""
    if _turnstile.get() is None:
        _turnstile.set(_Turnstile())


class TrioSeat:
    """Where one task parks until somebody calls `set_result`."""

    __slots__ = ("_done", "_task", "_turnstile")

    def __init__(self) -> None:
        self._done = False
        self._task: trio.lowlevel.Task | None = None
        self._turnstile = _turnstile.get()

    def done(self) -> bool:
        """Say whether the seat was woken or given up."""
        return self._done

    def set_result(self, result: None, /) -> None:
        """Wake the task. Call it once, and not on a seat that is `done`."""
        self._done = True
        if self._task is None:
            return
        if self._turnstile is None:
            trio.lowlevel.reschedule(self._task)
        else:
            self._turnstile.admit(self._task)

    def __await__(self) -> Generator[object, None, None]:
        return self._park().__await__()

    async def _park(self) -> None:
        if self._done:
            return
        self._task = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._abort)
        if self._turnstile is not None:
            self._turnstile.passed()

    def _abort(self, _: trio.lowlevel.RaiseCancelT, /) -> trio.lowlevel.Abort:
        # A task that was woken keeps what it was woken with, even when it has not run
        # yet; trio delivers the cancellation at its next checkpoint.
        if self._done:
            return trio.lowlevel.Abort.FAILED
        self._done = True
        return trio.lowlevel.Abort.SUCCEEDED


class Start:
    """The place of a task that was spawned but has not taken its first step."""

    __slots__ = ("_turnstile", "task")

    def __init__(self, turnstile: _Turnstile) -> None:
        self._turnstile = turnstile
        self.task: trio.lowlevel.Task | None = None
        if turnstile.passing is None:
            turnstile.passing = self
        else:
            turnstile.waiting.append(self)

    async def arrive(self) -> None:
        """Wait until everything that was woken or spawned earlier has run.

        Call it first thing in the spawned task. It cannot be cancelled, as the first
        step of a task cannot be: it ends within the present instant.
        """
        if self._turnstile.passing is not self:
            self.task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(_refuse)
        self._turnstile.passed()

    def abandon(self) -> None:
        """Give the place up, because the task could not be spawned."""
        if self._turnstile.passing is self:
            self._turnstile.passed()
        else:
            self._turnstile.waiting.remove(self)


def _refuse(_: trio.lowlevel.RaiseCancelT, /) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.FAILED


def reserve_start() -> Start:
    """Take a place for a task about to be spawned.

    Where wakes keep no order, starts do so among themselves.
    """
    turnstile = _turnstile.get() or _starts.get()
    if turnstile is None:
        turnstile = _Turnstile()
        _starts.set(turnstile)
    return Start(turnstile)


async def yield_now() -> None:
    """Let everyone who is runnable go first, then check for cancellation."""
    turnstile = _turnstile.get()
    if turnstile is None:
        await trio.lowlevel.checkpoint()
        return
    if turnstile.passing is None:
        turnstile.passing = trio.lowlevel.current_task()
        await trio.lowlevel.cancel_shielded_checkpoint()
    else:
        turnstile.waiting.append(trio.lowlevel.current_task())
        await trio.lowlevel.wait_task_rescheduled(_refuse)
    turnstile.passed()
    await trio.lowlevel.checkpoint_if_cancelled()


class _Turns:
    """Whose step is next among the drivers of one run: first come, first served."""

    __slots__ = ("_taken", "waiting")

    def __init__(self) -> None:
        self._taken = False
        self.waiting: deque[TrioSeat] = deque()

    async def take(self) -> None:
        """Wait for this driver's turn."""
        if not self._taken:
            self._taken = True
            return
        seat = TrioSeat()
        self.waiting.append(seat)
        try:
            await seat
        except BaseException:
            # A woken seat is never cancelled, so this one is still in the queue.
            self.waiting.remove(seat)
            raise

    def give(self) -> None:
        """Hand the turn to the next driver in line."""
        while self.waiting:
            seat = self.waiting.popleft()
            if not seat.done():
                seat.set_result(None)
                return
        self._taken = False

    async def give_way(self) -> None:
        """Let every other driver have one turn."""
        self.give()
        # Not cancellable halfway: leaving without the turn would give it twice.
        with trio.CancelScope(shield=True):
            await self.take()


class _Watch(trio.abc.Instrument):
    """Breaks off a wait for rest that a spinning program would make endless.

    One per run, from the first drive on. It counts scheduler passes; only when they
    become suspiciously many does it look at which tasks run.
    """

    def __init__(self) -> None:
        self.turns = _Turns()
        self.steps: Counter[str] = Counter()
        self._passes = 0
        self._scope: trio.CancelScope | None = None
        self._patience: Patience | None = None
        self._census: _Census | None = None

    def expect_rest(
        self, scope: trio.CancelScope | None, patience: Patience | None
    ) -> None:
        """Begin to count; cancel `scope` when `patience` is exhausted."""
        self._passes = 0
        self._scope = scope
        self._patience = patience
        if self._census is not None:
            trio.lowlevel.remove_instrument(self._census)
            self._census = None
            if patience is not None:
                patience.renew()

    def before_io_wait(self, timeout: float) -> None:
        """Count a pass of the scheduler."""
        del timeout
        self._passes += 1
        if self._passes % _SUSPECT_PASSES or self._scope is None:
            return
        if self._census is None:
            self.steps.clear()
            self._census = _Census(self.steps)
            trio.lowlevel.add_instrument(self._census)
        if self._patience is not None and self._patience.is_exhausted(self._passes):
            self._scope.cancel()


class _Census(trio.abc.Instrument):
    """Counts the steps of each task by its name."""

    def __init__(self, steps: Counter[str]) -> None:
        self._steps = steps

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count a step of `task`."""
        self._steps[task.name] += 1


_watch: Final = trio.lowlevel.RunVar[_Watch | None]("chrono_daemon_watch", None)


async def drive(step: Callable[[], bool], patience: Patience) -> tuple[str, ...] | None:
    """Call `step` at rest until it returns True.

    Returns:
        None, or the names of the tasks that spin, the busiest first, if there is no
        rest to be had.
    """
    watch = _watch.get()
    if watch is None:
        watch = _Watch()
        _watch.set(watch)
        trio.lowlevel.add_instrument(watch)
    turns = watch.turns
    await turns.take()
    try:
        with trio.CancelScope() as scope:
            while True:
                watch.expect_rest(scope, patience)
                await trio.testing.wait_all_tasks_blocked()
                if step():
                    return None
                if turns.waiting:
                    await turns.give_way()
    finally:
        watch.expect_rest(None, None)
        turns.give()
    return _spinners(watch.steps)


def _spinners(steps: Counter[str]) -> tuple[str, ...]:
    """Return who ran all the time, and not just once while it was looked at."""
    most = max(steps.values(), default=0)
    return tuple(name for name, count in steps.most_common() if 2 * count >= most)


def watched_files() -> int | None:
    """Count the tasks that wait for a file, trio's own entry queue apart."""
    io = trio.lowlevel.current_statistics().io_statistics
    readers = getattr(io, "tasks_waiting_read", None)
    writers = getattr(io, "tasks_waiting_write", None)
    if readers is None or writers is None:
        return None
    return max(0, int(readers) + int(writers) - 1)

"""Parks one task and wakes it again, on whichever backend is running.

It decides how a task waits and nothing about what for: channels, clocks and settling
stand on it. A seat is an `asyncio.Future` or a `TrioSeat`, with the one promise that
matters everywhere: a task that was woken is not robbed of it by a cancel scope.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections import deque
from typing import TYPE_CHECKING, Protocol, TypeVarTuple

import anyio
import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from anyio.abc import TaskGroup

__all__ = [
    "CancelCheck",
    "Line",
    "Seat",
    "Start",
    "keep_order",
    "new_seat",
    "new_seat_in_order",
    "on_trio",
    "reserve_start",
    "seats_made",
    "start_in_order",
    "yield_now",
]

Ts = TypeVarTuple("Ts")


class Seat(Protocol):
    """Where one task parks. An `asyncio.Future[None]` is one."""

    def done(self) -> bool:
        """Say whether the seat was woken or given up."""
        ...

    def set_result(self, result: None, /) -> None:
        """Wake the task. Not allowed on a seat that is `done`."""
        ...

    def __await__(self) -> Generator[object, None, None]:
        """Park until woken; a cancellation gives the seat up."""
        ...


class Start(Protocol):
    """The place in line of a task that was spawned but has not run yet."""

    async def arrive(self) -> None:
        """Wait for the place to come up; first thing in the spawned task."""
        ...

    def abandon(self) -> None:
        """Give the place up, because the task could not be spawned."""
        ...


def on_trio() -> bool:
    """Say whether the caller is a trio task.

    Asking for the trio task, and not for a running asyncio loop, is right in guest mode
    too, where both are there.

    Raises:
        RuntimeError: trio is older than 0.29, and can't say.
    """
    lowlevel = sys.modules.get("trio.lowlevel")
    if lowlevel is None:
        return False
    try:
        return bool(lowlevel.in_trio_task())
    except AttributeError:
        raise RuntimeError("chrono_daemon needs trio 0.29 or later") from None


_seats_made = 0


def seats_made() -> int:
    """Count the seats made so far in this process: a sign that tasks get on."""
    return _seats_made


def new_seat() -> Seat:
    """Make a seat for the calling task."""
    global _seats_made  # noqa: PLW0603  (a counter; approximate across threads)
    _seats_made += 1
    if on_trio():
        from chrono_daemon._on_trio import TrioSeat  # noqa: PLC0415

        return TrioSeat()
    return asyncio.get_running_loop().create_future()


def new_seat_in_order() -> Seat:
    """Make a seat after `keep_order`, with one look at the backend for both."""
    global _seats_made  # noqa: PLW0603  (as above)
    _seats_made += 1
    if on_trio():
        from chrono_daemon import _on_trio  # noqa: PLC0415

        _on_trio.keep_order()
        return _on_trio.TrioSeat()
    return asyncio.get_running_loop().create_future()


class CancelCheck:
    """Asks, at each operation of an endpoint, whether its caller is cancelled.

    It goes past anyio's look-up of the backend, which costs as much as the answer, to
    the backend's own function. That one raises RuntimeError under another backend;
    an endpoint that has moved there is noticed by it.
    """

    __slots__ = ("_deadline",)

    def __init__(self) -> None:
        self._deadline: Callable[[], float] = _no_backend

    def is_cancelled(self) -> bool:
        """Say whether a cancellation is due to the calling task."""
        try:
            return self._deadline() == -math.inf
        except RuntimeError:
            self._deadline = _effective_deadline()
            return self._deadline() == -math.inf

    async def raise_if_cancelled(self) -> None:
        """Deliver a cancellation that is already due, else return without yielding."""
        if self.is_cancelled():
            await anyio.lowlevel.checkpoint_if_cancelled()


def _no_backend() -> float:
    raise RuntimeError


def _effective_deadline() -> Callable[[], float]:
    """Return the running backend's `current_effective_deadline`."""
    backend = getattr(anyio.lowlevel.current_token(), "backend_class", None)
    own = getattr(backend, "current_effective_deadline", None)
    return own if callable(own) else anyio.current_effective_deadline


async def yield_now() -> None:
    """Let everyone who is runnable go first, then check for cancellation."""
    if on_trio():
        from chrono_daemon import _on_trio  # noqa: PLC0415

        await _on_trio.yield_now()
    else:
        await anyio.lowlevel.checkpoint()


def keep_order() -> None:
    """Make wakes in this run happen in the order they were asked for.

    asyncio does so by nature; trio does from this call on.
    """
    if on_trio():
        from chrono_daemon import _on_trio  # noqa: PLC0415

        _on_trio.keep_order()


def reserve_start() -> Start | None:
    """Take a place in line for a task about to be spawned; asyncio needs none."""
    if on_trio():
        from chrono_daemon import _on_trio  # noqa: PLC0415

        return _on_trio.reserve_start()
    return None


def start_in_order(
    group: TaskGroup,
    fn: Callable[[*Ts], Awaitable[object]],
    *args: *Ts,
    name: str | None = None,
) -> None:
    """Start a task whose first step comes after those of the tasks started before.

    Raises:
        RuntimeError: the group takes no tasks any more.
    """
    place = reserve_start()

    async def run() -> None:
        if place is not None:
            await place.arrive()
        await fn(*args)

    try:
        group.start_soon(run, name=name or getattr(fn, "__qualname__", None))
    except BaseException:
        if place is not None:
            place.abandon()
        raise


class Line:
    """One thing at a time: those who wait for it get it in the order they came."""

    __slots__ = ("_taken", "_waiting")

    def __init__(self) -> None:
        self._taken = False
        self._waiting: deque[Seat] = deque()

    @property
    def idle(self) -> bool:
        """Say whether nobody has it and nobody waits."""
        return not self._taken and not self._waiting

    @property
    def awaited(self) -> bool:
        """Say whether anybody waits."""
        return bool(self._waiting)

    async def take(self) -> None:
        """Wait for one's turn; without a yield when it is free."""
        if not self._taken:
            self._taken = True
            return
        seat = new_seat()
        self._waiting.append(seat)
        try:
            await seat
        except BaseException:
            if seat in self._waiting:
                self._waiting.remove(seat)
            else:
                # Woken and cancelled before running: possible on asyncio with a plain
                # Task.cancel(). The turn goes on to the next one.
                self.give()
            raise

    def give(self) -> None:
        """Hand it to the next in line."""
        while self._waiting:
            seat = self._waiting.popleft()
            if not seat.done():
                seat.set_result(None)
                return
        self._taken = False

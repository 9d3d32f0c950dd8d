"""What is due next: the sleepers of a simulated clock, and the ticks of any clock.

It decides order and phase; who advances time, and when, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final, Literal, Protocol

from chrono_daemon._parking import new_seat_in_order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from chrono_daemon._parking import Seat

__all__ = ["Sleeper", "Sleepers", "Ticks", "TimeSource"]

_TOLERATED_DEAD: Final = 64
"""Cancelled sleepers that may stay in the chains before they are swept."""


class Sleeper:
    """One task waiting for one deadline."""

    __slots__ = ("cancelled", "deadline", "following", "last", "released", "seat")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.cancelled = False
        self.released = False
        self.seat: Seat = new_seat_in_order()
        # Sleepers of one deadline form a chain; the first one knows the last. None for
        # itself: a reference to itself would keep it from being freed at once.
        self.following: Sleeper | None = None
        self.last: Sleeper | None = None


class Sleepers:
    """The sleepers of one clock, in the order (deadline, registration).

    Its length and iteration show live sleepers only: one that is cancelled is gone at
    once. The chain that it stood in forgets it when it comes up, or when the dead
    outnumber the living: a cancellation costs O(1), and memory stays within twice the
    need. Only distinct deadlines go through a heap, so tasks that tick together cost
    no more for being many.
    """

    __slots__ = ("_dead", "_deadlines", "_first", "_live")

    def __init__(self) -> None:
        self._deadlines: list[float] = []
        self._first: dict[float, Sleeper] = {}
        self._live = 0
        self._dead = 0

    def __len__(self) -> int:
        return self._live

    def __iter__(self) -> Iterator[Sleeper]:
        """Iterate over the live sleepers, soonest first."""
        for deadline in sorted(self._deadlines):
            sleeper: Sleeper | None = self._first[deadline]
            while sleeper is not None:
                if not sleeper.cancelled:
                    yield sleeper
                sleeper = sleeper.following

    def add(self, deadline: float) -> Sleeper:
        """Register the calling task; from now on, wakes keep their order."""
        sleeper = Sleeper(deadline)
        self._append(sleeper)
        self._live += 1
        return sleeper

    def discard(self, sleeper: Sleeper) -> None:
        """Take out a sleeper that was cancelled, unless it was released before."""
        if sleeper.released or sleeper.cancelled:
            return
        sleeper.cancelled = True
        self._live -= 1
        self._dead += 1
        if self._dead > self._live + _TOLERATED_DEAD:
            self._sweep()

    def next_deadline(self) -> float | None:
        """Return the soonest deadline, or None when nobody sleeps."""
        deadlines = self._deadlines
        while deadlines:
            if not self._first[deadlines[0]].cancelled:
                return deadlines[0]
            self._pop_first(deadlines[0])
            self._dead -= 1
        return None

    def pop_due(self, until: float) -> Sleeper | None:
        """Take out the first sleeper with a deadline of at most `until`, if any."""
        deadlines = self._deadlines
        while deadlines and deadlines[0] <= until:
            sleeper = self._pop_first(deadlines[0])
            if sleeper.cancelled:
                self._dead -= 1
                continue
            self._live -= 1
            if not sleeper.seat.done():
                sleeper.released = True
                return sleeper
            # Cancelled, but its task has not run yet and so has not said so.
            sleeper.cancelled = True
        return None

    def _append(self, sleeper: Sleeper) -> None:
        deadline = sleeper.deadline
        first = self._first.get(deadline)
        if first is None:
            self._first[deadline] = sleeper
            heappush(self._deadlines, deadline)
        else:
            (first.last or first).following = sleeper
            first.last = sleeper

    def _pop_first(self, deadline: float) -> Sleeper:
        sleeper = self._first[deadline]
        following = sleeper.following
        if following is None:
            heappop(self._deadlines)
            del self._first[deadline]
        else:
            following.last = None if sleeper.last is following else sleeper.last
            self._first[deadline] = following
        return sleeper

    def _sweep(self) -> None:
        living = list(self)
        self._deadlines.clear()
        self._first.clear()
        self._dead = 0
        for sleeper in living:
            sleeper.following = sleeper.last = None
            self._append(sleeper)


class TimeSource(Protocol):
    """The part of a clock that ticks need."""

    def now(self) -> float:
        """Return the present time in seconds."""
        ...

    async def wait_until(self, deadline: float) -> None:
        """Return at `deadline`, or at once when it has passed."""
        ...


class Ticks(AsyncGenerator[float, None]):
    """A periodic schedule that keeps its phase and never bursts.

    Each tick is computed as start + k·period, so no rounding error accumulates. After
    the consumer comes back for the next tick, those that have passed meanwhile are
    dropped and counted in `missed`; `late_by` says by how many seconds the latest tick
    came after its time, which is 0 in a simulation. A cancelled wait loses no tick: the next one asked
    for is the same.

    It behaves as an async generator but needs no finalizer: breaking out of a loop over
    it leaves nothing behind.
    """

    def __init__(
        self, clock: TimeSource, period: float, first: Literal["now", "after"]
    ) -> None:
        self.missed: int = 0
        self.late_by: float = 0.0
        self._clock = clock
        self._period = period
        self._first = first
        self._start: float | None = None
        self._tick = 0
        self._waiting = False
        self._closed = False

    async def asend(self, value: None) -> float:
        """Wait for the next tick and return its scheduled time.

        Raises:
            ValueError: at the first call, when the period is not above 0, or `first`
                is neither "now" nor "after".
        """
        del value
        if self._closed:
            raise StopAsyncIteration
        if self._start is None:
            self._begin()
        elif not self._waiting:
            self._skip_missed()
        due = self._due(self._tick)
        self._waiting = True
        if not (self._tick == 0 and self._first == "now"):
            await self._clock.wait_until(due)
        self._waiting = False
        self.late_by = max(0.0, self._clock.now() - due)
        return due

    async def athrow(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
        /,
    ) -> float:
        """End the schedule and raise the error; `aclose` uses it."""
        self._closed = True
        error = typ if isinstance(typ, BaseException) else None
        if error is None:
            error = val if isinstance(val, BaseException) else None
        if error is None and isinstance(typ, type):
            error = typ()
        if error is None:
            raise TypeError("athrow() needs an exception")
        raise error if tb is None else error.with_traceback(tb)

    async def aclose(self) -> None:
        """End the schedule. Idempotent."""
        self._closed = True

    def _begin(self) -> None:
        if not 0 < self._period < float("inf"):
            self._closed = True
            raise ValueError(f"period must be above 0 and finite, not {self._period!r}")
        if self._first not in ("now", "after"):
            self._closed = True
            raise ValueError(f'first must be "now" or "after", not {self._first!r}')
        self._start = self._clock.now()
        if not self._start + self._period > self._start:
            self._closed = True
            raise ValueError(f"period {self._period!r} is too short to be told apart")
        self._tick = 0 if self._first == "now" else 1

    def _due(self, tick: int) -> float:
        return (self._start or 0.0) + tick * self._period

    def _skip_missed(self) -> None:
        # Counting from the last tick, not from the present: a sleep that ended a hair
        # early must not give the same tick twice.
        following = self._tick + 1
        now = self._clock.now()
        elapsed_ticks = int((now - (self._start or 0.0)) / self._period)
        tick = max(following, elapsed_ticks)
        while self._due(tick) <= now:
            tick += 1
        self.missed += tick - following
        self._tick = tick

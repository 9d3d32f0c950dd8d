"""Pluggable time: a wall clock for production, a simulated one for everything else.

It decides what "now" and "later" mean to a daemon. It never corrects or reads the
host's calendar: times are seconds on a scale that starts anywhere. This module is the
one door of the package to the `time` module.
"""

from __future__ import annotations

import math
import sys
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

import anyio

from chrono_daemon._outside import Outside
from chrono_daemon._parking import Line, keep_order, yield_now
from chrono_daemon._schedule import Sleepers, Ticks
from chrono_daemon._settling import Restless, drive, watched_files

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

__all__ = [
    "Clock",
    "SettleWarning",
    "Settlement",
    "SimClock",
    "Ticks",
    "WallClock",
    "settle",
]

_STEP_S: Final = 0.01
"""Wall seconds that a paced clock stands still at most."""


class Clock(Protocol):
    """What a daemon may ask about time. All values are seconds."""

    def now(self) -> float:
        """Return the present time. Needs no running event loop."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; yield once and return if that is 0 or less."""
        ...

    async def wait_until(self, deadline: float) -> None:
        """Return at `deadline`; yield once and return if that is now or past."""
        ...

    def every(
        self, period: float, *, first: Literal["now", "after"] = "after"
    ) -> AsyncIterator[float]:
        """Iterate over scheduled times, `period` apart; missed ones are dropped."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a `SimClock` can't see the end of, at this moment."""

    threads: int
    """Worker threads at work, of anyio's default limiter, that time doesn't wait for."""
    sockets: int | None
    """Files that the event loop watches; None where it can't tell."""
    holds: tuple[str, ...]
    """Why time is held."""
    spinning: bool
    """Whether the clock has given up on rest, and yields a fixed number of times."""

    @property
    def is_exact(self) -> bool:
        """Say whether nothing outside the event loop can matter."""
        return not (self.threads or self.sockets or self.holds or self.spinning)


class SettleWarning(RuntimeWarning):
    """Given once per `SimClock` when a program spins and rest can't be known."""


async def settle() -> None:
    """Return once every other task of this event loop is blocked.

    The exact, immediate answer that `SimClock` stands on, for tests that have no clock.

    Raises:
        RuntimeError: the program spins and is never at rest; names the tasks.
    """
    try:
        await drive(lambda: True, time.thread_time)
    except Restless as restless:
        raise RuntimeError(f"never at rest, these tasks spin: {restless}") from None


def _check_number(name: str, value: float) -> None:
    if math.isnan(value):
        raise ValueError(f"{name} must be a number, not NaN")


class WallClock:
    """Real time: `time.monotonic()` and the backend's own sleep."""

    def now(self) -> float:
        """Return monotonic time in seconds; its start means nothing."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep in real time; yield once and return if `seconds` is 0 or less.

        Raises:
            ValueError: `seconds` is NaN.
        """
        _check_number("seconds", seconds)
        if seconds <= 0:
            await yield_now()
        elif math.isinf(seconds):
            await anyio.sleep_forever()
        else:
            await anyio.sleep(seconds)

    async def wait_until(self, deadline: float) -> None:
        """Sleep until `now()` is `deadline`.

        Raises:
            ValueError: `deadline` is NaN.
        """
        _check_number("deadline", deadline)
        await self.sleep(deadline - self.now())

    def every(
        self, period: float, *, first: Literal["now", "after"] = "after"
    ) -> Ticks:
        """Iterate over scheduled times, `period` seconds apart.

        Each tick yields its scheduled time. Ticks that passed while the consumer was
        busy are dropped: the phase is kept and nothing bursts.

        Args:
            period: seconds, above 0.
            first: "now" gives the first tick at once, "after" one period later.

        Raises:
            ValueError: at the first iteration, when `period` is not above 0.
        """
        return Ticks(self, period, first)


class SimClock:
    """Virtual time that moves only inside `advance` and `advance_to`.

    Before time moves, everything that can run does: each sleeper is released alone, at
    exactly its deadline, and what it sets off has come to rest before the next one. The
    order of wakes depends on (deadline, registration) alone, never on wall time or on
    the backend.

    Rest means that every task of the event loop is blocked. Work outside the loop is
    not seen: a worker thread (see `await_threads`), or a peer that has yet to answer on
    a real socket. Say so with `hold`. A program that spins is never at rest: the clock
    then warns once (`SettleWarning`, naming the tasks) and yields `settle_rounds` times
    instead, from then on.

    Make it anywhere, use it in one event loop at a time; any task may call anything.
    Drivers of one clock are served one after the other.

    Args:
        t0: virtual seconds to start from.
        settle_rounds: the fallback budget of yields for a program that spins.
        strict: make a negative sleep and an advance backwards errors.
        await_threads: hold time while worker threads of anyio's default limiter run.
        hold_timeout: wall seconds that work outside the loop may hold time.

    Raises:
        ValueError: `t0` is not finite, `settle_rounds` is below 1, or `hold_timeout` is
            not above 0.
    """

    def __init__(
        self,
        t0: float = 0.0,
        *,
        settle_rounds: int = 8,
        strict: bool = False,
        await_threads: bool = False,
        hold_timeout: float = 30.0,
    ) -> None:
        if not math.isfinite(t0):
            raise ValueError(f"t0 must be finite, not {t0!r}")
        if settle_rounds < 1:
            raise ValueError(f"settle_rounds must be at least 1, not {settle_rounds!r}")
        if not hold_timeout > 0:
            raise ValueError(f"hold_timeout must be above 0, not {hold_timeout!r}")
        self._now = float(t0)
        self._settle_rounds = settle_rounds
        self._strict = strict
        self._waiters = Sleepers()
        self._outside = Outside(await_threads=await_threads, patience_s=hold_timeout)
        self._spins = False
        self._drivers = Line()
        # The run in progress; there is one at a time.
        self._target = self._now
        self._until: Callable[[], bool] | None = None
        self._held = False
        self._satisfied = False

    def now(self) -> float:
        """Return virtual time in seconds."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Return when time has moved on by `seconds`.

        A cancelled sleeper is forgotten at once and holds nothing back.

        Raises:
            ValueError: `seconds` is NaN, or below 0 on a strict clock.
        """
        deadline = self._now + seconds
        if deadline > self._now:
            await self._park_until(deadline)
            return
        _check_number("seconds", seconds)
        if seconds < 0 and self._strict:
            raise ValueError(f"cannot sleep for {seconds!r} seconds")
        keep_order()
        await yield_now()

    async def wait_until(self, deadline: float) -> None:
        """Return when virtual time is `deadline`.

        Raises:
            ValueError: `deadline` is NaN.
        """
        if deadline > self._now:
            await self._park_until(deadline)
            return
        _check_number("deadline", deadline)
        keep_order()
        await yield_now()

    async def _park_until(self, deadline: float) -> None:
        # No yield comes before the registration: parking itself gives everyone else a
        # turn, and time can't move in between. In a cancelled scope the task is thrown
        # out before the program is at rest, and so before anyone could be released.
        sleeper = self._waiters.add(deadline)
        try:
            await sleeper.seat
        except BaseException:
            self._waiters.discard(sleeper)
            raise

    def every(
        self, period: float, *, first: Literal["now", "after"] = "after"
    ) -> Ticks:
        """Iterate over scheduled times, `period` virtual seconds apart.

        Each tick yields its scheduled time, start + k·period. A consumer that slept
        past several ticks gets the next one in phase, without a burst.

        Args:
            period: seconds, above 0.
            first: "now" gives the first tick at once, "after" one period later.

        Raises:
            ValueError: at the first iteration, when `period` is not above 0.
        """
        return Ticks(self, period, first)

    async def advance(self, dt: float) -> None:
        """Move time on by `dt` seconds, letting all that falls due happen.

        Returns at rest: everything set off by the move has run until it blocked again.
        `advance(0)` only settles. Cancelling it leaves time where it got to.

        Raises:
            ValueError: `dt` is negative, NaN or infinite.
            TimeoutError: work outside the loop held time for too long.
        """
        if not 0 <= dt < math.inf:
            raise ValueError(f"dt must be 0 or more and finite, not {dt!r}")
        await self._run(lambda: self._now + dt)

    async def advance_to(self, t: float) -> None:
        """Move time to `t`; return at once if it is past that already.

        Raises:
            ValueError: `t` is NaN or infinite, or past on a strict clock.
            TimeoutError: work outside the loop held time for too long.
        """
        if not math.isfinite(t):
            raise ValueError(f"t must be finite, not {t!r}")
        if t < self._now:
            if self._strict:
                raise ValueError(f"time is {self._now!r} and cannot go back to {t!r}")
            return
        await self._run(lambda: t)

    async def run_until(
        self, predicate: Callable[[], bool], *, limit: float = math.inf
    ) -> bool:
        """Move time on, wake by wake, until `predicate()` holds at rest.

        Args:
            predicate: looked at whenever everything is at rest; must not block.
            limit: virtual seconds to go at most.

        Returns:
            False if the limit was reached, or nobody is left to wake, and it still
            does not hold.

        Raises:
            ValueError: `limit` is negative or NaN.
            TimeoutError: work outside the loop held time for too long.
        """
        if not limit >= 0:
            raise ValueError(f"limit must be 0 or more, not {limit!r}")
        return await self._run(lambda: self._now + limit, predicate)

    async def run_until_idle(self, *, limit: float = math.inf) -> bool:
        """Move time on until nobody sleeps on this clock.

        Args:
            limit: virtual seconds to go at most; a periodic program needs one.

        Returns:
            False if somebody still sleeps at the limit.

        Raises:
            ValueError: `limit` is negative or NaN.
            TimeoutError: work outside the loop held time for too long.
        """
        return await self.run_until(lambda: not self._waiters, limit=limit)

    async def run_paced(self, dt: float, *, speed: float = 1.0) -> None:
        """Move time on by `dt`, at `speed` virtual seconds for each second on the wall.

        For watching a simulation, or for one that talks to the real world.

        Raises:
            ValueError: `dt` is negative, NaN or infinite, or `speed` is not above 0.
            TimeoutError: work outside the loop held time for too long.
        """
        if not 0 <= dt < math.inf or not 0 < speed < math.inf:
            raise ValueError(f"cannot run for {dt!r} s at {speed!r} times real time")
        await self.advance(0)
        start, start_wall = self._now, time.monotonic()
        end = start + dt
        while self._now < end:
            due = self._waiters.next_deadline()
            stop = end if due is None else min(due, end)
            elapsed = time.monotonic() - start_wall
            ahead_s = (stop - start) / speed - elapsed
            # In small steps: what comes from outside meanwhile finds the time it is.
            await anyio.sleep(min(max(0.0, ahead_s), _STEP_S))
            reached = start + (time.monotonic() - start_wall) * speed
            if ahead_s <= _STEP_S:
                reached = stop
            await self.advance_to(max(min(reached, stop), self._now))

    @contextmanager
    def hold(self, reason: str = "work outside the event loop") -> Iterator[None]:
        """Keep time from moving while the block runs; any thread may do so.

        For work whose end the event loop can't see: a reply on a real socket, a
        thread. `advance` waits for all such blocks, in wall time, up to
        `hold_timeout`; then it raises TimeoutError naming the reasons.
        """
        with self._outside.hold(reason):
            yield

    def settlement(self) -> Settlement:
        """Say how far settling can be relied on now; call it in a task.

        Time moves past whatever is counted here: hold it, or ask to `await_threads`,
        where that matters.
        """
        return Settlement(
            threads=self._outside.threads_not_awaited(),
            sockets=watched_files(),
            holds=self._outside.reasons(),
            spinning=self._spins,
        )

    async def _run(
        self,
        target: Callable[[], float],
        until: Callable[[], bool] | None = None,
    ) -> bool:
        """Serve this driver when its turn comes; say whether `until` holds."""
        keep_order()
        await self._drivers.take()
        try:
            self._outside.enter_loop()
            # Nobody who sleeps for ever is due, however far time moves.
            self._target = min(target(), sys.float_info.max)
            self._until = until
            self._satisfied = False
            while True:
                self._held = False
                await self._drive()
                if not self._held:
                    return self._satisfied
                await self._outside.wait(WallClock())
        finally:
            self._until = None
            self._drivers.give()

    def _step(self) -> bool:
        """At rest: release the next sleeper that is due, or end the run."""
        if self._outside.is_at_work():
            self._held = True
            return True
        if self._until is not None and self._until():
            self._satisfied = True
            return True
        sleeper = self._waiters.pop_due(self._target)
        if sleeper is None:
            if self._target < sys.float_info.max:
                self._now = max(self._now, self._target)
            return True
        self._now = sleeper.deadline
        sleeper.seat.set_result(None)
        return False

    async def _drive(self) -> None:
        if not self._spins:
            try:
                await drive(self._step, time.thread_time)
            except Restless as restless:
                self._spins = True
                warnings.warn(
                    f"never at rest, these tasks spin: {restless}; SimClock goes on "
                    f"with {self._settle_rounds} yields for each wake",
                    SettleWarning,
                    stacklevel=2,
                )
            else:
                return
        while True:
            for _ in range(self._settle_rounds):
                await yield_now()
            if self._step():
                return

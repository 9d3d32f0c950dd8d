"""`Clock.every`: ticks in phase, none twice, none in bursts, and counted when lost."""

from __future__ import annotations

import math
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from chrono_daemon import Channel, SimClock, Supervisor, WallClock, daemon, open_channel
from chrono_daemon.clock import settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from chrono_daemon import Clock, Context

pytestmark = pytest.mark.anyio


async def take(ticks: AsyncIterator[float], n: int) -> list[float]:
    """Return the first `n` ticks."""
    got: list[float] = []
    async for tick in ticks:
        got.append(tick)
        if len(got) == n:
            break
    return got


class TestEvery:
    """Periodic schedules."""

    @pytest.mark.parametrize("clock", [SimClock(), WallClock()])
    @pytest.mark.parametrize("period", [0, -1, math.nan])
    async def test_a_period_that_is_none_is_refused_at_the_first_iteration(
        self, clock: Clock, period: float
    ) -> None:
        """The call itself raises nothing."""
        ticks = clock.every(period)
        with pytest.raises(ValueError, match="period"):
            await anext(ticks)

    @pytest.mark.parametrize(
        ("period", "first", "expected"),
        [
            (0.5, "after", [0.5, 1.0, 1.5, 2.0]),
            (0.5, "now", [0.0, 0.5, 1.0]),
            (0.1, "after", [0.1, 0.2]),
        ],
    )
    async def test_ticks_are_scheduled_times(
        self, period: float, first: str, expected: list[float]
    ) -> None:
        """Start + k·period, from now or one period later."""
        clock = SimClock()
        got: list[float] = []

        async def main() -> None:
            got.extend(
                await take(
                    clock.every(period, first="now" if first == "now" else "after"),
                    len(expected),
                )
            )

        async with anyio.create_task_group() as group:
            group.start_soon(main)
            await clock.advance(3)
        assert got == expected

    async def test_the_phase_has_no_rounding_drift(self) -> None:
        """The thousandth tick is 1000 times the period, not a sum of a thousand."""
        clock = SimClock()
        got: list[float] = []

        async def main() -> None:
            got.extend(await take(clock.every(0.1), 1000))

        async with anyio.create_task_group() as group:
            group.start_soon(main)
            await clock.advance(101)
        assert got == [0.1 * k for k in range(1, 1001)]

    async def test_a_slow_consumer_gets_one_tick_in_phase(self) -> None:
        """Ticks slept through are dropped; the next keeps the phase."""
        clock = SimClock()
        got: list[float] = []

        async def main() -> None:
            async for tick in clock.every(1):
                got.append(tick)
                if len(got) == 3:
                    break
                await clock.sleep(2.5)

        async with anyio.create_task_group() as group:
            group.start_soon(main)
            await clock.advance(20)
        assert got == [1, 4, 7]

    async def test_a_cancelled_wait_loses_no_tick(self) -> None:
        """After a cancelled iteration the same tick comes next."""
        clock = SimClock()
        ticks = clock.every(1)
        got: list[float] = []
        scope = anyio.CancelScope()

        async def main() -> None:
            with scope:
                await anext(ticks)
            got.append(await anext(ticks))

        async with anyio.create_task_group() as group:
            group.start_soon(main)
            await settle()
            scope.cancel()
            await clock.advance(2)
        assert got == [1]

    async def test_dropped_ticks_are_counted(self) -> None:
        """`missed` says how many were slept through."""
        clock = SimClock()
        ticks = clock.every(1)

        async def main() -> None:
            await anext(ticks)
            await clock.sleep(3.5)
            await anext(ticks)

        async with anyio.create_task_group() as group:
            group.start_soon(main)
            await clock.advance(9)
        assert ticks.missed == 3
        assert ticks.late_by == 0

    async def test_ticks_end_like_a_generator(self) -> None:
        """After aclose, a wrong `first`, or an error thrown in, there are no more."""
        clock = SimClock()
        closed = clock.every(1, first="now")
        assert await anext(closed) == 0
        await closed.aclose()
        thrown = clock.every(1)
        with pytest.raises(KeyError, match="in"):
            await thrown.athrow(KeyError("in"))
        with pytest.raises(KeyError):
            await clock.every(1).athrow(KeyError)
        wrong = clock.every(1, first="soon")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="first"):
            await anext(wrong)
        for ticks in (closed, thrown, wrong):
            with pytest.raises(StopAsyncIteration):
                await anext(ticks)

    async def test_the_wall_never_gives_a_tick_twice_nor_in_bursts(self) -> None:
        """Real ticks are a period apart in schedule, even after a stall."""
        clock = WallClock()
        got: list[float] = []
        ticks = clock.every(0.002, first="now")
        async for tick in ticks:
            assert 0 <= ticks.late_by <= clock.now() - tick
            got.append(tick)
            if len(got) == 3:
                time.sleep(0.01)  # noqa: ASYNC251, TID251  (a stall of the whole loop)
            if len(got) == 8:
                break
        steps = [(b - a) / 0.002 for a, b in pairwise(got)]
        assert all(step >= 0.99 for step in steps)
        assert all(abs(step - round(step)) < 1e-3 for step in steps)
        assert max(steps) >= 4

    async def test_an_early_wake_does_not_repeat_a_tick(self) -> None:
        """A sleep that ends a hair early still leads to the following tick."""

        class Hasty(WallClock):
            time = 0.0

            def now(self) -> float:
                return self.time

            async def sleep(self, seconds: float) -> None:
                self.time += seconds * 0.999

        assert await take(Hasty().every(1), 3) == [1, 2, 3]


async def test_the_trap_of_a_pipeline_stamped_one_tick_late() -> None:
    """A pipeline of five daemons stamps each item with the instant it was made."""
    clock = SimClock()
    links: list[Channel[float]] = [open_channel(1) for _ in range(5)]
    stamped: list[tuple[float, float]] = []

    @daemon
    async def source(ctx: Context) -> None:
        async for tick in ctx.clock.every(1):
            await links[0].send.send(tick)

    @daemon
    async def forward(ctx: Context, n: int) -> None:
        async for item in links[n].recv:
            await links[n + 1].send.send(item)

    @daemon
    async def sink(ctx: Context) -> None:
        async for item in links[4].recv:
            stamped.append((item, ctx.clock.now()))

    async with Supervisor(clock=clock) as sup:
        sup.add(source())
        for n in range(4):
            sup.add(forward(n), name=f"forward{n}")
        sup.add(sink())
        for _ in range(5):
            await clock.advance(1)
        await sup.stop(grace=0)
    assert stamped == [(t, t) for t in (1.0, 2.0, 3.0, 4.0, 5.0)]

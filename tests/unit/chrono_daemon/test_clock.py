"""Time moves when and where it is told to, and past nobody."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from chrono_daemon import Channel, SimClock, WallClock, open_channel
from chrono_daemon.clock import settle

if TYPE_CHECKING:
    from chrono_daemon import Clock

pytestmark = pytest.mark.anyio


class TestConstruction:
    """What a clock is made from."""

    def test_time_starts_where_it_is_told(self) -> None:
        """`now()` is float(t0), outside any event loop."""
        assert SimClock().now() == 0.0
        now = SimClock(5).now()
        assert now == 5.0
        assert isinstance(now, float)

    @pytest.mark.parametrize("rounds", [0, -1])
    def test_settle_rounds_below_one_are_refused(self, rounds: int) -> None:
        """The message names the argument."""
        with pytest.raises(ValueError, match="settle_rounds"):
            SimClock(settle_rounds=rounds)

    def test_nonsense_is_refused(self) -> None:
        """A start that is no number and a hold of no time raise ValueError."""
        with pytest.raises(ValueError, match="t0"):
            SimClock(math.nan)
        with pytest.raises(ValueError, match="hold_timeout"):
            SimClock(hold_timeout=0)

    async def test_runs_without_a_sensible_limit_are_refused(self) -> None:
        """A negative limit and a standstill in step with the wall raise ValueError."""
        clock = SimClock()
        with pytest.raises(ValueError, match="limit"):
            await clock.run_until_idle(limit=-1)
        with pytest.raises(ValueError, match="times real time"):
            await clock.run_paced(1, speed=0)

    async def test_a_wall_clock_can_sleep_for_ever(self) -> None:
        """Until it is cancelled."""
        with anyio.move_on_after(0.01) as scope:
            await WallClock().sleep(math.inf)
        assert scope.cancelled_caught


class TestSleeping:
    """Sleepers of a SimClock."""

    async def test_a_sleeper_wakes_at_its_deadline_exactly(self) -> None:
        """A woken task reads now() == deadline, and wake order is deadline order."""
        clock = SimClock(10)
        woken: list[tuple[str, float]] = []

        async def sleeper(name: str, seconds: float) -> None:
            await clock.sleep(seconds)
            woken.append((name, clock.now()))

        async with anyio.create_task_group() as group:
            for name, seconds in (("c", 3.5), ("a", 0.25), ("b", 1.0)):
                group.start_soon(sleeper, name, seconds)
            await clock.advance(5)
        assert woken == [("a", 10.25), ("b", 11.0), ("c", 13.5)]
        assert clock.now() == 15

    async def test_equal_deadlines_wake_in_order_of_registration(self) -> None:
        """Fifty sleepers for one instant wake as they went to sleep."""
        clock = SimClock()
        registered: list[int] = []
        woken: list[int] = []

        async def sleeper(n: int) -> None:
            registered.append(n)
            await clock.sleep(1)
            woken.append(n)

        async with anyio.create_task_group() as group:
            for n in range(50):
                group.start_soon(sleeper, n)
            await clock.advance(1)
        assert woken == registered
        assert len(woken) == 50

    @pytest.mark.parametrize("clock", [SimClock(), WallClock()])
    @pytest.mark.parametrize("seconds", [0, -1, -math.inf])
    async def test_sleeping_for_nothing_yields_and_returns(
        self, clock: Clock, seconds: float
    ) -> None:
        """0 and less let others run once and need no advance, on either clock."""
        ran = anyio.Event()

        async def other() -> None:
            ran.set()

        async with anyio.create_task_group() as group:
            group.start_soon(other)
            while not ran.is_set():
                await clock.sleep(seconds)
            await clock.wait_until(clock.now() + seconds)
        if isinstance(clock, SimClock):
            assert len(clock._waiters) == 0

    @pytest.mark.parametrize("clock", [SimClock(), WallClock()])
    async def test_sleeping_for_nan_is_refused(self, clock: Clock) -> None:
        """NaN is no time on either clock."""
        with pytest.raises(ValueError, match="NaN"):
            await clock.sleep(math.nan)
        with pytest.raises(ValueError, match="NaN"):
            await clock.wait_until(math.nan)

    async def test_a_strict_clock_refuses_to_go_back(self) -> None:
        """With strict=True a negative sleep and an advance backwards are errors."""
        clock = SimClock(5, strict=True)
        with pytest.raises(ValueError, match="sleep"):
            await clock.sleep(-1)
        with pytest.raises(ValueError, match="go back"):
            await clock.advance_to(4)

    async def test_a_cancelled_caller_leaves_without_registering(self) -> None:
        """In a cancelled scope sleep registers nobody."""
        clock = SimClock()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await clock.sleep(1)
        assert scope.cancelled_caught
        assert len(clock._waiters) == 0

    async def test_cancelled_sleepers_are_gone_at_once(self) -> None:
        """2,000 cancelled sleepers leave one entry, and hold nothing back."""
        clock = SimClock()
        woken: list[float] = []

        async def survivor() -> None:
            await clock.sleep(2)
            woken.append(clock.now())

        async with anyio.create_task_group() as group:
            group.start_soon(survivor)
            async with anyio.create_task_group() as doomed:
                for _ in range(2000):
                    doomed.start_soon(clock.sleep, 1)
                await settle()
                assert len(clock._waiters) == 2001
                assert not any(w.cancelled for w in clock._waiters)
                doomed.cancel_scope.cancel()
            assert len(clock._waiters) == 1
            assert clock._waiters._dead < 200
            await clock.advance(2)
        assert woken == [2]

    async def test_a_sleeper_cancelled_at_the_instant_of_its_deadline(self) -> None:
        """A task woken first may cancel another due at the same instant."""
        clock = SimClock()
        woken: list[str] = []
        scope = anyio.CancelScope()

        async def first() -> None:
            await clock.sleep(1)
            woken.append("first")
            scope.cancel()

        async def second() -> None:
            with scope:
                await clock.sleep(1)
                woken.append("second")

        async with anyio.create_task_group() as group:
            group.start_soon(first)
            await settle()
            group.start_soon(second)
            await clock.advance(1)
        assert woken == ["first"]


class TestAdvancing:
    """advance and advance_to."""

    @pytest.mark.parametrize("dt", [-1, -1e-9, math.nan, math.inf])
    async def test_a_step_that_is_no_step_is_refused(self, dt: float) -> None:
        """Negative, NaN and infinite steps raise ValueError and move nothing."""
        clock = SimClock()
        with pytest.raises(ValueError, match="dt"):
            await clock.advance(dt)
        assert clock.now() == 0

    async def test_going_back_changes_nothing(self) -> None:
        """`advance_to` a past time returns at once; NaN is refused."""
        clock = SimClock(3)
        await clock.advance_to(1)
        assert clock.now() == 3
        with pytest.raises(ValueError, match="finite"):
            await clock.advance_to(math.nan)

    @pytest.mark.parametrize("dt", [0, 1])
    async def test_a_task_just_started_is_settled_first(self, dt: float) -> None:
        """A task started right before the call runs and registers from the old now."""
        clock = SimClock()
        seen: list[float] = []

        async def late() -> None:
            seen.append(clock.now())
            await clock.sleep(0.5)
            seen.append(clock.now())

        async with anyio.create_task_group() as group:
            group.start_soon(late)
            await clock.advance(dt)
            assert seen == ([0, 0.5] if dt else [0])
            await clock.advance(1)
        assert seen == [0, 0.5]

    async def test_follow_up_sleeps_are_honoured_in_the_same_call(self) -> None:
        """Sleeps set off by a wake, and by tasks it starts, fall due within one move."""
        clock = SimClock()
        seen: list[float] = []

        async def child(depth: int) -> None:
            await clock.sleep(0.1)
            seen.append(round(clock.now(), 6))
            if depth:
                group.start_soon(child, depth - 1)

        async with anyio.create_task_group() as group:
            group.start_soon(child, 4)
            await clock.advance(1)
        assert seen == [0.1, 0.2, 0.3, 0.4, 0.5]

    @pytest.mark.parametrize("hops", [1000, 2000])
    async def test_a_deep_chain_settles_in_one_advance(self, hops: int) -> None:
        """A relay of a thousand channels delivers within the instant it was fed."""
        clock = SimClock()
        links: list[Channel[float]] = [open_channel() for _ in range(hops + 1)]
        arrived: list[tuple[float, float]] = []

        async def relay(n: int) -> None:
            async for item in links[n].recv:
                await links[n + 1].send.send(item)

        async def source() -> None:
            async for tick in clock.every(1):
                await links[0].send.send(tick)

        async def sink() -> None:
            async for item in links[hops].recv:
                arrived.append((item, clock.now()))

        async with anyio.create_task_group() as group:
            for n in range(hops):
                group.start_soon(relay, n)
            group.start_soon(source)
            group.start_soon(sink)
            await clock.advance(3)
            group.cancel_scope.cancel()
        assert arrived == [(1, 1), (2, 2), (3, 3)]

    async def test_drivers_of_several_clocks_do_not_disturb_each_other(self) -> None:
        """Five clocks in one loop, each with its driver, all keep exact time."""
        seen: dict[int, list[float]] = {n: [] for n in range(5)}

        async def session(n: int) -> None:
            clock = SimClock()

            async def ticker() -> None:
                async for tick in clock.every(0.5):
                    seen[n].append(tick)

            async with anyio.create_task_group() as inner:
                inner.start_soon(ticker)
                for _ in range(10):
                    await clock.advance(0.25 * (n + 1))
                inner.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            for n in range(5):
                group.start_soon(session, n)
        for n in range(5):
            assert seen[n] == [0.5 * k for k in range(1, 5 * (n + 1) + 1)]

    async def test_two_drivers_of_one_clock_are_served_in_turn(self) -> None:
        """Concurrent advances add up, and no tick is skipped."""
        clock = SimClock()
        ticks: list[float] = []

        async def ticker() -> None:
            async for tick in clock.every(0.25):
                ticks.append(tick)
                assert clock.now() == tick

        async with anyio.create_task_group() as group:
            group.start_soon(ticker)
            async with anyio.create_task_group() as drivers:
                for _ in range(4):
                    drivers.start_soon(clock.advance, 1)
            group.cancel_scope.cancel()
        assert clock.now() == 4
        assert ticks == [0.25 * k for k in range(1, 17)]

    async def test_a_daemon_may_drive_its_own_clock(self) -> None:
        """An advance from a task that an advance has woken waits for its turn."""
        clock = SimClock()
        seen: list[float] = []

        async def inner() -> None:
            await clock.sleep(1)
            await clock.advance(5)
            seen.append(clock.now())

        async with anyio.create_task_group() as group:
            group.start_soon(inner)
            await clock.advance(3)
        assert seen == [8]

    async def test_a_cancelled_driver_leaves_the_clock_usable(self) -> None:
        """Cancelling a driver, parked or in line, leaves time where it got to."""
        clock = SimClock()
        with clock.hold():
            with anyio.move_on_after(0.01) as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(clock.advance, 1)
                    group.start_soon(clock.advance, 1)
            assert scope.cancelled_caught
        assert clock.now() == 0
        await clock.advance(1)
        assert clock.now() == 1

    async def test_one_clock_serves_one_loop_after_another(self) -> None:
        """A clock made elsewhere works here (each backend run is a new loop)."""
        clock = _SHARED
        before = clock.now()
        await clock.advance(1)
        assert clock.now() == before + 1


_SHARED = SimClock()


class TestRunningOn:
    """run_until, run_until_idle and run_paced."""

    async def test_run_until_stops_at_the_wake_that_made_it_true(self) -> None:
        """Time is that of the wake; with nobody left, or at the limit, it is False."""
        clock = SimClock()
        seen: list[float] = []

        async def ticker() -> None:
            async for tick in clock.every(1):
                seen.append(tick)
                if tick == 5:
                    break

        async with anyio.create_task_group() as group:
            group.start_soon(ticker)
            assert await clock.run_until(lambda: len(seen) == 3)
            assert clock.now() == 3
            assert not await clock.run_until(lambda: False, limit=1.5)
            assert clock.now() == 4.5
            assert await clock.run_until_idle()
            assert clock.now() == 5
            assert not await clock.run_until(lambda: False)

    async def test_run_paced_takes_real_time(self) -> None:
        """Virtual time passes at the given speed and each wake is exact."""
        clock = SimClock()
        seen: list[float] = []

        async def ticker() -> None:
            async for tick in clock.every(1):
                seen.append(tick)
                if tick == 3:
                    break

        async with anyio.create_task_group() as group:
            group.start_soon(ticker)
            before = time.monotonic()
            await clock.run_paced(3, speed=300)
            assert time.monotonic() - before >= 0.01
        assert seen == [1, 2, 3]
        assert clock.now() == 3

    async def test_run_paced_keeps_step_with_what_comes_from_outside(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Time has passed when the world calls, and a sleep set then ends in step."""
        wall = 0.0
        rings_at, ring = 2.0, anyio.Event()

        async def sleep(seconds: float) -> None:
            nonlocal wall
            await anyio.lowlevel.checkpoint()
            if wall < rings_at <= wall + seconds:
                ring.set()
                await settle()
            wall += seconds

        clock = SimClock()
        seen: list[tuple[float, float]] = []

        async def answer() -> None:
            await ring.wait()
            seen.append((clock.now(), wall))
            await clock.sleep(4)
            seen.append((clock.now(), wall))

        monkeypatch.setattr("chrono_daemon.clock.time.monotonic", lambda: wall)
        monkeypatch.setattr("chrono_daemon.clock.anyio.sleep", sleep)
        async with anyio.create_task_group() as group:
            group.start_soon(answer)
            await clock.run_paced(100, speed=4)
        assert wall == pytest.approx(25)
        for virtual, real in seen:
            assert virtual == pytest.approx(4 * real, abs=0.1)
        assert [virtual for virtual, _ in seen] == pytest.approx([8, 12], abs=0.1)

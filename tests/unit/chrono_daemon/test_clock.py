"""Time moves when and where it is told to, and past nobody."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from chrono_daemon import Channel, SimClock, Supervisor, WallClock, daemon, open_channel
from chrono_daemon.clock import SettleWarning, settle

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


class TestOutsideTheLoop:
    """What settling can't see."""

    async def test_hold_keeps_time_still_until_the_work_is_done(self) -> None:
        """Time waits for a held block that ends in another thread."""
        clock = SimClock()
        seen: list[float] = []
        go = threading.Event()

        def work() -> None:
            go.wait(5)

        async def worker() -> None:
            with clock.hold("a thread"):
                await anyio.to_thread.run_sync(work)
                seen.append(clock.now())

        async with anyio.create_task_group() as group:
            group.start_soon(worker)
            await settle()
            group.start_soon(clock.advance, 1)
            await settle()
            assert clock.now() == 0
            go.set()
        assert seen == [0]
        assert clock.now() == 1

    async def test_holding_for_too_long_is_an_error_that_names_the_reason(self) -> None:
        """The wall time-out raises TimeoutError with the reason given."""
        clock = SimClock(hold_timeout=0.01)
        with (
            clock.hold("waiting for the oracle"),
            pytest.raises(TimeoutError, match="waiting for the oracle"),
        ):
            await clock.advance(1)
        await clock.advance(1)

    async def test_worker_threads_hold_time_when_asked_to(self) -> None:
        """With await_threads=True a to_thread call ends before time moves."""
        clock = SimClock(await_threads=True)
        seen: list[float] = []

        async def worker() -> None:
            await anyio.to_thread.run_sync(threading.Event().wait, 0.01)
            seen.append(clock.now())

        async with anyio.create_task_group() as group:
            group.start_soon(worker)
            await clock.advance(1)
        assert seen == [0]

    async def test_a_spinning_task_is_named_once_and_time_goes_on(self) -> None:
        """A spinner costs one warning; afterwards the clock yields a fixed budget."""
        clock = SimClock(settle_rounds=3)

        async def spinner() -> None:
            while True:
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as group:
            group.start_soon(spinner, name="whirligig")
            with pytest.warns(SettleWarning, match="whirligig") as caught:
                await clock.advance(1)
                await clock.advance(1)
            assert len(caught) == 1
            with pytest.raises(RuntimeError, match="whirligig"):
                await settle()
            group.cancel_scope.cancel()
        assert clock.now() == 2

    def test_a_callback_that_reschedules_itself_is_not_work(self) -> None:
        """On asyncio another library's probe doesn't keep time from moving."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            clock = SimClock()
            ticks: list[float] = []

            def noise() -> None:
                loop.call_soon(noise)

            async def ticker() -> None:
                async for tick in clock.every(1):
                    ticks.append(tick)

            noise()
            async with anyio.create_task_group() as group:
                group.start_soon(ticker)
                await clock.advance(20)
                group.cancel_scope.cancel()
            assert ticks == [float(n) for n in range(1, 21)]

        asyncio.run(main())

    def test_a_long_chain_of_callbacks_is_followed(self) -> None:
        """Hundreds of callbacks, one after the other, with every task blocked."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            clock = SimClock()
            seen: list[float] = []

            async def worker() -> None:
                await clock.sleep(1)
                reached = loop.create_future()

                def link(n: int) -> None:
                    if n:
                        loop.call_soon(lambda: link(n - 1))
                    else:
                        reached.set_result(None)

                link(700)
                await reached
                seen.append(clock.now())

            async with anyio.create_task_group() as group:
                group.start_soon(worker)
                await clock.advance(5)
            assert seen == [1]

        asyncio.run(main())

    def test_ready_sockets_are_followed(self) -> None:
        """On asyncio what the kernel has ready, and callbacks of callbacks, run first."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            clock = SimClock()
            reader, writer = __import__("socket").socketpair()
            reader.setblocking(False)
            got: list[tuple[bytes, float]] = []

            async def listen() -> None:
                while data := await loop.sock_recv(reader, 1):
                    got.append((data, clock.now()))

            async def talk() -> None:
                for letter in (b"a", b"b", b"c"):
                    await clock.sleep(1)
                    writer.send(letter)

            async with anyio.create_task_group() as group:
                group.start_soon(listen)
                group.start_soon(talk)
                await clock.advance(5)
                group.cancel_scope.cancel()
            reader.close()
            writer.close()
            assert got == [(b"a", 1), (b"b", 2), (b"c", 3)]

        asyncio.run(main())


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

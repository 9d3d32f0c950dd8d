"""Simulated time waits for work outside the loop, and follows all that is ready."""

from __future__ import annotations

import asyncio
import threading

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from chrono_daemon import SimClock
from chrono_daemon.clock import SettleWarning, settle

pytestmark = pytest.mark.anyio


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
            # At work when the clock begins to look, but no spinner.
            group.start_soon(anyio.lowlevel.checkpoint, name="passer-by")
            with pytest.warns(SettleWarning, match="spin: whirligig; ") as caught:
                await clock.advance(1)
                await clock.advance(1)
            assert len(caught) == 1
            with pytest.raises(RuntimeError, match=r"spin: whirligig$"):
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

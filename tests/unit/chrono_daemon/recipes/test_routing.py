"""Items find their way, in order, and none is lost on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from chrono_daemon import (
    Channel,
    ChannelClosed,
    EndOfStream,
    SimClock,
    WouldBlock,
    open_channel,
)
from chrono_daemon.clock import settle
from chrono_daemon.recipes.routing import load_balance, merge, tee, worker_pool

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.anyio


def filled(items: Iterable[int], *, closed: bool = True) -> Channel[int]:
    """Return a channel with items in it, its send side closed or not."""
    ch: Channel[int] = open_channel(100)
    for item in items:
        ch.send.send_nowait(item)
    if closed:
        ch.send._pipe.send_open = False  # type: ignore[attr-defined]
    return ch


def channels(n: int, size: float = 0) -> list[Channel[int]]:
    """Return n empty channels."""
    return [open_channel(size) for _ in range(n)]


def is_closed(ch: Channel[int]) -> bool:
    """Say whether the send side is closed."""
    return ch.send.statistics().open_send_streams == 0


async def drain(ch: Channel[int], into: list[int]) -> None:
    """Receive everything."""
    async for item in ch.recv:
        into.append(item)


class TestTee:
    """Every destination gets every item."""

    async def test_all_get_all_and_are_closed_at_the_end(self) -> None:
        """In order, to each."""
        outs = channels(3)
        got: list[list[int]] = [[], [], []]
        async with anyio.create_task_group() as group:
            for out, into in zip(outs, got, strict=True):
                group.start_soon(drain, out, into)
            await tee(filled(range(5)).recv, *(out.send for out in outs))
        assert got == [[0, 1, 2, 3, 4]] * 3

    async def test_the_slowest_sets_the_pace(self) -> None:
        """No item is taken before all have the one before."""
        source, quick = filled(range(9)), channels(1, 9)[0]
        slow = channels(1, 1)[0]
        async with anyio.create_task_group() as group:
            group.start_soon(tee, source.recv, quick.send, slow.send)
            await settle()
            assert quick.recv.statistics().current_buffer_used == 2
            assert source.recv.statistics().current_buffer_used == 7
            group.cancel_scope.cancel()
        assert is_closed(quick)

    async def test_without_destinations_it_drains(self) -> None:
        """The source ends up empty."""
        source = filled(range(5))
        await tee(source.recv)
        with pytest.raises(EndOfStream):
            source.recv.receive_nowait()

    async def test_a_failing_destination_comes_out_in_a_group(self) -> None:
        """And all destinations are closed."""
        good, bad = channels(2, 9)
        await bad.recv.aclose()
        with pytest.raises(ExceptionGroup) as caught:
            await tee(filled(range(3)).recv, good.send, bad.send)
        assert caught.group_contains(ChannelClosed)
        assert is_closed(good)
        assert is_closed(bad)


class TestMerge:
    """Several sources, one destination."""

    async def test_no_source_is_refused(self) -> None:
        """The destination is left open."""
        dest = open_channel(1)  # type: ignore[var-annotated]
        with pytest.raises(ValueError, match="at least one source"):
            await merge([], dest.send)
        assert not is_closed(dest)

    @pytest.mark.parametrize("close", [True, False])
    @pytest.mark.parametrize("size", [0, 2])
    async def test_each_source_keeps_its_order(self, close: bool, size: int) -> None:
        """Nothing lost, the destination closed iff told so."""
        sources = [filled(range(n, 60, 3)) for n in range(3)]
        dest = channels(1, size)[0]
        got: list[int] = []
        async with anyio.create_task_group() as group:
            group.start_soon(drain, dest, got)
            await merge([s.recv for s in sources], dest.send, close_dest=close)
            assert is_closed(dest) == close
            await dest.send.aclose()
        assert sorted(got) == list(range(60))
        for n in range(3):
            mine = [x for x in got if x % 3 == n]
            assert mine == sorted(mine)

    async def test_cancelled_it_gives_back_what_it_holds(self) -> None:
        """Items taken and not passed on are received again from their source."""
        sources = [filled([n, n + 10], closed=False) for n in range(3)]
        dest = channels(1)[0]
        async with anyio.create_task_group() as group:
            group.start_soon(merge, [s.recv for s in sources], dest.send)
            await settle()
            group.cancel_scope.cancel()
        assert [s.recv.receive_nowait() for s in sources] == [0, 1, 2]
        assert [s.recv.receive_nowait() for s in sources] == [10, 11, 12]
        assert is_closed(dest)


class TestLoadBalance:
    """Round robin."""

    async def test_no_destination_is_refused(self) -> None:
        """Before anything is received."""
        source = filled([1])
        with pytest.raises(ValueError, match="at least one destination"):
            await load_balance(source.recv, [])
        assert source.recv.receive_nowait() == 1

    @pytest.mark.parametrize("close", [True, False])
    async def test_the_rotation_is_strict(self, close: bool) -> None:
        """It begins with the first and skips nobody."""
        dests = channels(3, 9)
        await load_balance(
            filled(range(7)).recv, [d.send for d in dests], close_dests=close
        )
        assert [is_closed(d) for d in dests] == [close] * 3
        assert [d.recv.receive_nowait() for d in dests] == [0, 1, 2]
        assert [d.recv.receive_nowait() for d in dests] == [3, 4, 5]
        assert dests[0].recv.receive_nowait() == 6
        with pytest.raises(EndOfStream if close else WouldBlock):
            dests[1].recv.receive_nowait()

    async def test_it_waits_for_the_one_whose_turn_it_is(self) -> None:
        """And gives the item back when cancelled meanwhile."""
        source, dests = filled(range(5), closed=False), channels(2, 1)
        async with anyio.create_task_group() as group:
            group.start_soon(load_balance, source.recv, [d.send for d in dests])
            await settle()
            assert dests[1].recv.receive_nowait() == 1
            await settle()
            assert dests[1].recv.statistics().current_buffer_used == 0
            group.cancel_scope.cancel()
        assert source.recv.receive_nowait() == 2
        assert all(is_closed(d) for d in dests)


class TestWorkerPool:
    """Handlers at work."""

    @pytest.mark.parametrize(
        ("option", "value"), [("workers", 0), ("worker_buffer", -1)]
    )
    async def test_impossible_pools_are_refused(self, option: str, value: int) -> None:
        """The message names the option."""

        async def handle(n: int) -> int:
            return n

        results: Channel[int | Exception] = open_channel(1)
        with pytest.raises(ValueError, match=option):
            await worker_pool(
                filled([]).recv,
                results.send,
                handle,
                workers=value if option == "workers" else 1,
                worker_buffer=value if option == "worker_buffer" else 0,
            )

    @pytest.mark.parametrize("workers", [1, 3])
    @pytest.mark.parametrize("buffer", [0, 2])
    @pytest.mark.parametrize("close", [True, False])
    async def test_all_is_handled_by_so_many_at_a_time(
        self, workers: int, buffer: int, close: bool
    ) -> None:
        """Exceptions are results; results are closed iff told so."""
        clock = SimClock()
        busy = peak = 0

        async def handle(n: int) -> int:
            nonlocal busy, peak
            busy += 1
            peak = max(peak, busy)
            await clock.sleep(1)
            busy -= 1
            if n == 4:
                raise ValueError("four")
            return n * n

        results: Channel[int | Exception] = open_channel(100)
        async with anyio.create_task_group() as group:

            async def pool() -> None:
                await worker_pool(
                    filled(range(9)).recv,
                    results.send,
                    handle,
                    workers=workers,
                    worker_buffer=buffer,
                    close_results=close,
                )

            group.start_soon(pool)
            await clock.advance(20)
        assert peak == workers
        assert (results.send.statistics().open_send_streams == 0) == close
        await results.send.aclose()
        got = [r async for r in results.recv]
        assert sorted(r for r in got if isinstance(r, int)) == [
            n * n for n in range(9) if n != 4
        ]
        assert [str(r) for r in got if isinstance(r, Exception)] == ["four"]

    async def test_results_come_in_order_of_completion(self) -> None:
        """A quick request overtakes a slow one."""
        clock = SimClock()

        async def handle(n: int) -> int:
            await clock.sleep(n)
            return n

        results: Channel[int | Exception] = open_channel(100)
        async with anyio.create_task_group() as group:

            async def pool() -> None:
                await worker_pool(
                    filled([5, 1, 2]).recv, results.send, handle, workers=2
                )

            group.start_soon(pool)
            await clock.advance(20)
        assert [r async for r in results.recv] == [1, 2, 5]

    async def test_what_is_no_exception_ends_the_pool(self) -> None:
        """Results are closed all the same; requests not taken stay in incoming."""

        class Drastic(BaseException):
            pass

        async def handle(n: int) -> int:
            raise Drastic

        results: Channel[int | Exception] = open_channel(100)
        source = filled(range(4))
        with pytest.raises(BaseExceptionGroup) as caught:
            await worker_pool(source.recv, results.send, handle, worker_buffer=2)
        assert caught.group_contains(Drastic)
        assert results.send.statistics().open_send_streams == 0
        assert source.recv.receive_nowait() == 1

    async def test_a_request_is_taken_only_when_a_worker_is_idle(self) -> None:
        """While all are busy, requests stay where they are."""

        async def handle(n: int) -> int:
            await anyio.sleep_forever()
            return n

        results: Channel[int | Exception] = open_channel(100)
        source = filled(range(9), closed=False)
        async with anyio.create_task_group() as group:

            async def pool() -> None:
                await worker_pool(source.recv, results.send, handle, workers=2)

            group.start_soon(pool)
            await settle()
            assert source.recv.statistics().current_buffer_used == 7
            group.cancel_scope.cancel()

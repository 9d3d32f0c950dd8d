"""Tasks that wait for each other neither lose items nor hang."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import anyio
import pytest

from chrono_daemon import (
    Channel,
    ChannelClosed,
    ChannelInUse,
    Context,
    EndOfStream,
    SimClock,
    Supervisor,
    daemon,
    open_channel,
)
from chrono_daemon.clock import settle
from chrono_daemon.recipes.coordination import (
    Pending,
    batcher_loop,
    cooperative_every,
    select,
    submit,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from chrono_daemon import ChannelStats, ReceiveStream

pytestmark = pytest.mark.anyio


class Foreign:
    """A receive stream of another make: it can't take an item back."""

    __slots__ = ("inner",)

    def __init__(self, inner: ReceiveStream[int]) -> None:
        self.inner = inner

    async def receive(self) -> int:
        """Receive."""
        return await self.inner.receive()

    def receive_nowait(self) -> int:
        """Receive now."""
        return self.inner.receive_nowait()

    def __aiter__(self) -> AsyncIterator[int]:
        return self.inner.__aiter__()

    async def aclose(self) -> None:
        """Close."""
        await self.inner.aclose()

    def statistics(self) -> ChannelStats:
        """Tell."""
        return self.inner.statistics()


class TestSelect:
    """The first item of several receivers."""

    async def test_no_receiver_is_refused(self) -> None:
        """It could never return."""
        with pytest.raises(ValueError, match="at least one receiver"):
            await select()

    async def test_the_first_item_wins_with_its_index(self) -> None:
        """Parked or not."""
        a, b = open_channel(1), open_channel(1)  # type: ignore[var-annotated]
        b.send.send_nowait("b")
        assert await select(a.recv, b.recv) == (1, "b")
        got = []
        async with anyio.create_task_group() as group:

            async def race() -> None:
                got.append(await select(a.recv, b.recv))

            group.start_soon(race)
            await settle()
            a.send.send_nowait("a")
        assert got == [(0, "a")]
        assert a.recv.statistics().waiters_receive == 0
        assert b.recv.statistics().waiters_receive == 0

    async def test_receivers_fed_in_one_step_lose_nothing(self) -> None:
        """The loser's item is its next one, in order."""
        chans: list[Channel[int]] = [open_channel(3) for _ in range(3)]
        got = []
        async with anyio.create_task_group() as group:

            async def race() -> None:
                got.append(await select(*(ch.recv for ch in chans)))

            group.start_soon(race)
            await settle()
            for n, ch in enumerate(chans):
                ch.send.send_nowait(n)
                ch.send.send_nowait(n + 10)
        rest = [ch.recv.receive_nowait() for ch in chans[1:]]
        assert got == [(0, 0)]
        assert rest == [1, 2]
        assert [ch.recv.receive_nowait() for ch in chans] == [10, 11, 12]

    async def test_a_foreign_receiver_keeps_its_item_for_the_next_select(self) -> None:
        """It can't be put back, so the next select returns it."""
        chans: list[Channel[int]] = [open_channel(3) for _ in range(2)]
        foreign = [Foreign(ch.recv) for ch in chans]
        got = []
        async with anyio.create_task_group() as group:

            async def race() -> None:
                for _ in range(2):
                    got.append(await select(*foreign))

            group.start_soon(race)
            await settle()
            for n, ch in enumerate(chans):
                ch.send.send_nowait(n)
        assert sorted(got) == [(0, 0), (1, 1)]

    async def test_a_cancelled_select_consumes_nothing(self) -> None:
        """Also when it was just handed an item."""
        chans: list[Channel[int]] = [open_channel(3) for _ in range(2)]
        scope = anyio.CancelScope()
        got = []
        async with anyio.create_task_group() as group:

            async def race() -> None:
                with scope:
                    got.append(await select(*(ch.recv for ch in chans)))

            group.start_soon(race)
            await settle()
            chans[1].send.send_nowait(1)
            scope.cancel()
        left = [ch.recv.statistics().current_buffer_used for ch in chans]
        assert len(got) + sum(left) == 1

    async def test_it_ends_when_all_have_ended(self) -> None:
        """One that ends is out of the race; the last one ends it."""
        a, b = open_channel(1), open_channel(1)  # type: ignore[var-annotated]
        await a.send.aclose()
        b.send.send_nowait(1)
        assert await select(a.recv, b.recv) == (1, 1)
        await b.send.aclose()
        with pytest.raises(EndOfStream):
            await select(a.recv, b.recv)

    async def test_a_receiver_in_use_is_an_error_of_its_own(self) -> None:
        """Not wrapped, and the others lose nothing."""
        a: Channel[int] = open_channel(1)
        b: Channel[int] = open_channel(1)
        async with anyio.create_task_group() as group:
            group.start_soon(a.recv.receive)
            await settle()
            with pytest.raises(ChannelInUse):
                await select(b.recv, a.recv)
            b.send.send_nowait(1)
            assert b.recv.receive_nowait() == 1
            a.send.send_nowait(1)


class Squarer:
    """A batcher under test, and the batches it was given."""

    def __init__(self, size: float = 100) -> None:
        self.batches: list[list[int]] = []
        self.channel: Channel[Pending[int, int]] = open_channel(size)

    async def forward(self, batch: list[int]) -> list[int]:
        """Square, or misbehave."""
        self.batches.append(batch)
        if -1 in batch:
            raise ValueError("minus one")
        if -2 in batch:
            return [0]
        return [n * n for n in batch]


class TestBatcher:
    """batcher_loop and submit."""

    async def test_impossible_options_are_refused(self) -> None:
        """At the start, before anything is received."""
        sq = Squarer()
        recv = sq.channel.recv
        with pytest.raises(ValueError, match="max_batch"):
            await batcher_loop(recv, sq.forward, max_batch=0)
        with pytest.raises(ValueError, match="max_queue_delay"):
            await batcher_loop(recv, sq.forward, max_queue_delay=-1, clock=SimClock())
        with pytest.raises(ValueError, match="max_queue_delay"):
            await batcher_loop(recv, sq.forward, max_queue_delay=math.nan)
        with pytest.raises(ValueError, match="clock"):
            await batcher_loop(recv, sq.forward, max_queue_delay=1)

    async def test_the_example_of_the_contract(self) -> None:
        """Arrivals at 0, .2, 1.0 with delay .5 make batches [[1, 2], [3]]."""
        clock = SimClock()
        sq = Squarer()
        got: list[tuple[int, float]] = []

        async def caller(at: float, n: int) -> None:
            await clock.sleep(at)
            got.append((await submit(sq.channel.send, n), clock.now()))

        async with anyio.create_task_group() as group:

            async def loop() -> None:
                await batcher_loop(
                    sq.channel.recv, sq.forward, max_queue_delay=0.5, clock=clock
                )

            group.start_soon(loop)
            for at, n in ((0, 1), (0.2, 2), (1.0, 3)):
                group.start_soon(caller, at, n)
            await clock.advance(5)
            await sq.channel.send.aclose()
        assert sq.batches == [[1, 2], [3]]
        assert sorted(got) == [(1, 0.5), (4, 0.5), (9, 1.5)]

    async def test_a_full_batch_does_not_wait(self) -> None:
        """Nor does the end of the stream."""
        clock = SimClock()
        sq = Squarer()
        replies: list[Channel[int | Exception]] = []
        for n in range(5):
            replies.append(open_channel(1))
            sq.channel.send.send_nowait(Pending(req=n, reply=replies[-1]))
        await sq.channel.send.aclose()
        await batcher_loop(
            sq.channel.recv, sq.forward, max_batch=2, max_queue_delay=9, clock=clock
        )
        assert sq.batches == [[0, 1], [2, 3], [4]]
        assert [r.recv.receive_nowait() for r in replies] == [0, 1, 4, 9, 16]
        for reply in replies:
            with pytest.raises(EndOfStream):
                reply.recv.receive_nowait()

    @pytest.mark.parametrize(("bad", "match"), [(-1, "minus one"), (-2, "1 responses")])
    async def test_an_error_is_the_reply_to_the_whole_batch(
        self, bad: int, match: str
    ) -> None:
        """The same object for all; the loop goes on."""
        sq = Squarer()
        errors: list[Exception] = []

        async def caller(n: int) -> None:
            with pytest.raises((ValueError, RuntimeError), match=match) as caught:
                await submit(sq.channel.send, n)
            errors.append(caught.value)

        async with anyio.create_task_group() as group:
            group.start_soon(caller, bad)
            group.start_soon(caller, 5)
            await settle()
            group.start_soon(batcher_loop, sq.channel.recv, sq.forward)
            await settle()
            assert await submit(sq.channel.send, 6) == 36
            await sq.channel.send.aclose()
        assert len(errors) == 2
        assert errors[0] is errors[1]

    @pytest.mark.parametrize("size", [0, 1, 100])
    async def test_many_callers_share_one_channel(self, size: int) -> None:
        """They wait in line; nobody meets ChannelInUse."""
        sq = Squarer(size)
        got: list[int] = []

        async def caller(n: int) -> None:
            got.append(await submit(sq.channel.send, n))

        async with anyio.create_task_group() as group:
            group.start_soon(batcher_loop, sq.channel.recv, sq.forward)
            async with anyio.create_task_group() as callers:
                for n in range(50):
                    callers.start_soon(caller, n)
            await sq.channel.send.aclose()
        assert sorted(got) == [n * n for n in range(50)]
        assert sum(len(batch) for batch in sq.batches) == 50

    async def test_a_caller_that_is_gone_harms_nobody(self) -> None:
        """One closed reply channel is passed over."""
        sq = Squarer()
        gone: Channel[int | Exception] = open_channel(1)
        stays: Channel[int | Exception] = open_channel(1)
        for n, reply in ((2, gone), (3, stays)):
            sq.channel.send.send_nowait(Pending(req=n, reply=reply))
        await gone.recv.aclose()
        await sq.channel.send.aclose()
        await batcher_loop(sq.channel.recv, sq.forward)
        assert stays.recv.receive_nowait() == 9

    @pytest.mark.parametrize("size", [0, 1])
    async def test_a_batcher_that_dies_leaves_nobody_hanging(self, size: int) -> None:
        """Callers taken, waiting and in line get ChannelClosed."""
        channel: Channel[Pending[int, int]] = open_channel(size)
        failed: list[int] = []
        scope = anyio.CancelScope()

        async def forward(batch: list[int]) -> list[int]:
            await anyio.sleep_forever()
            return batch

        async def caller(n: int) -> None:
            with pytest.raises(ChannelClosed):
                await submit(channel.send, n)
            failed.append(n)

        async def loop() -> None:
            with scope:
                await batcher_loop(channel.recv, forward, max_batch=1)

        async with anyio.create_task_group() as group:
            group.start_soon(loop)
            for n in range(6):
                group.start_soon(caller, n)
            await settle()
            scope.cancel()
            await settle()
            group.cancel_scope.cancel()
        assert sorted(failed) == [0, 1, 2, 3, 4, 5]

    async def test_who_comes_after_the_end_is_served_by_the_next(self) -> None:
        """A restarted batcher goes on with the same channel."""
        sq = Squarer()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await batcher_loop(sq.channel.recv, sq.forward)
        async with anyio.create_task_group() as group:
            group.start_soon(batcher_loop, sq.channel.recv, sq.forward)
            assert await submit(sq.channel.send, 3) == 9
            await sq.channel.send.aclose()

    async def test_a_closed_channel_is_told_to_the_caller(self) -> None:
        """ChannelClosed comes out of submit."""
        sq = Squarer()
        await sq.channel.recv.aclose()
        with pytest.raises(ChannelClosed):
            await submit(sq.channel.send, 1)

    async def test_replies_on_rendezvous_channels_arrive_too(self) -> None:
        """A hand-made reply channel of size 0 is waited for."""
        sq = Squarer()
        reply: Channel[int | Exception] = open_channel(0)
        sq.channel.send.send_nowait(Pending(req=4, reply=reply))
        await sq.channel.send.aclose()
        async with anyio.create_task_group() as group:
            group.start_soon(batcher_loop, sq.channel.recv, sq.forward)
            await settle()
            assert await reply.recv.receive() == 16


class TestCooperativeEvery:
    """Ticks that heed a stop."""

    async def test_ticks_until_the_stop_and_wakes_early(self) -> None:
        """In phase, and the stop doesn't wait for the next tick."""
        clock = SimClock()
        got: list[float] = []

        @daemon
        async def ticker(ctx: Context) -> None:
            async for tick in cooperative_every(ctx, 10):
                got.append(tick)
            got.append(-ctx.clock.now())

        async with Supervisor(clock=clock) as sup:
            sup.add(ticker())
            await clock.advance(25)
            sup.signal_stop()
        assert got == [10, 20, -25]

    async def test_works_with_any_event_and_clock(self) -> None:
        """A context made by hand, with a plain anyio event, does as well."""
        import logging  # noqa: PLC0415

        clock = SimClock()
        stop = anyio.Event()
        ctx = Context(
            clock,
            anyio.CancelScope(),
            logging.getLogger("x"),
            "x",
            Supervisor(clock=clock),
            stop,
        )
        got: list[float] = []

        async def ticker() -> None:
            async for tick in cooperative_every(ctx, 1):
                got.append(tick)

        async with anyio.create_task_group() as group:
            group.start_soon(ticker)
            await clock.advance(2.5)
            stop.set()
        assert got == [1, 2]
        with pytest.raises(ValueError, match="period"):
            await anext(cooperative_every(ctx, 0))
        assert [tick async for tick in cooperative_every(ctx, 1)] == []
        ticks = cooperative_every(ctx, 1)
        assert isinstance(ticks, AsyncGenerator)
        await ticks.aclose()
        with pytest.raises(KeyError):
            await cooperative_every(ctx, 1).athrow(KeyError)  # type: ignore[attr-defined]

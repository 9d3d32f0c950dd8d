"""The channel hands items over in order, refuses by name, and loses none."""

from __future__ import annotations

import asyncio
import math
from dataclasses import FrozenInstanceError, fields

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chrono_daemon import (
    Channel,
    ChannelClosed,
    ChannelInUse,
    ChannelStats,
    EndOfStream,
    WouldBlock,
    open_channel,
)
from chrono_daemon.clock import settle

pytestmark = pytest.mark.anyio


def stats(ch: Channel[int]) -> tuple[int, float, int, int, int, int]:
    """Return the statistics as a tuple, which both ends must agree on."""
    s, r = ch.send.statistics(), ch.recv.statistics()
    assert s == r
    return (
        s.current_buffer_used,
        s.max_buffer_size,
        s.open_send_streams,
        s.open_receive_streams,
        s.waiters_send,
        s.waiters_receive,
    )


class Job:
    """A task whose outcome can be asked for."""

    def __init__(self) -> None:
        self.result: object = "pending"
        self.scope = anyio.CancelScope()

    async def send(self, ch: Channel[int], item: int) -> None:
        """Send in a scope; keep what came of it."""
        with self.scope:
            try:
                await ch.send.send(item)
                self.result = "sent"
            except (ChannelClosed, ChannelInUse) as error:
                self.result = type(error)
            except BaseException:
                self.result = "cancelled"
                raise

    async def receive(self, ch: Channel[int]) -> None:
        """Receive in a scope; keep what came of it."""
        with self.scope:
            try:
                self.result = await ch.recv.receive()
            except (EndOfStream, ChannelInUse) as error:
                self.result = type(error)
            except BaseException:
                self.result = "cancelled"
                raise


@pytest.mark.parametrize("maxsize", [-1, 1.5, 2.0, math.nan, -math.inf])
def test_a_size_that_is_no_size_is_refused(maxsize: float) -> None:
    """A negative or fractional size raises ValueError at once."""
    with pytest.raises(ValueError, match="maxsize"):
        open_channel(maxsize)


def test_a_channel_is_two_named_ends() -> None:
    """`Channel` is a plain mutable dataclass with the fields send and recv."""
    ch: Channel[int] = open_channel()
    assert [f.name for f in fields(Channel)] == ["send", "recv"]
    other: Channel[int] = open_channel()
    ch.send = other.send
    assert ch.send is other.send


def test_statistics_are_a_frozen_record_in_order() -> None:
    """`ChannelStats` has its six fields in order and refuses changes."""
    assert [f.name for f in fields(ChannelStats)] == [
        "current_buffer_used",
        "max_buffer_size",
        "open_send_streams",
        "open_receive_streams",
        "waiters_send",
        "waiters_receive",
    ]
    s = ChannelStats(0, math.inf, 1, 1, 0, 0)
    with pytest.raises(FrozenInstanceError):
        s.waiters_send = 1  # type: ignore[misc]


async def test_items_come_out_in_the_order_they_went_in() -> None:
    """A full buffer with a parked sender behind it still drains first in, first out."""
    ch: Channel[int] = open_channel(2)
    await ch.send.send(0)
    ch.send.send_nowait(1)
    job = Job()
    async with anyio.create_task_group() as group:
        group.start_soon(job.send, ch, 2)
        await settle()
        assert stats(ch) == (2, 2, 1, 1, 1, 0)
        assert ch.recv.receive_nowait() == 0
        assert stats(ch) == (2, 2, 1, 1, 0, 0)
        await settle()
        assert job.result == "sent"
        assert [await ch.recv.receive(), await ch.recv.receive()] == [1, 2]


async def test_a_parked_receiver_is_handed_the_item_directly() -> None:
    """An item for a parked receiver never enters the buffer count."""
    ch: Channel[int] = open_channel(3)
    job = Job()
    async with anyio.create_task_group() as group:
        group.start_soon(job.receive, ch)
        await settle()
        assert stats(ch) == (0, 3, 1, 1, 0, 1)
        ch.send.send_nowait(7)
        assert stats(ch) == (0, 3, 1, 1, 0, 0)
    assert job.result == 7


async def test_a_rendezvous_needs_both_sides() -> None:
    """With size 0 a nowait operation succeeds only against a parked peer."""
    ch: Channel[int] = open_channel()
    assert stats(ch) == (0, 0, 1, 1, 0, 0)
    with pytest.raises(WouldBlock):
        ch.send.send_nowait(1)
    with pytest.raises(WouldBlock):
        ch.recv.receive_nowait()
    job = Job()
    async with anyio.create_task_group() as group:
        group.start_soon(job.send, ch, 1)
        await settle()
        assert job.result == "pending"
        assert stats(ch) == (0, 0, 1, 1, 1, 0)
        assert ch.recv.receive_nowait() == 1
    assert job.result == "sent"


async def test_send_nowait_does_not_overtake_a_parked_send() -> None:
    """While a send is parked, send_nowait on that endpoint raises WouldBlock."""
    ch: Channel[int] = open_channel(1)
    ch.send.send_nowait(0)
    job = Job()
    async with anyio.create_task_group() as group:
        group.start_soon(job.send, ch, 1)
        await settle()
        with pytest.raises(WouldBlock):
            ch.send.send_nowait(2)
        assert [await ch.recv.receive(), await ch.recv.receive()] == [0, 1]


async def test_a_second_send_is_refused_and_the_first_undisturbed() -> None:
    """ChannelInUse comes at once, whatever the state, and the parked send goes on."""
    ch: Channel[int] = open_channel()
    first, second, third = Job(), Job(), Job()
    async with anyio.create_task_group() as group:
        group.start_soon(first.send, ch, 1)
        await settle()
        await second.send(ch, 2)
        assert second.result is ChannelInUse
        assert first.result == "pending"
        assert await ch.recv.receive() == 1
        await settle()
        group.start_soon(third.receive, ch)
        await settle()
        await ch.send.send(3)
    assert (first.result, third.result) == ("sent", 3)


async def test_a_second_receive_is_refused_and_the_first_undisturbed() -> None:
    """The receive side has a mark of its own."""
    ch: Channel[int] = open_channel()
    first, second = Job(), Job()
    async with anyio.create_task_group() as group:
        group.start_soon(first.receive, ch)
        await settle()
        await second.receive(ch)
        assert second.result is ChannelInUse
        with pytest.raises(WouldBlock):
            ch.recv.receive_nowait()
        await ch.send.send(5)
    assert first.result == 5


async def test_the_mark_is_checked_before_the_state_of_the_channel() -> None:
    """A second send meets ChannelInUse even on a channel that was just closed."""
    ch: Channel[int] = open_channel()
    first, second = Job(), Job()
    async with anyio.create_task_group() as group:
        group.start_soon(first.send, ch, 1)
        await settle()
        await ch.recv.aclose()
        await second.send(ch, 2)
    assert second.result is ChannelInUse
    assert first.result is ChannelClosed


@pytest.mark.parametrize("side", ["send", "recv"])
async def test_closing_either_side_ends_a_parked_send(side: str) -> None:
    """A parked send sees ChannelClosed and its item is dropped."""
    ch: Channel[int] = open_channel()
    job = Job()
    async with anyio.create_task_group() as group:
        group.start_soon(job.send, ch, 1)
        await settle()
        await (ch.send if side == "send" else ch.recv).aclose()
        assert stats(ch)[4] == 0
    assert job.result is ChannelClosed
    with pytest.raises(EndOfStream):
        await ch.recv.receive()


@pytest.mark.parametrize("side", ["send", "recv"])
async def test_closing_either_side_ends_a_parked_receive(side: str) -> None:
    """A parked receive sees EndOfStream."""
    ch: Channel[int] = open_channel()
    job = Job()
    async with anyio.create_task_group() as group:
        group.start_soon(job.receive, ch)
        await settle()
        await (ch.send if side == "send" else ch.recv).aclose()
        assert stats(ch)[5] == 0
    assert job.result is EndOfStream


async def test_a_closed_send_side_leaves_its_items_receivable() -> None:
    """Buffered items come out after the close, then EndOfStream for ever."""
    ch: Channel[int] = open_channel(3)
    for item in range(3):
        await ch.send.send(item)
    await ch.send.aclose()
    await ch.send.aclose()
    assert stats(ch) == (3, 3, 0, 1, 0, 0)
    assert [x async for x in ch.recv] == [0, 1, 2]
    for _ in range(2):
        with pytest.raises(EndOfStream):
            await ch.recv.receive()
        with pytest.raises(EndOfStream):
            ch.recv.receive_nowait()


async def test_a_closed_receive_side_makes_items_unreachable_but_counted() -> None:
    """After its own close a receiver gets EndOfStream; the buffer count stays."""
    ch: Channel[int] = open_channel(3)
    await ch.send.send(1)
    await ch.recv.aclose()
    await ch.recv.aclose()
    assert stats(ch) == (1, 3, 1, 0, 0, 0)
    with pytest.raises(EndOfStream):
        await ch.recv.receive()
    with pytest.raises(EndOfStream):
        ch.recv.receive_nowait()
    with pytest.raises(ChannelClosed):
        await ch.send.send(2)
    with pytest.raises(ChannelClosed):
        ch.send.send_nowait(2)


async def test_sending_after_closing_ones_own_side_says_so() -> None:
    """The own side wins when both are closed."""
    ch: Channel[int] = open_channel(3)
    await ch.recv.aclose()
    await ch.send.aclose()
    with pytest.raises(ChannelClosed, match="send side"):
        await ch.send.send(1)
    with pytest.raises(ChannelClosed, match="send side"):
        ch.send.send_nowait(1)


async def test_a_cancelled_send_withdraws_its_item() -> None:
    """After a cancelled send the item is gone and the endpoint is usable again."""
    ch: Channel[int] = open_channel()
    job, next_job = Job(), Job()
    async with anyio.create_task_group() as group:
        group.start_soon(job.send, ch, 1)
        await settle()
        job.scope.cancel()
        with pytest.raises(WouldBlock):
            ch.recv.receive_nowait()
        await settle()
        assert job.result == "cancelled"
        group.start_soon(next_job.send, ch, 2)
        assert await ch.recv.receive() == 2


async def test_a_cancelled_receive_is_not_handed_anything() -> None:
    """From the moment of its cancellation a parked receiver takes no item."""
    ch: Channel[int] = open_channel(1)
    job = Job()
    async with anyio.create_task_group() as group:
        group.start_soon(job.receive, ch)
        await settle()
        job.scope.cancel()
        ch.send.send_nowait(1)
        assert stats(ch)[0] == 1
        await settle()
        assert job.result == "cancelled"
        assert await ch.recv.receive() == 1


async def test_an_already_cancelled_scope_moves_nothing() -> None:
    """In a cancelled scope send accepts nothing and receive consumes nothing."""
    ch: Channel[int] = open_channel(2)
    await ch.send.send(1)
    for operation in (lambda: ch.send.send(2), ch.recv.receive):
        with anyio.CancelScope() as scope:
            scope.cancel()
            await operation()
        assert scope.cancelled_caught
    assert stats(ch) == (1, 2, 1, 1, 0, 0)
    assert await ch.recv.receive() == 1


@pytest.mark.parametrize("operation", ["send", "receive"])
async def test_an_item_handed_over_survives_a_cancellation(operation: str) -> None:
    """Hand-over first and cancellation second, in one step: the item arrives."""
    ch: Channel[int] = open_channel()
    job = Job()
    async with anyio.create_task_group() as group:
        if operation == "receive":
            group.start_soon(job.receive, ch)
            await settle()
            ch.send.send_nowait(9)
        else:
            group.start_soon(job.send, ch, 9)
            await settle()
            assert ch.recv.receive_nowait() == 9
        job.scope.cancel()
    assert job.result == (9 if operation == "receive" else "sent")


def test_a_plain_task_cancel_puts_a_handed_item_back() -> None:
    """Asyncio's own Task.cancel() between hand-over and wake-up loses nothing."""

    async def main() -> None:
        ch: Channel[int] = open_channel(4)
        task = asyncio.create_task(ch.recv.receive())
        await asyncio.sleep(0)
        ch.send.send_nowait(1)
        ch.send.send_nowait(2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [ch.recv.receive_nowait(), await ch.recv.receive()] == [1, 2]

    asyncio.run(main())


def test_a_plain_task_cancel_may_reach_a_send_that_has_happened() -> None:
    """The one exception that the pages name: it raises, and the item is there once."""

    async def main() -> None:
        ch: Channel[int] = open_channel()
        task = asyncio.create_task(ch.send.send(1))
        await asyncio.sleep(0)
        assert ch.recv.receive_nowait() == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(WouldBlock):
            ch.recv.receive_nowait()

    asyncio.run(main())


def test_a_channel_may_move_from_one_event_loop_to_another() -> None:
    """Also to another backend, between two operations."""
    ch: Channel[int] = open_channel(9)

    async def use() -> int:
        await ch.send.send(1)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await ch.recv.receive()
        assert scope.cancelled_caught
        return await ch.recv.receive()

    for backend in ("asyncio", "trio", "asyncio"):
        assert anyio.run(use, backend=backend) == 1


async def test_iteration_stops_and_resumes_where_it_was_left() -> None:
    """Breaking out and iterating again continues with the next unread item."""
    ch: Channel[int] = open_channel(math.inf)  # type: ignore[arg-type,unused-ignore]
    for item in range(5):
        ch.send.send_nowait(item)
    await ch.send.aclose()
    got = []
    async for x in ch.recv:
        got.append(x)
        if x == 2:
            break
    assert [x async for x in ch.recv] == [3, 4]
    assert got == [0, 1, 2]


async def test_iteration_lets_channel_in_use_out() -> None:
    """A loop over an endpoint that is being received from ends with ChannelInUse."""
    ch: Channel[int] = open_channel()
    job = Job()
    async with anyio.create_task_group() as group:
        group.start_soon(job.receive, ch)
        await settle()
        with pytest.raises(ChannelInUse):
            async for _ in ch.recv:
                pass
        await ch.send.send(1)


async def test_a_busy_pair_lets_others_run() -> None:
    """Operations that never park still yield every few dozen times."""
    ch: Channel[int] = open_channel(math.inf)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        for item in range(640):
            await ch.send.send(item)
        sent_turns = turns
        for _ in range(640):
            await ch.recv.receive()
        group.cancel_scope.cancel()
    assert sent_turns >= 10
    assert turns - sent_turns >= 10


_OPERATIONS = st.lists(
    st.sampled_from(
        [
            "send",
            "send",
            "receive",
            "receive",
            "send_nowait",
            "receive_nowait",
            "settle",
            "settle",
            "cancel_send",
            "cancel_receive",
            "close_send",
        ]
    ),
    max_size=40,
)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=120, deadline=None)
@given(maxsize=st.sampled_from([0, 1, 2, math.inf]), operations=_OPERATIONS)
def test_whatever_happens_no_accepted_item_is_lost_or_doubled(
    backend: str, maxsize: float, operations: list[str]
) -> None:
    """Under random sends, receives, cancellations and closes, out equals accepted."""
    anyio.run(_exercise, maxsize, operations, backend=backend)


async def _exercise(maxsize: float, operations: list[str]) -> None:
    ch: Channel[int] = open_channel(maxsize)
    sends: list[tuple[int, Job]] = []
    receives: list[Job] = []
    out: list[object] = []
    nowait: set[int] = set()
    async with anyio.create_task_group() as group:
        for item, operation in enumerate(operations):
            if operation == "send":
                sends.append((item, Job()))
                group.start_soon(sends[-1][1].send, ch, item)
            elif operation == "receive":
                receives.append(Job())
                group.start_soon(receives[-1].receive, ch)
            elif operation == "cancel_send" and sends:
                sends[-1][1].scope.cancel()
            elif operation == "cancel_receive" and receives:
                receives[-1].scope.cancel()
            elif operation == "close_send":
                await ch.send.aclose()
            else:
                _exercise_nowait(ch, operation, item, nowait, out)
            if operation == "settle":
                await settle()
                out += [j.result for j in receives if isinstance(j.result, int)]
                receives = [j for j in receives if j.result == "pending"]
        await settle()
        out += [j.result for j in receives if isinstance(j.result, int)]
        await ch.send.aclose()
        await settle()
        out += [x async for x in ch.recv]
    accepted = {item for item, job in sends if job.result == "sent"} | nowait
    assert sorted(accepted) == sorted(x for x in out if isinstance(x, int))


def _exercise_nowait(
    ch: Channel[int], operation: str, item: int, accepted: set[int], out: list[object]
) -> None:
    try:
        if operation == "send_nowait":
            ch.send.send_nowait(item)
            accepted.add(item)
        elif operation == "receive_nowait":
            out.append(ch.recv.receive_nowait())
    except (WouldBlock, ChannelClosed, EndOfStream):
        pass

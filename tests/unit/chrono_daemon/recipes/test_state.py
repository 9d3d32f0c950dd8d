"""A reader that is too slow finds what matters, and what was dropped is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from chrono_daemon import Channel, ChannelClosed, SendStream, open_channel
from chrono_daemon.recipes.state import (
    CoalesceSend,
    DropNewestSend,
    DropOldestSend,
    Latest,
)

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

Make = "Callable[[Channel[int]], DropNewestSend[int] | DropOldestSend[int]]"

MAKERS: list[Callable[[Channel[int]], DropNewestSend[int] | DropOldestSend[int]]] = [
    lambda ch: DropNewestSend(ch.send),
    lambda ch: DropOldestSend(ch.send, ch.recv),
    lambda ch: CoalesceSend(ch.send, ch.recv),
]


def test_latest_is_none_until_it_is_set() -> None:
    """Slotted, no arguments, the last value wins."""
    latest: Latest[int] = Latest()
    assert latest.get() is None
    latest.set(1)
    latest.set(2)
    assert latest.get() == 2
    with pytest.raises(AttributeError):
        latest.other = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("size", [1, 3])
async def test_drop_newest_keeps_what_was_there(size: int) -> None:
    """The first ones stay."""
    ch: Channel[int] = open_channel(size)
    lossy = DropNewestSend(ch.send)
    for n in range(5):
        await lossy.send(n)
    lossy.send_nowait(9)
    assert lossy.dropped == 6 - size
    await lossy.aclose()
    assert [x async for x in ch.recv] == list(range(size))


@pytest.mark.parametrize("size", [1, 3])
async def test_drop_oldest_keeps_what_came_last(size: int) -> None:
    """The last ones stay."""
    ch: Channel[int] = open_channel(size)
    lossy = DropOldestSend(ch.send, ch.recv)
    for n in range(5):
        await lossy.send(n)
    assert lossy.dropped == 5 - size
    await lossy.aclose()
    assert [x async for x in ch.recv] == list(range(5))[-size:]


@pytest.mark.parametrize("make", MAKERS)
async def test_a_rendezvous_without_a_receiver_drops_the_item(
    make: Callable[[Channel[int]], DropNewestSend[int]],
) -> None:
    """There is nothing older to drop."""
    ch: Channel[int] = open_channel(0)
    lossy = make(ch)
    await lossy.send(1)
    assert lossy.dropped == 1


@pytest.mark.parametrize("make", MAKERS)
async def test_a_lossy_send_is_a_send_stream(
    make: Callable[[Channel[int]], DropNewestSend[int]],
) -> None:
    """Statistics and close go through; ChannelClosed comes out; dropped is read-only."""
    ch: Channel[int] = open_channel(2)
    lossy = make(ch)
    stream: SendStream[int] = lossy
    assert stream.statistics() == ch.send.statistics()
    with pytest.raises(AttributeError):
        lossy.dropped = 3  # type: ignore[misc]
    await ch.recv.aclose()
    with pytest.raises(ChannelClosed):
        await stream.send(1)
    with pytest.raises(ChannelClosed):
        stream.send_nowait(1)
    await stream.aclose()
    assert ch.send.statistics().open_send_streams == 0


@pytest.mark.parametrize("make", MAKERS)
async def test_a_busy_lossy_sender_lets_others_run(
    make: Callable[[Channel[int]], DropNewestSend[int]],
) -> None:
    """It never waits, but yields every few dozen sends and heeds cancellation."""
    lossy = make(open_channel(1))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        for n in range(640):
            await lossy.send(n)
        group.cancel_scope.cancel()
        dropped = lossy.dropped
        await lossy.send(0)
    assert turns >= 10
    assert lossy.dropped == dropped


def test_coalescing_is_dropping_the_oldest() -> None:
    """A subclass without behavior of its own."""
    assert issubclass(CoalesceSend, DropOldestSend)

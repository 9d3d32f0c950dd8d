"""Many small requests answered by few large calls."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

from chrono_daemon._parking import Line, start_in_order
from chrono_daemon._types import ChannelClosed, EndOfStream, WouldBlock
from chrono_daemon.channel import Channel, open_channel
from chrono_daemon.recipes._streams import close_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from chrono_daemon.channel import ReceiveStream, SendStream
    from chrono_daemon.clock import Clock

__all__ = ["Pending", "batcher_loop", "submit"]

Req = TypeVar("Req")
Resp = TypeVar("Resp")


@dataclass
class Pending(Generic[Req, Resp]):
    """A request, and the channel that its one reply comes on."""

    req: Req
    reply: Channel[Resp | Exception]


async def batcher_loop(
    incoming: ReceiveStream[Pending[Req, Resp]],
    forward: Callable[[list[Req]], Awaitable[list[Resp]]],
    *,
    max_batch: int = 32,
    max_queue_delay: float = 0.0,
    clock: Clock | None = None,
) -> None:
    """Collect requests into batches, forward each batch, and reply to every request.

    A batch is what is there when its first request is taken, and what comes within
    `max_queue_delay` of that, up to `max_batch`. An Exception from `forward`, or a
    wrong number of responses, is the reply to every request of that batch, and the loop
    goes on. A caller that is gone is passed over.

    Returns when `incoming` has ended. If it ends in any other way, requests that were
    taken, are waiting or are in line are answered with `ChannelClosed`. Those that come
    later wait for the next batcher on `incoming`; close it if there will be none.

    Args:
        incoming: the requests; `submit` sends them.
        forward: called with the requests in order of arrival; returns as many
            responses, in that order.
        max_batch: at least 1.
        max_queue_delay: seconds on `clock` to wait for more; 0 for none.
        clock: needed with a delay.

    Raises:
        ValueError: `max_batch` is below 1, `max_queue_delay` is negative, or there is a
            delay and no clock.
    """
    if max_batch < 1:
        raise ValueError(f"max_batch must be at least 1, not {max_batch!r}")
    if not max_queue_delay >= 0:
        raise ValueError(
            f"max_queue_delay must be 0 or more seconds, not {max_queue_delay!r}"
        )
    if max_queue_delay > 0 and clock is None:
        raise ValueError("max_queue_delay needs a clock")
    batch: list[Pending[Req, Resp]] = []
    try:
        while True:
            try:
                batch.append(await incoming.receive())
            except EndOfStream:
                return
            ended = _take_waiting(incoming, batch, max_batch)
            if clock is not None and max_queue_delay > 0 and not ended:
                deadline = clock.now() + max_queue_delay
                await _collect(incoming, batch, max_batch, clock, deadline)
            responses = await _responses(batch, forward)
            await _reply(batch, responses)
            batch.clear()
    finally:
        _take_waiting(incoming, batch, None)
        await _abandon(batch)


def _take_waiting(
    incoming: ReceiveStream[Pending[Req, Resp]],
    batch: list[Pending[Req, Resp]],
    max_batch: int | None,
) -> bool:
    """Add what is there already; say whether the stream has ended."""
    while max_batch is None or len(batch) < max_batch:
        try:
            batch.append(incoming.receive_nowait())
        except WouldBlock:
            return False
        except EndOfStream:
            return True
    return False


async def _collect(
    incoming: ReceiveStream[Pending[Req, Resp]],
    batch: list[Pending[Req, Resp]],
    max_batch: int,
    clock: Clock,
    deadline: float,
) -> None:
    """Add what comes until `deadline`, the end of the stream, or a full batch."""
    async with anyio.create_task_group() as group:
        start_in_order(group, _cancel_at, clock, deadline, group.cancel_scope)
        try:
            while len(batch) < max_batch:
                batch.append(await incoming.receive())
        except EndOfStream:
            pass
        group.cancel_scope.cancel()


async def _cancel_at(clock: Clock, deadline: float, scope: anyio.CancelScope) -> None:
    await clock.wait_until(deadline)
    scope.cancel()


async def _responses(
    batch: list[Pending[Req, Resp]],
    forward: Callable[[list[Req]], Awaitable[list[Resp]]],
) -> Sequence[Resp | Exception]:
    try:
        responses = await forward([pending.req for pending in batch])
    except Exception as error:  # noqa: BLE001  (the reply to the whole batch)
        return [error] * len(batch)
    if len(responses) != len(batch):
        mismatch = RuntimeError(
            f"forward returned {len(responses)} responses for {len(batch)} requests"
        )
        return [mismatch] * len(batch)
    return responses


async def _reply(
    batch: list[Pending[Req, Resp]],
    responses: Sequence[Resp | Exception],
) -> None:
    """Send each its reply; first those who need no waiting for."""
    slow: list[tuple[Pending[Req, Resp], Resp | Exception]] = []
    for pending, response in zip(batch, responses, strict=True):
        try:
            pending.reply.send.send_nowait(response)
        except ChannelClosed:
            pass
        except WouldBlock:
            slow.append((pending, response))
            continue
        await pending.reply.send.aclose()
    for pending, response in slow:
        with suppress(ChannelClosed):
            await pending.reply.send.send(response)
        await pending.reply.send.aclose()


class _Ended(ChannelClosed):
    """The reply to those who have none when the batcher ends."""


async def _abandon(batch: list[Pending[Req, Resp]]) -> None:
    """Tell those who have no reply yet that there will be none."""
    ended = _Ended("the batcher ended before it replied")
    for pending in batch:
        with suppress(ChannelClosed, WouldBlock):
            pending.reply.send.send_nowait(ended)
    await close_all([pending.reply.send for pending in batch])


class _Queue:
    """The callers in line for one stream."""

    def __init__(self, out: object) -> None:
        # Kept with its line, so that its id stays its own.
        self.out = out
        self.line = Line()
        self.ends = 0
        """How often a batcher has ended while they stood there."""

    async def send(
        self, out: SendStream[Pending[Req, Resp]], one: Pending[Req, Resp]
    ) -> None:
        ends = self.ends
        await self.line.take()
        try:
            if self.ends != ends:
                # Whoever was before us has heard it; nobody would take ours.
                raise _Ended("the batcher ended before it replied")
            await out.send(one)
        finally:
            self.line.give()


# By the id of the stream; the entry goes when nobody is in line.
_queues: dict[int, _Queue] = {}


async def submit(out: SendStream[Pending[Req, Resp]], req: Req) -> Resp:
    """Send a request to a batcher and return its reply.

    Any number of tasks may call it on one `out`; they are served in order. Cancelling
    it withdraws a request that still waits for room; one that is in the channel is
    forwarded, and nobody hears the reply.

    Raises:
        ChannelClosed: nobody will take the request, or the batcher ended without a
            reply.
        Exception: whatever the reply is, when it is an exception.
    """
    reply: Channel[Resp | Exception] = open_channel(1)
    queue = _queues.setdefault(id(out), _Queue(out))
    try:
        await queue.send(out, Pending(req, reply))
    finally:
        if queue.line.idle:
            _queues.pop(id(out), None)
    try:
        response = await reply.recv.receive()
    except EndOfStream:
        raise ChannelClosed("the batcher ended before it replied") from None
    finally:
        await reply.recv.aclose()
    if isinstance(response, _Ended):
        queue.ends += 1
    if isinstance(response, Exception):
        raise response
    return response

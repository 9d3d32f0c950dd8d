"""Requests in, responses out, several handlers at work."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

from chrono_daemon._parking import Line, start_in_order
from chrono_daemon._types import EndOfStream, WouldBlock
from chrono_daemon.channel import Channel, open_channel
from chrono_daemon.recipes._streams import close_all, put_back

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chrono_daemon.channel import ReceiveStream, SendStream

__all__ = ["worker_pool"]

Req = TypeVar("Req")
Resp = TypeVar("Resp")


async def worker_pool(
    incoming: ReceiveStream[Req],
    results: SendStream[Resp | Exception],
    handle: Callable[[Req], Awaitable[Resp]],
    *,
    workers: int = 1,
    worker_buffer: int = 0,
    close_results: bool = True,
) -> None:
    """Handle the requests of `incoming` with up to `workers` handlers at a time.

    A request is taken when a worker has announced that it is idle, and goes to that
    one. Results come in order of completion; an Exception from `handle` is a result
    like any other. Returns when `incoming` has ended and all is handled. If nobody
    drains a bounded `results`, the workers block on it and no request is taken.

    Args:
        incoming: the requests.
        results: responses and exceptions; sends are made one at a time.
        handle: what a worker does with a request.
        workers: at least 1.
        worker_buffer: requests that may be handed over before a worker takes them.
        close_results: close `results` on every exit.

    Raises:
        ValueError: `workers` is below 1 or `worker_buffer` negative.
        ExceptionGroup: of what a stream raised, such as `ChannelClosed`.
        BaseExceptionGroup: of what `handle` raised that is no Exception; it ends the
            pool.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, not {workers!r}")
    if worker_buffer < 0:
        raise ValueError(f"worker_buffer must not be negative, not {worker_buffer!r}")
    pool = _Pool(results, handle)
    boxes: list[Channel[Req]] = [open_channel(worker_buffer) for _ in range(workers)]
    try:
        async with anyio.create_task_group() as group:
            for number, box in enumerate(boxes):
                start_in_order(group, pool.work, number, box.recv)
            start_in_order(group, pool.dispatch, incoming, boxes)
    finally:
        _return_unhandled(incoming, boxes)
        if close_results:
            await close_all([results])


def _return_unhandled(incoming: ReceiveStream[Req], boxes: list[Channel[Req]]) -> None:
    """Give back what was handed over but no worker took; nothing after a clean end."""
    for box in boxes:
        unhandled: list[Req] = []
        with suppress(WouldBlock, EndOfStream):
            while True:
                unhandled.append(box.recv.receive_nowait())
        for request in reversed(unhandled):
            put_back(incoming, request)


class _Pool(Generic[Req, Resp]):
    def __init__(
        self,
        results: SendStream[Resp | Exception],
        handle: Callable[[Req], Awaitable[Resp]],
    ) -> None:
        self._results = results
        self._handle = handle
        self._line = Line()
        self._idle: Channel[int] = open_channel(math.inf)

    async def dispatch(
        self, incoming: ReceiveStream[Req], boxes: list[Channel[Req]]
    ) -> None:
        while True:
            number = await self._idle.recv.receive()
            try:
                request = await incoming.receive()
            except EndOfStream:
                break
            try:
                await boxes[number].send.send(request)
            except BaseException:
                put_back(incoming, request)
                raise
        await close_all([box.send for box in boxes])

    async def work(self, number: int, box: ReceiveStream[Req]) -> None:
        self._idle.send.send_nowait(number)
        async for request in box:
            result: Resp | Exception
            try:
                result = await self._handle(request)
            except Exception as error:  # noqa: BLE001  (a result like any other)
                result = error
            await self._line.take()
            try:
                await self._results.send(result)
            finally:
                self._line.give()
            self._idle.send.send_nowait(number)

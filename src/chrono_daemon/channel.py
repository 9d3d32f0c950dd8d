"""A first-in-first-out pipe between two tasks of one process.

It decides who may send and receive, and what is refused; an item is accepted and handed
over in `_pipe`, and what it means is the users' business. Each endpoint has one owner:
fan-in and fan-out are recipes.

An item that was accepted (its `send` returned) is either received or still in the
channel. No cancellation, of either side, at any point, loses it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from chrono_daemon._parking import CancelCheck, yield_now
from chrono_daemon._pipe import NOTHING, Pipe
from chrono_daemon._types import ChannelClosed, ChannelInUse, EndOfStream, WouldBlock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from chrono_daemon._pipe import Nothing

__all__ = ["Channel", "ChannelStats", "ReceiveStream", "SendStream", "open_channel"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)

_YIELD_EVERY: Final = 32
"""Operations on one endpoint without a turn for the others."""


@dataclass(frozen=True)
class ChannelStats:
    """A channel at one moment. A transport that cannot know a value reports -1."""

    current_buffer_used: int
    """Items accepted and not yet received."""
    max_buffer_size: float
    """Items that are accepted without a receiver; `math.inf` for no limit."""
    open_send_streams: int
    """1 while the send side is open, else 0."""
    open_receive_streams: int
    """1 while the receive side is open, else 0."""
    waiters_send: int
    """1 while a `send` is parked, else 0."""
    waiters_receive: int
    """1 while a `receive` is parked, else 0."""


class SendStream(Protocol[T_contra]):
    """The end of a channel that items go into. One owner."""

    async def send(self, item: T_contra) -> None:
        """Send `item`, waiting while there is no room.

        Cancellation withdraws the item; it was then not sent. (But for a plain
        `Task.cancel()` in the very turn in which it is taken.)

        Raises:
            ChannelClosed: this side or the receive side is closed.
            ChannelInUse: another `send` is in progress on this endpoint.
        """
        ...

    def send_nowait(self, item: T_contra) -> None:
        """Send `item` at once.

        Raises:
            ChannelClosed: this side or the receive side is closed.
            WouldBlock: there is no room, or a `send` is parked already.
        """
        ...

    async def aclose(self) -> None:
        """Close this side: what was accepted stays receivable. Idempotent."""
        ...

    def statistics(self) -> ChannelStats:
        """Return the channel's present state."""
        ...


class ReceiveStream(Protocol[T_co]):
    """The end of a channel that items come out of. One owner."""

    async def receive(self) -> T_co:
        """Return the next item, waiting for one.

        Cancellation consumes nothing.

        Raises:
            EndOfStream: this side is closed, or the send side is and nothing is left.
            ChannelInUse: another `receive` is in progress on this endpoint.
        """
        ...

    def receive_nowait(self) -> T_co:
        """Return the next item at once.

        Raises:
            EndOfStream: this side is closed, or the send side is and nothing is left.
            WouldBlock: nothing is there yet.
        """
        ...

    def __aiter__(self) -> AsyncIterator[T_co]:
        """Iterate until `EndOfStream`; a later iteration goes on where this ends."""
        ...

    async def aclose(self) -> None:
        """Close this side: what is left is unreachable. Idempotent."""
        ...

    def statistics(self) -> ChannelStats:
        """Return the channel's present state."""
        ...


@dataclass
class Channel(Generic[T]):
    """The two ends of one channel: `ch.send.send(x)`, `ch.recv.receive()`."""

    send: SendStream[T]
    recv: ReceiveStream[T]


def open_channel(maxsize: float = 0) -> Channel[T]:
    """Open a channel inside this process; allowed outside any event loop.

    Args:
        maxsize: items accepted without a receiver. 0 makes every `send` a rendezvous;
            `math.inf` accepts without limit.

    Raises:
        ValueError: `maxsize` is negative, or neither an integer nor `math.inf`.
    """
    if maxsize != math.inf and not isinstance(maxsize, int):
        raise ValueError(f"maxsize must be an integer or math.inf, not {maxsize!r}")
    if maxsize < 0:
        raise ValueError(f"maxsize must not be negative, but is {maxsize!r}")
    pipe = Pipe[T](maxsize)
    return Channel(_Sender(pipe), _Receiver(pipe))


def _statistics(pipe: Pipe[T]) -> ChannelStats:
    return ChannelStats(
        len(pipe.buffer),
        pipe.maxsize,
        int(pipe.send_open),
        int(pipe.receive_open),
        int(pipe.has_sender),
        int(pipe.has_receiver),
    )


class _Sender(Generic[T]):
    """The send side of an in-process channel."""

    __slots__ = ("__weakref__", "_busy", "_check", "_operations", "_pipe")

    def __init__(self, pipe: Pipe[T]) -> None:
        self._pipe = pipe
        self._check = CancelCheck()
        self._busy = False
        self._operations = 0

    async def send(self, item: T) -> None:
        """Send `item`, waiting while there is no room; see `SendStream.send`."""
        if self._busy:
            raise ChannelInUse("another task is sending on this endpoint")
        self._busy = True
        try:
            if self._check.is_cancelled():
                await self._check.raise_if_cancelled()
            self._operations += 1
            if self._operations >= _YIELD_EVERY:
                # Before the item is accepted, so that a cancellation met here is one of
                # a send that has not happened.
                self._operations = 0
                await yield_now()
            self._check_open()
            if not self._pipe.accept(item):
                self._operations = 0
                if not await self._pipe.put(item):
                    self._check_open()
        finally:
            self._busy = False

    def send_nowait(self, item: T) -> None:
        """Send `item` at once; see `SendStream.send_nowait`."""
        self._check_open()
        if not self._pipe.accept(item):
            raise WouldBlock("the channel is full, or nobody is receiving")

    async def aclose(self) -> None:
        """Close the send side; see `SendStream.aclose`."""
        if self._pipe.send_open:
            self._pipe.send_open = False
            self._pipe.wake()

    def statistics(self) -> ChannelStats:
        """Return the channel's present state."""
        return _statistics(self._pipe)

    def _check_open(self) -> None:
        if not self._pipe.send_open:
            raise ChannelClosed("the send side of this channel is closed")
        if not self._pipe.receive_open:
            raise ChannelClosed("the receive side of this channel is closed")


class _Receiver(Generic[T]):
    """The receive side of an in-process channel."""

    __slots__ = ("__weakref__", "_busy", "_check", "_operations", "_pipe")

    def __init__(self, pipe: Pipe[T]) -> None:
        self._pipe = pipe
        self._check = CancelCheck()
        self._busy = False
        self._operations = 0

    async def receive(self) -> T:
        """Return the next item, waiting for one; see `ReceiveStream.receive`."""
        if self._busy:
            raise ChannelInUse("another task is receiving on this endpoint")
        self._busy = True
        try:
            if self._check.is_cancelled():
                await self._check.raise_if_cancelled()
            self._operations += 1
            if self._operations >= _YIELD_EVERY:
                self._operations = 0
                await yield_now()
            item = self._take()
            while item is NOTHING:
                self._operations = 0
                item = await self._pipe.get()
                if item is NOTHING:
                    item = self._take()
            return item
        finally:
            self._busy = False

    def receive_nowait(self) -> T:
        """Return the next item at once; see `ReceiveStream.receive_nowait`."""
        item = self._take()
        if item is NOTHING:
            raise WouldBlock("the channel is empty")
        return item

    def put_back(self, item: T) -> None:
        """Make `item`, which was just received here, the next one to be received.

        For code that received more than it may keep, such as a race of receives. It
        may exceed the channel's size, and works on a closed send side.
        """
        self._pipe.take_back(item)

    def __aiter__(self) -> AsyncIterator[T]:
        """Iterate until the end of the stream; see `ReceiveStream.__aiter__`."""
        return self

    async def __anext__(self) -> T:
        """Return the next item, or end the iteration."""
        try:
            return await self.receive()
        except EndOfStream:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """Close the receive side; see `ReceiveStream.aclose`."""
        if self._pipe.receive_open:
            self._pipe.receive_open = False
            self._pipe.wake()

    def statistics(self) -> ChannelStats:
        """Return the channel's present state."""
        return _statistics(self._pipe)

    def _take(self) -> T | Nothing:
        pipe = self._pipe
        if not pipe.receive_open:
            raise EndOfStream("the receive side of this channel is closed")
        item = pipe.take()
        if item is NOTHING and not pipe.send_open:
            raise EndOfStream("the send side is closed and nothing is left")
        return item

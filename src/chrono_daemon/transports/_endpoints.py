"""The two ends of a ZeroMQ channel: framing, closing, and what an error means.

They decide what goes over a `Wire` and what comes out of it; the tags are explained in
`chrono_daemon.transports.zmq`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

import anyio.lowlevel
import zmq

from chrono_daemon._parking import CancelCheck, yield_now
from chrono_daemon._types import ChannelClosed, ChannelInUse, EndOfStream, WouldBlock
from chrono_daemon.channel import ChannelStats
from chrono_daemon.transports._farewell import close_saying
from chrono_daemon.transports._wire import has_succeeded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from chrono_daemon.transports._wire import Wire

__all__ = ["Serde", "ZmqReceiver", "ZmqSender"]

T = TypeVar("T")

_DATA: Final = b"D"
_END: Final = b"E"
_CLOSED: Final = b"C"

_YIELD_EVERY: Final = 32

_ANSWER_LINGER_MS: Final = 50
"""Milliseconds to deliver the answer to the end of the stream, once closed."""


class Serde(Protocol[T]):
    """How items become bytes and come back."""

    def encode(self, item: T) -> bytes:
        """Return the bytes of `item`."""
        ...

    def decode(self, data: bytes) -> T:
        """Return the item of `data`; what it raises comes out of `receive`."""
        ...


class ZmqSender(Generic[T]):
    """The send end."""

    def __init__(self, wire: Wire, maxsize: int, serde: Serde[T]) -> None:
        self._wire = wire
        self._maxsize = maxsize
        self._serde = serde
        self._busy = False
        self._check = CancelCheck()

    async def send(self, item: T) -> None:
        """Send `item`, waiting at the high-water mark; see `SendStream.send`."""
        self._check_idle()
        self._busy = True
        try:
            self._check_own_side()
            await anyio.lowlevel.checkpoint()
            self._check_open()
            frame = _DATA + self._serde.encode(item)
            sending = self._wire.start_send(frame)
            if sending.done():
                sending.result()
            else:
                self._wire.is_behind = True
                await self._park(sending)
            self._wire.has_sent = True
        except zmq.ZMQError as error:
            raise ChannelClosed(f"the socket failed: {error}") from error
        finally:
            self._busy = False

    def send_nowait(self, item: T) -> None:
        """Send `item` at once; see `SendStream.send_nowait`."""
        self._check_idle()
        try:
            self._check_open()
            frame = _DATA + self._serde.encode(item)
            self._wire.plain.send(frame, zmq.NOBLOCK)
            self._wire.has_sent = True
        except zmq.Again:
            self._wire.is_behind = True
            raise WouldBlock("no peer, or it is too far behind") from None
        except zmq.ZMQError as error:
            raise ChannelClosed(f"the socket failed: {error}") from error

    async def aclose(self) -> None:
        """Close this end, telling the peer; see `SendStream.aclose`."""
        wire = self._wire
        if wire.closed:
            return
        if wire.peer_closed or wire.peer_lost:
            wire.close()
        else:
            close_saying(wire, _END, reply=_CLOSED)

    def statistics(self) -> ChannelStats:
        """Return what this end can know; -1 for what it can't."""
        return ChannelStats(
            -1,
            self._maxsize,
            int(not self._wire.closed),
            0 if self._wire.peer_closed else -1,
            int(self._busy),
            -1,
        )

    def _check_idle(self) -> None:
        if self._busy:
            raise ChannelInUse("another task is sending on this endpoint")

    def _check_own_side(self) -> None:
        if self._wire.closed:
            raise ChannelClosed("the send side of this channel is closed")

    def _check_open(self) -> None:
        self._check_own_side()
        while not self._wire.peer_closed:
            try:
                self._notice(self._wire.plain.recv(zmq.NOBLOCK))
            except zmq.Again:
                break
        if self._wire.peer_closed:
            raise ChannelClosed("the receive side of this channel is closed")
        if self._wire.peer_lost:
            raise ChannelClosed("the peer is gone without closing the channel")

    def _notice(self, frame: bytes) -> None:
        if frame[:1] in {_CLOSED, _END}:
            self._wire.peer_closed = True

    async def _park(self, sending: asyncio.Future[object]) -> None:
        control = self._wire.start_receive()
        try:
            while not sending.done():
                await self._wire.wait(sending, control)
                if control.done() and not self._wire.closed:
                    self._notice(control.result())
                    self._check_open()
                    control = self._wire.start_receive()
                if self._wire.is_over():
                    self._check_open()
            sending.result()
        except asyncio.CancelledError:
            # What was sent can't be withdrawn, so the send has happened: a cancelled
            # scope comes back at the next checkpoint. A plain Task.cancel() would not.
            if not (has_succeeded(sending) and self._check.is_cancelled()):
                raise
        finally:
            sending.cancel()
            if has_succeeded(control):
                self._notice(control.result())
            else:
                control.cancel()


class ZmqReceiver(Generic[T]):
    """The receive end."""

    def __init__(self, wire: Wire, maxsize: int, serde: Serde[T]) -> None:
        self._wire = wire
        self._maxsize = maxsize
        self._serde = serde
        self._busy = False
        self._check = CancelCheck()
        self._ended = False
        self._operations = 0
        self._returned: deque[T] = deque()
        self._unread: deque[bytes] = deque()

    async def receive(self) -> T:
        """Return the next item, waiting for one; see `ReceiveStream.receive`."""
        self._check_idle()
        self._busy = True
        try:
            await self._check.raise_if_cancelled()
            self._operations += 1
            if self._operations >= _YIELD_EVERY:
                self._operations = 0
                await yield_now()
            while True:
                self._check_open()
                if self._returned:
                    return self._returned.popleft()
                frame = self._next_frame()
                if frame is None:
                    await self._park()
                elif frame[:1] != _CLOSED:
                    return self._item_of(frame)
        finally:
            self._busy = False

    def receive_nowait(self) -> T:
        """Return the next item at once; see `ReceiveStream.receive_nowait`."""
        self._check_idle()
        self._check_open()
        if self._returned:
            return self._returned.popleft()
        while True:
            frame = self._next_frame()
            if frame is None:
                raise WouldBlock("nothing is there yet")
            if frame[:1] != _CLOSED:
                return self._item_of(frame)

    def put_back(self, item: T) -> None:
        """Make `item`, which was just received here, the next one to be received."""
        self._returned.appendleft(item)

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
        """Close this end, telling the peer; see `ReceiveStream.aclose`."""
        wire = self._wire
        if wire.closed:
            return
        if self._ended or wire.peer_lost:
            # Nobody waits for more than the answer to the end, which is on its way.
            wire.close(_ANSWER_LINGER_MS)
        else:
            close_saying(wire, _CLOSED)
            wire.tell_neighbors()

    def statistics(self) -> ChannelStats:
        """Return what this end can know; -1 for what it can't."""
        return ChannelStats(
            -1,
            self._maxsize,
            0 if self._ended else -1,
            int(not self._wire.closed),
            -1,
            int(self._busy),
        )

    def _check_idle(self) -> None:
        if self._busy:
            raise ChannelInUse("another task is receiving on this endpoint")

    def _check_open(self) -> None:
        if self._wire.closed:
            raise EndOfStream("the receive side of this channel is closed")
        if self._ended and not self._returned:
            raise EndOfStream("the send side is closed and nothing is left")

    def _next_frame(self) -> bytes | None:
        if self._unread:
            return self._unread.popleft()
        try:
            return self._wire.plain.recv(zmq.NOBLOCK)
        except zmq.Again:
            if self._wire.peer_lost:
                raise ChannelClosed(
                    "the peer is gone without closing the channel"
                ) from None
            return None
        except zmq.ZMQError as error:
            raise EndOfStream(f"the socket failed: {error}") from error

    def _item_of(self, frame: bytes) -> T:
        tag = frame[:1]
        if tag == _DATA:
            return self._serde.decode(frame[1:])
        if tag == _END:
            self._ended = True
            # Tells the sender that nothing is left on the way; it may hang up.
            with suppress(zmq.ZMQError):
                self._wire.plain.send(_CLOSED, zmq.NOBLOCK)
            raise EndOfStream("the send side is closed and nothing is left")
        raise ChannelClosed(f"malformed frame with tag {tag!r}")

    async def _park(self) -> None:
        receiving = self._wire.start_receive()
        try:
            await self._wire.wait(receiving)
        finally:
            if has_succeeded(receiving):
                # Read, whatever happened to the task that waited: keep it.
                self._unread.append(receiving.result())
            else:
                receiving.cancel()

"""Sends that never wait: when there is no room, something is dropped and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

from chrono_daemon._parking import CancelCheck, yield_now
from chrono_daemon._types import EndOfStream, WouldBlock

if TYPE_CHECKING:
    from chrono_daemon.channel import ChannelStats, ReceiveStream, SendStream

__all__ = ["CoalesceSend", "DropNewestSend", "DropOldestSend"]

T = TypeVar("T")

_YIELD_EVERY: Final = 32
"""Sends without a turn for the others."""


class _LossySend(Generic[T]):
    """A `SendStream` around another one; subclasses say what is dropped."""

    def __init__(self, inner: SendStream[T]) -> None:
        self._inner = inner
        self._check = CancelCheck()
        self._dropped = 0
        self._sends = 0

    @property
    def dropped(self) -> int:
        """Items dropped so far."""
        return self._dropped

    async def send(self, item: T) -> None:
        """Send `item` without ever waiting for room; it yields now and then.

        Raises:
            ChannelClosed: a side of the channel is closed.
        """
        await self._check.raise_if_cancelled()
        self._sends += 1
        if self._sends >= _YIELD_EVERY:
            self._sends = 0
            await yield_now()
        self.send_nowait(item)

    def send_nowait(self, item: T) -> None:
        """Send `item`, or drop something.

        Raises:
            ChannelClosed: a side of the channel is closed.
        """
        raise NotImplementedError

    async def aclose(self) -> None:
        """Close the send side underneath."""
        await self._inner.aclose()

    def statistics(self) -> ChannelStats:
        """Return the state of the channel underneath."""
        return self._inner.statistics()


class DropNewestSend(_LossySend[T]):
    """When there is no room, drops the item that was to be sent.

    Args:
        inner: what to send on.
    """

    def send_nowait(self, item: T) -> None:
        """Send `item`, or drop it.

        Raises:
            ChannelClosed: a side of the channel is closed.
        """
        try:
            self._inner.send_nowait(item)
        except WouldBlock:
            self._dropped += 1


class DropOldestSend(_LossySend[T]):
    """When there is no room, drops the oldest item that nobody has received yet.

    Args:
        send: what to send on.
        recv: the other end, to take the oldest item from.
    """

    def __init__(self, send: SendStream[T], recv: ReceiveStream[T]) -> None:
        super().__init__(send)
        self._recv = recv

    def send_nowait(self, item: T) -> None:
        """Send `item`, in place of the oldest if need be; a rendezvous drops `item`.

        Raises:
            ChannelClosed: a side of the channel is closed.
        """
        try:
            self._inner.send_nowait(item)
        except WouldBlock:
            self._drop_oldest()
            try:
                self._inner.send_nowait(item)
            except WouldBlock:
                self._dropped += 1

    def _drop_oldest(self) -> None:
        try:
            self._recv.receive_nowait()
        except (WouldBlock, EndOfStream):
            return
        self._dropped += 1


class CoalesceSend(DropOldestSend[T]):
    """`DropOldestSend` for a channel of size 1: the reader finds the latest item."""

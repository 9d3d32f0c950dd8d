"""What two tasks hand items through: a buffer, and the operations parked beside it.

It decides when an item is accepted and handed over, and that none is lost when a parked
operation is cancelled. Who may use it, and what is said when it is closed, is decided in
`channel`.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Final, Generic, Literal, TypeAlias, TypeVar

from chrono_daemon._parking import new_seat

if TYPE_CHECKING:
    from chrono_daemon._parking import Seat

__all__ = ["NOTHING", "Nothing", "Pipe"]

T = TypeVar("T")


class _Nothing(Enum):
    NOTHING = 0


Nothing: TypeAlias = Literal[_Nothing.NOTHING]
NOTHING: Final = _Nothing.NOTHING
"""No item, where None could be one."""


class _Parked(Generic[T]):
    """One parked operation, and the item it offers or was given."""

    __slots__ = ("item", "seat")

    def __init__(self, item: T | Nothing) -> None:
        self.seat: Seat = new_seat()
        self.item: T | Nothing = item


class Pipe(Generic[T]):
    """What the two endpoints of a channel share.

    Args:
        maxsize: items accepted without a receiver.
    """

    __slots__ = (
        "_receiver",
        "_sender",
        "buffer",
        "maxsize",
        "receive_open",
        "send_open",
    )

    def __init__(self, maxsize: float) -> None:
        self.maxsize = maxsize
        self.buffer: deque[T] = deque()
        self.send_open = True
        self.receive_open = True
        # A parked operation whose seat is done was cancelled and has not run since:
        # it counts as gone.
        self._sender: _Parked[T] | None = None
        self._receiver: _Parked[T] | None = None

    @property
    def has_sender(self) -> bool:
        """Whether a `put` is parked."""
        return self._sender is not None and not self._sender.seat.done()

    @property
    def has_receiver(self) -> bool:
        """Whether a `get` is parked."""
        return self._receiver is not None and not self._receiver.seat.done()

    def accept(self, item: T) -> bool:
        """Take `item` for a parked receiver or the buffer; False if there's no room."""
        receiver = self._receiver
        if receiver is not None and not receiver.seat.done():
            self._receiver = None
            receiver.item = item
            receiver.seat.set_result(None)
            return True
        sender = self._sender
        if sender is not None and not sender.seat.done():
            return False
        if len(self.buffer) < self.maxsize:
            self.buffer.append(item)
            return True
        return False

    def take(self) -> T | Nothing:
        """Return the oldest item, letting a parked sender in behind the others."""
        sender = self._sender
        if sender is not None and not sender.seat.done():
            self._sender = None
            item = sender.item
            sender.item = NOTHING
            sender.seat.set_result(None)
            if item is not NOTHING:
                if not self.buffer:
                    return item
                self.buffer.append(item)
        return self.buffer.popleft() if self.buffer else NOTHING

    def take_back(self, item: T) -> None:
        """Let `item`, which was just taken, be the next one, whatever there's room for."""
        if self.has_receiver:
            self.accept(item)
        else:
            self.buffer.appendleft(item)

    async def put(self, item: T) -> bool:
        """Offer `item` until it is taken; False when an end was closed first."""
        parked: _Parked[T] = _Parked(item)
        self._sender = parked
        try:
            await parked.seat
        finally:
            if self._sender is parked:
                self._sender = None
        return parked.item is NOTHING

    async def get(self) -> T | Nothing:
        """Wait for an item; NOTHING when an end was closed first."""
        parked: _Parked[T] = _Parked(NOTHING)
        self._receiver = parked
        try:
            await parked.seat
        except BaseException:
            # Handed an item and cancelled before running: possible on asyncio with a
            # plain Task.cancel(). The item was accepted, so it goes back in front.
            if parked.item is not NOTHING:
                self.buffer.appendleft(parked.item)
            raise
        finally:
            if self._receiver is parked:
                self._receiver = None
        return parked.item

    def wake(self) -> None:
        """Let both parked operations look again, because an end was closed."""
        for parked in (self._sender, self._receiver):
            if parked is not None and not parked.seat.done():
                parked.seat.set_result(None)
        self._sender = self._receiver = None

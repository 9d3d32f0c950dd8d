"""The first item from any of several receivers."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import anyio

from chrono_daemon._parking import start_in_order
from chrono_daemon._types import EndOfStream
from chrono_daemon.recipes._streams import put_back

if TYPE_CHECKING:
    from chrono_daemon.channel import ReceiveStream

__all__ = ["select"]

T = TypeVar("T")

# Items of receivers that can't take them back, kept for the next `select` on them. The
# stream is kept with them, so that its id stays its own.
_kept: dict[int, tuple[object, deque[object]]] = {}


async def select(*receivers: ReceiveStream[T]) -> tuple[int, T]:
    """Wait for an item from any receiver; return the receiver's index and the item.

    All are received from at once; the first to have an item wins, the lowest index
    among equals, and the others are cancelled. If another one was handed an item in the
    same moment, the item goes back and is its next one. (A receiver of a foreign kind
    can't take it back; the next `select` that includes it returns the item then.)

    Raises:
        ValueError: there is no receiver.
        EndOfStream: all have ended, without an item.
        ChannelInUse: somebody else receives from one of them.
    """
    if not receivers:
        raise ValueError("select needs at least one receiver")
    for index, receiver in enumerate(receivers):
        if id(receiver) in _kept:
            return index, _take_kept(receiver)
    race = _Race[T]()
    try:
        async with anyio.create_task_group() as group:
            race.scope = group.cancel_scope
            for index, receiver in enumerate(receivers):
                start_in_order(group, race.run, index, receiver)
    except BaseException:
        race.give_back_all(receivers)
        raise
    if race.error is not None:
        race.give_back_all(receivers)
        raise race.error
    if not race.finished:
        raise EndOfStream("every receiver has ended")
    race.finished.sort(key=lambda entry: entry[0])
    winner = race.finished.pop(0)
    race.give_back_all(receivers)
    return winner


class _Race(Generic[T]):
    """Who has finished, in order; more than one when they were fed in one step."""

    def __init__(self) -> None:
        self.finished: list[tuple[int, T]] = []
        self.error: Exception | None = None
        self.scope = anyio.CancelScope()

    async def run(self, index: int, receiver: ReceiveStream[T]) -> None:
        try:
            self.finished.append((index, await receiver.receive()))
        except EndOfStream:
            return
        except Exception as error:  # noqa: BLE001  (raised by select, ungrouped)
            self.error = self.error or error
        self.scope.cancel()

    def give_back_all(self, receivers: tuple[ReceiveStream[T], ...]) -> None:
        while self.finished:
            index, item = self.finished.pop()
            receiver = receivers[index]
            if not put_back(receiver, item):
                _kept.setdefault(id(receiver), (receiver, deque()))[1].append(item)


def _take_kept(receiver: ReceiveStream[T]) -> T:
    _, items = _kept[id(receiver)]
    item = items.popleft()
    if not items:
        del _kept[id(receiver)]
    return cast("T", item)

"""One source, every destination gets every item."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio

from chrono_daemon._parking import start_in_order
from chrono_daemon.recipes._streams import close_all

if TYPE_CHECKING:
    from chrono_daemon.channel import ReceiveStream, SendStream

__all__ = ["tee"]

T = TypeVar("T")


async def tee(src: ReceiveStream[T], *dests: SendStream[T]) -> None:
    """Send each item of `src` to all of `dests`, the slowest setting the pace.

    All destinations are sent to at once; the next item is taken when all have it.
    Without destinations it drains `src`. Every destination is closed when `src` ends,
    and on error or cancellation too. An item whose delivery was under way then may have
    reached some destinations and not others.

    Raises:
        ExceptionGroup: of what a destination raised, such as `ChannelClosed`.
        ChannelInUse: somebody else receives from `src`.
    """
    try:
        async for item in src:
            async with anyio.create_task_group() as group:
                for dest in dests:
                    start_in_order(group, dest.send, item)
    finally:
        await close_all(dests)

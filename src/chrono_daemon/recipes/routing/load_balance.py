"""One source, each item to one destination, in turn."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, TypeVar

from chrono_daemon.recipes._streams import close_all, put_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chrono_daemon.channel import ReceiveStream, SendStream

__all__ = ["load_balance"]

T = TypeVar("T")


async def load_balance(
    source: ReceiveStream[T],
    dests: Sequence[SendStream[T]],
    *,
    close_dests: bool = True,
) -> None:
    """Send the items of `source` to `dests` in strict rotation, from the first on.

    It waits for the destination whose turn it is and skips none. An item that can't be
    passed on goes back to an in-process source.

    Args:
        source: what is shared out.
        dests: at least one.
        close_dests: close all of them on every exit.

    Raises:
        ValueError: there is no destination.
        ChannelClosed: a destination is closed.
    """
    if not dests:
        raise ValueError("load_balance needs at least one destination")
    rotation = cycle(dests)
    try:
        async for item in source:
            try:
                await next(rotation).send(item)
            except BaseException:
                put_back(source, item)
                raise
    finally:
        if close_dests:
            await close_all(dests)

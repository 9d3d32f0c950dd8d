"""Several sources, one destination."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio

from chrono_daemon._parking import Line, start_in_order
from chrono_daemon.recipes._streams import close_all, put_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chrono_daemon.channel import ReceiveStream, SendStream

__all__ = ["merge"]

T = TypeVar("T")


async def merge(
    sources: Sequence[ReceiveStream[T]],
    dest: SendStream[T],
    *,
    close_dest: bool = True,
) -> None:
    """Forward the items of all `sources` to `dest` until all have ended.

    Each source keeps its order; between them, first come, first served. Sends into
    `dest` are made one at a time. An item that can't be passed on, because of an error
    or a cancellation, goes back to an in-process source.

    Args:
        sources: at least one.
        dest: where all goes.
        close_dest: close `dest` on every exit.

    Raises:
        ValueError: there is no source; `dest` is left as it is.
        ExceptionGroup: of what a stream raised, such as `ChannelClosed`.
    """
    if not sources:
        raise ValueError("merge needs at least one source")
    line = Line()
    try:
        async with anyio.create_task_group() as group:
            for source in sources:
                start_in_order(group, _forward, source, dest, line)
    finally:
        if close_dest:
            await close_all([dest])


async def _forward(source: ReceiveStream[T], dest: SendStream[T], line: Line) -> None:
    async for item in source:
        try:
            await line.take()
            try:
                await dest.send(item)
            finally:
                line.give()
        except BaseException:
            put_back(source, item)
            raise

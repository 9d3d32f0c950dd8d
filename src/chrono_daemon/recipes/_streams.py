"""What recipes do to streams they were lent: close them all, give an item back.

It decides nothing about items; it only makes sure that none is dropped on the way out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chrono_daemon.channel import ReceiveStream

__all__ = ["Closeable", "TakesBack", "close_all", "put_back"]

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Closeable(Protocol):
    """Either end of any channel."""

    async def aclose(self) -> None:
        """Close it."""
        ...


@runtime_checkable
class TakesBack(Protocol[T_contra]):
    """A receive end that can be given back what was just received from it."""

    def put_back(self, item: T_contra) -> None:
        """Make `item` the next one to be received."""
        ...


async def close_all(streams: Iterable[Closeable]) -> None:
    """Close every stream, also when the caller is being cancelled.

    Raises:
        Exception: the first error met, after all were closed.
    """
    first: Exception | None = None
    with anyio.CancelScope(shield=True):
        for stream in streams:
            try:
                await stream.aclose()
            except Exception as error:  # noqa: BLE001  (raised when all are closed)
                first = first or error
    if first is not None:
        raise first


def put_back(source: ReceiveStream[T], item: T) -> bool:
    """Give an item that could not be passed on back to where it came from.

    Returns:
        False where the stream has no way to take it back.
    """
    if isinstance(source, TakesBack):
        source.put_back(item)
        return True
    return False

"""A time-out on the clock that the daemon lives by."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import anyio

from chrono_daemon._parking import start_in_order

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chrono_daemon.clock import Clock

__all__ = ["within"]

T = TypeVar("T")


async def within(clock: Clock, seconds: float, wait: Callable[[], Awaitable[T]]) -> T:
    """Await `wait()`, for at most `seconds` on `clock`.

    Raises:
        TimeoutError: the time passed first; `wait` was cancelled.
        ValueError: `seconds` is NaN.
    """
    if math.isnan(seconds):
        # Found out by the clock, it would come out of the task group as a group.
        raise ValueError("seconds must be a number, not NaN")
    finished: list[T] = []
    failed: list[Exception] = []
    async with anyio.create_task_group() as group:
        start_in_order(group, _expire, clock, seconds, group.cancel_scope)
        try:
            finished.append(await wait())
        except Exception as error:  # noqa: BLE001  (raised again, outside the group)
            failed.append(error)
        group.cancel_scope.cancel()
    if failed:
        raise failed[0]
    if not finished:
        raise TimeoutError(f"it took more than {seconds} s")
    return finished[0]


async def _expire(clock: Clock, seconds: float, scope: anyio.CancelScope) -> None:
    await clock.sleep(seconds)
    scope.cancel()

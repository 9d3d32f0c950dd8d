"""A time limit on the schedule clock, so that simulated time can run it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chrono_daemon import Clock

__all__ = ["within"]

T = TypeVar("T")


async def within(
    clock: Clock, seconds: float, attempt: Callable[[], Awaitable[T]]
) -> T | None:
    """Return what `attempt` returns, or None once `seconds` have passed on `clock`.

    `anyio.move_on_after` would use the event loop's time. What `attempt` raises comes
    out as it was raised, not in a group.
    """
    result: list[T] = []
    errors: list[OSError] = []
    async with anyio.create_task_group() as group:

        async def run_out() -> None:
            await clock.sleep(seconds)
            group.cancel_scope.cancel()

        group.start_soon(run_out)
        try:
            result.append(await attempt())
        except OSError as error:
            errors.append(error)
        group.cancel_scope.cancel()
    if errors:
        raise errors[0]
    return result[0] if result else None

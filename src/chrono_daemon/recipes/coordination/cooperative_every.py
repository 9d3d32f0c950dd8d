"""Ticks that end when the daemon should finish."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING

from chrono_daemon.context import unless_set

if TYPE_CHECKING:
    from types import TracebackType

    from chrono_daemon.context import Context

__all__ = ["cooperative_every"]


def cooperative_every(ctx: Context, period: float) -> AsyncIterator[float]:
    """Iterate over the ticks of `ctx.clock.every(period)` until the daemon should stop.

    The wait for a tick is cut short by the stop, so a slow rhythm doesn't delay it.

    Args:
        ctx: the daemon's context.
        period: seconds on the clock, above 0.

    Raises:
        ValueError: at the first iteration, when `period` is not above 0.
    """
    return _CooperativeTicks(ctx, period)


class _CooperativeTicks(AsyncGenerator[float, None]):
    """An async generator that needs no finalizer."""

    def __init__(self, ctx: Context, period: float) -> None:
        self._ctx = ctx
        self._period = period
        self._ticks: AsyncIterator[float] | None = None
        self._ended = False

    async def asend(self, value: None) -> float:
        del value
        if self._ticks is None:
            if not self._period > 0:
                self._ended = True
                raise ValueError(f"period must be above 0, not {self._period!r}")
            self._ticks = self._ctx.clock.every(self._period)
        tick = None if self._ended else await self._next(self._ticks)
        if tick is None:
            self._ended = True
            raise StopAsyncIteration
        return tick

    async def _next(self, ticks: AsyncIterator[float]) -> float | None:
        tick: float | None = None

        async def wait() -> None:
            nonlocal tick
            tick = await anext(ticks, None)

        return tick if await unless_set(self._ctx.stop_event, wait) else None

    async def athrow(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
        /,
    ) -> float:
        self._ended = True
        raise typ

    async def aclose(self) -> None:
        self._ended = True

"""Commit-wait for async programs, on asyncio and trio.

A module of its own, so that `import chronotick` costs the standard library only. It
decides when to yield; what time it is, `Clock` does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable  # noqa: TC003

import anyio
import anyio.lowlevel

import chronotick
from chronotick.client.clock import Clock  # noqa: TC001
from chronotick.client.ordering import Instant, span_of
from chronotick.client.waiting import pause_s
from chronotick.core.reading import Interval  # noqa: TC001

__all__ = ["wait_until_after"]

# An event loop's timers end up to 1 ms late.
_SPIN_NS = 1_500_000


async def wait_until_after(
    t: Instant,
    *,
    clock: Clock | None = None,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,  # noqa: TID251
) -> Interval:
    """Wait until now is certainly after `t` (commit-wait); return that now.

    For the last 1.5 ms it yields to other tasks without sleeping. It ends as late as
    they let it: a task that computes delays it, and never makes it end early. For a
    limit, put it in ``anyio.fail_after``.

    Args:
        t: ``int`` Unix nanoseconds, ``float`` Unix seconds, or an `Interval`.
        clock: Default: the clock behind `chronotick.now`.
        sleep: How to wait; something else under a simulated clock.

    Raises:
        ClockError: the clock was lost during the wait.
    """
    read = chronotick.interval if clock is None else clock.interval
    target_ns = span_of(t)[1]
    while True:
        now = read()
        pause = pause_s(now.earliest_ns, now.latest_ns, target_ns, _SPIN_NS)
        if pause is None:
            return now
        if pause > 0:
            await sleep(pause)
        else:
            await anyio.lowlevel.checkpoint()

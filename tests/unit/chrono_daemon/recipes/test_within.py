"""A time-out counts on the clock that the daemon lives by."""

from __future__ import annotations

import math

import anyio
import pytest

from chrono_daemon import Channel, SimClock, WallClock, open_channel
from chrono_daemon.recipes.coordination.within import within

pytestmark = pytest.mark.anyio


async def test_what_is_in_time_is_returned() -> None:
    """And its errors come out as they are."""
    clock = SimClock()
    ch: Channel[int] = open_channel(1)
    ch.send.send_nowait(3)
    assert await within(clock, 5, ch.recv.receive) == 3

    async def fail() -> int:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await within(clock, 5, fail)
    assert len(clock._waiters) == 0


async def test_what_is_late_is_cancelled() -> None:
    """At the virtual instant; nothing is consumed."""
    clock = SimClock()
    ch: Channel[int] = open_channel(1)
    seen: list[float] = []

    async def wait() -> None:
        with pytest.raises(TimeoutError, match="5"):
            await within(clock, 5, ch.recv.receive)
        seen.append(clock.now())

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await clock.advance(9)
    assert seen == [5]
    ch.send.send_nowait(1)
    assert ch.recv.receive_nowait() == 1


async def test_a_limit_that_is_no_time_is_refused() -> None:
    """As it is, not in a group, and before anything is waited for."""
    for clock in (SimClock(), WallClock()):
        waited = False

        async def wait() -> None:
            nonlocal waited
            waited = True

        with pytest.raises(ValueError, match="NaN"):
            await within(clock, math.nan, wait)
        assert not waited

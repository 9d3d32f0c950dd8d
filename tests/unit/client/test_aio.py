"""Commit-wait in an event loop, on both of them, without waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.lowlevel
import pytest

from chronotick.client.aio import wait_until_after
from chronotick.core.errors import StaleCorrection
from chronotick.core.units import NS_PER_S
from unit.shm.frames import UTC_NS, make_frame

if TYPE_CHECKING:
    from chronotick.client.clock import Clock
    from chronotick.shm.writer import SegmentWriter
    from unit.client.virtual import VirtualHost

pytestmark = pytest.mark.anyio


async def test_it_ends_when_the_order_is_certain(
    writer: SegmentWriter, clock: Clock, host: VirtualHost
) -> None:
    """With other tasks running in between, even while it looks without pause."""
    writer.publish(make_frame())
    target_ns = UTC_NS + NS_PER_S // 10
    others = 0

    async def sleep(seconds: float) -> None:
        host.sleep(seconds)
        await anyio.lowlevel.checkpoint()

    async def busy() -> None:
        nonlocal others
        while True:
            others += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(busy)
        got = await wait_until_after(target_ns, clock=clock, sleep=sleep)
        group.cancel_scope.cancel()

    assert got.earliest_ns > target_ns
    assert got.earliest_ns - target_ns < 5_000
    assert others > 10


@pytest.mark.parametrize("t", [UTC_NS + 50e6, UTC_NS // 10**6, UTC_NS // 10**3])
async def test_an_instant_in_another_unit_is_refused(
    writer: SegmentWriter, clock: Clock, t: float
) -> None:
    """As by the blocking one."""
    writer.publish(make_frame())

    with pytest.raises(ValueError, match="nanoseconds"):
        await wait_until_after(t, clock=clock)


async def test_it_fails_when_the_clock_is_lost(
    writer: SegmentWriter, clock: Clock, host: VirtualHost
) -> None:
    """As the blocking one does."""
    writer.publish(make_frame())

    async def sleep(seconds: float) -> None:
        host.sleep(seconds)
        await anyio.lowlevel.checkpoint()

    with pytest.raises(StaleCorrection):
        await wait_until_after(UTC_NS + 1000 * NS_PER_S, clock=clock, sleep=sleep)

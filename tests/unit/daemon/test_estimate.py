"""`daemon.estimate`: what was under way while the host slept is never published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chrono_daemon import Channel, SimClock, Supervisor, open_channel
from chronotick.core.records import ClockPair, Correction, Exchange
from chronotick.core.status import Status
from chronotick.core.units import NS_PER_S
from chronotick.daemon.estimate import EstimateStage, Event
from chronotick.daemon.estimator import Estimator, EstimatorSettings
from chronotick.daemon.pace import Pace
from unit.oscillators import EPOCH_NS, sample

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.anyio

_MS = 1_000_000


class Clocks:
    """A host whose RAW and suspend count are set by hand."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.asleep_ns = 0

    def raw_ns(self) -> int:
        """Return RAW."""
        return self.now_ns

    def pair(self) -> ClockPair:
        """Return the clocks as they are now."""
        return ClockPair(self.now_ns, self.now_ns, 0, self.asleep_ns)


class Stage:
    """An estimate stage that is told of one event at a time."""

    def __init__(self) -> None:
        self.clocks = Clocks()
        self.pace = Pace()
        self._schedule = SimClock()
        self._events: Channel[Event] = open_channel(8)
        self._out: Channel[Correction] = open_channel(64)
        self._estimator = Estimator(EstimatorSettings(servers=("a",)))

    async def tell(self, *steps: tuple[int, int, Event]) -> Sequence[Correction]:
        """Let RAW and the suspend count be so, then hand the event in; return all."""
        stage = EstimateStage(self._estimator, self.clocks, self.pace)
        async with Supervisor(clock=self._schedule) as supervisor:
            supervisor.spawn(stage.estimate, self._events.recv, self._out.send)
            await self._schedule.advance(1.0)
            for self.clocks.now_ns, self.clocks.asleep_ns, event in steps:
                self._events.send.send_nowait(event)
                await self._schedule.advance(1.0)
            await supervisor.stop(grace=0)
        return [correction async for correction in self._out.recv]


def ended(raw_ns: int) -> Exchange:
    """Return an exchange with server `a` whose middle is at `raw_ns`."""
    taken = sample(raw_ns, EPOCH_NS)
    return Exchange(
        server="a", endpoint=None, state="ok", sample=taken, useful=True, reach=1
    )


def looked(raw_ns: int, asleep_ns: int = 0) -> ClockPair:
    """Return a look at the clocks, before any sleep if nothing else is said."""
    return ClockPair(raw_ns, raw_ns, 0, asleep_ns)


async def test_an_exchange_that_was_under_way_during_the_sleep_is_left_out() -> None:
    """Asked at 10.000 s, asleep, noticed at 10.001, answered at 10.010: half a sleep."""
    at_ns, hour_ns = 10 * NS_PER_S, 3600 * NS_PER_S
    said = await Stage().tell(
        (at_ns + 1 * _MS, hour_ns, looked(at_ns + 1 * _MS, hour_ns)),
        (at_ns + 10 * _MS, hour_ns, ended(at_ns + 5 * _MS)),
    )
    assert said[-1].status is Status.UNKNOWN


async def test_an_exchange_that_began_after_the_sleep_is_used() -> None:
    """Asked at 10.002 s, a millisecond after the sleep was noticed."""
    at_ns, hour_ns = 10 * NS_PER_S, 3600 * NS_PER_S
    said = await Stage().tell(
        (at_ns + 1 * _MS, hour_ns, looked(at_ns + 1 * _MS, hour_ns)),
        (at_ns + 10 * _MS, hour_ns, ended(at_ns + 6 * _MS)),
    )
    assert said[-1].status is Status.WARMUP


async def test_an_exchange_may_wait_as_long_as_the_host_is_awake() -> None:
    """A minute in the channel costs an answer nothing but its freshness."""
    said = await Stage().tell((60 * NS_PER_S, 0, ended(1 * NS_PER_S)))
    assert said[-1].status is Status.WARMUP


async def test_a_look_at_the_clocks_from_before_the_sleep_hides_nothing() -> None:
    """It waited while the host slept; what is sent afterwards is from before as well."""
    at_ns = 100 * NS_PER_S
    said = await Stage().tell(
        (1 * NS_PER_S, 0, ended(1 * NS_PER_S - _MS)),
        (at_ns + 1 * _MS, 3600 * NS_PER_S, looked(at_ns)),
    )
    assert [each.status for each in said] == [Status.WARMUP, Status.UNKNOWN]

"""`daemon.pace`: who is asked sooner, when, and how often in a row."""

from __future__ import annotations

from math import inf

import pytest

from chrono_daemon import Context, SimClock, Supervisor
from chronotick.daemon.pace import Pace, Rest

pytestmark = pytest.mark.anyio

LEAST_S = 16.0
WAIT_S = 1024.0


class Source:
    """A source that only rests.

    Args:
        losses: How many polls in a row it has lost, from first to last.
    """

    def __init__(self, *, losses: int) -> None:
        self.clock, self.pace = SimClock(), Pace()
        self._losses = losses
        self.rest = Rest(self.pace)
        self.polled_s: list[float] = []
        self.urgent: list[bool] = []

    async def live(self, ctx: Context) -> None:
        """Poll and rest, for ever."""
        while True:
            self.rest.polls()
            self.polled_s.append(ctx.clock.now())
            self.urgent.append(self.rest.is_urgent)
            await self.rest.take(
                ctx.clock, WAIT_S, losses=self._losses, least_s=LEAST_S
            )


async def second_poll_s(
    *,
    losses: int,
    answered: dict[float, int] | None = None,
    doubts: dict[float, float] | None = None,
) -> float:
    """Return when a source is asked again that has been asked at 0 s.

    Args:
        losses: How many in a row it has lost then.
        answered: When another server answers, and after how many losses of its own.
        doubts: When the estimate comes to doubt, or to know: its patience.
    """
    source = Source(losses=losses)
    async with Supervisor(clock=source.clock) as supervisor:
        supervisor.spawn(source.live)
        for at_s in sorted({**(answered or {}), **(doubts or {})}):
            await source.clock.advance(at_s - source.clock.now())
            if answered and at_s in answered:
                source.pace.answered(answered[at_s])
            if doubts and at_s in doubts:
                source.pace.waits(doubts[at_s])
        await source.clock.advance(2 * WAIT_S)
        await supervisor.stop(grace=0)
    return source.polled_s[1]


class TestTheNetworkIsBack:
    """One answer, after silence, wakes those that are silent."""

    async def test_one_that_was_silent_too_wakes_the_others(self) -> None:
        """At the instant of its answer."""
        assert await second_poll_s(losses=5, answered={300.0: 5}) == 300.0

    async def test_an_answer_among_answers_says_nothing(self) -> None:
        """The network was there all the time: this server is silent by itself."""
        assert await second_poll_s(losses=5, answered={100.0: 0, 300.0: 1}) == WAIT_S

    async def test_a_server_that_answers_keeps_its_pace(self) -> None:
        """Others that come back are no reason to ask it sooner."""
        assert await second_poll_s(losses=0, answered={300.0: 5}) == WAIT_S

    async def test_nobody_is_asked_sooner_than_is_polite(self) -> None:
        """An answer right after the last poll is not lost on us; the poll comes later."""
        assert await second_poll_s(losses=5, answered={2.0: 5}) == LEAST_S

    async def test_a_return_while_the_last_poll_was_on_its_way_counts(self) -> None:
        """It had been sent before the network was back, and was lost."""
        source = Source(losses=5)
        source.rest.polls()
        source.pace.answered(5)
        async with Supervisor(clock=source.clock) as supervisor:
            supervisor.spawn(source.live)
            await source.clock.advance(WAIT_S)
            await supervisor.stop(grace=0)
        assert source.polled_s[1] == LEAST_S

    async def test_without_any_answer_the_wait_is_as_long_as_it_was(self) -> None:
        """A network that stays away is asked ever more rarely."""
        assert await second_poll_s(losses=9) == WAIT_S


class TestTheEstimateDoubts:
    """The next answers tell what it doesn't know."""

    async def test_whoever_answers_is_asked_at_once(self) -> None:
        """At the instant at which the doubt begins."""
        assert await second_poll_s(losses=0, doubts={300.0: 0.0}) == 300.0
        assert await second_poll_s(losses=2, doubts={300.0: 0.0}) == 300.0

    async def test_but_not_sooner_than_is_polite(self) -> None:
        """Whether it began before this rest or in it."""
        assert await second_poll_s(losses=0, doubts={2.0: 0.0}) == LEAST_S

    async def test_a_patient_one_is_no_hurry(self) -> None:
        """Within a minute of the last poll; at once where that is long ago."""
        assert await second_poll_s(losses=0, doubts={2.0: 64.0}) == 64.0
        assert await second_poll_s(losses=0, doubts={300.0: 64.0}) == 300.0
        assert await second_poll_s(losses=0, doubts={2.0: 64.0, 30.0: 0.0}) == 30.0

    async def test_a_doubt_that_is_over_hurries_nobody(self) -> None:
        """Another server has told meanwhile."""
        doubts = {2.0: 0.0, 5.0: inf}
        assert await second_poll_s(losses=0, doubts=doubts) == WAIT_S

    async def test_a_silent_server_is_left_alone(self) -> None:
        """It wouldn't tell."""
        assert await second_poll_s(losses=3, doubts={300.0: 0.0}) == WAIT_S

    async def test_a_single_surprise_brings_one_poll_forward(self) -> None:
        """The answer settles it; the pace stays as it was."""
        source = Source(losses=0)
        async with Supervisor(clock=source.clock) as supervisor:
            supervisor.spawn(source.live)
            await source.clock.advance(300.0)
            source.pace.waits(0.0)
            await source.clock.advance(1.0)
            source.pace.waits(inf)
            await source.clock.advance(3 * WAIT_S)
            await supervisor.stop(grace=0)
        assert source.polled_s[:3] == [0.0, 300.0, 300.0 + WAIT_S]
        assert not any(source.urgent)

    async def test_a_doubt_that_lasts_is_no_licence(self) -> None:
        """Sixteen in a row; then as if there were none, until it has been over."""
        source = Source(losses=0)
        async with Supervisor(clock=source.clock) as supervisor:
            supervisor.spawn(source.live)
            source.pace.waits(0.0)
            await source.clock.advance(4 * WAIT_S)
            hurried = [LEAST_S * n for n in range(17)]
            late = [hurried[-1] + WAIT_S * n for n in (1, 2, 3)]
            assert source.polled_s == hurried + late
            assert source.urgent == [False] * 2 + [True] * 14 + [False] * 4
            source.pace.waits(inf)
            await source.clock.advance(WAIT_S)
            source.pace.waits(0.0)
            await source.clock.advance(LEAST_S)
            now_s = source.clock.now()
            assert source.polled_s[-2:] == [now_s - LEAST_S, now_s]
            await supervisor.stop(grace=0)

"""`daemon.reachability`: who is silent is asked as soon as the network is back."""

from __future__ import annotations

import pytest

from chrono_daemon import Context, SimClock, Supervisor
from chronotick.daemon.reachability import Reachability

pytestmark = pytest.mark.anyio

LEAST_S = 16.0
WAIT_S = 1024.0


async def rested(*, losses: int, answered: dict[float, int], missed: int = 0) -> float:
    """Return how long a server's source rests that has lost so many polls in a row.

    Args:
        losses: Its own.
        answered: When another server answers, and after how many losses of its own.
        missed: -1 if another one has come back while this one's poll was on its way.
    """
    clock, network = SimClock(), Reachability()
    ends: list[float] = []

    async def rest(ctx: Context) -> None:
        begun = ctx.clock.now()
        await network.rest(
            ctx.clock, WAIT_S, losses=losses, least_s=LEAST_S, since=missed
        )
        ends.append(ctx.clock.now() - begun)

    async with Supervisor(clock=clock) as supervisor:
        supervisor.spawn(rest)
        elapsed_s = 0.0
        for at_s, lost in answered.items():
            await clock.advance(at_s - elapsed_s)
            elapsed_s = at_s
            network.answered(lost)
        await clock.advance(2 * WAIT_S)
        await supervisor.stop(grace=0)
    return ends[0]


async def test_one_that_was_silent_too_wakes_the_others() -> None:
    """At the instant of its answer."""
    assert await rested(losses=5, answered={300.0: 5}) == 300.0


async def test_an_answer_among_answers_says_nothing() -> None:
    """The network was there all the time: this server is silent by itself."""
    assert await rested(losses=5, answered={100.0: 0, 300.0: 1}) == WAIT_S


async def test_a_server_that_answers_keeps_its_pace() -> None:
    """Others that come back are no reason to ask it sooner."""
    assert await rested(losses=0, answered={300.0: 5}) == WAIT_S


async def test_nobody_is_asked_sooner_than_is_polite() -> None:
    """An answer right after the last poll is not lost on us; the poll comes later."""
    assert await rested(losses=5, answered={2.0: 5}) == LEAST_S


async def test_a_return_while_the_last_poll_was_on_its_way_counts() -> None:
    """It had been sent before the network was back, and was lost."""
    assert await rested(losses=5, answered={}, missed=-1) == LEAST_S


async def test_without_any_answer_the_wait_is_as_long_as_it_was() -> None:
    """A network that stays away is asked ever more rarely."""
    assert await rested(losses=9, answered={}) == WAIT_S

"""The tools for tests do what they say, since other tests stand on them."""

from __future__ import annotations

import pytest

from chrono_daemon import Channel, Context, DaemonError, WouldBlock, open_channel
from chrono_daemon.recipes.coordination import select
from chrono_daemon.recipes.coordination.within import within
from chrono_daemon.recipes.routing import merge
from chrono_daemon.testing import (
    BACKENDS,
    Simulation,
    both_backends,
    replay,
    run_simulated,
    simulate,
)


def hourly(world: Simulation) -> None:
    """A producer that sends each minute, and a consumer."""
    ch: Channel[float] = world.recorder.channel("minutes", 1)

    async def produce(ctx: Context) -> None:
        async for tick in ctx.clock.every(60):
            await ch.send.send(tick)

    async def consume(ctx: Context) -> None:
        async for _ in ch.recv:
            world.recorder.note(ctx.name, "got one")

    world.supervisor.spawn(produce)
    world.supervisor.spawn(consume)


@both_backends()
def test_an_hour_is_run_and_recorded(backend: str) -> None:
    """Wakes and sends with their times; daemons end as stopped."""
    world = run_simulated(hourly, for_s=3600, backend=backend)
    minutes = [60.0 * n for n in range(1, 61)]
    assert world.recorder.wakes() == [(t, "daemon produce") for t in minutes]
    assert world.recorder.sends("minutes") == [(t, t) for t in minutes]
    assert world.clock.now() == 3600
    states = {health.state for health in world.supervisor.snapshot().values()}
    assert states == {"stopped"}


def test_both_backends_record_the_same() -> None:
    """Event by event."""
    one, other = (run_simulated(hourly, for_s=600, backend=b) for b in BACKENDS)
    assert one.recorder.events == other.recorder.events
    assert len(one.recorder.events) > 30


@both_backends()
def test_failures_come_out(backend: str) -> None:
    """As from any supervisor; on_error decides."""

    async def bad(ctx: Context) -> None:
        raise ValueError("bad")

    def setup(world: Simulation) -> None:
        world.supervisor.spawn(bad)

    with pytest.raises(ExceptionGroup) as caught:
        run_simulated(setup, for_s=1, backend=backend)
    assert caught.group_contains(DaemonError)
    world = run_simulated(setup, for_s=1, backend=backend, on_error="ignore", t0=5)
    assert world.clock.now() == 6
    with pytest.raises(ValueError, match="for_s"):
        run_simulated(setup, for_s=-1, backend=backend)


@pytest.mark.anyio
async def test_an_async_setup_is_awaited_inside_a_running_loop() -> None:
    """`simulate` is the same for async tests."""

    async def setup(world: Simulation) -> None:
        hourly(world)

    world = await simulate(setup, for_s=120)
    assert len(world.recorder.sends("minutes")) == 2


@both_backends()
def test_a_recording_can_be_replayed(backend: str) -> None:
    """Each item at the time it was sent, then the end."""
    events = run_simulated(hourly, for_s=300, backend=backend).recorder.events

    def setup(world: Simulation) -> None:
        ch: Channel[object] = world.recorder.channel("again")
        world.supervisor.spawn(replay, events, ch.send)

        async def consume(ctx: Context) -> None:
            async for _ in ch.recv:
                world.recorder.note("at", ctx.clock.now())

        world.supervisor.spawn(consume)

    world = run_simulated(setup, for_s=600, backend=backend)
    again = world.recorder.sends("again")
    assert again == [(60.0 * n, 60.0 * n) for n in range(1, 6)]
    assert [e.kind for e in world.recorder.events].count("close") == 1


@pytest.mark.anyio
async def test_a_recorded_channel_is_a_channel() -> None:
    """Nowait operations, close and statistics go through; refusals aren't recorded."""

    def setup(world: Simulation) -> None:
        async def use(ctx: Context) -> None:
            ch: Channel[int] = world.recorder.channel("c", 1)
            ch.send.send_nowait(1)
            with pytest.raises(WouldBlock):
                ch.send.send_nowait(2)
            assert ch.recv.statistics() == ch.send.statistics()
            assert ch.recv.receive_nowait() == 1
            await ch.send.aclose()
            await ch.send.aclose()
            await ch.recv.aclose()

        world.supervisor.spawn(use)

    world = await simulate(setup, for_s=0)
    assert [e.kind for e in world.recorder.events] == ["send", "receive", "close"]


@pytest.mark.anyio
async def test_a_recorded_channel_takes_an_item_back() -> None:
    """As a plain one does; what was given back counts as not received."""
    got: list[object] = []

    def setup(world: Simulation) -> None:
        one: Channel[str] = world.recorder.channel("one", 1)
        two: Channel[str] = world.recorder.channel("two", 1)

        async def race(ctx: Context) -> None:
            got.append(await select(one.recv, two.recv))
            got.append(two.recv.receive_nowait())

        async def feed(ctx: Context) -> None:
            await ctx.clock.sleep(1)
            one.send.send_nowait("a")
            two.send.send_nowait("b")

        world.supervisor.spawn(race)
        world.supervisor.spawn(feed)

    world = await simulate(setup, for_s=2)
    assert got == [(0, "a"), "b"]
    received = [(e.who, e.what) for e in world.recorder.events if e.kind == "receive"]
    assert received == [("one", "a"), ("two", "b")]


@pytest.mark.anyio
async def test_a_cancelled_recipe_gives_back_to_a_recorded_channel() -> None:
    """The item that could not be passed on is there again, and on record as sent only."""

    def setup(world: Simulation) -> None:
        source: Channel[int] = world.recorder.channel("source", 1)

        async def pass_on(ctx: Context) -> None:
            source.send.send_nowait(7)
            dest: Channel[int] = open_channel()
            with pytest.raises(TimeoutError):
                await within(ctx.clock, 1, lambda: merge([source.recv], dest.send))
            world.recorder.note("left", source.recv.statistics().current_buffer_used)

        world.supervisor.spawn(pass_on)

    world = await simulate(setup, for_s=2)
    events = [(e.kind, e.what) for e in world.recorder.events if e.kind != "wake"]
    assert events == [("send", 7), ("note", 1)]

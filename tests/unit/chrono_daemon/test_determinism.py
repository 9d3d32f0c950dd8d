"""What a program does in virtual time depends on the program alone."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import anyio
import pytest

from chrono_daemon import (
    Channel,
    ChannelClosed,
    Context,
    EndOfStream,
    Supervisor,
    WouldBlock,
)
from chrono_daemon.testing import BACKENDS, Event, Simulation, simulate

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAMS = 1000

# Few distinct durations, so that many wakes fall on one instant.
_DURATIONS = (0.0, 0.25, 0.25, 0.5, 0.5, 1.0, 0.75)

Step = tuple[str, float | int]


class Program:
    """A random set of daemons that sleep, tick, talk and spawn each other."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.sizes = [rng.choice((0, 0, 1, 2, 5)) for _ in range(rng.randint(1, 4))]
        count = rng.randint(2, 5)
        self.senders = [rng.randrange(count) for _ in self.sizes]
        self.receivers = [rng.randrange(count) for _ in self.sizes]
        self.scripts = [self._script(rng, n) for n in range(count)]
        self.grandchildren = rng.randint(0, 3)

    def _script(self, rng: random.Random, who: int) -> list[Step]:
        mine_out = [c for c, s in enumerate(self.senders) if s == who]
        mine_in = [c for c, r in enumerate(self.receivers) if r == who]
        steps: list[Step] = []
        for _ in range(rng.randint(2, 7)):
            choices = ["sleep", "sleep", "tick", "spawn"]
            choices += ["send", "send", "try_send"] * bool(mine_out)
            choices += ["receive", "receive", "try_receive"] * bool(mine_in)
            kind = rng.choice(choices)
            if kind in {"send", "try_send"}:
                steps.append((kind, rng.choice(mine_out)))
            elif kind in {"receive", "try_receive"}:
                steps.append((kind, rng.choice(mine_in)))
            else:
                steps.append((kind, rng.choice(_DURATIONS)))
        if mine_out and rng.random() < 0.3:
            steps.append(("close", rng.choice(mine_out)))
        return steps

    def setup(self, world: Simulation) -> None:
        """Add the daemons to the world."""
        channels: list[Channel[int]] = [
            world.recorder.channel(f"c{n}", size) for n, size in enumerate(self.sizes)
        ]
        for n, script in enumerate(self.scripts):
            world.supervisor.spawn(self._play, n, script, channels, world, name=f"d{n}")

    async def _play(
        self,
        ctx: Context,
        me: int,
        script: list[Step],
        channels: list[Channel[int]],
        world: Simulation,
    ) -> None:
        for n, (kind, value) in enumerate(script):
            world.recorder.note(ctx.name, (n, kind))
            try:
                await self._step(ctx, kind, value, channels, n, me)
            except (WouldBlock, ChannelClosed, EndOfStream) as error:
                world.recorder.note(ctx.name, type(error).__name__)

    async def _step(
        self,
        ctx: Context,
        kind: str,
        value: float,
        channels: list[Channel[int]],
        n: int,
        me: int,
    ) -> None:
        channel = channels[int(value) % len(channels)]
        if kind == "sleep":
            await ctx.clock.sleep(value)
        elif kind == "tick":
            async for tick in ctx.clock.every(value or 0.25, first="now"):
                if tick >= 1.5:
                    break
        elif kind == "spawn":
            self._spawn(ctx.supervisor, f"{ctx.name}/{n}", value)
        else:
            await self._talk(channel, kind, me * 100 + n)

    async def _talk(self, channel: Channel[int], kind: str, item: int) -> None:
        if kind == "send":
            await channel.send.send(item)
        elif kind == "try_send":
            channel.send.send_nowait(item)
        elif kind == "receive":
            await channel.recv.receive()
        elif kind == "try_receive":
            channel.recv.receive_nowait()
        else:
            await channel.send.aclose()

    def _spawn(self, supervisor: Supervisor, name: str, period: float) -> None:
        async def child(ctx: Context, n: int) -> None:
            await ctx.sleep(period + 0.25 * n)
            await ctx.clock.sleep(0.5)

        for n in range(self.grandchildren):
            supervisor.spawn(child, n, name=f"{name}.{n}")


def record(backend: str, seeds: range) -> list[list[Event]]:
    """Run the programs of `seeds` in one loop; return the record of each."""

    async def main() -> list[list[Event]]:
        records: list[list[Event]] = []
        for seed in seeds:
            world = await simulate(Program(seed).setup, for_s=4, on_error="ignore")
            records.append(world.recorder.events)
        return records

    return anyio.run(main, backend=backend)


def test_a_thousand_programs_do_the_same_on_both_backends() -> None:
    """Wakes, sends, receives and all else, in the same order at the same time."""
    seeds = range(PROGRAMS)
    one, other = (record(backend, seeds) for backend in BACKENDS)
    for seed in seeds:
        assert one[seed] == other[seed], f"seed {seed}"
    wakes = sum(event.kind == "wake" for events in one for event in events)
    handed = sum(event.kind == "receive" for events in one for event in events)
    assert wakes > 3 * PROGRAMS
    assert handed > PROGRAMS / 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_program_repeats_itself(backend: str) -> None:
    """Two runs of one program on one backend give the same record."""
    seeds = range(2000, 2030)
    assert record(backend, seeds) == record(backend, seeds)


@pytest.mark.parametrize("backend", BACKENDS)
def test_several_clocks_in_one_loop_repeat_themselves(backend: str) -> None:
    """Drivers take turns in one reproducible order, also with equal times."""

    def run() -> list[tuple[int, float]]:
        seen: list[tuple[int, float]] = []

        async def session(n: int) -> None:
            def setup(world: Simulation) -> None:
                async def tick(ctx: Context) -> None:
                    async for at in ctx.clock.every(0.5):
                        seen.append((n, at))

                world.supervisor.spawn(tick)

            await simulate(setup, for_s=3)

        async def main() -> None:
            sup = Supervisor()
            for n in range(4):
                sup.spawn(lambda _, n=n: session(n), name=f"s{n}")
            async with sup:
                pass

        anyio.run(main, backend=backend)
        return seen

    first: Callable[[], list[tuple[int, float]]] = run
    assert sorted(first()) == sorted(run())
    assert {n for n, _ in run()} == {0, 1, 2, 3}

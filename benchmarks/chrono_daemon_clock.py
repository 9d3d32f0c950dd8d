"""What a wake costs in virtual time: `SimClock.advance` over many sleepers.

    python benchmarks/chrono_daemon_clock.py [--repeat 3] [--backend asyncio]

Three programs. *ticking*: so many tasks tick together. *once*: so many tasks sleep to
deadlines of their own and end, as tasks of an anyio task group, whose bookkeeping at the
end of each task costs more than the wake. *plain*: the same with tasks of asyncio's own.
Each is advanced over all its wakes; medians of wakes per CPU second.

The raw things underneath are the same number of tasks of an anyio task group, woken
through bare futures (asyncio) or rescheduled (trio), with nobody keeping time or checking
for rest: *raw*, one after the other as a clock has to, and *at once*, all in one go,
which is the most that tasks of a group can end in a second whoever wakes them.

Limits on asyncio: 100,000 wakes a second over 100,000 sleepers, and a cost per wake that
is flat from 1,000 to 100,000. *once* can't reach it where *at once* doesn't.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from statistics import median
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from chrono_daemon import SimClock
from chrono_daemon._parking import Seat, new_seat

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SLEEPERS = (1_000, 10_000, 100_000)
TICKS = 100_000
"""Ticks of all tasks together in one run of *ticking*."""


async def once(sleepers: int) -> float:
    """Each sleeps once, to a deadline of its own."""
    clock = SimClock()
    per_s = 0.0
    async with anyio.create_task_group() as group:
        for n in range(sleepers):
            group.start_soon(clock.sleep, 1 + n / 1000)
        await clock.advance(0)
        per_s = await rate(sleepers, lambda: clock.advance(sleepers))
    return per_s  # noqa: RET504  (a task group may swallow what leaves it)


async def plain(sleepers: int) -> float:
    """Each sleeps once, in a task without a group; asyncio only."""
    clock = SimClock()
    tasks = [asyncio.create_task(clock.sleep(1 + n / 1000)) for n in range(sleepers)]
    await clock.advance(0)
    per_s = await rate(sleepers, lambda: clock.advance(sleepers))
    await asyncio.gather(*tasks)
    return per_s


async def ticking(sleepers: int) -> float:
    """All tick in step."""
    clock = SimClock()
    rounds = max(2, TICKS // sleepers)

    async def tick() -> None:
        # Once more than is measured, so that no task ends meanwhile.
        for _ in range(rounds + 1):
            await clock.sleep(1)

    per_s = 0.0
    async with anyio.create_task_group() as group:
        for _ in range(sleepers):
            group.start_soon(tick)
        await clock.advance(0)
        per_s = await rate(sleepers * rounds, lambda: clock.advance(rounds))
        await clock.advance(1)
    return per_s


async def raw(sleepers: int) -> float:
    """Wake as many tasks through bare seats, and let each end."""
    seats: list[Seat] = []

    async def park() -> None:
        seats.append(new_seat())
        await seats[-1]

    async def wake_all() -> None:
        for seat in seats:
            seat.set_result(None)
            await anyio.lowlevel.checkpoint()

    per_s = 0.0
    async with anyio.create_task_group() as group:
        for _ in range(sleepers):
            group.start_soon(park)
        while len(seats) < sleepers:
            await anyio.lowlevel.checkpoint()
        per_s = await rate(sleepers, wake_all)
    return per_s  # noqa: RET504  (a task group may swallow what leaves it)


async def at_once(sleepers: int) -> float:
    """Wake as many tasks through bare seats in one go, and let each end."""
    seats: list[Seat] = []
    ended = 0

    async def park() -> None:
        nonlocal ended
        seats.append(new_seat())
        await seats[-1]
        ended += 1

    async def wake_all() -> None:
        for seat in seats:
            seat.set_result(None)
        while ended < sleepers:
            await anyio.lowlevel.checkpoint()
        # What the group does at the end of each comes one pass later.
        await anyio.lowlevel.checkpoint()

    per_s = 0.0
    async with anyio.create_task_group() as group:
        for _ in range(sleepers):
            group.start_soon(park)
        while len(seats) < sleepers:
            await anyio.lowlevel.checkpoint()
        per_s = await rate(sleepers, wake_all)
    return per_s  # noqa: RET504  (a task group may swallow what leaves it)


async def rate(wakes: int, run: Callable[[], Awaitable[None]]) -> float:
    """Return wakes per CPU second."""
    before = time.process_time()
    await run()
    return wakes / (time.process_time() - before)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--backend", choices=("asyncio", "trio"))
    asked = parser.parse_args()
    gc.disable()
    names = "ticking   once/s  plain/s    raw/s  at once   µs a tick  once : at once"
    print(f"backend  sleepers  {names}")
    for backend in (asked.backend,) if asked.backend else ("asyncio", "trio"):
        programs = [ticking, once, raw, at_once]
        if backend == "asyncio":
            programs.insert(2, plain)
        for sleepers in SLEEPERS:
            rows = []
            for _ in range(asked.repeat):
                gc.collect()
                rows.append([anyio.run(p, sleepers, backend=backend) for p in programs])
            rates = [median(column) for column in zip(*rows, strict=True)]
            if backend == "trio":
                rates.insert(2, float("nan"))
            columns = "  ".join(f"{per_s:>7,.0f}" for per_s in rates)
            pairs = [row[1] / row[-1] for row in rows]
            print(
                f"{backend:<8} {sleepers:>8,}  {columns}   {1e6 / rates[0]:>9.1f}"
                f"  {median(pairs):>14.2f}"
            )


if __name__ == "__main__":
    main()

"""Channel throughput, against anyio's memory object stream underneath the same loop.

    python benchmarks/chrono_daemon_channel.py [--items 10000] [--repeat 5]

One producer, one consumer, so many items; messages per CPU second. Ours and theirs take
turns within one run, so that a noisy machine is noisy to both; medians, and the median of
the ratios of neighbors. The limit to hold is a ratio of 0.8 everywhere.
"""

from __future__ import annotations

import argparse
import gc
import math
import time
from statistics import median
from typing import TYPE_CHECKING

import anyio

from chrono_daemon import Channel, open_channel

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable

SIZES = (0, 1, 2, 16, 256, math.inf)


async def measure(
    send: Callable[[int], Awaitable[None]],
    close: Callable[[], Awaitable[None]],
    receive: AsyncIterable[int],
    items: int,
) -> float:
    """Return messages per CPU second."""

    async def produce() -> None:
        for item in range(items):
            await send(item)
        await close()

    before = time.process_time()
    async with anyio.create_task_group() as group:
        group.start_soon(produce)
        async for _ in receive:
            pass
    return items / (time.process_time() - before)


async def ours(size: float, items: int) -> float:
    """Measure our channel."""
    ch: Channel[int] = open_channel(size)
    return await measure(ch.send.send, ch.send.aclose, ch.recv, items)


async def theirs(size: float, items: int) -> float:
    """Measure anyio's stream."""
    send, receive = anyio.create_memory_object_stream[int](size)
    async with send, receive:
        return await measure(send.send, send.aclose, receive, items)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=5)
    asked = parser.parse_args()
    gc.disable()
    print("backend  size     ours/s    anyio/s   ratio")
    for backend in ("asyncio", "trio"):
        for size in SIZES:
            pairs = []
            for _ in range(asked.repeat):
                gc.collect()
                pairs.append(
                    [
                        anyio.run(subject, size, asked.items, backend=backend)
                        for subject in (ours, theirs)
                    ]
                )
            mine, other = (median(column) for column in zip(*pairs, strict=True))
            ratio = median(a / b for a, b in pairs)
            print(
                f"{backend:<8} {size!s:<5} {mine:>9,.0f}  {other:>9,.0f}   {ratio:.2f}"
            )


if __name__ == "__main__":
    main()

"""Fifty agents on one HTTP server: errors, latency, and what its memory does.

Real MCP clients over loopback, each asking a few times a second, against a real server
process on a segment that is published here. ``--seconds`` and ``--agents`` change the
load. Growth is the resident memory at the end against that after a third of the time.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from typing import Any

import psutil
from mcp import Client

from chronotick.cli.republish import republished

PAUSE_S = 0.2
HERTZ = 10.0
MOST_GROWTH_MIB = 3.0
PORT = 18_124
MIB = 1 << 20


async def agent(
    url: str, until_s: float, costs: list[float], errors: list[str]
) -> None:
    """Ask until the end; note what each call cost."""
    async with Client(url) as client:
        while time.monotonic() < until_s:
            start = time.perf_counter()
            try:
                result: Any = await client.call_tool("get_time", {})
                if result.is_error:
                    errors.append(result.structured_content["summary"])
            except Exception as error:  # noqa: BLE001 - every failure is counted
                errors.append(repr(error))
            costs.append((time.perf_counter() - start) * 1_000)
            await asyncio.sleep(PAUSE_S)


async def load(agents: int, seconds: float, server: psutil.Process) -> bool:
    """Run all agents; print what was found; say whether it is fine."""
    url = f"http://127.0.0.1:{PORT}/mcp"
    costs = list[float]()
    errors = list[str]()
    until_s = time.monotonic() + seconds
    memory: list[float] = []

    async def watch() -> None:
        while time.monotonic() < until_s:
            await asyncio.sleep(seconds / 30)
            memory.append(server.memory_info().rss / MIB)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(watch())
        for _ in range(agents):
            tasks.create_task(agent(url, until_s, costs, errors))
    settled = memory[len(memory) // 3]
    growth = memory[-1] - settled
    p50, p99 = statistics.median(costs), statistics.quantiles(costs, n=100)[98]
    print(f"{agents} agents, {seconds:g} s: {len(costs)} calls, {len(errors)} errors")
    print(f"latency p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {max(costs):.1f} ms")
    print(f"server memory {settled:.1f} → {memory[-1]:.1f} MiB, growth {growth:+.1f}")
    print(f"server CPU {sum(server.cpu_times()[:2]):.1f} s")
    for error in errors[:3]:
        print(f"  {error}")
    return not errors and growth <= MOST_GROWTH_MIB


async def main(agents: int, seconds: float) -> bool:
    """Publish, serve, load."""
    with republished(HERTZ) as own:
        command = [sys.executable, "-m", "chronotick", "mcp", "--transport", "http"]
        command += ["--port", str(PORT), "--segment", own.path]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)  # noqa: ASYNC220
        try:
            await listening()
            return await load(agents, seconds, psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait()


async def listening() -> None:
    """Wait for the server to accept connections."""
    while True:
        try:
            _, stream = await asyncio.open_connection("127.0.0.1", PORT)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            stream.close()
            return


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    fine = asyncio.run(main(given.agents, given.seconds))
    print("fine" if fine else "NOT fine")
    sys.exit(not fine)

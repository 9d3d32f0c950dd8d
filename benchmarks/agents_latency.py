"""What a call costs: the handler, through the protocol in process, and a cold start.

Writes a segment of its own, so that no daemon is needed. All figures are CPU time of the
calling thread, so that what else runs on the machine counts little. The protocol is
measured as the server and its transport: the Python client besides validates each result
against the output schema, which costs as much again and is shown separately.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import mcp_types as types
from mcp import Client

from chronotick.agents.server import build_server
from chronotick.agents.service import TimeService
from chronotick.agents.tools import call
from chronotick.core.records import Correction, Frame, Variance
from chronotick.core.status import Reason, Source, Status
from chronotick.daemon.clocks import HostClock
from chronotick.shm.writer import SegmentWriter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CALLS = 20_000
PROTOCOL_CALLS = 2_000
BATCH = 20
HANDLER_LIMIT_US, PROTOCOL_LIMIT_US, START_LIMIT_S = 15.0, 400.0, 1.0


def publish(writer: SegmentWriter) -> None:
    """Publish a correction that holds for an hour."""
    clocks = HostClock().pair()
    correction = Correction(
        raw_ns=clocks.raw_ns,
        utc_ns=clocks.realtime_ns,
        rate_ppb=0.0,
        bound_ns=1_000_000,
        bound_growth_ppb=15_000,
        variance=Variance(1e8),
        status=Status.SYNCHRONIZED,
        reasons=Reason.NONE,
        source=Source.CPU_MODEL,
        confidence=1.0,
        last_sync_raw_ns=clocks.raw_ns,
        measurement_count=12,
        delay_ns=3_100_000,
    )
    hour_ns = 3_600 * 10**9
    frame = Frame(
        correction=correction,
        clocks=clocks,
        void_after_raw_ns=clocks.raw_ns + hour_ns,
        heartbeat_ns=hour_ns,
        correction_count=1,
        started_raw_ns=clocks.raw_ns,
    )
    writer.publish(frame)


async def measure(
    name: str, ask: Callable[[], Awaitable[object]], calls: int, limit_us: float
) -> bool:
    """Print what one call costs; say whether the median keeps the limit."""
    costs = []
    for _ in range(calls // BATCH):
        start = time.thread_time_ns()
        for _ in range(BATCH):
            await ask()
        costs.append((time.thread_time_ns() - start) / BATCH / 1_000)
    median = statistics.median(costs)
    print(
        f"{name:34} min {min(costs):7.1f} µs  median {median:7.1f} µs  limit {limit_us:g}"
    )
    return median <= limit_us


async def through_the_protocol(client: Client, mode: str) -> bool:
    """Measure a call with and without the client's own validation."""
    params = types.CallToolRequestParams(name="get_time", arguments={})
    request = types.CallToolRequest(params=params)

    async def unvalidated() -> object:
        return await client.session.send_request(request, types.CallToolResult)

    async def validated() -> object:
        return await client.call_tool("get_time", {})

    name = f"get_time, protocol {mode}"
    kept = await measure(name, unvalidated, PROTOCOL_CALLS, PROTOCOL_LIMIT_US)
    await measure("  and the client's validation", validated, PROTOCOL_CALLS, math.inf)
    return kept


def cold_start(segment: Path) -> bool:
    """Print the CPU time of a server that answers initialize and tools/list."""
    messages = [
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "benchmark", "version": "1"},
            },
        },
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ]
    command = [sys.executable, "-m", "chronotick", "mcp", "--segment", str(segment)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for message in messages:
        process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()
    while '"id":2' not in process.stdout.readline().replace(" ", ""):
        pass
    process.stdin.close()
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    process.stdout.close()
    cpu_s = usage.ru_utime + usage.ru_stime
    print(
        f"{'chronotick mcp, tools/list':34} {cpu_s:.2f} s of CPU  limit {START_LIMIT_S:g}"
    )
    return cpu_s <= START_LIMIT_S


def import_alone() -> float:
    """Return the CPU time of a process that imports the SDK and ends."""
    process = subprocess.Popen([sys.executable, "-c", "import mcp.server"])
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return usage.ru_utime + usage.ru_stime


async def main() -> bool:
    """Measure everything; say whether all limits are kept."""
    with tempfile.TemporaryDirectory() as folder:
        segment = Path(folder) / "segment"
        with SegmentWriter(segment) as writer:
            publish(writer)
            service = TimeService.at(segment)
            kept = [
                await measure(
                    "get_time, handler",
                    lambda: call(service, "get_time"),
                    CALLS,
                    HANDLER_LIMIT_US,
                )
            ]
            for mode in ("legacy", "2026-07-28"):
                async with Client(build_server(service), mode=mode) as client:
                    kept.append(await through_the_protocol(client, mode))
            kept.append(cold_start(segment))
    return all(kept)


if __name__ == "__main__":
    print("all within limits" if asyncio.run(main()) else "NOT within limits")

"""What a call costs: the handler, through the protocol in process, and a cold start.

A segment of its own is republished 100 times a second, as by a daemon. All figures are
CPU time of the calling thread or process, so that what else runs on the machine counts
less. It still does, so everything is measured in turns, in many short rounds, and a limit
is held against the median of the quarter in which the machine was least disturbed
(`pace.py`); the median of all stands beside it. Beside each figure stands what the MCP SDK
alone costs: a tool that does nothing, and a process that imports the low-level server.

In process, the server is called in two ways. `claude-agent-sdk bridge` is what that SDK
does when its CLI calls a tool: raw JSON-RPC goes to the server that `chronotick_server`
gives, and the raw answer comes back. `protocol 2026-07-28` is the MCP SDK's own client in
that revision; it is measured without the validation of each result against the output
schema, which is shown separately. `protocol legacy`, the same client over memory streams
in an older revision, is for information and has no limit: the limit is for the call in
process, and where it crosses these streams the SDK's own empty call can exceed it. The
bridge is built on them as well, so read its row with the empty call below it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import mcp_types as types
from mcp import Client
from mcp.server import Server

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.pace import Paced, pace_ns, undisturbed
from chronotick.agents.server import build_server
from chronotick.agents.service import TimeService
from chronotick.agents.tools import call
from chronotick.cli.republish import republished

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Ask = Callable[[], Awaitable[object]]

ROUNDS = 12
BATCHES = 10
BATCH = 20
HERTZ = 100.0
INITIALIZE: dict[str, Any] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "benchmark", "version": "1"},
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


@dataclass
class Row:
    """What one thing costs."""

    name: str
    unit: str = "µs"
    limit: float | None = None
    found: list[Paced] = field(default_factory=list)

    def add(self, pace_ns: float, cost: float) -> None:
        """Note what it cost once, in this row's unit."""
        self.found.append(Paced(pace_ns, cost))

    @property
    def is_kept(self) -> bool:
        """Whether the limit is kept, where there is one."""
        return self.limit is None or _medians(undisturbed(self.found))[1] <= self.limit

    def __str__(self) -> str:
        quiet_ns, quiet = _medians(undisturbed(self.found))
        all_ns, of_all = _medians(self.found)
        limit = "" if self.limit is None else f"{self.limit:g}"
        return (
            f"{self.name:38} {quiet:7.2f} {self.unit:2} {quiet_ns:5.0f} ns"
            f" {limit:>6} {'' if self.is_kept else 'MISSED':6}"
            f" {of_all:8.2f} {self.unit:2} {all_ns:5.0f} ns"
        )


def _medians(found: list[Paced]) -> tuple[float, float]:
    return median(each.pace_ns for each in found), median(each.value for each in found)


async def measure(row: Row, ask: Ask) -> None:
    """Add one batch of calls."""
    before_ns = pace_ns()
    start_ns = time.thread_time_ns()
    for _ in range(BATCH):
        await ask()
    took_ns = time.thread_time_ns() - start_ns
    row.add((before_ns + pace_ns()) / 2, took_ns / BATCH / 1_000)


def measure_start(row: Row, cpu_s: Callable[[], float]) -> None:
    """Add one process."""
    before_ns = pace_ns()
    took_s = cpu_s()
    row.add((before_ns + pace_ns()) / 2, took_s)


def idle_server() -> Server[Any]:
    """Return a server whose one tool says nothing: what the SDK costs by itself."""
    schema = {"type": "object"}
    tool = types.Tool(name="get_time", input_schema=schema)
    tools = types.ListToolsResult(tools=[tool])
    answer = types.CallToolResult(content=[], structured_content={"summary": ""})

    async def list_tools(_: object, __: object) -> types.ListToolsResult:
        return tools

    async def call_tool(_: object, __: object) -> types.CallToolResult:
        return answer

    return Server("idle", version="1", on_list_tools=list_tools, on_call_tool=call_tool)


async def through_the_bridge(
    service: TimeService, stack: AsyncExitStack
) -> list[tuple[Row, Ask]]:
    """Return a call as claude-agent-sdk makes it, and one of an idle server."""
    # Private, because the public way to it is a whole CLI.
    from claude_agent_sdk._internal.sdk_mcp_bridge import (  # noqa: PLC0415 - an extra
        SdkMcpBridge,
    )

    from chronotick.agents.claude import chronotick_server  # noqa: PLC0415 - an extra

    config: Any = chronotick_server(service)
    numbers = count()

    async def ask(bridge: SdkMcpBridge, method: str, **params: object) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        answer = await bridge.handle(message | {"id": next(numbers)})
        assert answer is not None
        assert "result" in answer

    async def ask_on(server: Server[Any]) -> Ask:
        bridge = SdkMcpBridge("chronotick", server)
        await stack.enter_async_context(aclosing(bridge))
        await ask(bridge, "initialize", **INITIALIZE)
        await bridge.handle(INITIALIZED)
        return lambda: ask(bridge, "tools/call", name="get_time", arguments={})

    return [
        (
            Row("get_time, claude-agent-sdk bridge", limit=400),
            await ask_on(config["instance"]),
        ),
        (Row("  a tool that does nothing"), await ask_on(idle_server())),
    ]


async def through_the_protocol(
    service: TimeService, stack: AsyncExitStack, mode: str, limit_us: float | None
) -> list[tuple[Row, Ask]]:
    """Return a call, one with the client's own validation, and one of an idle server."""
    params = types.CallToolRequestParams(name="get_time", arguments={})
    request = types.CallToolRequest(params=params)
    ours = await stack.enter_async_context(Client(build_server(service), mode=mode))
    idle = await stack.enter_async_context(Client(idle_server(), mode=mode))

    def ask(client: Client) -> Ask:
        return lambda: client.session.send_request(request, types.CallToolResult)

    return [
        (Row(f"get_time, protocol {mode}", limit=limit_us), ask(ours)),
        (Row("  a tool that does nothing"), ask(idle)),
        (
            Row("  get_time, validated by the client"),
            lambda: ours.call_tool("get_time", {}),
        ),
    ]


def answer_tools_list(segment: str) -> float:
    """Return the CPU seconds of a server that answers initialize and tools/list."""
    messages = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE},
        INITIALIZED,
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ]
    command = [sys.executable, "-m", "chronotick", "mcp", "--segment", segment]
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
    process.stdout.close()
    return _cpu_s(process)


def import_alone() -> float:
    """Return the CPU seconds of a process that imports the SDK's server and ends."""
    return _cpu_s(
        subprocess.Popen([sys.executable, "-c", "import mcp.server.lowlevel"])
    )


def _cpu_s(process: subprocess.Popen[Any]) -> float:
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return usage.ru_utime + usage.ru_stime


async def main() -> bool:
    """Measure everything; say whether all limits are kept."""
    start = Row("chronotick mcp, tools/list", "s", 1)
    alone = Row("  import mcp.server.lowlevel", "s")
    with republished(HERTZ) as own:
        service = TimeService.at(own.path)
        async with AsyncExitStack() as stack:
            calls: list[tuple[Row, Ask]] = [
                (
                    Row("get_time, handler", limit=15),
                    lambda: call(service, "get_time"),
                ),
                *await through_the_bridge(service, stack),
                *await through_the_protocol(service, stack, "2026-07-28", 400),
                *await through_the_protocol(service, stack, "legacy", None),
            ]
            for number in range(ROUNDS):
                print(f"round {number + 1} of {ROUNDS}", file=sys.stderr)
                for _ in range(BATCHES):
                    for row, ask in calls:
                        await measure(row, ask)
                measure_start(start, lambda: answer_tools_list(own.path))
                measure_start(alone, import_alone)
    rows = [row for row, _ in calls] + [start, alone]
    print(f"{'':38} undisturbed, at     at most        all,         at")
    for row in rows:
        print(row)
    return all(row.is_kept for row in rows)


if __name__ == "__main__":
    print("all within limits" if asyncio.run(main()) else "NOT within limits")

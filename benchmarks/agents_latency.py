"""What a call costs: the handler, through the protocol in process, and a cold start.

A segment of its own is republished 100 times a second, as by a daemon. All figures are
CPU time of the calling thread or process, so that what else runs on the machine counts
less. How fast the machine itself is meanwhile, the cost of `time.time` says, which is
printed before what was measured in turns with it: virtual machines have faster and slower
minutes, and a limit in µs is easier to keep in one than in the other. Beside each figure
stands what the MCP SDK alone costs, in turns too: a tool that does nothing, and a process
that imports the low-level server.

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
import timeit
from contextlib import aclosing
from itertools import count
from statistics import median
from typing import TYPE_CHECKING, Any

import mcp_types as types
from mcp import Client
from mcp.server import Server

from chronotick.agents.server import build_server
from chronotick.agents.service import TimeService
from chronotick.agents.tools import call
from chronotick.cli.republish import republished

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CALLS = 20_000
PROTOCOL_CALLS = 2_000
BATCH = 20
SPEED_CALLS = 1_000
STARTS = 5
HERTZ = 100.0
HANDLER_LIMIT_US, PROTOCOL_LIMIT_US, START_LIMIT_S = 15.0, 400.0, 1.0
INITIALIZE: dict[str, Any] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "benchmark", "version": "1"},
}
SPEED = timeit.Timer("t()", timer=time.thread_time, globals={"t": time.time})
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


async def measure(asks: dict[str, Callable[[], Awaitable[object]]], calls: int) -> None:
    """Print what one call of each costs, taken in turns."""
    costs: dict[str, list[float]] = {name: [] for name in asks}
    speeds_s = []
    for _ in range(calls // BATCH):
        speeds_s.append(SPEED.timeit(SPEED_CALLS) / SPEED_CALLS)
        for name, ask in asks.items():
            start = time.thread_time_ns()
            for _ in range(BATCH):
                await ask()
            costs[name].append((time.thread_time_ns() - start) / BATCH / 1_000)
    print(f"\n{'time.time()':36} median {median(speeds_s) * 1e9:.0f} ns")
    for name, found in costs.items():
        told = f"least {min(found):7.1f} µs  median {median(found):7.1f} µs"
        print(f"{name:36} {told}{_verdict(median(found), LIMITS_US.get(name))}")


LIMITS_US = {
    "get_time, handler": HANDLER_LIMIT_US,
    "get_time, claude-agent-sdk bridge": PROTOCOL_LIMIT_US,
    "get_time, protocol 2026-07-28": PROTOCOL_LIMIT_US,
}
MISSED: list[str] = []


def _verdict(found: float, limit: float | None) -> str:
    if limit is None:
        return ""
    if found <= limit:
        return f"  (at most {limit:g})"
    MISSED.append(f"{found:g} > {limit:g}")
    return f"  (at most {limit:g})  MISSED"


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


async def through_the_bridge(service: TimeService) -> None:
    """Measure a call as claude-agent-sdk makes it, and one of an idle server."""
    try:
        # Private, because the public way to it is a whole CLI.
        from claude_agent_sdk._internal.sdk_mcp_bridge import (  # noqa: PLC0415 - an extra
            SdkMcpBridge,
        )

        from chronotick.agents.claude import chronotick_server  # noqa: PLC0415
    except ImportError as error:
        print(f"claude-agent-sdk bridge: not measured, no extra `claude` ({error})")
        MISSED.append("claude-agent-sdk bridge: not measured")
        return
    config: Any = chronotick_server(service)
    numbers = count()

    async def ask(bridge: SdkMcpBridge, method: str, **params: object) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        answer = await bridge.handle(message | {"id": next(numbers)})
        assert answer is not None
        assert "result" in answer

    async with (
        aclosing(SdkMcpBridge("chronotick", config["instance"])) as ours,
        aclosing(SdkMcpBridge("idle", idle_server())) as idle,
    ):
        for bridge in (ours, idle):
            await ask(bridge, "initialize", **INITIALIZE)
            await bridge.handle(INITIALIZED)
        await measure(
            {
                "get_time, claude-agent-sdk bridge": lambda: ask(
                    ours, "tools/call", name="get_time", arguments={}
                ),
                "  a tool that does nothing": lambda: ask(
                    idle, "tools/call", name="get_time", arguments={}
                ),
            },
            PROTOCOL_CALLS,
        )


async def through_the_protocol(service: TimeService, mode: str) -> None:
    """Measure a call, with the client's own validation, and one of an idle server."""
    params = types.CallToolRequestParams(name="get_time", arguments={})
    request = types.CallToolRequest(params=params)
    async with (
        Client(build_server(service), mode=mode) as client,
        Client(idle_server(), mode=mode) as idle,
    ):
        await measure(
            {
                f"get_time, protocol {mode}": lambda: client.session.send_request(
                    request, types.CallToolResult
                ),
                "  a tool that does nothing": lambda: idle.session.send_request(
                    request, types.CallToolResult
                ),
                "  get_time, validated by the client": lambda: client.call_tool(
                    "get_time", {}
                ),
            },
            PROTOCOL_CALLS,
        )


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


def cold_start(segment: str) -> None:
    """Print what starting costs, beside the SDK's import, taken in turns."""
    ours, alone = [], []
    for _ in range(STARTS):
        ours.append(answer_tools_list(segment))
        alone.append(import_alone())
    print()
    told = f"least {min(ours):7.2f} s   median {median(ours):7.2f} s "
    print(f"{'chronotick mcp, tools/list':36} {told}", end="")
    print(_verdict(median(ours), START_LIMIT_S))
    told = f"least {min(alone):7.2f} s   median {median(alone):7.2f} s"
    ratio = median(ours) / median(alone)
    print(f"{'  import mcp.server.lowlevel':36} {told}   {ratio:.2f} times that")


async def main() -> bool:
    """Measure everything; say whether all limits are kept."""
    with republished(HERTZ) as own:
        service = TimeService.at(own.path)
        await measure({"get_time, handler": lambda: call(service, "get_time")}, CALLS)
        await through_the_bridge(service)
        for mode in ("2026-07-28", "legacy"):
            await through_the_protocol(service, mode)
        cold_start(own.path)
    return not MISSED


if __name__ == "__main__":
    print("all within limits" if asyncio.run(main()) else "NOT within limits")

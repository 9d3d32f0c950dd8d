"""One agent run of pydantic-ai without a model: TestModel calls the tool it is told to.

Run by the clients' own interpreter: ``with_pydantic_ai.py URL|COMMAND-AS-JSON``.
"""

from __future__ import annotations

import asyncio
import json
import sys

from fastmcp.client.transports import (  # type: ignore[import-not-found,unused-ignore]
    StdioTransport,
)
from pydantic_ai import Agent  # type: ignore[import-not-found,unused-ignore]
from pydantic_ai.mcp import MCPToolset  # type: ignore[import-not-found,unused-ignore]
from pydantic_ai.models.test import (  # type: ignore[import-not-found,unused-ignore]
    TestModel,
)


async def main(target: str) -> None:
    """Print what the tool returned to the model."""
    if target.startswith("http"):
        toolset = MCPToolset(target)
    else:
        command, *args = json.loads(target)
        toolset = MCPToolset(StdioTransport(command, args))
    agent = Agent(TestModel(call_tools=["get_time"]), toolsets=[toolset])
    async with agent:
        run = await agent.run("What time is it?")
    for message in run.all_messages():
        for part in message.parts:
            if part.part_kind == "tool-return":
                sys.stdout.write(f"{json.dumps(part.content)}\n")


asyncio.run(main(sys.argv[1]))

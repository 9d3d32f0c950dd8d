"""One tool call through openai-agents.

Run by the clients' own interpreter: ``with_openai_agents.py URL|COMMAND-AS-JSON``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from agents.mcp import (  # type: ignore[import-not-found,unused-ignore]
    MCPServerStdio,
    MCPServerStreamableHttp,
)


async def main(target: str) -> None:
    """Print the structured result."""
    server: Any
    if target.startswith("http"):
        server = MCPServerStreamableHttp(
            params={"url": target}, client_session_timeout_seconds=30
        )
    else:
        command, *args = json.loads(target)
        server = MCPServerStdio(
            params={"command": command, "args": args},
            use_structured_content=True,
            client_session_timeout_seconds=30,
        )
    async with server:
        result = await server.call_tool("get_time", {"timezone": "UTC"})
    structured = getattr(result, "structured_content", None)
    if structured is None:
        structured = result.structuredContent
    sys.stdout.write(f"{json.dumps(structured)}\n")


asyncio.run(main(sys.argv[1]))

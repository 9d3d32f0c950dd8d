"""Run one conversation of the real Claude Code CLI with the stub; print what came in.

A program of its own, started without network but loopback:
``conversation.py sdk|tool|stdio|http``; the segment is $CHRONOTICK_SEGMENT.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import claude_agent_sdk as sdk

sys.path.insert(0, str(Path(__file__).parents[2]))

from chronotick.agents import claude
from system.agents.messages_stub import Conversation, serving
from system.agents.servers import MCP, http_server, raise_loopback

TOOL = "mcp__chronotick__get_time"


def options_for(way: str, stack: ExitStack) -> sdk.ClaudeAgentOptions:
    """Return the options of an agent that reaches our tools that way."""
    if way == "sdk":
        return claude.create_minimal_agent()
    server: Any = {"type": "stdio", "command": MCP[0], "args": MCP[1:]}
    if way == "tool":
        server = sdk.create_sdk_mcp_server("chronotick", tools=[claude.get_time])
    elif way == "http":
        port = stack.enter_context(http_server())
        server = {"type": "http", "url": f"http://127.0.0.1:{port}/mcp"}
    return sdk.ClaudeAgentOptions(
        mcp_servers={"chronotick": server}, allowed_tools=[TOOL], tools=[]
    )


def isolate(options: sdk.ClaudeAgentOptions, conversation: Conversation) -> None:
    """Keep the CLI from everything of this host but the stub."""
    options.setting_sources = []
    options.strict_mcp_config = True
    options.max_turns = 4
    options.env = {
        **options.env,
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{conversation.port}",
        "ANTHROPIC_API_KEY": "none",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CONFIG_DIR": f"{os.environ['HOME']}/.claude",
    }


def main(way: str) -> None:
    """Ask once, and print what the stub received."""
    raise_loopback()
    with serving(TOOL, {"timezone": "UTC"}) as conversation, ExitStack() as stack:
        options = options_for(way, stack)
        isolate(options, conversation)
        answer = anyio.run(claude.ChronoTickAgent(options).run, "What time is it?")
    texts = json.dumps(conversation.requests)
    seen = {
        "answer": answer.text,
        "tools": conversation.tools_seen,
        "result": conversation.tool_result,
        "told_every_turn": "Current time: " in texts,
        "instructed": "never invent a time" in texts,
    }
    sys.stdout.write(f"{json.dumps(seen)}\n")


if __name__ == "__main__":
    main(sys.argv[1])

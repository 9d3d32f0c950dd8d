"""ChronoTick inside a program that uses claude-agent-sdk; the only door to that SDK.

Decides which tools an agent may call and that each turn begins with the time. The tools
run in this process: a call is a function call, without a server beside it.

Two ways in. The `create_…` functions give complete options with the whole MCP server
(structured results, resources, prompts). `get_time`, `get_daemon_status` and
`get_time_with_future_uncertainty` are single tools for ``create_sdk_mcp_server``, which
passes on text only: theirs is the structured result as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import claude_agent_sdk as sdk

from chronotick.agents.context import claude_hook
from chronotick.agents.server import NAME, build_server
from chronotick.agents.shared import shared_service
from chronotick.agents.tools import TOOLS, call
from chronotick.core.errors import ChronotickError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from claude_agent_sdk.types import (
        HookContext,
        HookInput,
        HookJSONOutput,
        McpServerConfig,
    )

    from chronotick.agents.service import TimeService

    _Hook: TypeAlias = Callable[
        [HookInput, str | None, HookContext], Awaitable[HookJSONOutput]
    ]

__all__ = [
    "AgentAnswer",
    "AgentFailure",
    "ChronoTickAgent",
    "chronotick_server",
    "create_chronotick_agent",
    "create_minimal_agent",
    "create_monitoring_agent",
    "create_multi_service_agent",
    "get_daemon_status",
    "get_time",
    "get_time_with_future_uncertainty",
    "time_context_hook",
]

_PREFIX = f"mcp__{NAME}"
_MONITORING = ("get_time", "get_daemon_status", "get_time_with_future_uncertainty")


class AgentFailure(ChronotickError):
    """The agent ended without an answer; the message is what the SDK says."""


def chronotick_server(service: TimeService | None = None) -> McpServerConfig:
    """Return the MCP server in this process, as a value of `mcp_servers`."""
    server = build_server(shared_service() if service is None else service)
    return {"type": "sdk", "name": NAME, "instance": server}


def create_chronotick_agent(
    allowed_tools: Iterable[str] | None = None,
    *,
    service: TimeService | None = None,
    time_in_every_turn: bool = True,
    **options: Any,  # noqa: ANN401 - those of ClaudeAgentOptions
) -> sdk.ClaudeAgentOptions:
    """Return options for an agent that knows the time.

    Args:
        allowed_tools: Tools that need no permission: ours by their own names
            (``get_time``), others by the names that the SDK uses. Default: all of ours.
        service: Where the time comes from; default this process's.
        time_in_every_turn: Tell the time with each prompt, so that nobody has to ask.
        **options: Everything else of `ClaudeAgentOptions`; `mcp_servers` and `hooks`
            are added to.

    Raises:
        ValueError: another server in `mcp_servers` has our name.
        TypeError: `allowed_tools` is one string, or `mcp_servers` a path.
    """
    if isinstance(allowed_tools, str):
        raise TypeError(f"allowed_tools is a list: write [{allowed_tools!r}]")
    service = shared_service() if service is None else service
    others = options.pop("mcp_servers", None) or {}
    if not isinstance(others, Mapping):
        raise TypeError(
            f"mcp_servers is {others!r}: ours is an object, so read that file and give "
            "its servers as a dict"
        )
    servers = dict(others)
    if NAME in servers:
        raise ValueError(f"an MCP server is already called {NAME!r}: rename it")
    hooks = {
        event: list(found)
        for event, found in (options.pop("hooks", None) or {}).items()
    }
    if time_in_every_turn:
        hook = _hook_of(service)
        hooks.setdefault("UserPromptSubmit", []).append(sdk.HookMatcher(hooks=[hook]))
    names = [_PREFIX] if allowed_tools is None else list(map(_full, allowed_tools))
    return sdk.ClaudeAgentOptions(
        mcp_servers={**servers, NAME: chronotick_server(service)},
        allowed_tools=names,
        hooks=hooks or None,
        **options,
    )


def create_minimal_agent(
    *,
    service: TimeService | None = None,
    **options: Any,  # noqa: ANN401 - those of ClaudeAgentOptions
) -> sdk.ClaudeAgentOptions:
    """Return options for an agent that can tell the time and nothing else."""
    options.setdefault("tools", [])
    return create_chronotick_agent(("get_time",), service=service, **options)


def create_monitoring_agent(
    *,
    service: TimeService | None = None,
    **options: Any,  # noqa: ANN401 - those of ClaudeAgentOptions
) -> sdk.ClaudeAgentOptions:
    """Return options for an agent that watches the clock's health."""
    options.setdefault("tools", [])
    options.setdefault(
        "system_prompt",
        "You watch the time service of this host. Report its state, its bound and its "
        "problems with the command that mends each. Never guess a time.",
    )
    return create_chronotick_agent(_MONITORING, service=service, **options)


def create_multi_service_agent(
    servers: Mapping[str, McpServerConfig],
    *,
    service: TimeService | None = None,
    **options: Any,  # noqa: ANN401 - those of ClaudeAgentOptions
) -> sdk.ClaudeAgentOptions:
    """Return options for an agent with our tools and those of other MCP servers.

    Raises:
        ValueError: one of them has our name.
    """
    allowed = [*TOOLS, *(f"mcp__{name}" for name in servers)]
    return create_chronotick_agent(
        allowed, service=service, mcp_servers=dict(servers), **options
    )


def _full(name: str) -> str:
    return f"{_PREFIX}__{name}" if name in TOOLS else name


async def time_context_hook(
    hook_input: HookInput, tool_use_id: str | None, context: HookContext
) -> HookJSONOutput:
    """Tell the time: for ``UserPromptSubmit`` and other events that take context."""
    return await _hook_of(shared_service())(hook_input, tool_use_id, context)


def _hook_of(service: TimeService) -> _Hook:
    async def hook(
        hook_input: HookInput, _: str | None, __: HookContext
    ) -> HookJSONOutput:
        return cast(
            "HookJSONOutput", claude_hook(service, hook_input["hook_event_name"])
        )

    return hook


def _tool(name: str) -> sdk.SdkMcpTool[Any]:
    ours = TOOLS[name]

    async def handler(arguments: dict[str, Any]) -> dict[str, Any]:
        outcome = await call(shared_service(), name, arguments)
        text = outcome.text
        if outcome.structured is not None and not outcome.is_error:
            text = json.dumps(outcome.structured, ensure_ascii=False, allow_nan=False)
        return {
            "content": [{"type": "text", "text": text}],
            "is_error": outcome.is_error,
        }

    return sdk.SdkMcpTool(
        name=name,
        description=ours.description,
        input_schema=ours.input_schema,
        handler=handler,
        annotations=sdk.ToolAnnotations.model_validate(
            {
                "readOnlyHint": True,
                "destructiveHint": False,
                "idempotentHint": ours.is_idempotent,
                "openWorldHint": False,
            }
        ),
    )


get_time = _tool("get_time")
"""The tool for ``create_sdk_mcp_server``; ``await get_time.handler({})`` calls it."""
get_daemon_status = _tool("get_daemon_status")
"""The tool for ``create_sdk_mcp_server``."""
get_time_with_future_uncertainty = _tool("get_time_with_future_uncertainty")
"""The tool for ``create_sdk_mcp_server``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAnswer:
    """What an agent said at the end of a run."""

    text: str
    session_id: str
    turns: int


class ChronoTickAgent:
    """Runs prompts; each run is a conversation of its own.

    For conversations of several turns use `claude_agent_sdk.ClaudeSDKClient` with the
    same options.

    Args:
        options: Default: those of `create_chronotick_agent`.
    """

    def __init__(self, options: sdk.ClaudeAgentOptions | None = None) -> None:
        self.options = create_chronotick_agent() if options is None else options

    async def run(self, prompt: str) -> AgentAnswer:
        """Return the answer to `prompt`.

        Raises:
            AgentFailure: there is none.
            claude_agent_sdk.ClaudeSDKError: the CLI cannot be run.
        """
        last: sdk.ResultMessage | None = None
        # To the end, although the result is known before: the CLI is ended there.
        async for message in sdk.query(prompt=prompt, options=self.options):
            if isinstance(message, sdk.ResultMessage):
                last = message
        if last is None:
            raise AgentFailure("the agent ended without a result")
        if last.is_error or last.result is None:
            raise AgentFailure(f"{last.subtype}: {last.result}")
        return AgentAnswer(
            text=last.result, session_id=last.session_id, turns=last.num_turns
        )

"""What the server offers, as the protocol lists it: tools, resources, prompts.

Decides nothing of what they are; see `catalog`, `resources` and `guidance`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import mcp_types as types
from mcp.server.caching import CacheHint

from chronotick.agents.guidance import PROMPTS
from chronotick.agents.resources import HISTORY_TEMPLATE, RESOURCES
from chronotick.agents.tools import TOOLS, Tool

if TYPE_CHECKING:
    from mcp.server.caching import CacheableMethod
    from mcp.server.context import ServerRequestContext

    _Context: TypeAlias = ServerRequestContext[Any, Any]

__all__ = ["CACHE_HINTS", "list_handlers"]

# Lists change with the installed version only; answers are never to be kept.
_HOUR = CacheHint(ttl_ms=3_600_000, scope="public")
CACHE_HINTS: dict[CacheableMethod, CacheHint] = {
    "tools/list": _HOUR,
    "prompts/list": _HOUR,
    "resources/list": _HOUR,
    "resources/templates/list": _HOUR,
}

# Clients hide tools behind a search otherwise, and the time is asked for too rarely.
_ALWAYS_LOADED = frozenset({"get_time"})


def list_handlers() -> dict[str, Any]:
    """Return the handlers of the lists, none of which ever changes."""
    tools = types.ListToolsResult(tools=[_tool(tool) for tool in TOOLS.values()])
    history = types.ResourceTemplate(
        uri_template=HISTORY_TEMPLATE,
        name="history",
        title="Recent corrections",
        description="What the daemon published in the last so many seconds.",
        mime_type="application/json",
    )
    resources = types.ListResourcesResult(resources=_resources())
    templates = types.ListResourceTemplatesResult(resource_templates=[history])
    prompts = types.ListPromptsResult(prompts=_prompts())

    async def list_tools(_: _Context, __: object) -> types.ListToolsResult:
        return tools

    async def list_resources(_: _Context, __: object) -> types.ListResourcesResult:
        return resources

    async def list_templates(
        _: _Context, __: object
    ) -> types.ListResourceTemplatesResult:
        return templates

    async def list_prompts(_: _Context, __: object) -> types.ListPromptsResult:
        return prompts

    return {
        "on_list_tools": list_tools,
        "on_list_resources": list_resources,
        "on_list_resource_templates": list_templates,
        "on_list_prompts": list_prompts,
    }


def _tool(tool: Tool) -> types.Tool:
    return types.Tool.model_validate(
        {
            "name": tool.name,
            "title": tool.title,
            "description": tool.description,
            "inputSchema": tool.input_schema,
            "outputSchema": tool.output_schema,
            "annotations": {
                "title": tool.title,
                "readOnlyHint": True,
                "destructiveHint": False,
                "idempotentHint": tool.is_idempotent,
                "openWorldHint": False,
            },
            "_meta": (
                {"anthropic/alwaysLoad": True} if tool.name in _ALWAYS_LOADED else None
            ),
        }
    )


def _resources() -> list[types.Resource]:
    return [
        types.Resource(
            uri=resource.uri,
            name=resource.name,
            title=resource.title,
            description=resource.description,
            mime_type=resource.mime_type,
        )
        for resource in RESOURCES.values()
    ]


def _prompts() -> list[types.Prompt]:
    return [
        types.Prompt(
            name=prompt.name,
            title=prompt.title,
            description=prompt.description,
            arguments=[
                types.PromptArgument(name=name, description=what, required=True)
                for name, what in prompt.arguments.items()
            ],
        )
        for prompt in PROMPTS.values()
    ]

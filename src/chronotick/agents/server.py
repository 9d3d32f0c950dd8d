"""The one MCP server behind every transport; the only door to the MCP SDK.

Decides how tools, resources and prompts look in the protocol. What they answer is
decided in `chronotick.agents.tools` and its neighbors. Built on the low-level server,
because the in-process, stdio and HTTP shells can then share one object, and because it
returns what it is told: nothing is validated, wrapped or reworded on the way.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    ResourceUpdated,
)
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage

from chronotick.agents.guidance import INSTRUCTIONS, PROMPTS, fill
from chronotick.agents.resources import (
    HISTORY_TEMPLATE,
    RESOURCES,
    STATUS_URI,
    read_resource,
)
from chronotick.agents.tools import TOOLS, Tool, call
from chronotick.agents.unparsed import Answered
from chronotick.agents.watching import StatusWatch
from chronotick.agents.wording import RequestError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from mcp.server.context import ServerRequestContext
    from mcp.server.session import ServerSession
    from starlette.applications import Starlette
    from starlette.routing import Route

    from chronotick.agents.service import TimeService

    _Context: TypeAlias = ServerRequestContext[Any, Any]

__all__ = ["NAME", "build_server", "http_app", "serve_stdio"]

NAME = "chronotick"
"""Clients call the tools ``mcp__chronotick__get_time`` and so on."""

# Lists change with the installed version only; answers are never to be kept.
_HOUR = CacheHint(ttl_ms=3_600_000, scope="public")
_MOST_SUBSCRIBERS = 64
# Clients hide tools behind a search otherwise, and the time is asked for too rarely.
_ALWAYS_LOADED = frozenset({"get_time"})


def build_server(service: TimeService) -> Server[Any]:
    """Return an MCP server over `service`; each connection may share it."""
    subscriptions = _Subscriptions(service)
    server: Server[Any] = Server(
        NAME,
        title="ChronoTick",
        version=version("chronotick"),
        description="Bounded time: what time it is, and how wrong that can be.",
        instructions=INSTRUCTIONS,
        lifespan=subscriptions.lifespan,
        cache_hints={
            "tools/list": _HOUR,
            "prompts/list": _HOUR,
            "resources/list": _HOUR,
            "resources/templates/list": _HOUR,
        },
        on_subscribe_resource=subscriptions.subscribe,
        on_unsubscribe_resource=subscriptions.unsubscribe,
        on_subscriptions_listen=subscriptions.listen,
        **_handlers(service),
    )
    _serve_calls(server, service)
    return server


def _serve_calls(server: Server[Any], service: TimeService) -> None:
    async def call_tool(
        _: _Context, params: types.CallToolRequestParams
    ) -> dict[str, Any]:
        text, structured, is_error = await call(service, params.name, params.arguments)
        # As it is on the wire. A CallToolResult would be checked when it is made and
        # written out, and then the SDK does both again: a tenth of the whole call.
        return {
            "content": [{"type": "text", "text": text}],
            "structuredContent": structured or {"summary": text},
            "isError": is_error,
            "resultType": "complete",
        }

    # Not by `on_call_tool`, which takes no handler that returns a dict.
    server.add_request_handler("tools/call", types.CallToolRequestParams, call_tool)


def _handlers(service: TimeService) -> dict[str, Any]:
    tools = types.ListToolsResult(tools=[_tool(tool) for tool in TOOLS.values()])

    async def list_tools(_: _Context, __: object) -> types.ListToolsResult:
        return tools

    async def read(
        _: _Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        try:
            mime_type, text = read_resource(service, params.uri)
        except RequestError as error:
            raise MCPError(
                types.INVALID_PARAMS, str(error), {"uri": params.uri}
            ) from None
        content = types.TextResourceContents(
            uri=params.uri, mime_type=mime_type, text=text
        )
        return types.ReadResourceResult(contents=[content])

    return {
        "on_list_tools": list_tools,
        "on_read_resource": read,
        "on_get_prompt": _get_prompt,
        **_lists(),
    }


async def _get_prompt(
    _: _Context, params: types.GetPromptRequestParams
) -> types.GetPromptResult:
    try:
        prompt, text = fill(params.name, params.arguments)
    except RequestError as error:
        raise MCPError(types.INVALID_PARAMS, str(error)) from None
    content = types.TextContent(type="text", text=text)
    return types.GetPromptResult(
        description=prompt.description,
        messages=[types.PromptMessage(role="user", content=content)],
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


def _lists() -> dict[str, Any]:
    """Return the handlers of the lists that never change."""
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

    async def list_resources(_: _Context, __: object) -> types.ListResourcesResult:
        return resources

    async def list_templates(
        _: _Context, __: object
    ) -> types.ListResourceTemplatesResult:
        return templates

    async def list_prompts(_: _Context, __: object) -> types.ListPromptsResult:
        return prompts

    return {
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


class _Subscriptions:
    """Those who want to hear of changes of the status, in both protocol eras."""

    def __init__(self, service: TimeService) -> None:
        self._watch = StatusWatch(service)
        self._bus = InMemorySubscriptionBus()
        self._listen = ListenHandler(self._bus)
        # By connection: the SDK makes a session object for each request, and all of a
        # connection share the parameters of its `initialize`.
        self._sessions: dict[int, ServerSession] = {}

    @asynccontextmanager
    async def lifespan(self, _: Server[Any]) -> AsyncIterator[dict[str, Any]]:
        """Watch while the server runs."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch.run, self._tell, self._is_heard)
            yield {}
            tasks.cancel_scope.cancel()

    async def subscribe(
        self, context: _Context, params: types.SubscribeRequestParams
    ) -> types.EmptyResult:
        """Serve ``resources/subscribe`` of revisions before 2026-07-28."""
        if params.uri != STATUS_URI:
            raise MCPError(
                types.INVALID_PARAMS, f"only {STATUS_URI} can be subscribed to"
            )
        if not context.session.can_send_request:
            raise MCPError(
                types.INVALID_REQUEST,
                "this connection cannot be notified: read the resource again, or use "
                "subscriptions/listen of revision 2026-07-28",
            )
        if len(self._sessions) >= _MOST_SUBSCRIBERS:
            raise MCPError(types.INTERNAL_ERROR, "too many subscriptions")
        self._sessions[id(context.session.client_params)] = context.session
        self._watch.want()
        return types.EmptyResult()

    async def unsubscribe(
        self, context: _Context, _: types.UnsubscribeRequestParams
    ) -> types.EmptyResult:
        """Serve ``resources/unsubscribe``."""
        self._sessions.pop(id(context.session.client_params), None)
        return types.EmptyResult()

    async def listen(
        self, context: _Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Serve ``subscriptions/listen``: one stream until the client leaves."""
        if not params.notifications.resource_subscriptions:
            return await self._listen(context, params)
        with self._watch.listening():
            return await self._listen(context, params)

    def _is_heard(self) -> bool:
        return len(self._sessions) > 0

    async def _tell(self) -> None:
        await self._bus.publish(ResourceUpdated(uri=STATUS_URI))
        for key, session in list(self._sessions.items()):
            try:
                await session.send_resource_updated(STATUS_URI)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, MCPError):
                self._sessions.pop(key, None)


async def serve_stdio(service: TimeService) -> None:
    """Serve one client over standard input and output, until it closes them."""
    server = build_server(service)
    async with stdio_server() as (read, write):

        async def answer(told: Mapping[str, Any]) -> None:
            error = types.JSONRPCError.model_validate(told)
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await write.send(SessionMessage(error))

        messages = Answered(read, answer)
        await server.run(messages, write, server.create_initialization_options())


def http_app(
    service: TimeService,
    *,
    allowed_hosts: Sequence[str],
    allowed_origins: Sequence[str],
    routes: Sequence[Route] = (),
    most_body_bytes: int,
) -> Starlette:
    """Return the ASGI application: ``/mcp`` and `routes`.

    Stateless with JSON answers: a call is one request, and nothing stays behind.

    Args:
        service: What is served.
        allowed_hosts: Accepted Host headers, ``host:*`` for any port.
        allowed_origins: Accepted Origin headers.
        routes: Beside ``/mcp``.
        most_body_bytes: Largest request body.
    """
    return build_server(service).streamable_http_app(
        json_response=True,
        stateless_http=True,
        max_request_body_size=most_body_bytes,
        transport_security=TransportSecuritySettings(
            allowed_hosts=list(allowed_hosts), allowed_origins=list(allowed_origins)
        ),
        custom_starlette_routes=list(routes),
    )

"""The one MCP server behind every transport; the only door to the MCP SDK.

Decides how calls and answers look in the protocol. What is answered is decided in
`chronotick.agents.tools` and its neighbors. Built on the low-level server, because the
in-process, stdio and HTTP shells can then share one object, and because it returns what
it is told: nothing is validated, wrapped or reworded on the way.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage

from chronotick.agents.guidance import INSTRUCTIONS, fill
from chronotick.agents.resources import read_resource
from chronotick.agents.server.lists import CACHE_HINTS, list_handlers
from chronotick.agents.server.subscriptions import Subscriptions
from chronotick.agents.tools import call
from chronotick.agents.unparsed import Answered
from chronotick.agents.wording import RequestError
from chronotick.core.version import installed_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mcp.server.context import ServerRequestContext
    from starlette.applications import Starlette
    from starlette.routing import Route

    from chronotick.agents.service import TimeService

    _Context: TypeAlias = ServerRequestContext[Any, Any]

__all__ = ["NAME", "build_server", "http_app", "serve_stdio"]

NAME = "chronotick"
"""Clients call the tools ``mcp__chronotick__get_time`` and so on."""


def build_server(service: TimeService) -> Server[Any]:
    """Return an MCP server over `service`; each connection may share it."""
    subscriptions = Subscriptions(service)
    server: Server[Any] = Server(
        NAME,
        title="ChronoTick",
        version=installed_version(),
        description="Bounded time: what time it is, and how wrong that can be.",
        instructions=INSTRUCTIONS,
        lifespan=subscriptions.lifespan,
        cache_hints=CACHE_HINTS,
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
        "on_read_resource": read,
        "on_get_prompt": _get_prompt,
        **list_handlers(),
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

"""Who wants to hear of changes of the status, in both eras of the protocol.

Decides who is told and who is refused; what a change is, is decided in `watching`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
import mcp_types as types
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    ResourceUpdated,
)
from mcp.shared.exceptions import MCPError

from chronotick.agents.resources import STATUS_URI
from chronotick.agents.watching import StatusWatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mcp.server.context import ServerRequestContext
    from mcp.server.lowlevel import Server
    from mcp.server.session import ServerSession

    from chronotick.agents.service import TimeService

    _Context: TypeAlias = ServerRequestContext[Any, Any]

__all__ = ["Subscriptions"]

_MOST_SUBSCRIBERS = 64


class Subscriptions:
    """The subscribers of one server; its handlers are those of the protocol."""

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

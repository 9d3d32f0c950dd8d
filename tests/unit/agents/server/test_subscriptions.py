"""Subscribers of the MCP server, by a real client in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from mcp import Client, MCPError

from chronotick.agents.resources import STATUS_URI
from chronotick.agents.server import build_server
from chronotick.core.status import Status
from unit.agents.lab import until

if TYPE_CHECKING:
    from unit.agents.lab import Lab

pytestmark = pytest.mark.anyio


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
async def test_subscribers_hear_of_a_change_and_of_nothing_else(lab: Lab) -> None:
    """One notification when the status changes; none while only numbers move."""
    heard: list[Any] = []

    async def hear(message: Any) -> None:
        heard.append(message)

    server = build_server(lab.service)
    async with Client(server, mode="legacy", message_handler=hear) as client:
        await client.subscribe_resource(STATUS_URI)
        lab.host.on_sleep = lab.publish
        await until(lambda: len(lab.host.slept) > 5)
        assert heard == []
        lab.host.on_sleep = lambda: lab.publish(status=Status.HOLDOVER)
        await until(lambda: len(heard) > 0)
        await client.unsubscribe_resource(STATUS_URI)
        with pytest.raises(MCPError, match="only chronotick://status"):
            await client.subscribe_resource("chronotick://time")
    assert len(heard) == 1


async def test_modern_subscribers_listen_on_a_stream(lab: Lab) -> None:
    """Revision 2026-07-28 has one stream for all that is listened to."""
    server = build_server(lab.service)
    async with (
        Client(server, mode="2026-07-28") as client,
        client.listen(resource_subscriptions=[STATUS_URI]) as stream,
    ):
        lab.host.on_sleep = lambda: lab.publish(status=Status.HOLDOVER)
        with anyio.fail_after(10):
            async for event in stream:
                assert getattr(event, "uri", None) == STATUS_URI
                break

"""The MCP server, by a real client in memory, in both eras of the protocol."""

from __future__ import annotations

import json
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client, MCPError
from mcp_types import CallToolResult, TextContent, TextResourceContents

from chronotick.agents.guidance import INSTRUCTIONS, PROMPTS, fill
from chronotick.agents.resources import RESOURCES, STATUS_URI
from chronotick.agents.server import build_server
from chronotick.agents.tools import TOOLS, call
from unit.agents.lab import START_NS, Lab
from unit.agents.test_tools import CALLS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

ERAS = ["legacy", "2026-07-28"]


@asynccontextmanager
async def connected(lab: Lab, era: str) -> AsyncIterator[Client]:
    """A client of that era; real errors instead of sanitized ones."""
    server = build_server(lab.service)
    async with Client(server, mode=era, raise_exceptions=True) as client:
        yield client


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    """Each revision of the protocol."""
    return str(request.param)


async def test_tools_are_listed_with_schemas_and_annotations(
    lab: Lab, era: str
) -> None:
    """All of them, read-only, closed-world, and get_time always loaded."""
    async with connected(lab, era) as client:
        tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == list(TOOLS)
    for tool in tools:
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is True
        assert tool.annotations.destructive_hint is False
        assert tool.annotations.open_world_hint is False
        assert tool.input_schema["additionalProperties"] is False
        assert tool.output_schema is not None
        assert len(tool.description or "") > 80
    assert tools[0].meta == {"anthropic/alwaysLoad": True}
    assert tools[1].meta is None
    idempotent = {
        t.name for t in tools if t.annotations and t.annotations.idempotent_hint
    }
    assert idempotent == {"order_timestamps", "convert_time"}


@pytest.mark.parametrize("name", CALLS)
async def test_every_tool_answers_with_text_and_structure(
    lab: Lab, era: str, name: str
) -> None:
    """The client validates the structure; the text is its summary."""
    async with connected(lab, era) as client:
        result = await client.call_tool(name, CALLS[name])
    assert not result.is_error
    (content,) = result.content
    assert isinstance(content, TextContent)
    assert content.text == result.structured_content["summary"]


async def test_an_answer_is_what_the_sdk_would_write(lab: Lab, era: str) -> None:
    """It is written out here, and no client can tell."""
    outcome = await call(lab.service, "get_time")
    written = CallToolResult(
        content=[TextContent(type="text", text=outcome.text)],
        structured_content=outcome.structured,
    )
    async with connected(lab, era) as client:
        result = await client.call_tool("get_time", {})
    assert result.model_dump(exclude={"meta"}) == written.model_dump(exclude={"meta"})


async def test_without_time_the_call_is_an_error_with_the_command(
    lab: Lab, era: str
) -> None:
    """Both the text that a model sees and the structure that a program reads."""
    lab.be_gone_s(2_000)
    async with connected(lab, era) as client:
        result = await client.call_tool("get_time", {})
    assert result.is_error
    assert result.structured_content["status"] == "stale"
    (content,) = result.content
    assert isinstance(content, TextContent)
    assert "chronotick daemon --segment" in content.text


async def test_a_wrong_call_is_an_error_that_says_what_is_right(
    lab: Lab, era: str
) -> None:
    """Unknown tool and unknown argument are told to the model, not to its host."""
    async with connected(lab, era) as client:
        wrong = await client.call_tool("get_time", {"zone": "UTC"})
        missing = await client.call_tool("what_time", {})
    for result, mend in ((wrong, "arguments: timezone"), (missing, "get_time")):
        assert result.is_error
        (content,) = result.content
        assert isinstance(content, TextContent)
        assert mend in content.text


async def test_resources_are_listed_and_read(lab: Lab, era: str) -> None:
    """Each has content in its own MIME type; the template serves the history."""
    async with connected(lab, era) as client:
        listed = (await client.list_resources()).resources
        assert [resource.uri for resource in listed] == list(RESOURCES)
        templates = (await client.list_resource_templates()).resource_templates
        assert [t.uri_template for t in templates] == ["chronotick://history/{seconds}"]
        texts = {}
        for uri in (*RESOURCES, "chronotick://history/60"):
            (content,) = (await client.read_resource(uri)).contents
            assert isinstance(content, TextResourceContents)
            texts[uri] = content.text
    assert json.loads(texts["chronotick://time"])["unix_ns"] == str(START_NS)
    assert json.loads(texts[STATUS_URI])["status"] == "synchronized"
    assert json.loads(texts["chronotick://sources"])["servers"] == []
    (entry,) = json.loads(texts["chronotick://history/60"])["corrections"]
    assert entry["unix_ns"] == str(START_NS)
    assert entry["offset_s"] == pytest.approx(0.002)
    assert texts["chronotick://docs/using-time"].startswith("# Using time")


async def test_resources_say_no_like_the_tools(lab: Lab, era: str) -> None:
    """An expired time is not in the resource either."""
    lab.pass_s(2_000)
    async with connected(lab, era) as client:
        (content,) = (await client.read_resource("chronotick://time")).contents
    assert isinstance(content, TextResourceContents)
    told = json.loads(content.text)
    assert told["status"] == "stale"
    assert "unix_ns" not in told


@pytest.mark.parametrize("uri", ["chronotick://nothing", "chronotick://history/-1"])
async def test_an_unknown_resource_is_an_error(lab: Lab, era: str, uri: str) -> None:
    """Invalid params with the address (SEP-2164), and those that exist."""
    async with connected(lab, era) as client:
        with pytest.raises(MCPError, match="chronotick://status") as refusal:
            await client.read_resource(uri)
    assert refusal.value.error.code == -32602


def test_what_an_argument_says_in_braces_is_its_own() -> None:
    """It is put in as it is, whatever other arguments are called."""
    given = {"action": "print {participants} {0.__class__}", "participants": "a, b"}
    _, text = fill("plan_coordinated_action", given)
    assert "Plan this action: print {participants} {0.__class__}." in text
    assert "Participants: a, b." in text


async def test_prompts_are_filled(lab: Lab, era: str) -> None:
    """Arguments are put in; a missing or unknown one is refused."""
    async with connected(lab, era) as client:
        listed = (await client.list_prompts()).prompts
        assert [prompt.name for prompt in listed] == list(PROMPTS)
        filled = await client.get_prompt(
            "explain_event_order", {"events": "a at noon, {events}"}
        )
        with pytest.raises(MCPError, match="exactly these arguments: events"):
            await client.get_prompt("explain_event_order", {})
        with pytest.raises(MCPError, match="no prompt 'x'"):
            await client.get_prompt("x")
    (message,) = filled.messages
    assert isinstance(message.content, TextContent)
    assert "a at noon, {events}" in message.content.text


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_server_introduces_itself(lab: Lab, mode: str) -> None:
    """Clients put the instructions into the model's context."""
    async with connected(lab, mode) as client:
        assert client.instructions == INSTRUCTIONS


async def test_no_tool_can_query_a_server_or_write(lab: Lab) -> None:
    """No call opens a socket, starts a process or opens a file for writing."""
    async with connected(lab, "2026-07-28") as client:
        for name, arguments in CALLS.items():  # what is loaded late is loaded now
            await client.call_tool(name, arguments)
        forbidden: list[tuple[str, Any]] = []

        def audit(event: str, args: tuple[Any, ...]) -> None:
            writes = event == "open" and (
                any(c in str(args[1]) for c in "wax+") or args[2] & 0o3
            )
            prefixes = ("socket.", "subprocess.", "os.remove", "os.rename", "os.mkdir")
            if armed and (writes or event.startswith(prefixes)):
                forbidden.append((event, args))

        armed = True
        sys.addaudithook(audit)
        try:
            for name, arguments in CALLS.items():
                await client.call_tool(name, arguments)
        finally:
            armed = False
    assert forbidden == []

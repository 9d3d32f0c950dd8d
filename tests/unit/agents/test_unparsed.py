"""Lines over stdio that are no message."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from mcp.server.stdio import stdio_server

from chronotick.agents import server
from unit.agents.lab import HELLO, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from unit.agents.lab import Lab

pytestmark = pytest.mark.anyio

LIST = {"jsonrpc": "2.0", "id": 3, "method": "tools/list"}


async def answers(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, *lines: str
) -> list[dict[str, Any]]:
    """Return what a client reads that writes these lines; in between is a session."""
    written = io.StringIO()
    both = (json.dumps(HELLO), *lines, json.dumps(LIST))

    async def read() -> AsyncIterator[str]:
        for line in both:
            yield f"{line}\n"
        await until(lambda: '"id":3' in written.getvalue())  # then it is closed

    given: Any = read()
    stdio = stdio_server(given, anyio.wrap_file(written))
    monkeypatch.setattr(server, "stdio_server", lambda: stdio)
    await server.serve_stdio(lab.service)
    told = [json.loads(line) for line in written.getvalue().splitlines()]
    return [each for each in told if each["id"] not in (1, 3)]


@pytest.mark.parametrize(
    ("line", "id_", "code"),
    [
        (json.dumps(LIST | {"id": 2, "params": {"x": "\ud83d"}}), 2, -32_700),
        ('{"jsonrpc": "2.0", "id": "two", "method": 5}', "two", -32_600),
        ('{"jsonrpc": "2.0", "id": 2, "method"', None, -32_700),
        ("[1]", None, -32_600),
        ('{"id": "\\ud83d", "x": "\\ud83d"}', None, -32_700),
        ("[" * 100_000, None, -32_700),
    ],
    ids=["surrogate", "no method", "cut", "list", "id", "deep"],
)
async def test_a_line_that_is_no_message_is_answered(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, line: str, id_: object, code: int
) -> None:
    """With the id of the request where one can be read; then the session goes on."""
    (answer,) = await answers(lab, monkeypatch, line)
    assert answer["id"] == id_
    assert answer["error"]["code"] == code
    assert "send one request in one line" in answer["error"]["message"]


@pytest.mark.parametrize("id_", [None, 1.5, {}, [], True])
async def test_a_request_without_an_id_is_answered(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, id_: object
) -> None:
    """What it has for one is none: to be silent would leave its sender waiting."""
    (answer,) = await answers(lab, monkeypatch, json.dumps(LIST | {"id": id_}))
    assert answer["id"] is None
    assert answer["error"]["code"] == -32_600
    assert "a request needs an id" in answer["error"]["message"]


async def test_a_notification_is_not_answered(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even one that is unknown, or has an id by mistake."""
    lines = (
        json.dumps({"jsonrpc": "2.0", "method": method} | extra)
        for method in ("notifications/initialized", "notifications/none")
        for extra in ({}, {"id": None})
    )
    assert await answers(lab, monkeypatch, *lines) == []


async def test_an_empty_line_is_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for an answer to it."""
    assert await answers(lab, monkeypatch, "", "  ") == []

"""What may last: how many requests are in flight, and that they end with their client."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from chronotick.agents.gate import Gate, rules_for
from chronotick.agents.http import build_app
from unit.agents.asgi import ask
from unit.agents.lab import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from unit.agents.asgi import Answer
    from unit.agents.lab import Lab

pytestmark = pytest.mark.anyio

MODERN = "2026-07-28"
CALL = {"name": "wait_until", "arguments": {"in_seconds": 40}}
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Waits:
    """An application whose answers wait until they are let go."""

    def __init__(self) -> None:
        self.waiting = 0
        self.let_go = anyio.Event()

    async def __call__(self, _: Any, __: Any, send: Any) -> None:
        """Wait, then answer."""
        self.waiting += 1
        try:
            await self.let_go.wait()
        finally:
            self.waiting -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def crowded(app: Waits) -> Gate:
    """Return a gate that lets two of an address and three in all wait."""
    rules = replace(rules_for("127.0.0.1"), most_in_flight=3, most_in_flight_of_peer=2)
    return Gate(app, rules, lambda: 0.0)


async def test_one_address_cannot_take_all_the_room() -> None:
    """Its third request is refused, another's first is not, and room comes back."""
    app = Waits()
    gate = crowded(app)
    answers: list[Answer] = []

    async def post(peer: str) -> None:
        answers.append(await ask(gate, "POST", "/mcp", peer=peer))

    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(post, "192.0.2.7")
        await until(lambda: app.waiting == 2)
        refused = await ask(gate, "POST", "/mcp")
        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        assert "let some end first" in refused.json["error"]
        tasks.start_soon(post, "192.0.2.8")
        await until(lambda: app.waiting == 3)
        full = await ask(gate, "POST", "/mcp", peer="192.0.2.9")
        assert (full.status, full.headers["retry-after"]) == (503, "1")
        assert "ask again later" in full.json["error"]
        app.let_go.set()
    assert [answer.status for answer in answers] == [200] * 3
    assert (await ask(gate, "POST", "/mcp")).status == 200
    assert not gate._in_flight


@pytest.mark.parametrize("path", ["/healthz", "/api/time"])
async def test_what_is_answered_at_once_is_not_counted(path: str, lab: Lab) -> None:
    """The time and the probes are told however many wait."""
    rules = replace(rules_for("127.0.0.1"), most_in_flight=0)
    assert (await ask(build_app(lab.service, rules), "GET", path)).status == 200


async def test_a_request_ends_when_its_client_leaves() -> None:
    """Leaving costs nothing, so it must not leave anything behind."""
    app, gone = Waits(), anyio.Event()
    gate = crowded(app)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: ask(gate, "POST", "/mcp", gone=gone))
        await until(lambda: app.waiting == 1)
        gone.set()
        await until(lambda: app.waiting == 0)
    assert not gate._in_flight


async def test_an_answer_that_has_begun_is_told_that_its_client_left() -> None:
    """A stream of notifications ends by itself, and tidies up first."""
    heard: list[str] = []
    gone = anyio.Event()

    async def stream(_: Any, receive: Any, send: Any) -> None:
        heard.append((await receive())["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        gone.set()
        heard.append((await receive())["type"])

    gate = Gate(stream, rules_for("127.0.0.1"), lambda: 0.0)
    with anyio.fail_after(10):
        await ask(gate, "POST", "/mcp", gone=gone)
    assert heard == ["http.request", "http.disconnect"]


@asynccontextmanager
async def served(lab: Lab) -> AsyncIterator[Gate]:
    """The whole application, started."""
    gate = build_app(lab.service, rules_for("127.0.0.1"))
    starlette: Any = gate._app
    async with starlette.router.lifespan_context(starlette):
        yield gate


@pytest.mark.parametrize("revision", ["", MODERN])
async def test_an_abandoned_wait_of_a_tool_ends(lab: Lab, revision: str) -> None:
    """In both protocol eras: a thousand of them would shut everybody else out."""
    sleeping: list[float] = []

    async def sleep(seconds: float) -> None:
        sleeping.append(seconds)
        try:
            await anyio.Event().wait()
        finally:
            sleeping.clear()

    lab.service.sleep = sleep
    params = CALL | ({"_meta": META} if revision else {})
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    gone = anyio.Event()
    async with served(lab) as gate, anyio.create_task_group() as tasks:
        tasks.start_soon(
            lambda: ask(
                gate,
                "POST",
                "/mcp",
                body=json.dumps(request).encode(),
                gone=gone,
                content_type="application/json",
                accept="application/json, text/event-stream",
                mcp_protocol_version=revision,
                mcp_method="tools/call",
                mcp_name="wait_until",
            )
        )
        await until(lambda: len(sleeping) > 0)
        gone.set()
        await until(lambda: not sleeping)

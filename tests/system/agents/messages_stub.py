"""A loopback stand-in for the Messages API: asks for one tool call, then answers.

It knows no model. To a conversation without tool result it replies with a `tool_use`
for the tool that it was told to ask for; to one with a result, with a sentence.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER = "It is as the tool says."


class Conversation:
    """What the client sent, and what it is asked to call."""

    def __init__(self, tool: str, arguments: dict[str, Any]) -> None:
        self.tool = tool
        self.arguments = arguments
        self.requests: list[dict[str, Any]] = []
        self.port = 0

    @property
    def tools_seen(self) -> list[str]:
        """Names in the first request that had any tools."""
        for request in self.requests:
            if request.get("tools"):
                return [tool["name"] for tool in request["tools"]]
        return []

    @property
    def tool_result(self) -> dict[str, Any] | None:
        """The block with the tool's result."""
        for request in self.requests:
            for message in request.get("messages", []):
                if isinstance(message["content"], list):
                    for block in message["content"]:
                        if block.get("type") == "tool_result":
                            return dict(block)
        return None

    def reply(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the content block to answer with."""
        self.requests.append(request)
        names = {tool["name"] for tool in request.get("tools", [])}
        if self.tool in names and self.tool_result is None:
            return {
                "type": "tool_use",
                "id": "toolu_1",
                "name": self.tool,
                "input": self.arguments,
            }
        return {"type": "text", "text": ANSWER}


def events(block: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the stream of one reply."""
    is_tool = block["type"] == "tool_use"
    empty = {**block, "input": {}} if is_tool else {"type": "text", "text": ""}
    delta = (
        {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        if is_tool
        else {"type": "text_delta", "text": block["text"]}
    )
    usage = {"input_tokens": 1, "output_tokens": 1}
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "stub",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    yield "message_start", {"message": message}
    yield "content_block_start", {"index": 0, "content_block": empty}
    yield "content_block_delta", {"index": 0, "delta": delta}
    yield "content_block_stop", {"index": 0}
    stop = {"stop_reason": "tool_use" if is_tool else "end_turn", "stop_sequence": None}
    yield "message_delta", {"delta": stop, "usage": usage}
    yield "message_stop", {}


class _Handler(BaseHTTPRequestHandler):
    conversation: Conversation

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    do_GET = do_HEAD  # noqa: N815 - named by http.server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        block = self.conversation.reply(json.loads(body))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for name, fields in events(block):
            data = json.dumps({"type": name, **fields})
            self.wfile.write(f"event: {name}\ndata: {data}\n\n".encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def serving(tool: str, arguments: dict[str, Any]) -> Iterator[Conversation]:
    """Serve one conversation on a free loopback port."""
    conversation = Conversation(tool, arguments)
    handler = type("Handler", (_Handler,), {"conversation": conversation})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        conversation.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield conversation
        finally:
            server.shutdown()
            thread.join()

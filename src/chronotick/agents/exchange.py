"""One HTTP exchange: its body, how it is refused, and that it ends with its client.

Decides how long a body may take to come, and what becomes of a request whose client has
gone: it is given up, because a wait takes 50 s and leaving costs nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Scope: TypeAlias = MutableMapping[str, Any]
    Message: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[Message]]
    Send: TypeAlias = Callable[[Message], Awaitable[None]]
    App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

__all__ = ["Refusal", "read_body", "refuse", "serve_to_the_end", "serve_while_heard"]

_BODY_TIMEOUT_S = 10.0


class Refusal(Exception):
    """The request is not let through; the message says why."""

    def __init__(self, status: int, why: str, **headers: str) -> None:
        super().__init__(why)
        self.status = status
        self.headers = headers


async def refuse(refusal: Refusal, send: Send) -> None:
    """Answer with a refusal."""
    body = json.dumps({"error": str(refusal)}).encode()
    headers = {"content-type": "application/json", **refusal.headers}
    await send(
        {
            "type": "http.response.start",
            "status": refusal.status,
            "headers": [
                *((name.encode(), value.encode()) for name, value in headers.items()),
                (b"content-length", str(len(body)).encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def read_body(scope: Scope, receive: Receive, most_bytes: int) -> bytes:
    """Return the whole body.

    Raises:
        Refusal: it is too large, or takes too long.
    """
    too_large = Refusal(413, f"a request has {most_bytes} bytes at most")
    declared = dict(scope["headers"]).get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > most_bytes:
        raise too_large
    body = b""
    with anyio.move_on_after(_BODY_TIMEOUT_S) as limit:
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > most_bytes:
                raise too_large
            if not message.get("more_body"):
                break
    if limit.cancelled_caught:
        raise Refusal(408, "the request took too long to arrive")
    return body


async def serve_to_the_end(
    app: App, scope: Scope, body: bytes, receive: Receive, send: Send
) -> None:
    """Serve a request that cannot last: whether its client is still there costs more."""
    await app(scope, _replaying(body, receive), send)


async def serve_while_heard(
    app: App, scope: Scope, body: bytes, receive: Receive, send: Send
) -> None:
    """Serve a request until it is answered, or until its client has gone.

    Once an answer has begun, the application hears that its client left and ends by
    itself: it may have more to do than to answer.
    """
    gone, is_answering = anyio.Event(), False

    async def until_gone() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def answer(message: Message) -> None:
        nonlocal is_answering
        is_answering = True
        await send(message)

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass  # the body is here: nothing else is to come
        gone.set()
        if not is_answering:
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        await app(scope, _replaying(body, until_gone), answer)
        tasks.cancel_scope.cancel()


def _replaying(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body first, then what else comes."""
    is_told = False

    async def replay() -> Message:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay

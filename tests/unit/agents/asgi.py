"""One request to an ASGI application, without a server."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import anyio


class Answer(NamedTuple):
    """What the application answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's value."""
        return json.loads(self.body)


async def ask(
    app: Any,
    method: str,
    path: str,
    *,
    body: bytes = b"",
    query: str = "",
    peer: str = "192.0.2.7",
    chunks: list[bytes] | None = None,
    gone: anyio.Event | None = None,
    **headers: str,
) -> Answer:
    """Send one request, headers with ``_`` for ``-``.

    The client stays until `gone`; a request that is not answered then has status 0.
    """
    given = {"host": "127.0.0.1:8124", **headers}
    if chunks is None:
        chunks = [body]
        given["content-length"] = str(len(body))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "client": (peer, 1),
        "server": ("127.0.0.1", 8124),
        "headers": [
            (name.replace("_", "-").encode(), value.encode())
            for name, value in given.items()
            if value
        ],
    }
    coming = [
        {"type": "http.request", "body": chunk, "more_body": i + 1 < len(chunks)}
        for i, chunk in enumerate(chunks)
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if coming:
            return coming.pop(0)
        await (gone or anyio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if not sent:
        return Answer(0, {}, b"")
    start, *rest = sent
    return Answer(
        start["status"],
        {k.decode(): v.decode() for k, v in start["headers"]},
        b"".join(message.get("body", b"") for message in rest),
    )

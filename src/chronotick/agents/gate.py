"""Who may talk to the HTTP server, how much and how fast: checked before anything else.

Decides refusals only; what is let through knows nothing of it. The order matters: what
costs an attacker most comes last, and nothing is read from a body before its sender has
shown a token.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio

from chronotick.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    _Scope: TypeAlias = MutableMapping[str, Any]
    _Message: TypeAlias = MutableMapping[str, Any]
    _Receive: TypeAlias = Callable[[], Awaitable[_Message]]
    _Send: TypeAlias = Callable[[_Message], Awaitable[None]]
    _App: TypeAlias = Callable[[_Scope, _Receive, _Send], Awaitable[None]]

__all__ = ["Gate", "Rules", "rules_for"]

_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_SHORTEST_TOKEN = 16
_MOST_PEERS = 1024
_BODY_TIMEOUT_S = 10.0
# Liveness probes have no token; the answer says nothing but that the process serves.
_OPEN_PATH = "/healthz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is let through."""

    allowed_hosts: tuple[str, ...]
    """Host headers, ``host:*`` for any port: what a web page that had its name point
    here (DNS rebinding) would not send."""
    allowed_origins: tuple[str, ...]
    """Origin headers that browsers may send; none sent is fine."""
    token: str | None = None
    """Bearer token; None asks for none."""
    most_body_bytes: int = 64 * 1024
    requests_per_s: float = 1_000.0
    """Of one address, sustained; twice as many may come at once."""


def rules_for(
    host: str,
    *,
    token: str | None = None,
    allowed_hosts: tuple[str, ...] = (),
    allowed_origins: tuple[str, ...] = (),
    requests_per_s: float = 1_000.0,
) -> Rules:
    """Return the rules for listening on `host`; loopback needs no more than that.

    Args:
        host: Address to listen on.
        token: Bearer token.
        allowed_hosts: Host headers beyond loopback's.
        allowed_origins: Origins; ``none`` lets no browser in.
        requests_per_s: Sustained rate of one address.

    Raises:
        ConfigError: another address than loopback's without a token, hosts and origins
            given explicitly, or a token that can be guessed.
    """
    if token is not None and len(token) < _SHORTEST_TOKEN:
        raise ConfigError(
            f"the token has {len(token)} characters: use {_SHORTEST_TOKEN} or more, "
            "such as `openssl rand -hex 16` prints"
        )
    origins = tuple(origin for origin in allowed_origins if origin != "none")
    if not _is_loopback(host):
        _require_all(host, token, allowed_hosts, allowed_origins)
        hosts = allowed_hosts
    else:
        hosts = (*_LOOPBACK_NAMES, *(f"{n}:*" for n in _LOOPBACK_NAMES), *allowed_hosts)
        origins += tuple(f"http://{name}:*" for name in _LOOPBACK_NAMES)
    return Rules(
        allowed_hosts=hosts,
        allowed_origins=origins,
        token=token,
        requests_per_s=requests_per_s,
    )


def _require_all(
    host: str, token: str | None, hosts: tuple[str, ...], origins: tuple[str, ...]
) -> None:
    needed = {
        "a token in CHRONOTICK_TOKEN": token,
        "--allow-host NAME:*": hosts,
        "--allow-origin URL (or none)": origins,
    }
    missing = [what for what, given in needed.items() if not given]
    if missing:
        raise ConfigError(
            f"listening on {host} lets other machines in, so it needs "
            f"{', '.join(missing)}; 127.0.0.1 needs none of it"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Refusal(Exception):
    def __init__(self, status: int, why: str, **headers: str) -> None:
        super().__init__(why)
        self.status = status
        self.headers = headers


class Gate:
    """ASGI middleware that enforces `Rules`.

    Args:
        app: What is behind it.
        rules: What is let through.
        now_s: A clock that never runs backwards, for the rate.
    """

    def __init__(self, app: _App, rules: Rules, now_s: Callable[[], float]) -> None:
        self._app = app
        self._rules = rules
        self._now_s = now_s
        # Peer to (tokens left, when): a bucket each, of the newest peers.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no WebSockets here
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            self._check(scope)
            body = await self._body(scope, receive)
        except _Refusal as refusal:
            await _refuse(refusal, send)
            return
        await self._app(scope, _replaying(body, receive), send)

    def _check(self, scope: _Scope) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if not _matches(host, self._rules.allowed_hosts):
            raise _Refusal(421, f"the host {host!r} is not served here")
        origin = headers.get(b"origin")
        if origin is not None and not _matches(
            origin.decode("latin-1"), self._rules.allowed_origins
        ):
            raise _Refusal(403, "this origin is not allowed")
        self._check_rate(scope)
        token = self._rules.token
        if token is not None and scope["path"] != _OPEN_PATH:
            given = headers.get(b"authorization", b"")
            wanted = f"Bearer {token}".encode()
            if not hmac.compare_digest(given, wanted):
                raise _Refusal(
                    401, "a bearer token is needed", **{"www-authenticate": "Bearer"}
                )

    def _check_rate(self, scope: _Scope) -> None:
        rate, now_s = self._rules.requests_per_s, self._now_s()
        peer = scope["client"][0] if scope.get("client") else ""
        most = 2 * rate
        left, since_s = self._buckets.pop(peer, (most, now_s))
        left = min(left + (now_s - since_s) * rate, most)
        self._buckets[peer] = (max(left - 1, 0.0), now_s)
        if len(self._buckets) > _MOST_PEERS:
            self._buckets.popitem(last=False)
        if left < 1:
            raise _Refusal(429, "too many requests", **{"retry-after": "1"})

    async def _body(self, scope: _Scope, receive: _Receive) -> bytes:
        most = self._rules.most_body_bytes
        too_large = _Refusal(413, f"a request has {most} bytes at most")
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > most:
            raise too_large
        body = b""
        with anyio.move_on_after(_BODY_TIMEOUT_S) as limit:
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > most:
                    raise too_large
                if not message.get("more_body"):
                    break
        if limit.cancelled_caught:
            raise _Refusal(408, "the request took too long to arrive")
        return body


def _matches(value: str, patterns: tuple[str, ...]) -> bool:
    for pattern in patterns:
        if value == pattern:
            return True
        name, star, _ = pattern.rpartition(":*")
        port = value[len(name) + 1 :]
        if star and value.startswith(f"{name}:") and port.isascii() and port.isdigit():
            return True
    return False


def _replaying(body: bytes, receive: _Receive) -> _Receive:
    """Return a `receive` that gives the body first, then what else comes."""
    is_told = False

    async def replay() -> _Message:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _refuse(refusal: _Refusal, send: _Send) -> None:
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

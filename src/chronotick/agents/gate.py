"""Who may talk to the HTTP server, how much and how fast: checked before anything else.

Decides refusals only; what is let through knows nothing of it. The order matters: what
costs an attacker most comes last, and nothing is read from a body before its sender has
shown a token.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections import Counter, OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chronotick.agents.exchange import (
    Refusal,
    read_body,
    refuse,
    serve_to_the_end,
    serve_while_heard,
)
from chronotick.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chronotick.agents.exchange import App, Receive, Scope, Send

__all__ = ["Gate", "Rules", "rules_for"]

_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_SHORTEST_TOKEN = 16
_MOST_PEERS = 1024
# Liveness probes have no token; the answer says nothing but that the process serves.
_OPEN_PATH = "/healthz"
# Its requests may wait or stream; all others are answered as soon as they are read.
_LASTING_PATH = "/mcp"
_COMPARED = (b"host", b"origin")


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
    most_in_flight: int = 800
    """Requests that may be waiting at once: fewer than the connections that the server
    takes, so that who asks for the time is answered while others wait."""
    most_in_flight_of_peer: int = 400
    """Of them, of one address."""


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
        own = f"[{host}]" if ":" in host else host
        names = tuple(dict.fromkeys((*_LOOPBACK_NAMES, own)))
        hosts = (*names, *(f"{name}:*" for name in names), *allowed_hosts)
        origins += tuple(f"http://{name}:*" for name in names)
    return Rules(
        allowed_hosts=tuple(name.lower() for name in hosts),
        allowed_origins=tuple(origin.lower() for origin in origins),
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


class Gate:
    """ASGI middleware that enforces `Rules`.

    Args:
        app: What is behind it.
        rules: What is let through.
        now_s: A clock that never runs backwards, for the rate.
    """

    def __init__(self, app: App, rules: Rules, now_s: Callable[[], float]) -> None:
        self._app = app
        self._rules = rules
        # As bytes of the environment, in which a token is whatever its user wrote.
        self._token = (
            None
            if rules.token is None
            else rules.token.encode("utf-8", "surrogateescape")
        )
        self._now_s = now_s
        # Peer to (tokens left, when): a bucket each, of the newest peers.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._in_flight: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no WebSockets here
            await send({"type": "websocket.close", "code": 1008})
            return
        scope = _with_lower_case(scope)
        try:
            self._check(scope)
            with self._counted(scope):
                body = await read_body(scope, receive, self._rules.most_body_bytes)
                may_last = scope["path"] == _LASTING_PATH
                serve = serve_while_heard if may_last else serve_to_the_end
                await serve(self._app, scope, body, receive, send)
        except Refusal as refusal:
            await refuse(refusal, send)

    def _check(self, scope: Scope) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if not _matches(host, self._rules.allowed_hosts):
            raise Refusal(421, f"the host {host!r} is not served here")
        origin = headers.get(b"origin")
        if origin is not None and not _matches(
            origin.decode("latin-1"), self._rules.allowed_origins
        ):
            raise Refusal(403, "this origin is not allowed")
        self._check_rate(scope)
        if self._token is not None and scope["path"] != _OPEN_PATH:
            scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
            is_right = hmac.compare_digest(given.strip(), self._token)
            if scheme.lower() != b"bearer" or not is_right:
                raise Refusal(
                    401, "a bearer token is needed", **{"www-authenticate": "Bearer"}
                )

    def _check_rate(self, scope: Scope) -> None:
        rate, now_s = self._rules.requests_per_s, self._now_s()
        peer = _peer(scope)
        most = 2 * rate
        left, since_s = self._buckets.pop(peer, (most, now_s))
        left = min(left + (now_s - since_s) * rate, most)
        self._buckets[peer] = (max(left - 1, 0.0), now_s)
        if len(self._buckets) > _MOST_PEERS:
            self._buckets.popitem(last=False)
        if left < 1:
            raise Refusal(429, "too many requests", **{"retry-after": "1"})

    @contextmanager
    def _counted(self, scope: Scope) -> Iterator[None]:
        """Count a request that may take long, as long as it does."""
        if scope["path"] != _LASTING_PATH and scope["method"] == "GET":
            yield
            return
        peer, in_flight, rules = _peer(scope), self._in_flight, self._rules
        later = {"retry-after": "1"}
        if in_flight[peer] >= rules.most_in_flight_of_peer:
            why = f"{rules.most_in_flight_of_peer} requests of this address are waiting"
            raise Refusal(429, f"{why}: let some end first", **later)
        if in_flight.total() >= rules.most_in_flight:
            why = f"{rules.most_in_flight} requests are waiting"
            raise Refusal(503, f"{why}: ask again later", **later)
        in_flight[peer] += 1
        try:
            yield
        finally:
            in_flight[peer] -= 1
            if not in_flight[peer]:
                del in_flight[peer]


def _peer(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else ""


def _with_lower_case(scope: Scope) -> Scope:
    """Return the scope with names as they are compared, here and behind (RFC 9110 §4.2.3)."""
    headers = [
        (name, value.lower() if name in _COMPARED else value)
        for name, value in scope["headers"]
    ]
    return {**scope, "headers": headers}


def _matches(value: str, patterns: tuple[str, ...]) -> bool:
    for pattern in patterns:
        if value == pattern:
            return True
        name, star, _ = pattern.rpartition(":*")
        port = value[len(name) + 1 :]
        if star and value.startswith(f"{name}:") and port.isascii() and port.isdigit():
            return True
    return False

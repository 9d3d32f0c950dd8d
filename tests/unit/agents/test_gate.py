"""The gate before the HTTP server: refusals, and what never needs one."""

from __future__ import annotations

from typing import Any

import pytest

from chronotick.agents.gate import Gate, Rules, rules_for
from chronotick.core.errors import ConfigError
from unit.agents.asgi import ask

pytestmark = pytest.mark.anyio

TOKEN = "0123456789abcdef"  # noqa: S105 - of a test


class Seconds:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


async def echo(_: Any, receive: Any, send: Any) -> None:
    """An application that returns the body it gets."""
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


def gate(now: Seconds | None = None, **rules: Any) -> Gate:
    """A gate for loopback."""
    return Gate(echo, rules_for("127.0.0.1", **rules), now or Seconds())


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8124", 200),
        ("localhost", 200),
        ("[::1]:9", 200),
        ("LOCALHOST:8124", 200),
        ("evil.example:8124", 421),
        ("127.0.0.1.evil.example:80", 421),
        ("127.0.0.1:80.evil.example", 421),
        ("127.0.0.1:", 421),
        ("", 421),
    ],
)
async def test_only_known_hosts_are_served(host: str, status: int) -> None:
    """A page whose name was pointed here (DNS rebinding) sends its own name."""
    assert (await ask(gate(), "GET", "/", host=host)).status == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("", 200),
        ("http://localhost:3000", 200),
        ("http://LOCALHOST:3000", 200),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
async def test_foreign_pages_are_refused(origin: str, status: int) -> None:
    """Programs send no Origin; browsers always do."""
    assert (await ask(gate(), "GET", "/", origin=origin)).status == status


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (f"BEARER  {TOKEN}", 200),
        (f"Bearer {TOKEN}x", 401),
        (f"Basic {TOKEN}", 401),
        (f"Bearer{TOKEN}", 401),
        (TOKEN, 401),
        ("", 401),
    ],
)
async def test_the_token_is_needed_where_there_is_one(given: str, status: int) -> None:
    """And the answer says which kind."""
    answer = await ask(gate(token=TOKEN), "GET", "/api/time", authorization=given)
    assert answer.status == status
    assert answer.headers.get("www-authenticate") == (
        "Bearer" if status == 401 else None
    )


async def test_liveness_needs_no_token() -> None:
    """Probes have none."""
    assert (await ask(gate(token=TOKEN), "GET", "/healthz")).status == 200


async def test_bodies_are_limited_however_they_come() -> None:
    """By what they declare, and by what they are."""
    most = Rules(allowed_hosts=("a",), allowed_origins=()).most_body_bytes
    whole = await ask(gate(), "POST", "/", body=b"x" * (most + 1))
    assert whole.status == 413
    chunks = [b"x" * 1024] * (most // 1024 + 1)
    assert (await ask(gate(), "POST", "/", chunks=chunks)).status == 413
    fits = await ask(gate(), "POST", "/", chunks=[b"ab", b"", b"c"])
    assert (fits.status, fits.body) == (200, b"abc")


async def test_a_peer_that_is_too_fast_is_told_to_wait() -> None:
    """Twice the rate may come at once; others are not affected; time heals."""
    now = Seconds()
    fast = gate(now, requests_per_s=5.0)
    seen = [(await ask(fast, "GET", "/")).status for _ in range(12)]
    assert seen == [200] * 10 + [429] * 2
    assert (await ask(fast, "GET", "/")).headers["retry-after"] == "1"
    assert (await ask(fast, "GET", "/", peer="192.0.2.8")).status == 200
    now.now = 0.25
    assert (await ask(fast, "GET", "/")).status == 200


async def test_the_table_of_peers_is_bounded() -> None:
    """A flood of addresses costs no memory."""
    flooded = gate()
    for i in range(1_100):
        await ask(flooded, "GET", "/", peer=f"2001:db8::{i:x}")
    assert len(flooded._buckets) == 1_024


async def test_websockets_are_closed() -> None:
    """There are none here."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    await gate()({"type": "websocket"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "myhost"])  # noqa: S104
def test_other_addresses_need_everything_given(host: str) -> None:
    """A server that other machines reach does not start by accident."""
    with pytest.raises(ConfigError) as refusal:
        rules_for(host)
    for option in ("CHRONOTICK_TOKEN", "--allow-host", "--allow-origin"):
        assert option in str(refusal.value)
    with pytest.raises(ConfigError, match="--allow-origin"):
        rules_for(host, token=TOKEN, allowed_hosts=("time.example:*",))
    rules = rules_for(
        host, token=TOKEN, allowed_hosts=("time.example:*",), allowed_origins=("none",)
    )
    assert rules.allowed_hosts == ("time.example:*",)
    assert rules.allowed_origins == ()


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("127.0.0.1", "127.0.0.1:8124"),
        ("127.8.8.8", "127.8.8.8:8124"),
        ("::1", "[::1]:8124"),
        ("0:0:0:0:0:0:0:1", "[0:0:0:0:0:0:0:1]:8124"),
        ("localhost", "localhost:8124"),
    ],
)
async def test_loopback_needs_nothing(host: str, named: str) -> None:
    """Other machines cannot reach it; who asks at the address it has is served."""
    rules = rules_for(host)
    assert rules.token is None
    served = Gate(echo, rules, Seconds())
    assert (await ask(served, "GET", "/", host=named)).status == 200
    origin = f"http://{named}"
    assert (await ask(served, "GET", "/", origin=origin)).status == 200


async def test_names_are_given_in_any_case() -> None:
    """Those of hosts have none (RFC 9110, 4.2.3); what is behind sees them so, too."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(dict(scope["headers"])[b"host"])
        await echo(scope, receive, send)

    rules = rules_for("127.0.0.1", allowed_hosts=("Time.Example:*",))
    answer = await ask(Gate(app, rules, Seconds()), "GET", "/", host="TIME.example:1")
    assert (answer.status, seen) == (200, [b"time.example:1"])


async def test_a_token_is_whatever_bytes_it_is() -> None:
    """The environment can hold what is no UTF-8; no request fails for it."""
    token = "0123456789abcde\udcff"  # noqa: S105 - of a test
    assert (await ask(gate(token=token), "GET", "/api/time")).status == 401


def test_a_token_that_can_be_guessed_is_refused() -> None:
    """Sixteen characters at least."""
    with pytest.raises(ConfigError, match="openssl rand"):
        rules_for("127.0.0.1", token="secret")  # noqa: S106

"""Servers that refuse: the right code, at the right time, with no time beside it."""

from __future__ import annotations

import pytest

from chronotick.core.units import NS_PER_S
from chronotick.ntp.packet import Packet, client_request, decode, encode
from chronotick.ntp.timestamp import NtpTimestamp
from chronotick.sim.refusal import DenyingServer, RateLimitingServer, SilentServer

NOW_NS = 1_800_000_000 * NS_PER_S
REQUEST = encode(client_request(NtpTimestamp(0x0123456789ABCDEF)))


def ask(server: DenyingServer | RateLimitingServer, at_ns: int = NOW_NS) -> Packet:
    """Return the answer to a request that arrives at `at_ns`."""
    reply = server.reply(REQUEST, receive_utc_ns=at_ns, transmit_utc_ns=at_ns)
    assert reply is not None
    return decode(reply)


@pytest.mark.parametrize("code", ["DENY", "RSTR", "XY"])
def test_a_denying_server_kisses_goodbye(code: str) -> None:
    """The code arrives as a kiss code, with no time beside it."""
    reply = ask(DenyingServer(code))

    assert reply.kiss_code == code
    assert reply.receive.is_zero


@pytest.mark.parametrize("code", ["", "LONGER"])
def test_a_kiss_code_has_one_to_four_letters(code: str) -> None:
    """The field has four octets."""
    with pytest.raises(ValueError, match="1 to 4"):
        DenyingServer(code)


def test_a_rate_limit_grants_a_burst_and_then_its_pace() -> None:
    """Too many in a row are kissed RATE; at the pace it likes, all are served."""
    server = RateLimitingServer(16 * NS_PER_S, burst=3)

    def kiss(at_s: float) -> str | None:
        return ask(server, NOW_NS + round(at_s * NS_PER_S)).kiss_code

    assert [kiss(0.1 * i) for i in range(5)] == [None, None, None, "RATE", "RATE"]
    assert [kiss(16.5 * i) for i in range(1, 6)] == [None] * 5


@pytest.mark.parametrize(("interval_ns", "burst"), [(0, 8), (1, 0)])
def test_an_impossible_rate_limit_is_refused(interval_ns: int, burst: int) -> None:
    """A limit needs an interval and room for one."""
    with pytest.raises(ValueError, match="rate limit"):
        RateLimitingServer(interval_ns, burst=burst)


def test_a_silent_server_is_silent() -> None:
    """It answers nothing."""
    reply = SilentServer().reply(REQUEST, receive_utc_ns=0, transmit_utc_ns=0)

    assert reply is None


@pytest.mark.parametrize(
    "server", [DenyingServer(), RateLimitingServer(NS_PER_S), SilentServer()]
)
def test_what_is_no_request_is_not_even_refused(
    server: DenyingServer | RateLimitingServer | SilentServer,
) -> None:
    """A kiss for anything else would make the server a reflector."""
    for request in (b"", REQUEST[:47], b"\0" * 48):
        reply = server.reply(request, receive_utc_ns=0, transmit_utc_ns=0)
        assert reply is None

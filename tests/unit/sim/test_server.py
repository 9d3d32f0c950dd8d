"""The imagined servers: what each kind answers, and what none ever answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.errors import RemoteProtocolError
from chronotick.core.status import Leap
from chronotick.core.units import NS_PER_S
from chronotick.ntp.packet import Mode, Packet, client_request, decode, encode
from chronotick.ntp.timestamp import NtpTimestamp
from chronotick.sim.refusal import DenyingServer, RateLimitingServer, SilentServer
from chronotick.sim.server import (
    HonestServer,
    LeapingServer,
    LeapSecondAt,
    LyingServer,
    NtpResponder,
    ServerClaims,
    SmearingServer,
    UnsynchronizedServer,
)

NOW_NS = 1_800_000_000 * NS_PER_S
COOKIE = NtpTimestamp(0x0123456789ABCDEF)
REQUEST = encode(client_request(COOKIE))
KINDS: list[NtpResponder] = [
    HonestServer(),
    LyingServer(NS_PER_S),
    SmearingServer(begins_utc_ns=NOW_NS),
    LeapingServer(LeapSecondAt(utc_ns=NOW_NS, kind=Leap.INSERT, announced_ns=1)),
    UnsynchronizedServer(),
    RateLimitingServer(NS_PER_S),
    DenyingServer(),
    SilentServer(),
]


def ask(server: NtpResponder, at_ns: int = NOW_NS, request: bytes = REQUEST) -> Packet:
    """Return the answer to a request that arrives at `at_ns`, 50 µs later."""
    reply = server.reply(request, receive_utc_ns=at_ns, transmit_utc_ns=at_ns + 50_000)
    assert reply is not None
    return decode(reply)


def lead_ns(server: NtpResponder, at_ns: int) -> int:
    """Return how far ahead of UTC the server's receive stamp is at `at_ns`."""
    return ask(server, at_ns).receive.to_unix_ns() - at_ns


def test_an_honest_server_tells_the_time_and_its_claims() -> None:
    """Both instants, its stratum, root fields and precision arrive as given."""
    claims = ServerClaims(
        stratum=2,
        root_delay_ns=3_000_000,
        root_dispersion_ns=1_000_000,
        precision=-20,
        reference_id=0xC0000201,
        leap=Leap.INSERT,
    )
    reply = ask(HonestServer(claims))

    assert reply.receive.to_unix_ns() == NOW_NS
    assert reply.transmit.to_unix_ns() == NOW_NS + 50_000
    assert reply.mode is Mode.SERVER
    assert reply.origin == COOKIE
    assert (reply.stratum, reply.precision, reply.leap) == (2, -20, Leap.INSERT)
    assert reply.reference_id == 0xC0000201
    assert 3_000_000 <= reply.root_delay.to_ns() < 3_020_000
    assert 1_000_000 <= reply.root_dispersion.to_ns() < 1_020_000
    assert reply.reference.to_unix_ns() <= NOW_NS


@given(st.binary(max_size=200))
def test_any_bytes_are_answered_by_at_most_as_many(request: bytes) -> None:
    """No server raises, and none amplifies."""
    for server in KINDS:
        reply = server.reply(request, receive_utc_ns=NOW_NS, transmit_utc_ns=NOW_NS)
        assert reply is None or len(reply) <= len(request)


@given(st.integers(0, 7), st.sampled_from(Mode))
def test_only_clients_of_known_versions_are_answered(version: int, mode: Mode) -> None:
    """Mode 3 and version 3 or 4, or nothing: no reflection, no loops."""
    request = encode(replace(client_request(COOKIE), version=version, mode=mode))
    reply = HonestServer().reply(request, receive_utc_ns=0, transmit_utc_ns=0)

    answers = mode is Mode.CLIENT and version in (3, 4)
    assert (reply is not None) == answers
    if reply is not None:
        assert decode(reply).version == version


@given(st.integers(1, 2**64 - 1))
def test_every_kind_echoes_the_cookie(bits: int) -> None:
    """The client's only proof comes back bit by bit, kisses included."""
    request = encode(client_request(NtpTimestamp(bits)))
    for server in KINDS[:-1]:
        assert ask(server, request=request).origin.bits == bits


def test_a_liar_lies_only_while_its_lie_lasts() -> None:
    """From, growth and end are honored; the claims stay those of an honest one."""
    liar = LyingServer(
        1000,
        drift_ppb=100.0,
        from_utc_ns=NOW_NS,
        until_utc_ns=NOW_NS + 100 * NS_PER_S,
    )

    assert lead_ns(liar, NOW_NS - 1) == 0
    assert lead_ns(liar, NOW_NS) == 1000
    assert lead_ns(liar, NOW_NS + 10 * NS_PER_S) == 2000
    assert lead_ns(liar, NOW_NS + 100 * NS_PER_S) == 0
    assert ask(liar).leap is Leap.NONE


def test_a_liar_of_all_times_needs_no_instant() -> None:
    """Without a beginning the lie has always been told."""
    assert lead_ns(LyingServer(-NS_PER_S), NOW_NS) == -NS_PER_S
    with pytest.raises(ValueError, match="begins"):
        LyingServer(0, drift_ppb=1.0)


def test_a_smear_is_a_ramp_between_two_truths() -> None:
    """Nothing before, half in the middle, the whole leap after; no announcement."""
    smear = SmearingServer(begins_utc_ns=NOW_NS, lasts_ns=1000 * NS_PER_S)

    assert lead_ns(smear, NOW_NS - NS_PER_S) == 0
    assert lead_ns(smear, NOW_NS + 500 * NS_PER_S) == -NS_PER_S // 2
    assert lead_ns(smear, NOW_NS + 5000 * NS_PER_S) == -NS_PER_S
    assert ask(smear).leap is Leap.NONE
    with pytest.raises(ValueError, match="takes time"):
        SmearingServer(begins_utc_ns=0, lasts_ns=0)


@pytest.mark.parametrize(
    ("kind", "first_s", "shift_ns"),
    [(Leap.INSERT, 0, -NS_PER_S), (Leap.DELETE, -1, NS_PER_S)],
)
def test_a_leap_second_is_announced_and_then_taken(
    kind: Leap, first_s: int, shift_ns: int
) -> None:
    """An inserted second repeats the last one of the day, a deleted one is that."""
    leap = LeapSecondAt(utc_ns=NOW_NS, kind=kind, announced_ns=3600 * NS_PER_S)
    server = LeapingServer(leap)
    first_ns = NOW_NS + first_s * NS_PER_S

    assert ask(server, NOW_NS - 3601 * NS_PER_S).leap is Leap.NONE
    assert ask(server, NOW_NS - 3600 * NS_PER_S).leap is kind
    assert ask(server, first_ns - 1).leap is kind
    assert abs(lead_ns(server, first_ns - 1)) <= 1
    assert abs(lead_ns(server, first_ns) - shift_ns) <= 1
    assert ask(server, first_ns).leap is Leap.NONE


def test_an_unsynchronized_server_says_so() -> None:
    """Leap 3 and stratum 16, and no kiss."""
    reply = ask(UnsynchronizedServer())

    assert (reply.leap, reply.stratum) == (Leap.UNSYNCHRONIZED, 16)
    assert reply.kiss_code is None


def test_every_reply_is_a_packet_that_a_client_can_read() -> None:
    """What the servers encode is what the codec decodes, field by field."""
    for server in KINDS[:-1]:
        try:
            ask(server)
        except RemoteProtocolError as error:
            pytest.fail(f"{type(server).__name__}: {error}")

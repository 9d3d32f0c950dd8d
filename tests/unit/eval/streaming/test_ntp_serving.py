"""What the NTP server claims covers the truth; what the relay returns reaches its owner."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronotick.core.reading import Interval
from chronotick.core.records import Endpoint
from chronotick.core.status import Leap, Reason, Source, Status
from chronotick.daemon.ntp_relay import Pending
from chronotick.daemon.ntp_server import RateLimit, Reading, Upstream, reply_to
from chronotick.ntp import Mode, NtpTimestamp, Packet, client_request, decode, encode

UTC_NS = 1_767_225_600_000_000_000
S = 1_000_000_000
COOKIE = NtpTimestamp(0x0123456789ABCDEF)
REQUEST = encode(client_request(COOKIE))
UPSTREAM = Upstream(1, 0x7F000001, 300_000, Leap.NONE, 2 * S)


def reading(
    earliest_ns: int,
    latest_ns: int,
    upstream: Upstream = UPSTREAM,
    raw_ns: int = 10_000,
) -> Reading:
    """Return our time as read at RAW `raw_ns`."""
    status = Status.SYNCHRONIZED
    interval = Interval(earliest_ns, latest_ns, status, Source.FUSION, Reason.NONE, 1.0)
    return Reading(interval, upstream, raw_ns, raw_ns + 200)


def answered(request: bytes, found: Reading | None, arrival_ns: int = 9_000) -> Packet:
    """Return the reply as a client decodes it."""
    reply = reply_to(request, arrival_ns, 100, found)
    assert reply is not None
    assert len(reply.payload) <= len(request)
    return decode(reply.payload)


@settings(deadline=None)
@given(
    ends_ns=st.tuples(st.integers(0, S), st.integers(0, S)),
    delay_ns=st.integers(0, 2 * S),
    age_ns=st.integers(0, S),
    rate_ppb=st.integers(-499_000, 499_000),
)
def test_the_claims_cover_the_truth(
    ends_ns: tuple[int, int], delay_ns: int, age_ns: int, rate_ppb: int
) -> None:
    """Both stamps are right to within root delay / 2 + root dispersion."""
    upstream = UPSTREAM._replace(delay_ns=delay_ns)
    found = reading(UTC_NS - ends_ns[0], UTC_NS + ends_ns[1], upstream, 10_000 + age_ns)
    packet = answered(REQUEST, found, 10_000)
    distance_ns = packet.root_delay.to_ns() / 2 + packet.root_dispersion.to_ns()
    arrival_ns = UTC_NS - age_ns - round(age_ns * rate_ppb / 1e9)

    assert abs(packet.transmit.to_unix_ns() - UTC_NS) <= distance_ns
    assert abs(packet.receive.to_unix_ns() - arrival_ns) <= distance_ns


def test_a_reply_is_one_stratum_below_and_returns_the_cookie() -> None:
    """As RFC 5905 has it, with the leap state passed on."""
    upstream = UPSTREAM._replace(leap=Leap.INSERT, stratum=3)
    packet = answered(REQUEST, reading(UTC_NS - 5, UTC_NS + 5, upstream))

    assert (packet.mode, packet.stratum, packet.leap) == (Mode.SERVER, 4, Leap.INSERT)
    assert packet.origin == COOKIE
    assert packet.reference_id == 0x7F000001
    assert packet.receive.to_unix_ns() <= packet.transmit.to_unix_ns()


@pytest.mark.parametrize(
    "found",
    [
        None,
        reading(UTC_NS, UTC_NS, UPSTREAM._replace(stratum=15)),
    ],
)
def test_without_time_it_says_so_and_tells_none(found: Reading | None) -> None:
    """Leap 3, stratum 16, no timestamp: nobody can take it for a time."""
    packet = answered(REQUEST, found)

    assert (packet.leap, packet.stratum) == (Leap.UNSYNCHRONIZED, 16)
    assert (packet.receive.bits, packet.transmit.bits) == (0, 0)


def test_a_bound_that_no_packet_can_say_is_no_time() -> None:
    """A root dispersion has 16 bits of seconds."""
    packet = answered(REQUEST, reading(UTC_NS - 10**15, UTC_NS + 10**15))

    assert packet.leap is Leap.UNSYNCHRONIZED


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_arbitrary_bytes_get_no_more_than_they_are(datagram: bytes) -> None:
    """Whatever comes, no reply is longer: of no use to amplify with."""
    reply = reply_to(datagram, 9_000, 0, reading(UTC_NS, UTC_NS))

    assert reply is None or len(reply.payload) <= len(datagram)


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.CLIENT])
def test_only_clients_are_answered(mode: Mode) -> None:
    """Control and private modes above all."""
    request = encode(replace(client_request(COOKIE), mode=mode))

    assert reply_to(request, 9_000, 0, reading(UTC_NS, UTC_NS)) is None


def test_a_client_gets_a_burst_and_then_a_trickle() -> None:
    """One address cannot have more; another is not touched by it."""
    limit = RateLimit(burst=3, per_s=0.5)
    assert [limit.allows("a", 0) for _ in range(5)] == [True] * 3 + [False] * 2
    assert limit.allows("b", 0)
    assert not limit.allows("a", S)
    assert limit.allows("a", 2 * S)
    assert not limit.allows("a", 2 * S)


def test_the_memory_of_clients_is_bounded() -> None:
    """The one unseen for longest is forgotten first."""
    limit = RateLimit(burst=1, per_s=0.001, clients=2)
    assert limit.allows("a", 0)
    assert limit.allows("b", 0)
    assert not limit.allows("a", 0)
    assert limit.allows("c", 0)
    assert not limit.allows("a", 0)
    assert limit.allows("b", 0)


# ── The relay ────────────────────────────────────────────────────────────────

ONE, OTHER = Endpoint("192.0.2.1", 1000), Endpoint("192.0.2.2", 2000)


def request(cookie: int) -> bytes:
    """Return a client's request."""
    return encode(client_request(NtpTimestamp(cookie)))


def reply(cookie: int) -> bytes:
    """Return the server's reply to it."""
    answer = reply_to(request(cookie), 9_000, 0, reading(UTC_NS, UTC_NS))
    assert answer is not None
    return answer.payload


def test_a_reply_goes_to_whose_cookie_it_returns() -> None:
    """Whatever the order in which replies come."""
    pending: Pending[Endpoint] = Pending()
    assert pending.request(request(1), ONE, 0)
    assert pending.request(request(2), OTHER, 0)

    assert pending.reply(reply(2), 1) == OTHER
    assert pending.reply(reply(1), 1) == ONE


def test_a_late_or_repeated_reply_reaches_nobody() -> None:
    """Once, and only for five seconds."""
    pending: Pending[Endpoint] = Pending()
    pending.request(request(1), ONE, 0)
    pending.request(request(2), ONE, 0)

    assert pending.reply(reply(1), 5 * S) == ONE
    assert pending.reply(reply(1), 5 * S) is None
    assert pending.reply(reply(2), 5 * S + 1) is None
    assert pending.reply(reply(3), 1) is None
    assert pending.counts["late_or_unasked"] == 3


def test_a_cookie_in_use_by_another_client_is_not_forwarded() -> None:
    """Nobody could tell whose the reply is; a client's own repetition is fine."""
    pending: Pending[Endpoint] = Pending()

    assert pending.request(request(1), ONE, 0)
    assert not pending.request(request(1), OTHER, 0)
    assert pending.request(request(1), ONE, 0)
    assert pending.reply(reply(1), 1) == ONE
    assert pending.request(request(1), OTHER, 2)


@pytest.mark.parametrize(
    "datagram",
    [b"", b"x" * 47, reply(1), request(0)],
    ids=["empty", "short", "reply", "0"],
)
def test_only_requests_with_a_cookie_are_forwarded(datagram: bytes) -> None:
    """The rest never reaches the server."""
    assert not Pending[Endpoint]().request(datagram, ONE, 0)


def test_the_table_is_bounded_and_empties_itself() -> None:
    """A flood cannot fill the memory; old requests make room."""
    pending: Pending[Endpoint] = Pending()
    for cookie in range(1, 4097):
        assert pending.request(request(cookie), ONE, 0)
    assert not pending.request(request(9999), ONE, 5 * S)
    assert pending.request(request(9999), ONE, 5 * S + 1)
    assert pending.counts["expired"] == 4096


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_arbitrary_bytes_from_the_server_reach_nobody(datagram: bytes) -> None:
    """Unless they return a cookie, which chance does not find."""
    pending: Pending[Endpoint] = Pending()
    pending.request(request(2**63 + 1), ONE, 0)

    assert pending.reply(datagram, 1) is None

"""What our server claims covers the truth; who is answered, and how that is counted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chrono_daemon import SimClock, Supervisor, open_channel
from chronotick.core.errors import ConfigError
from chronotick.core.reading import Interval
from chronotick.core.records import Datagram, Endpoint
from chronotick.core.status import Leap, Reason, Source, Status
from chronotick.core.units import NS_PER_S, PPB, PPB_PER_PPM
from chronotick.daemon import ntp_server
from chronotick.daemon.config_file import parse_config
from chronotick.daemon.ntp_server import (
    NtpServer,
    RateLimit,
    Reading,
    Upstream,
    reply_to,
)
from chronotick.ntp import Mode, NtpTimestamp, Packet, client_request, decode, encode
from unit.daemon.network import SimMeasuredClock

if TYPE_CHECKING:
    from chrono_daemon import Channel
    from chronotick.daemon.udp import UdpListener

_UTC_NS = 1_790_000_000 * NS_PER_S
_READ_RAW_NS = 10 * NS_PER_S
_COOKIE = NtpTimestamp(0x0123456789ABCDEF)
_REQUEST = encode(client_request(_COOKIE))
_UPSTREAM = Upstream(1, 0x7F000001, 300_000, Leap.NONE, 2 * NS_PER_S)
_WORST_PPM = 10_000


def _clock(ppm: int) -> str:
    return f"clock:\n  max_frequency_error: {ppm}ppm\n"


def _reading(upstream: Upstream, half_ns: int) -> Reading:
    interval = Interval(
        _UTC_NS - half_ns,
        _UTC_NS + half_ns,
        Status.SYNCHRONIZED,
        Source.CPU_MODEL,
        Reason.NONE,
        1.0,
    )
    return Reading(interval, upstream, _READ_RAW_NS, _READ_RAW_NS + 200)


def _reading_of(
    earliest_ns: int,
    latest_ns: int,
    upstream: Upstream = _UPSTREAM,
    raw_ns: int = 10_000,
) -> Reading:
    """Return our time as read at RAW `raw_ns`."""
    status = Status.SYNCHRONIZED
    interval = Interval(earliest_ns, latest_ns, status, Source.FUSION, Reason.NONE, 1.0)
    return Reading(interval, upstream, raw_ns, raw_ns + 200)


def test_the_worst_rate_is_what_the_configuration_allows() -> None:
    """A served clock may have been configured to the end of the range, and no further."""
    parse_config(_clock(_WORST_PPM))
    with pytest.raises(ConfigError, match="max_frequency_error"):
        parse_config(_clock(_WORST_PPM + 1))

    assert ntp_server._MAX_RATE_PPB == _WORST_PPM * PPB_PER_PPM


@given(
    rate_ppb=st.integers(-_WORST_PPM * PPB_PER_PPM, _WORST_PPM * PPB_PER_PPM),
    age_ns=st.integers(0, NS_PER_S),
    half_ns=st.integers(0, NS_PER_S),
)
@example(9_000_000, 40_000_000, 1_000)
@example(-9_000_000, 40_000_000, 1_000)
@settings(deadline=None)
def test_a_receive_stamp_is_within_its_claim_at_any_rate(
    rate_ppb: int, age_ns: int, half_ns: int
) -> None:
    """However long the datagram waited until our time was read."""
    reading = _reading(Upstream(2, 0, 1_000, Leap.NONE, 0), half_ns)
    reply = reply_to(_REQUEST, _READ_RAW_NS - age_ns, 0, reading)
    assert reply is not None
    packet = decode(reply.payload)
    claim_ns = packet.root_delay.to_ns() / 2 + packet.root_dispersion.to_ns()
    for place_ns in (-half_ns, half_ns):
        arrival_ns = _UTC_NS + place_ns - age_ns - age_ns * rate_ppb // PPB

        assert abs(packet.receive.to_unix_ns() - arrival_ns) <= claim_ns


def answered(request: bytes, found: Reading | None, arrival_ns: int = 9_000) -> Packet:
    """Return the reply as a client decodes it."""
    reply = reply_to(request, arrival_ns, 100, found)
    assert reply is not None
    assert len(reply.payload) <= len(request)
    return decode(reply.payload)


@settings(deadline=None)
@given(
    ends_ns=st.tuples(st.integers(0, NS_PER_S), st.integers(0, NS_PER_S)),
    delay_ns=st.integers(0, 2 * NS_PER_S),
    age_ns=st.integers(0, NS_PER_S),
    rate_ppb=st.integers(-499_000, 499_000),
)
def test_the_claims_cover_the_truth(
    ends_ns: tuple[int, int], delay_ns: int, age_ns: int, rate_ppb: int
) -> None:
    """Both stamps are right to within root delay / 2 + root dispersion."""
    upstream = _UPSTREAM._replace(delay_ns=delay_ns)
    found = _reading_of(
        _UTC_NS - ends_ns[0], _UTC_NS + ends_ns[1], upstream, 10_000 + age_ns
    )
    packet = answered(_REQUEST, found, 10_000)
    distance_ns = packet.root_delay.to_ns() / 2 + packet.root_dispersion.to_ns()
    arrival_ns = _UTC_NS - age_ns - round(age_ns * rate_ppb / 1e9)

    assert abs(packet.transmit.to_unix_ns() - _UTC_NS) <= distance_ns
    assert abs(packet.receive.to_unix_ns() - arrival_ns) <= distance_ns


def test_a_reply_is_one_stratum_below_and_returns_the_cookie() -> None:
    """As RFC 5905 has it, with the leap state passed on."""
    upstream = _UPSTREAM._replace(leap=Leap.INSERT, stratum=3)
    packet = answered(_REQUEST, _reading_of(_UTC_NS - 5, _UTC_NS + 5, upstream))

    assert (packet.mode, packet.stratum, packet.leap) == (Mode.SERVER, 4, Leap.INSERT)
    assert packet.origin == _COOKIE
    assert packet.reference_id == 0x7F000001
    assert packet.receive.to_unix_ns() <= packet.transmit.to_unix_ns()


@pytest.mark.parametrize(
    "found",
    [
        None,
        _reading_of(_UTC_NS, _UTC_NS, _UPSTREAM._replace(stratum=15)),
    ],
)
def test_without_time_it_says_so_and_tells_none(found: Reading | None) -> None:
    """Leap 3, stratum 16, no timestamp: nobody can take it for a time."""
    packet = answered(_REQUEST, found)

    assert (packet.leap, packet.stratum) == (Leap.UNSYNCHRONIZED, 16)
    assert (packet.receive.bits, packet.transmit.bits) == (0, 0)


def test_a_bound_that_no_packet_can_say_is_no_time() -> None:
    """A root dispersion has 16 bits of seconds."""
    packet = answered(_REQUEST, _reading_of(_UTC_NS - 10**15, _UTC_NS + 10**15))

    assert packet.leap is Leap.UNSYNCHRONIZED


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_arbitrary_bytes_get_no_more_than_they_are(datagram: bytes) -> None:
    """Whatever comes, no reply is longer: of no use to amplify with."""
    reply = reply_to(datagram, 9_000, 0, _reading_of(_UTC_NS, _UTC_NS))

    assert reply is None or len(reply.payload) <= len(datagram)


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.CLIENT])
def test_only_clients_are_answered(mode: Mode) -> None:
    """Control and private modes above all."""
    request = encode(replace(client_request(_COOKIE), mode=mode))

    assert reply_to(request, 9_000, 0, _reading_of(_UTC_NS, _UTC_NS)) is None


def test_a_client_gets_a_burst_and_then_a_trickle() -> None:
    """One address cannot have more; another is not touched by it."""
    limit = RateLimit(burst=3, per_s=0.5)
    assert [limit.allows("a", 0) for _ in range(5)] == [True] * 3 + [False] * 2
    assert limit.allows("b", 0)
    assert not limit.allows("a", NS_PER_S)
    assert limit.allows("a", 2 * NS_PER_S)
    assert not limit.allows("a", 2 * NS_PER_S)


def test_the_memory_of_clients_is_bounded() -> None:
    """The one unseen for longest is forgotten first."""
    limit = RateLimit(burst=1, per_s=0.001, clients=2)
    assert limit.allows("a", 0)
    assert limit.allows("b", 0)
    assert not limit.allows("a", 0)
    assert limit.allows("c", 0)
    assert not limit.allows("a", 0)
    assert limit.allows("b", 0)


class _Port:
    """Where clients ask; what they are told goes nowhere."""

    def __init__(self) -> None:
        self.asked: Channel[Datagram] = open_channel(100)

    async def receive(self) -> Datagram:
        """Return what a client sent."""
        return await self.asked.recv.receive()

    def send(self, _payload: bytes, _to: Endpoint, _source: str | None) -> bool:
        """Lose it."""
        return True

    def close(self) -> None:
        """Do nothing."""


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("reading", "what"),
    [
        (_reading(Upstream(2, 0, 1_000, Leap.NONE, 0), 5), "served"),
        (None, "unsynchronized"),
        (_reading(Upstream(15, 0, 1_000, Leap.NONE, 0), 5), "unsynchronized"),
        (_reading(Upstream(2, 0, 1_000, Leap.NONE, 0), 10**15), "unsynchronized"),
    ],
    ids=["time", "none", "last stratum", "no bound that fits"],
)
async def test_only_who_was_told_a_time_was_served(
    reading: Reading | None, what: str
) -> None:
    """A reply that tells none is no service, for whatever reason it tells none."""
    clock, port = SimClock(), _Port()
    server = NtpServer(
        cast("UdpListener", port), SimMeasuredClock(clock), lambda: reading, RateLimit()
    )
    client = Endpoint("192.0.2.100", 4000)
    datagram = Datagram(
        payload=_REQUEST, origin=client, raw_ns=_READ_RAW_NS, kernel_stamp=True
    )
    async with Supervisor(clock=clock) as supervisor:
        supervisor.spawn(server.run)
        await port.asked.send.send(datagram)
        await clock.advance(1.0)
        await supervisor.stop(grace=0)

    assert server.counts == {what: 1}

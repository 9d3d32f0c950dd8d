"""What our server claims of a receive stamp, and what it says that it has done."""

from __future__ import annotations

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
from chronotick.ntp import NtpTimestamp, client_request, decode, encode
from unit.daemon.network import SimMeasuredClock

if TYPE_CHECKING:
    from chrono_daemon import Channel
    from chronotick.daemon.udp import UdpListener

_UTC_NS = 1_790_000_000 * NS_PER_S
_READ_RAW_NS = 10 * NS_PER_S
_REQUEST = encode(client_request(NtpTimestamp(7)))
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

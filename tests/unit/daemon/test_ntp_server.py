"""What our server claims of a receive stamp, on any oscillator that can be configured."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chronotick.core.errors import ConfigError
from chronotick.core.reading import Interval
from chronotick.core.status import Leap, Reason, Source, Status
from chronotick.core.units import NS_PER_S, PPB, PPB_PER_PPM
from chronotick.daemon import ntp_server
from chronotick.daemon.config_file import parse_config
from chronotick.daemon.ntp_server import Reading, Upstream, reply_to
from chronotick.ntp import NtpTimestamp, client_request, decode, encode

_UTC_NS = 1_790_000_000 * NS_PER_S
_READ_RAW_NS = 10 * NS_PER_S
_REQUEST = encode(client_request(NtpTimestamp(7)))
_WORST_PPM = 10_000


def _clock(ppm: int) -> str:
    return f"clock:\n  max_frequency_error: {ppm}ppm\n"


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
    interval = Interval(
        _UTC_NS - half_ns,
        _UTC_NS + half_ns,
        Status.SYNCHRONIZED,
        Source.CPU_MODEL,
        Reason.NONE,
        1.0,
    )
    upstream = Upstream(2, 0, 1_000, Leap.NONE, 0)
    reading = Reading(interval, upstream, _READ_RAW_NS, _READ_RAW_NS + 200)
    reply = reply_to(_REQUEST, _READ_RAW_NS - age_ns, 0, reading)
    assert reply is not None
    packet = decode(reply)
    claim_ns = packet.root_delay.to_ns() / 2 + packet.root_dispersion.to_ns()
    for place_ns in (-half_ns, half_ns):
        arrival_ns = _UTC_NS + place_ns - age_ns - age_ns * rate_ppb // PPB

        assert abs(packet.receive.to_unix_ns() - arrival_ns) <= claim_ns

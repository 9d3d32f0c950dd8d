"""Packets of other implementations, and of the RFC's figures, mean what they meant."""

from __future__ import annotations

import pytest

from chronotick.core.status import Leap
from chronotick.core.units import NS_PER_S
from chronotick.ntp.actions import Drop, DropReason, Emit, Kiss, KissCode
from chronotick.ntp.exchange import Association
from chronotick.ntp.packet import (
    ExtensionField,
    Mode,
    Packet,
    client_request,
    decode,
    encode,
)
from chronotick.ntp.timestamp import NtpShort, NtpTimestamp
from unit.ntp.replies import COOKIE, SENT_RAW_NS, SERVER, VECTORS, datagram, vector

FIGURE_8 = Packet(
    leap=Leap.INSERT,
    version=4,
    mode=Mode.SERVER,
    stratum=2,
    poll=6,
    precision=-20,
    root_delay=NtpShort(0x18000),
    root_dispersion=NtpShort(0x2000),
    reference_id=int.from_bytes(b"GPS\0", "big"),
    reference=NtpTimestamp(0xEC00_0000_0000_0001),
    origin=NtpTimestamp(0x0102_0304_0506_0708),
    receive=NtpTimestamp(0xEC00_0001_4000_0000),
    transmit=NtpTimestamp(0xEC00_0001_C000_0000),
)


@pytest.mark.parametrize("name", sorted(path.stem for path in VECTORS.glob("*.hex")))
def test_every_vector_comes_back(name: str) -> None:
    """Decoding and encoding a kept packet gives the same octets."""
    assert vector(name) == encode(decode(vector(name)))


def test_figure_8() -> None:
    """The packet written by hand decodes field by field, units included."""
    packet = decode(vector("figure-8"))

    assert packet == FIGURE_8
    assert packet.root_delay.to_ns() == NS_PER_S * 3 // 2
    assert packet.root_dispersion.to_ns() == NS_PER_S // 8
    assert packet.transmit - packet.receive == NS_PER_S // 2


def test_extensions_and_mac() -> None:
    """Both fields and the authenticator are kept as they came."""
    packet = decode(vector("extensions-mac"))

    assert packet.extensions == (
        ExtensionField(0x0104, b"\xaa" * 12),
        ExtensionField(0x0204, b"\xbb" * 24),
    )
    assert packet.mac == b"\x00\x00\x00\x2a" + b"\xcc" * 16


def test_request() -> None:
    """What we send is what was written by hand, and what chronyd answered."""
    assert vector("request") == encode(client_request(COOKIE))


@pytest.mark.parametrize(
    ("name", "version"), [("chronyd-reply", 4), ("chronyd-reply-v3", 3)]
)
def test_chronyd_reply(name: str, version: int) -> None:
    """An answer of chronyd 4.3 is read and gives a sample."""
    packet = decode(vector(name))

    assert (packet.version, packet.mode, packet.stratum) == (version, Mode.SERVER, 1)
    assert packet.reference_id.to_bytes(4, "big") == bytes([127, 127, 1, 1])
    assert packet.precision == -25
    assert packet.origin == COOKIE
    # date -d @1795267803 is the second at which it was captured.
    assert packet.transmit.to_unix_ns() // NS_PER_S == 1_795_267_803
    assert 0 < packet.transmit - packet.receive < 1_000_000
    assert isinstance(waiting().received(datagram(vector(name))), Emit)


def test_chronyd_unsynchronized() -> None:
    """A chronyd without time says so with stratum 0, which is no kiss."""
    outcome = waiting().received(datagram(vector("chronyd-unsynchronized")))

    assert isinstance(outcome, Drop)
    assert outcome.reason is DropReason.UNSYNCHRONIZED


def test_kiss_rate() -> None:
    """A kiss of death written by hand is obeyed."""
    outcome = waiting().received(datagram(vector("kiss-rate")))

    assert outcome == Kiss(code=KissCode.RATE)


def waiting() -> Association:
    """Return an association that waits for the answer to `COOKIE`."""
    association = Association("a")
    association.begin(SERVER, COOKIE)
    association.sent(SENT_RAW_NS)
    return association

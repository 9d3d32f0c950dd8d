"""The codec: bytes and records are the same thing, and garbage is only garbage."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.errors import LocalProtocolError, RemoteProtocolError
from chronotick.core.status import Leap
from chronotick.ntp.packet import (
    HEADER,
    HEADER_SIZE,
    ExtensionField,
    Mode,
    Packet,
    client_request,
    decode,
    encode,
)
from chronotick.ntp.timestamp import NtpShort, NtpTimestamp
from unit.ntp.replies import COOKIE, reply

octets = st.integers(0, 255)
signed_octets = st.integers(-128, 127)
shorts = st.integers(0, 2**32 - 1).map(NtpShort)
timestamps = st.integers(0, 2**64 - 1).map(NtpTimestamp)


def fields(min_words: int) -> st.SearchStrategy[ExtensionField]:
    """Extension fields of at least `min_words` words, header included."""
    bodies = st.integers(min_words - 1, 20).flatmap(
        lambda words: st.binary(min_size=4 * words, max_size=4 * words)
    )
    return st.builds(ExtensionField, st.integers(0, 0xFFFF), bodies)


def macs(*sizes: int) -> st.SearchStrategy[bytes]:
    """Authenticators of one of `sizes` octets."""
    return st.sampled_from(sizes).flatmap(
        lambda size: st.binary(min_size=size, max_size=size)
    )


@st.composite
def tails(draw: st.DrawFn, version: int) -> tuple[tuple[ExtensionField, ...], bytes]:
    """What may follow the header (RFC 7822 §3)."""
    if version != 4:
        return (), draw(macs(0, 4, 12, 20, 24, 68))
    mac = draw(macs(0, 4, 20, 24))
    extensions = draw(st.lists(fields(4), max_size=3))
    # A field is recognized by 28 octets being left: its own and the MAC after it.
    extensions += draw(st.lists(fields(7), min_size=bool(extensions), max_size=1))
    return tuple(extensions), mac


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    """Any packet that can be on the wire."""
    version = draw(st.integers(0, 7))
    extensions, mac = draw(tails(version))
    return Packet(
        leap=draw(st.sampled_from(Leap)),
        version=version,
        mode=draw(st.sampled_from(Mode)),
        stratum=draw(octets),
        poll=draw(signed_octets),
        precision=draw(signed_octets),
        root_delay=draw(shorts),
        root_dispersion=draw(shorts),
        reference_id=draw(st.integers(0, 2**32 - 1)),
        reference=draw(timestamps),
        origin=draw(timestamps),
        receive=draw(timestamps),
        transmit=draw(timestamps),
        extensions=extensions,
        mac=mac,
    )


@given(packet=packets())
def test_decoding_undoes_encoding(packet: Packet) -> None:
    """Every packet survives the wire."""
    assert packet == decode(encode(packet))


headers = st.binary(min_size=HEADER_SIZE, max_size=HEADER_SIZE)


@given(
    data=st.binary(max_size=200)
    | st.builds(lambda head, tail: head + tail, headers, st.binary(max_size=120))
)
def test_arbitrary_bytes_raise_the_remote_error_or_come_back(data: bytes) -> None:
    """Garbage is the peer's fault by type, and what decodes encodes to itself."""
    try:
        packet = decode(data)
    except RemoteProtocolError:
        return

    assert data == encode(packet)


def test_offsets_are_those_of_figure_8() -> None:
    """The table gives the offsets of RFC 5905 figure 8, and 48 octets in all."""
    expected = {
        "leap_version_mode": 0,
        "stratum": 1,
        "poll": 2,
        "precision": 3,
        "root_delay": 4,
        "root_dispersion": 8,
        "reference_id": 12,
        "reference": 16,
        "origin": 24,
        "receive": 32,
        "transmit": 40,
    }

    assert expected == {field.name: field.offset for field in HEADER}
    assert HEADER_SIZE == 48


@pytest.mark.parametrize("index", range(len(HEADER)))
def test_table_and_codec_agree(index: int) -> None:
    """A field's octets, set at the offset in the table, set that field and no other."""
    field = HEADER[index]
    size = struct.calcsize("!" + field.code)
    blank = bytes(HEADER_SIZE)
    marked = bytearray(blank)
    marked[field.offset : field.offset + size] = b"\x5a" * size

    before, after = decode(blank), decode(bytes(marked))

    if index == 0:
        assert after == replace(before, leap=Leap(1), version=3, mode=Mode(2))
        return
    assert getattr(before, field.name) != getattr(after, field.name)
    assert before == replace(after, **{field.name: getattr(before, field.name)})


def test_a_request_tells_nothing() -> None:
    """All but the cookie is constant: version 4, client mode, precision 32."""
    expected = bytes([0x23, 0, 0, 32]) + bytes(36) + COOKIE.bits.to_bytes(8, "big")

    assert expected == encode(client_request(COOKIE))


@pytest.mark.parametrize(
    ("tail", "complaint"),
    [
        (bytes(3), "no authenticator"),
        (bytes(16), "no authenticator"),
        (bytes(27), "no authenticator"),
        (b"\x01\x04\x00\x00" + bytes(24), "claims 0"),
        (b"\x01\x04\x00\x0c" + bytes(24), "claims 12"),
        (b"\x01\x04\x00\x1d" + bytes(28), "claims 29"),
        (b"\x01\x04\x00\x20" + bytes(24), "claims 32 of 28"),
        (b"\x01\x04\x00\x1c" + bytes(24) + bytes(12), "12 octets are no"),
    ],
)
def test_lengths_are_checked(tail: bytes, complaint: str) -> None:
    """Extension fields are 16 octets or more, whole words, inside the datagram."""
    with pytest.raises(RemoteProtocolError, match=complaint):
        decode(encode(reply()) + tail)


@pytest.mark.parametrize("size", [0, 47])
def test_too_short(size: int) -> None:
    """Less than a header is no packet."""
    with pytest.raises(RemoteProtocolError, match=f"got {size}"):
        decode(bytes(size))


def test_old_versions_have_no_extension_fields() -> None:
    """Up to version 3 the tail is an authenticator, whatever it looks like."""
    tail = b"\x01\x04\x00\x1c" + bytes(24)

    packet = decode(encode(reply(version=3)) + tail)

    assert ((), tail) == (packet.extensions, packet.mac)


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": 8},
        {"version": -1},
        {"stratum": 256},
        {"precision": -129},
        {"reference_id": 2**32},
        {"mac": bytes(7)},
        {"version": 3, "mac": bytes(72)},
        {"extensions": (ExtensionField(1, bytes(11)),)},
        {"extensions": (ExtensionField(0x10000, bytes(24)),)},
        # 16 octets are all that is left, so a receiver takes them for half a MAC.
        {"extensions": (ExtensionField(1, bytes(12)),)},
        # And 20 for a whole one.
        {"extensions": (ExtensionField(1, bytes(16)),)},
        {"version": 3, "extensions": (ExtensionField(1, bytes(24)),)},
    ],
)
def test_what_cannot_be_read_back_is_not_sent(wrong: dict[str, object]) -> None:
    """Out-of-range fields and ambiguous tails are our bug."""
    with pytest.raises(LocalProtocolError):
        encode(reply(**wrong))


@pytest.mark.parametrize(
    ("stratum", "reference_id", "code"),
    [
        (0, b"RATE", "RATE"),
        (0, b"X1\0\0", "X1"),
        (0, b"\0\0\0\0", None),
        (0, b"R\0TE", None),
        (0, b"\xff\xfe\0\0", None),
        (0, b"a b\0", None),
        (1, b"RATE", None),
    ],
)
def test_kiss_code(stratum: int, reference_id: bytes, code: str | None) -> None:
    """A kiss code is stratum 0 with a short ASCII word, padded with zeros."""
    packet = reply(stratum=stratum, reference_id=int.from_bytes(reference_id, "big"))

    assert code == packet.kiss_code

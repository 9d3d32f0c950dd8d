"""Translate NTP packets: bytes ↔ a frozen record, and nothing else.

It says whether the bytes *are* a packet; whether to believe it is for `exchange`. RFC
5905 §7.3 (header), §7.4 (kiss codes), RFC 7822 (extension fields). Extension fields and
authenticators are kept as they came, unread: the room for NTS (RFC 8915).
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import Final, NamedTuple

from chronotick.core.errors import LocalProtocolError, RemoteProtocolError
from chronotick.core.status import Leap
from chronotick.ntp.timestamp import NtpShort, NtpTimestamp

__all__ = [
    "HEADER",
    "HEADER_SIZE",
    "ExtensionField",
    "HeaderField",
    "Mode",
    "Packet",
    "client_request",
    "decode",
    "encode",
]


class HeaderField(NamedTuple):
    """One field of the fixed header: where it lies and how it is written."""

    name: str
    offset: int
    code: str
    """`struct` code, network byte order."""
    unit: str


HEADER: Final = (
    # RFC 5905 figure 8. The first octet packs leap (2 bits), version (3), mode (3).
    HeaderField("leap_version_mode", 0, "B", "bits 2:3:3"),
    HeaderField("stratum", 1, "B", "hops"),
    HeaderField("poll", 2, "b", "log2 s"),
    HeaderField("precision", 3, "b", "log2 s"),
    HeaderField("root_delay", 4, "I", "2^-16 s"),
    HeaderField("root_dispersion", 8, "I", "2^-16 s"),
    HeaderField("reference_id", 12, "I", "identifier"),
    HeaderField("reference", 16, "Q", "2^-32 s"),
    HeaderField("origin", 24, "Q", "2^-32 s"),
    HeaderField("receive", 32, "Q", "2^-32 s"),
    HeaderField("transmit", 40, "Q", "2^-32 s"),
)
"""The fixed header; a test proves the offsets against the codec."""

_HEADER_STRUCT: Final = struct.Struct("!" + "".join(field.code for field in HEADER))
_FIELD_STRUCT: Final = struct.Struct("!HH")
HEADER_SIZE: Final = _HEADER_STRUCT.size
"""48 octets."""

_NTPV4: Final = 4
_VERSIONS: Final = range(8)
_MIN_FIELD: Final = 16  # RFC 7822 §3: shortest extension field.
_MIN_LAST_FIELD: Final = 28  # RFC 7822 §3: shortest last one, when no MAC follows.
# RFC 7822 §3 and RFC 5905 §9.2: none; crypto-NAK; key id + 16 or 20 octets.
_V4_MACS: Final = (0, 4, 20, 24)
_MAX_LEGACY_MAC: Final = 68  # Key id + 64 octets of digest, as deployed before v4.


class Mode(enum.IntEnum):
    """Association modes (RFC 5905 figure 10)."""

    RESERVED = 0
    SYMMETRIC_ACTIVE = 1
    SYMMETRIC_PASSIVE = 2
    CLIENT = 3
    SERVER = 4
    BROADCAST = 5
    CONTROL = 6
    PRIVATE = 7


class ExtensionField(NamedTuple):
    """One extension field (RFC 5905 §7.5), padding included, not interpreted."""

    field_type: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One NTP packet as it is on the wire (RFC 5905 figure 8)."""

    leap: Leap
    version: int
    mode: Mode
    stratum: int
    poll: int
    """Exponent of two, seconds."""
    precision: int
    """Exponent of two, seconds."""
    root_delay: NtpShort
    root_dispersion: NtpShort
    reference_id: int
    reference: NtpTimestamp
    origin: NtpTimestamp
    receive: NtpTimestamp
    transmit: NtpTimestamp
    extensions: tuple[ExtensionField, ...] = ()
    mac: bytes = b""

    @property
    def kiss_code(self) -> str | None:
        """The kiss code: 1 to 4 ASCII letters or digits; None where it is none.

        A kiss has stratum 0 and a code in the reference id, left-justified and padded
        with zeros (RFC 5905 §7.4). Stratum 0 alone only says "invalid" (figure 11);
        chronyd sends it, with an id of zero, while it has no time.
        """
        if self.stratum != 0:
            return None
        code = self.reference_id.to_bytes(4, "big").rstrip(b"\0")
        return code.decode("ascii") if code.isalnum() else None


def client_request(cookie: NtpTimestamp) -> Packet:
    """Return a request that tells nothing about this host.

    The transmit timestamp is a random cookie that the server echoes as its origin; all
    else is constant (draft-ietf-ntp-data-minimization §3): no local time, no
    reference, no root fields, and the precision that other clients send too.
    """
    return Packet(
        leap=Leap.NONE,
        version=_NTPV4,
        mode=Mode.CLIENT,
        stratum=0,
        poll=0,
        precision=32,
        root_delay=NtpShort(0),
        root_dispersion=NtpShort(0),
        reference_id=0,
        reference=NtpTimestamp(0),
        origin=NtpTimestamp(0),
        receive=NtpTimestamp(0),
        transmit=cookie,
    )


def encode(packet: Packet) -> bytes:
    """Return the bytes of `packet`.

    Raises:
        LocalProtocolError: a field is out of range, or `decode` would not give the
            same extension fields and authenticator back.
    """
    if packet.version not in _VERSIONS:
        raise LocalProtocolError(f"the version has 3 bits, got {packet.version}")
    try:
        header = _HEADER_STRUCT.pack(
            packet.leap << 6 | packet.version << 3 | packet.mode,
            packet.stratum,
            packet.poll,
            packet.precision,
            packet.root_delay.bits,
            packet.root_dispersion.bits,
            packet.reference_id,
            packet.reference.bits,
            packet.origin.bits,
            packet.receive.bits,
            packet.transmit.bits,
        )
        fields = b"".join(
            _FIELD_STRUCT.pack(field.field_type, _FIELD_STRUCT.size + len(field.body))
            + field.body
            for field in packet.extensions
        )
    except struct.error as error:
        raise LocalProtocolError(f"a packet field is out of range: {error}") from None
    tail = fields + packet.mac
    try:
        parsed = _split_tail(packet.version, tail)
    except RemoteProtocolError as error:
        raise LocalProtocolError(f"cannot send this packet: {error}") from None
    if parsed != (packet.extensions, packet.mac):
        raise LocalProtocolError("extension fields and MAC would be read differently")
    return header + tail


def decode(data: bytes) -> Packet:
    """Return the packet that `data` is.

    Raises:
        RemoteProtocolError: too short, or a tail that is neither extension fields nor
            an authenticator. No other error, whatever the bytes.
    """
    if len(data) < HEADER_SIZE:
        raise RemoteProtocolError(
            f"a packet has at least {HEADER_SIZE} octets, got {len(data)}"
        )
    (
        first,
        stratum,
        poll,
        precision,
        root_delay,
        root_dispersion,
        reference_id,
        *timestamps,
    ) = _HEADER_STRUCT.unpack_from(data)
    version = first >> 3 & 7
    extensions, mac = _split_tail(version, data[HEADER_SIZE:])
    reference, origin, receive, transmit = map(NtpTimestamp, timestamps)
    return Packet(
        leap=Leap(first >> 6),
        version=version,
        mode=Mode(first & 7),
        stratum=stratum,
        poll=poll,
        precision=precision,
        root_delay=NtpShort(root_delay),
        root_dispersion=NtpShort(root_dispersion),
        reference_id=reference_id,
        reference=reference,
        origin=origin,
        receive=receive,
        transmit=transmit,
        extensions=extensions,
        mac=mac,
    )


def _split_tail(version: int, tail: bytes) -> tuple[tuple[ExtensionField, ...], bytes]:
    """Split what follows the header into extension fields and authenticator."""
    if version != _NTPV4:
        # Extension fields exist in version 4 only (RFC 5905 §7.5); before it, what
        # follows the header is the authenticator.
        if len(tail) > _MAX_LEGACY_MAC or len(tail) % 4:
            raise RemoteProtocolError(f"{len(tail)} octets are no authenticator")
        return (), tail
    fields: list[ExtensionField] = []
    # A field and an authenticator can't be told apart by content: RFC 7822 §3
    # decides by what is left. 28 octets or more begin with a field, less is the MAC.
    while len(tail) >= _MIN_LAST_FIELD:
        field_type, length = _FIELD_STRUCT.unpack_from(tail)
        if length < _MIN_FIELD or length % 4 or length > len(tail):
            raise RemoteProtocolError(
                f"an extension field claims {length} of {len(tail)} octets"
            )
        fields.append(ExtensionField(field_type, tail[_FIELD_STRUCT.size : length]))
        tail = tail[length:]
    if len(tail) not in _V4_MACS:
        raise RemoteProtocolError(f"{len(tail)} octets are no authenticator")
    return tuple(fields), tail

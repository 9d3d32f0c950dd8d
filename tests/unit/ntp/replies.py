"""Build requests, replies and samples for the tests of the `ntp` room."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from chronotick.core.records import Datagram, Endpoint, Sample
from chronotick.core.status import Leap
from chronotick.core.units import NS_PER_S
from chronotick.ntp.packet import Mode, Packet, encode
from chronotick.ntp.timestamp import NtpShort, NtpTimestamp

VECTORS = Path(__file__).parents[2] / "vectors" / "ntp"
SERVER = Endpoint("192.0.2.1", 123)
COOKIE = NtpTimestamp(0x0123_4567_89AB_CDEF)
UNIX_NS = 1_800_000_000 * NS_PER_S
SENT_RAW_NS = 5_000_000_000


def vector(name: str) -> bytes:
    """Return the payload kept in ``tests/vectors/ntp/NAME.hex``."""
    return bytes.fromhex((VECTORS / f"{name}.hex").read_text())


def reply(**changes: Any) -> Packet:
    """Return a good answer to a request with `COOKIE`, with fields replaced."""
    good = Packet(
        leap=Leap.NONE,
        version=4,
        mode=Mode.SERVER,
        stratum=1,
        poll=6,
        precision=-25,
        root_delay=NtpShort(0),
        root_dispersion=NtpShort(16),
        reference_id=int.from_bytes(b"PPS\0", "big"),
        reference=NtpTimestamp.from_unix_ns(UNIX_NS - NS_PER_S),
        origin=COOKIE,
        receive=NtpTimestamp.from_unix_ns(UNIX_NS),
        transmit=NtpTimestamp.from_unix_ns(UNIX_NS + 50_000),
    )
    return replace(good, **changes)


def datagram(content: Packet | bytes, **changes: Any) -> Datagram:
    """Return `content` as it arrives from `SERVER` 1 ms after `SENT_RAW_NS`."""
    payload = content if isinstance(content, bytes) else encode(content)
    arrived = Datagram(
        payload=payload,
        origin=SERVER,
        raw_ns=SENT_RAW_NS + 1_000_000,
        kernel_stamp=True,
        stamp_error_ns=100,
    )
    return replace(arrived, **changes)


def sample(raw_s: float = 0.0, **changes: Any) -> Sample:
    """Return a sample taken at `raw_s`, with fields replaced."""
    taken = Sample(
        server="a",
        raw_ns=round(raw_s * NS_PER_S),
        offset_ns=UNIX_NS,
        delay_ns=1_000_000,
        root_delay_ns=0,
        root_dispersion_ns=0,
        precision_ns=100,
        stratum=1,
    )
    return replace(taken, **changes)

"""The one table of the segment's bytes; decides what lies where, and nothing more.

Everything else is generated from this table or checked against it: the Python codec,
the C header, the ABI page (docs/reference/shm-protocol.md) and the golden image in
tests/vectors/shm. Offsets never change within a layout version. Little-endian; every
8-byte field lies on a multiple of 8, except in the packed compatibility record.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

__all__ = [
    "COMPATIBILITY",
    "COMPATIBILITY_AT",
    "COMPATIBILITY_SIZE",
    "HEADER",
    "HEADER_AT",
    "HEADER_SIZE",
    "LIMITS",
    "MAGIC",
    "PUBLICATION",
    "RING",
    "RING_AT",
    "RING_ENTRIES",
    "RING_ENTRIES_AT",
    "RING_ENTRY",
    "RING_ENTRY_SIZE",
    "RING_SIZE",
    "SECTIONS",
    "SEGMENT_SIZE",
    "SEQUENCE_AT",
    "SEQUENCE_SIZE",
    "SLOT",
    "SLOT_AT",
    "SLOT_SIZE",
    "VERSION",
    "VERSION_MIN",
    "Field",
    "State",
    "codec",
]

MAGIC = int.from_bytes(b"CHRONOTK", "little")
"""The first eight bytes of the header."""
VERSION = 1
"""Layout that this code writes."""
VERSION_MIN = 1
"""Oldest layout whose readers understand what this code writes."""

SEGMENT_SIZE = 4096
COMPATIBILITY_AT, COMPATIBILITY_SIZE = 0, 128
HEADER_AT, HEADER_SIZE = 128, 64
SEQUENCE_AT, SEQUENCE_SIZE = 192, 64
SLOT_AT, SLOT_SIZE = 256, 128
RING_AT, RING_SIZE = 512, 64
RING_ENTRIES_AT, RING_ENTRY_SIZE, RING_ENTRIES = 576, 80, 44


class State:
    """Values of the header's `state`."""

    BLANK = 0
    """Being made; not yet at its path."""
    LIVE = 1
    RETIRED = 2
    """Another file has taken its path: open the path again."""


_FORMATS = {
    "u8": "B",
    "u16": "H",
    "i16": "h",
    "u32": "I",
    "u64": "Q",
    "i64": "q",
    "f32": "f",
    "f64": "d",
    "16 B": "16s",
}


class Field(NamedTuple):
    """One row of the table. `offset` counts from the start of its section."""

    name: str
    offset: int
    kind: str
    unit: str
    meaning: str

    @property
    def size(self) -> int:
        """Bytes taken."""
        return struct.calcsize("<" + self.format)

    @property
    def format(self) -> str:
        """The code of `struct` for this type."""
        return _FORMATS[self.kind]


COMPATIBILITY = (
    Field("corrected_timestamp", 0, "f64", "s", "UTC at the publication"),
    Field("system_timestamp", 8, "f64", "s", "CLOCK_REALTIME at the publication"),
    Field("offset_correction", 16, "f64", "s", "UTC - CLOCK_REALTIME"),
    Field("drift_rate", 24, "f64", "s/s", "rate of offset_correction"),
    Field("offset_uncertainty", 32, "f64", "s", "standard deviation"),
    Field("drift_uncertainty", 40, "f64", "s/s", "standard deviation"),
    Field("prediction_time", 48, "f64", "s", "CLOCK_REALTIME where both apply"),
    Field("valid_until", 56, "f64", "s", "CLOCK_REALTIME of expiry"),
    Field("confidence", 64, "f32", "1", "share of servers that agree, 0..1"),
    Field("sequence_number", 68, "u32", "1", "odd while the record is written"),
    Field("flags", 72, "u32", "bits", "VALID 1, NTP_READY 2, MODELS_READY 4, ..."),
    Field("source", 76, "u32", "enum", "NO_DATA 0, NTP 1, CPU_MODEL 2, ..."),
    Field("measurement_count", 80, "u32", "1", "measurements used, modulo 2**32"),
    Field("last_ntp_sync", 84, "f64", "s", "CLOCK_REALTIME of the newest one"),
    Field("daemon_uptime", 92, "f64", "s", "at the publication"),
    Field("total_corrections", 100, "u32", "1", "corrections made, modulo 2**32"),
    Field("reserved", 104, "u32", "", "0"),
    Field("average_latency_ms", 108, "f32", "ms", "round trip to the server in use"),
    Field("reserved_tail", 112, "16 B", "", "0"),
)
"""The 128-byte record of the original design, packed: 84 and 92 are not aligned."""

HEADER = (
    Field("magic", 0, "u64", "", "the bytes CHRONOTK"),
    Field("version", 8, "u16", "1", "layout that was written"),
    Field("version_min", 10, "u16", "1", "oldest layout a reader of which may go on"),
    Field("total_size", 12, "u32", "B", "4096"),
    Field("boot_id", 16, "16 B", "", "of the kernel; all zero where there is none"),
    Field("start_id", 32, "u64", "", "random, one per start of a daemon"),
    Field("writer_pid", 40, "u32", "", "in the daemon's own pid namespace"),
    Field("state", 44, "u32", "enum", "BLANK 0, LIVE 1, RETIRED 2"),
    Field("time_namespace", 48, "u64", "", "inode of the daemon's; 0 = not known"),
    Field("started_raw_ns", 56, "i64", "ns RAW", "when the daemon started"),
)
"""Who wrote this, and on which boot."""

PUBLICATION = (
    Field("sequence", 0, "u64", "1", "0 = nothing yet; slot `sequence & 1` is live"),
)
"""Alone on its cache line: readers poll it, the writer stores it once per frame."""

SLOT = (
    Field("anchor_raw_ns", 0, "i64", "ns RAW", "instant at which anchor_utc_ns holds"),
    Field("anchor_utc_ns", 8, "i64", "ns Unix", "UTC at the anchor"),
    Field("rate_fs_per_s", 16, "i64", "fs/s", "d(UTC - RAW)/dRAW; 1e6 = 1 ppb"),
    Field("bound_ns", 24, "u64", "ns", "hard half width at the anchor"),
    Field("bound_growth_ppb", 32, "u32", "ppb", "growth of bound_ns per unit of age"),
    Field("heartbeat_us", 36, "u32", "us", "longest regular gap between frames"),
    Field("as_of_raw_ns", 40, "i64", "ns RAW", "instant of the publication"),
    Field("void_after_raw_ns", 48, "i64", "ns RAW", "refuse from here on"),
    Field("as_of_realtime_ns", 56, "i64", "ns REALTIME", "read with as_of_raw_ns"),
    Field("suspend_ns", 64, "i64", "ns", "CLOCK_BOOTTIME - CLOCK_MONOTONIC then"),
    Field("variance_v0", 72, "f32", "ns2", "variance(t) = v0 + v1 t + v2 t2 + v3 t3"),
    Field("variance_v1", 76, "f32", "ns2/s", "t: age in s since the anchor"),
    Field("variance_v2", 80, "f32", "ns2/s2", ""),
    Field("variance_v3", 84, "f32", "ns2/s3", ""),
    Field("coverage_99", 88, "u16", "1/100", "sigmas that cover 99 %; 0 = unearned"),
    Field("coverage_999", 90, "u16", "1/100", "sigmas that cover 99.9 %; 0 = unearned"),
    Field("realtime_error_ns", 92, "u16", "ns", "of the pair; 65535 = no usable pair"),
    Field("tai_minus_utc_s", 94, "i16", "s", "-32768 = not known"),
    Field("status", 96, "u8", "enum", "UNKNOWN 0: the slot carries no time"),
    Field("source", 97, "u8", "enum", "as in the compatibility record"),
    Field("leap", 98, "u8", "enum", "RFC 5905 figure 9"),
    Field("smear", 99, "u8", "enum", "UNKNOWN 0, NONE 1, SMEARED 2"),
    Field("reasons", 100, "u16", "bits", "why the status is what it is"),
    Field("confidence", 102, "u8", "1/255", "share of servers that agree"),
    Field("slot_flags", 103, "u8", "bits", "1: disruption_marker is meant"),
    Field("measurement_count", 104, "u32", "1", "modulo 2**32"),
    Field("correction_count", 108, "u32", "1", "modulo 2**32"),
    Field("last_sync_age_ms", 112, "u32", "ms", "at as_of; 2**32-1 = longer, never"),
    Field("delay_ns", 116, "u32", "ns", "round trip to the server in use; saturates"),
    Field("disruption_marker", 120, "u64", "", "of vmclock, at the publication"),
)
"""One publication; two of these, 128 bytes apart."""

LIMITS = {
    "anchor_raw_ns": 1 << 59,
    "anchor_utc_ns": 3 << 61,
    "rate_fs_per_s": 1 << 46,
    "bound_ns": 1 << 59,
    "bound_growth_ppb": 1 << 28,
    "as_of_raw_ns": 1 << 59,
    "suspend_ns": 1 << 59,
}
"""What carries a time lies in [−limit, limit): 18 years of RAW, the year 2189, 7 %, 18
years, 27 %. Within them nothing that a reader computes passes 64 bits; beyond them lies
damage alone, which in C would wrap around to an interval as narrow as it is wrong."""

RING = (
    Field("count", 0, "u64", "1", "entries ever written; newest at (count-1) % 44"),
)
"""Head of the ring of recent corrections."""

RING_ENTRY = (
    Field("number", 0, "u64", "1", "count at its writing; 0 while it is written"),
    Field("anchor_raw_ns", 8, "i64", "ns RAW", "as in the slot"),
    Field("anchor_utc_ns", 16, "i64", "ns Unix", "as in the slot"),
    Field("rate_fs_per_s", 24, "i64", "fs/s", "as in the slot"),
    Field("bound_ns", 32, "u64", "ns", "as in the slot"),
    Field("bound_growth_ppb", 40, "u32", "ppb", "as in the slot"),
    Field("variance_v0", 44, "f32", "ns2", "as in the slot"),
    Field("as_of_raw_ns", 48, "i64", "ns RAW", "first publication of this correction"),
    Field("as_of_realtime_ns", 56, "i64", "ns REALTIME", "read with as_of_raw_ns"),
    Field("suspend_ns", 64, "i64", "ns", "as in the slot"),
    Field("realtime_error_ns", 72, "u16", "ns", "as in the slot"),
    Field("status", 74, "u8", "enum", "as in the slot"),
    Field("source", 75, "u8", "enum", "as in the slot"),
    Field("reasons", 76, "u16", "bits", "as in the slot"),
    Field("reserved", 78, "u16", "", "0"),
)
"""One past correction, written when the correction changed, not at heartbeats."""

SECTIONS = {
    "compatibility": (COMPATIBILITY, COMPATIBILITY_AT, COMPATIBILITY_SIZE),
    "header": (HEADER, HEADER_AT, HEADER_SIZE),
    "publication": (PUBLICATION, SEQUENCE_AT, SEQUENCE_SIZE),
    "slot": (SLOT, SLOT_AT, SLOT_SIZE),
    "ring": (RING, RING_AT, RING_SIZE),
    "ring_entry": (RING_ENTRY, RING_ENTRIES_AT, RING_ENTRY_SIZE),
}
"""Name → (rows, first byte, size); slots and ring entries repeat."""


def codec(fields: tuple[Field, ...], size: int) -> struct.Struct:
    """Return the packed little-endian codec of `fields`, padded to `size` bytes.

    Raises:
        ValueError: rows overlap, go backwards or pass `size`. The table proves its
            offsets at import, so a slip cannot reach a segment.
    """
    parts, end = ["<"], 0
    for field in fields:
        if field.offset < end:
            raise ValueError(f"{field.name} at {field.offset} overlaps byte {end - 1}")
        parts.append(f"{field.offset - end}x{field.format}")
        end = field.offset + field.size
    if end > size:
        raise ValueError(f"{fields[-1].name} ends at {end}, the section at {size}")
    parts.append(f"{size - end}x")
    return struct.Struct("".join(parts))

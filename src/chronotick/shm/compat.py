"""The 128-byte compatibility record: offsets from CLOCK_REALTIME in float seconds.

Decides how a correction of CLOCK_MONOTONIC_RAW is told in the terms of the original
design, for readers written against that document. Daemon and readers derive it from
the same slot with the same function, so the two cannot disagree. What is not known is
NaN there, with the VALID flag down: never a number.
"""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.status import Source, Status
from chronotick.core.units import NS_PER_S, SUSPEND_SLACK_NS
from chronotick.shm.layout import COMPATIBILITY, COMPATIBILITY_SIZE, codec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chronotick.shm.codec import PastCorrection, Snapshot

__all__ = [
    "CompatibilityRecord",
    "Flag",
    "choose_baseline",
    "decode_record",
    "derive_record",
    "encode_record",
    "flags_of",
]

_RECORD = codec(COMPATIBILITY, COMPATIBILITY_SIZE)
_NAN = math.nan

# Distance of two pairs of reads from which the system clock's rate is taken.
_BASELINE_NS = NS_PER_S
_SHORTEST_BASELINE_NS = NS_PER_S // 20
# The kernel's limit for slewing the system clock (adjtimex: 500 ppm); what moved
# faster was stepped.
_MAX_SLEW = 500e-6


class Flag(enum.IntFlag):
    """Bits of the record's `flags`."""

    VALID = 1
    NTP_READY = 2
    """At least one measurement was used."""
    MODELS_READY = 4
    """The correction comes from a model that learns, not from hold."""
    WARMUP_COMPLETE = 8


class CompatibilityRecord(NamedTuple):
    """The record's fields; see `chronotick.shm.layout.COMPATIBILITY` for units."""

    corrected_timestamp: float
    system_timestamp: float
    offset_correction: float
    drift_rate: float
    offset_uncertainty: float
    drift_uncertainty: float
    prediction_time: float
    valid_until: float
    confidence: float
    flags: Flag
    source: Source
    measurement_count: int
    last_ntp_sync: float
    daemon_uptime: float
    total_corrections: int
    average_latency_ms: float


def derive_record(
    snapshot: Snapshot, *, started_raw_ns: int, baseline: PastCorrection | None
) -> CompatibilityRecord:
    """Tell `snapshot` relative to CLOCK_REALTIME.

    Args:
        snapshot: What is published.
        started_raw_ns: RAW instant of the daemon's start.
        baseline: Tells where the system clock was some time ago (`choose_baseline`);
            without it that clock's rate is not known and the drift gets the kernel's
            largest slew as uncertainty.
    """
    system_s = snapshot.realtime_ns / NS_PER_S
    uptime_s = (snapshot.as_of_raw_ns - started_raw_ns) / NS_PER_S
    synced_raw_ns, last_sync_s = snapshot.last_sync_raw_ns, 0.0
    if synced_raw_ns is not None:
        last_sync_s = system_s - (snapshot.as_of_raw_ns - synced_raw_ns) / NS_PER_S
    flags = flags_of(snapshot)
    corrected_s = offset_s = sigma_s = drift = drift_sigma = _NAN
    valid_until_s = system_s
    if flags & Flag.VALID:
        corrected_s, offset_s, sigma_s = _offset(snapshot)
        drift, drift_sigma = _drift(snapshot, baseline)
        left_ns = snapshot.void_after_raw_ns - snapshot.as_of_raw_ns
        valid_until_s = system_s + max(left_ns, 0) / NS_PER_S
    return CompatibilityRecord(
        corrected_timestamp=corrected_s,
        system_timestamp=system_s,
        offset_correction=offset_s,
        drift_rate=drift,
        offset_uncertainty=sigma_s,
        drift_uncertainty=drift_sigma,
        prediction_time=system_s,
        valid_until=valid_until_s,
        confidence=snapshot.confidence,
        flags=flags,
        source=snapshot.source,
        measurement_count=snapshot.measurement_count,
        last_ntp_sync=last_sync_s,
        daemon_uptime=uptime_s,
        total_corrections=snapshot.correction_count,
        average_latency_ms=snapshot.delay_ns / 1e6,
    )


_READY = frozenset({Status.SYNCHRONIZED, Status.HOLDOVER})
_LEARNED = frozenset({Source.CPU_MODEL, Source.GPU_MODEL, Source.FUSION})
# All sixteen combinations, because combining flags by operators costs 1 us each.
_FLAGS = tuple(Flag(bits) for bits in range(16))


def flags_of(snapshot: Snapshot) -> Flag:
    """Return the record's flags. Valid needs a time and a system clock to hang it on."""
    status = snapshot.status
    told = status is not Status.UNKNOWN and snapshot.realtime_error_ns is not None
    return _FLAGS[
        told * Flag.VALID.value
        + (snapshot.measurement_count > 0) * Flag.NTP_READY.value
        + (snapshot.source in _LEARNED) * Flag.MODELS_READY.value
        + (status in _READY) * Flag.WARMUP_COMPLETE.value
    ]


def _offset(snapshot: Snapshot) -> tuple[float, float, float]:
    """Return UTC, its offset from the system clock, and the offset's sigma, in s."""
    age_ns = snapshot.as_of_raw_ns - snapshot.raw_ns
    utc_ns = snapshot.utc_ns + age_ns + round(age_ns * snapshot.rate_fs_per_s * 1e-15)
    # Subtracted as integers: as floats the difference would carry 240 ns of rounding.
    offset_s = (utc_ns - snapshot.realtime_ns) / NS_PER_S
    variance = max(snapshot.variance_at(age_ns / NS_PER_S), 0.0)
    pair_error_ns = snapshot.realtime_error_ns or 0
    sigma_s = math.sqrt(variance + pair_error_ns * pair_error_ns) / NS_PER_S
    return utc_ns / NS_PER_S, offset_s, sigma_s


def _drift(snapshot: Snapshot, baseline: PastCorrection | None) -> tuple[float, float]:
    """Return d(UTC − REALTIME)/dREALTIME and its sigma, both in s/s."""
    rate = snapshot.rate_fs_per_s * 1e-15
    rate_sigma = math.sqrt(max(snapshot.v2, 0.0)) / NS_PER_S
    if baseline is None:
        return rate, rate_sigma + _MAX_SLEW
    elapsed_ns = snapshot.as_of_raw_ns - baseline.as_of_raw_ns
    steered_ns = snapshot.realtime_ns - baseline.realtime_ns - elapsed_ns
    error_ns = (baseline.realtime_error_ns or 0) + (snapshot.realtime_error_ns or 0)
    return rate - steered_ns / elapsed_ns, rate_sigma + error_ns / elapsed_ns


def choose_baseline(
    snapshot: Snapshot, newest_first: Iterable[PastCorrection]
) -> PastCorrection | None:
    """Return the entry from which the system clock's present rate is best taken.

    The newest that is a second old, else the oldest. None where the clocks were
    stepped or the host slept in between, or where nothing is old enough.
    """
    chosen = None
    for past in newest_first:
        elapsed_ns = snapshot.as_of_raw_ns - past.as_of_raw_ns
        if elapsed_ns < _SHORTEST_BASELINE_NS or past.realtime_error_ns is None:
            continue
        if not _is_continuous(snapshot, past, elapsed_ns):
            break
        chosen = past
        if elapsed_ns >= _BASELINE_NS:
            break
    return chosen


def _is_continuous(snapshot: Snapshot, past: PastCorrection, elapsed_ns: int) -> bool:
    if abs(snapshot.suspend_ns - past.suspend_ns) > SUSPEND_SLACK_NS:
        return False
    moved_ns = snapshot.realtime_ns - past.realtime_ns - elapsed_ns
    error_ns = (past.realtime_error_ns or 0) + (snapshot.realtime_error_ns or 0)
    return abs(moved_ns) <= elapsed_ns * _MAX_SLEW + error_ns


def encode_record(record: CompatibilityRecord, sequence_number: int) -> bytes:
    """Return the record's 128 bytes with `sequence_number` (modulo 2**32) in them."""
    (*times, confidence, flags, source, measured, synced, uptime, corrections,
     latency_ms) = record  # fmt: skip
    return _RECORD.pack(
        *times,
        confidence,
        sequence_number & 0xFFFF_FFFF,
        flags,
        source,
        measured & 0xFFFF_FFFF,
        synced,
        uptime,
        corrections & 0xFFFF_FFFF,
        0,
        latency_ms,
        b"",
    )


def decode_record(data: bytes | memoryview) -> tuple[int, CompatibilityRecord]:
    """Return the sequence number and the record in the first 128 bytes of `data`.

    Raises:
        ValueError: the source has no meaning.
    """
    (*times, confidence, sequence_number, flags, source, measured, synced, uptime,
     corrections, _, latency_ms, _) = _RECORD.unpack_from(data)  # fmt: skip
    record = CompatibilityRecord._make(
        (
            *times,
            confidence,
            Flag(flags),
            Source(source),
            measured,
            synced,
            uptime,
            corrections,
            latency_ms,
        )
    )
    return sequence_number, record

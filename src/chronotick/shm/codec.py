"""Slots and ring entries as Python values; decides every rounding in the segment.

Rounding is one-sided: a bound, a growth or a variance may come out a unit too large,
never too small. What cannot be said in a field is said to be unknown, never clamped to
something plausible.
"""

from __future__ import annotations

import enum
import math
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from chronotick.core.status import Leap, Reason, Smear, Source, Status
from chronotick.shm.layout import (
    LIMITS,
    RING_ENTRY,
    RING_ENTRY_SIZE,
    SLOT,
    SLOT_SIZE,
    codec,
)

if TYPE_CHECKING:
    from chronotick.core.records import Frame

__all__ = [
    "PastCorrection",
    "Snapshot",
    "decode_entry",
    "decode_slot",
    "encode_entry",
    "encode_slot",
    "void_slot",
]

_SLOT = codec(SLOT, SLOT_SIZE)
_ENTRY = codec(RING_ENTRY, RING_ENTRY_SIZE)
_ENTRY_V0 = [field.name for field in RING_ENTRY].index("variance_v0")

_FS_PER_PPB = 1_000_000
_U16, _U32 = 0xFFFF, 0xFFFF_FFFF
_F32_MAX = 3.4028234663852886e38
_F32_TINY = 2.0**-126
"""Smallest f32 of full precision."""
_F32_UP = 2.0**-23
"""More than half a unit in the last place of any f32: adding it rounds up."""
_NO_PAIR = _U16
_NO_TAI = -0x8000
_NEVER = _U32
_HAS_MARKER = 1

# Status UNKNOWN (0) makes readers refuse; the other zeros are never looked at.
_VOID = tuple(
    {"tai_minus_utc_s": _NO_TAI, "realtime_error_ns": _NO_PAIR}.get(
        field.name, _NEVER if field.name == "last_sync_age_ms" else 0
    )
    for field in SLOT
)

# Tables, because calling an enum costs 0.4 us and a frame has five of them.
_STATUSES = {int(status): status for status in Status}
_SOURCES = {int(source): source for source in Source}
_LEAPS = {int(leap): leap for leap in Leap}
_SMEARS = {int(smear): smear for smear in Smear}


_OFFSETS = {field.name: field.offset for field in SLOT}
_AS_OF, _AS_OF_AT = struct.Struct("<q"), _OFFSETS["as_of_raw_ns"]
# CLOCK_REALTIME and the suspend count stand side by side.
_SYSTEM, _SYSTEM_AT = struct.Struct("<qq"), _OFFSETS["as_of_realtime_ns"]
_ERROR, _ERROR_AT = struct.Struct("<H"), _OFFSETS["realtime_error_ns"]
_SYNC_AGE, _SYNC_AGE_AT = struct.Struct("<I"), _OFFSETS["last_sync_age_ms"]


@lru_cache(maxsize=256)
def _reason(bits: int) -> Reason:
    return Reason(bits)


_new = tuple.__new__
_Named = TypeVar("_Named", bound=enum.IntEnum)


class Snapshot(NamedTuple):
    """One decoded slot: what the daemon published last. Times as in `core.units`.

    A NamedTuple, like `core.reading.Interval`, because it is built on the path of a
    reader whose price is the product's promise.
    """

    sequence: int
    raw_ns: int
    """The correction's anchor."""
    utc_ns: int
    rate_fs_per_s: int
    """d(UTC − RAW)/dRAW; 1e6 is 1 ppb."""
    bound_ns: int
    bound_growth_ppb: int
    heartbeat_ns: int
    as_of_raw_ns: int
    void_after_raw_ns: int
    realtime_ns: int
    """CLOCK_REALTIME at `as_of_raw_ns`, within `realtime_error_ns`."""
    suspend_ns: int
    v0: float
    v1: float
    v2: float
    v3: float
    coverage_99: float
    coverage_999: float
    realtime_error_ns: int | None
    """None where no usable pair of reads was had."""
    tai_minus_utc_s: int | None
    status: Status
    source: Source
    leap: Leap
    smear: Smear
    reasons: Reason
    confidence: float
    measurement_count: int
    correction_count: int
    last_sync_raw_ns: int | None
    """None where there was none, or none within 49 days. To the millisecond."""
    delay_ns: int
    disruption_marker: int | None

    @property
    def rate_ppb(self) -> float:
        """d(UTC − RAW)/dRAW in ppb."""
        return self.rate_fs_per_s / _FS_PER_PPB

    def variance_at(self, age_s: float) -> float:
        """Return the model's variance in ns² at `age_s`, as `core.records.Variance`."""
        t = max(age_s, 0.0)
        return self.v0 + t * (self.v1 + t * (self.v2 + t * self.v3))


class PastCorrection(NamedTuple):
    """One entry of the ring: a correction as it was first published."""

    number: int
    raw_ns: int
    utc_ns: int
    rate_fs_per_s: int
    bound_ns: int
    bound_growth_ppb: int
    v0: float
    as_of_raw_ns: int
    realtime_ns: int
    suspend_ns: int
    realtime_error_ns: int | None
    status: Status
    source: Source
    reasons: Reason


def encode_slot(frame: Frame) -> bytes:
    """Return the 128 bytes that say `frame`.

    Raises:
        ValueError: a field is not finite, negative where it cannot be, or too large.
    """
    correction, clocks = frame.correction, frame.clocks
    variance, marker = correction.variance, frame.disruption_marker
    try:
        rate = round(correction.rate_ppb * _FS_PER_PPB)
        if correction.status is not Status.UNKNOWN:
            _refuse_extremes(
                correction.raw_ns,
                correction.utc_ns,
                rate,
                correction.bound_ns,
                correction.bound_growth_ppb,
                clocks.raw_ns,
                clocks.suspend_ns,
            )
        return _SLOT.pack(
            correction.raw_ns,
            correction.utc_ns,
            rate,
            correction.bound_ns,
            correction.bound_growth_ppb,
            min(-(-frame.heartbeat_ns // 1000), _U32),
            clocks.raw_ns,
            frame.void_after_raw_ns,
            clocks.realtime_ns,
            clocks.suspend_ns,
            _f32_up(variance.v0),
            _f32_up(variance.v1),
            _f32_up(variance.v2),
            _f32_up(variance.v3),
            _coverage(correction.coverage_99),
            _coverage(correction.coverage_999),
            min(clocks.error_ns, _NO_PAIR),
            _NO_TAI if frame.tai_minus_utc_s is None else frame.tai_minus_utc_s,
            correction.status,
            correction.source,
            correction.leap,
            frame.smear,
            correction.reasons,
            min(max(round(correction.confidence * 255), 0), 255),
            0 if marker is None else _HAS_MARKER,
            correction.measurement_count & _U32,
            frame.correction_count & _U32,
            _sync_age_ms(frame),
            min(correction.delay_ns, _U32),
            marker or 0,
        )
    except (struct.error, OverflowError, ValueError) as exc:
        raise ValueError(f"a frame cannot be published: {exc}") from exc


def restamp_slot(slot: bytearray, frame: Frame) -> None:
    """Carry a packed slot on to a heartbeat: the same correction, clocks read again.

    Args:
        slot: What `encode_slot` gave for an earlier frame of this correction.
        frame: Differs from that one in the clocks alone.
    """
    clocks = frame.clocks
    try:
        _AS_OF.pack_into(slot, _AS_OF_AT, clocks.raw_ns)
        _SYSTEM.pack_into(slot, _SYSTEM_AT, clocks.realtime_ns, clocks.suspend_ns)
        _ERROR.pack_into(slot, _ERROR_AT, min(clocks.error_ns, _NO_PAIR))
        _SYNC_AGE.pack_into(slot, _SYNC_AGE_AT, _sync_age_ms(frame))
    except struct.error as exc:
        raise ValueError(f"a frame cannot be published: {exc}") from exc


def decode_slot(sequence: int, data: bytes | memoryview, offset: int = 0) -> Snapshot:
    """Return what the slot at `offset` says.

    Raises:
        ValueError: a field holds a value that no writer of this layout stores.
    """
    (raw_ns, utc_ns, rate, bound_ns, growth, heartbeat_us, as_of, void, realtime,
     suspend, v0, v1, v2, v3, c99, c999, pair_error, tai, status, source, leap, smear,
     reasons, confidence, flags, measured, corrected, sync_age_ms, delay,
     marker) = _SLOT.unpack_from(data, offset)  # fmt: skip
    if not math.isfinite(v0 + v1 + v2 + v3):
        raise ValueError("a variance that is not finite")
    if status:
        _refuse_extremes(raw_ns, utc_ns, rate, bound_ns, growth, as_of, suspend)
    return _new(
        Snapshot,
        (
            sequence,
            raw_ns,
            utc_ns,
            rate,
            bound_ns,
            growth,
            heartbeat_us * 1000,
            as_of,
            void,
            realtime,
            suspend,
            v0,
            v1,
            v2,
            v3,
            c99 / 100,
            c999 / 100,
            None if pair_error == _NO_PAIR else pair_error,
            None if tai == _NO_TAI else tai,
            _known(_STATUSES, status, "status"),
            _known(_SOURCES, source, "source"),
            _known(_LEAPS, leap, "leap"),
            _known(_SMEARS, smear, "smear"),
            _reason(reasons),
            confidence / 255,
            measured,
            corrected,
            None if sync_age_ms == _NEVER else as_of - sync_age_ms * 1_000_000,
            delay,
            marker if flags & _HAS_MARKER else None,
        ),
    )


def void_slot() -> bytes:
    """Return a slot that says that nothing is known: all zero, but for the unknowns."""
    return _SLOT.pack(*_VOID)


def encode_entry(number: int, snapshot: Snapshot) -> bytes:
    """Return the 80 bytes of a ring entry for what `snapshot` says."""
    error_ns = snapshot.realtime_error_ns
    return _ENTRY.pack(
        number,
        snapshot.raw_ns,
        snapshot.utc_ns,
        snapshot.rate_fs_per_s,
        snapshot.bound_ns,
        snapshot.bound_growth_ppb,
        snapshot.v0,
        snapshot.as_of_raw_ns,
        snapshot.realtime_ns,
        snapshot.suspend_ns,
        _NO_PAIR if error_ns is None else error_ns,
        snapshot.status,
        snapshot.source,
        snapshot.reasons,
        0,
    )


def decode_entry(data: bytes | memoryview, offset: int = 0) -> PastCorrection:
    """Return the ring entry at `offset`.

    Raises:
        ValueError: a field holds a value that no writer of this layout stores.
    """
    *numbers, error_ns, status, source, reasons, _ = _ENTRY.unpack_from(data, offset)
    if not math.isfinite(numbers[_ENTRY_V0]):
        raise ValueError("a variance that is not finite")
    return _new(
        PastCorrection,
        (
            *numbers,
            None if error_ns == _NO_PAIR else error_ns,
            _known(_STATUSES, status, "status"),
            _known(_SOURCES, source, "source"),
            _reason(reasons),
        ),
    )


def _known(table: dict[int, _Named], number: int, what: str) -> _Named:
    try:
        return table[number]
    except KeyError:
        raise ValueError(f"{what} {number} has no meaning") from None


def _refuse_extremes(*values: int) -> None:
    for (name, limit), value in zip(LIMITS.items(), values, strict=True):
        if not -limit <= value < limit:
            raise ValueError(f"{name} {value} is beyond {limit}")


def _f32_up(value: float) -> float:
    """Return a float that rounds to an f32 >= `value`."""
    if not math.isfinite(value):
        raise ValueError(f"variance coefficient {value} is not finite")
    raised = min(value + abs(value) * _F32_UP, _F32_MAX)
    if value > 0:
        return max(raised, _F32_TINY)
    # Among subnormals a share of the value is less than half a step.
    return raised if raised <= -_F32_TINY else 0.0


def _coverage(factor: float) -> int:
    """Return hundredths of sigma, rounded up; 0, unearned, for what does not fit."""
    if not factor >= 0:
        raise ValueError(f"coverage factor {factor} is not a number >= 0")
    hundredths = math.ceil(factor * 100) if factor < _U16 else _U16 + 1
    return hundredths if hundredths <= _U16 else 0


def _sync_age_ms(frame: Frame) -> int:
    correction = frame.correction
    if correction.measurement_count == 0:
        return _NEVER
    age_ns = max(frame.as_of_raw_ns - correction.last_sync_raw_ns, 0)
    return min(-(-age_ns // 1_000_000), _NEVER)

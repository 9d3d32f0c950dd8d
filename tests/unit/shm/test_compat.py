"""The compatibility record: signs, unknowns, and the system clock's own rate."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.records import Frame, Variance
from chronotick.core.status import Source, Status
from chronotick.core.units import NS_PER_S
from chronotick.shm.codec import (
    PastCorrection,
    Snapshot,
    decode_entry,
    decode_slot,
    encode_entry,
    encode_slot,
)
from chronotick.shm.compat import (
    CompatibilityRecord,
    Flag,
    choose_baseline,
    decode_record,
    derive_record,
    encode_record,
)
from unit.shm.frames import RAW_NS, frames, make_frame


def _snapshot(frame: Frame) -> Snapshot:
    return decode_slot(1, encode_slot(frame))


def _past(raw_ns: int, **changes: object) -> PastCorrection:
    snapshot = _snapshot(make_frame(raw_ns=raw_ns))
    return decode_entry(encode_entry(1, snapshot))._replace(**changes)  # type: ignore[arg-type]


def _derive(
    frame: Frame, baseline: PastCorrection | None = None
) -> CompatibilityRecord:
    return derive_record(
        _snapshot(frame), started_raw_ns=frame.started_raw_ns, baseline=baseline
    )


@given(frames(), st.integers(0, 2**40))
def test_the_bytes_say_what_the_record_says(frame: Frame, number: int) -> None:
    """Encoding and decoding changes nothing but the width of two floats."""
    record = _derive(frame)
    data = encode_record(record, number)
    got_number, got = decode_record(data)

    assert len(data) == 128
    assert got_number == number % 2**32
    for mine, theirs in zip(got, record, strict=True):
        if isinstance(theirs, float):
            assert mine == pytest.approx(theirs, rel=1e-6, nan_ok=True)
        else:
            assert mine == theirs


def test_the_offset_is_added_to_the_system_clock() -> None:
    """True − local: a system clock that is 1 us behind has a positive offset."""
    record = _derive(make_frame())

    assert record.offset_correction == pytest.approx(1e-6, abs=1e-12)
    assert record.corrected_timestamp >= record.system_timestamp


@pytest.mark.parametrize(
    "frame",
    [make_frame(status=Status.UNKNOWN), make_frame(realtime_error_ns=1_000_000)],
    ids=["no time", "no system clock"],
)
def test_what_is_not_known_is_no_number(frame: Frame) -> None:
    """NaN and a lowered flag, never zero: zero would read as a perfect clock."""
    record = _derive(frame)

    assert Flag.VALID not in record.flags
    assert math.isnan(record.corrected_timestamp)
    assert math.isnan(record.offset_correction)
    assert math.isnan(record.offset_uncertainty)
    assert math.isnan(record.drift_rate)
    assert record.valid_until == record.system_timestamp


@pytest.mark.parametrize(
    ("frame", "flags"),
    [
        (make_frame(), 15),
        (make_frame(source=Source.NTP), 1 | 2 | 8),
        (make_frame(source=Source.CPU_MODEL, status=Status.WARMUP), 1 | 2 | 4),
        (make_frame(status=Status.HOLDOVER), 15),
        (make_frame(measurement_count=0, status=Status.WARMUP), 1 | 4),
        (
            make_frame(
                status=Status.UNKNOWN, source=Source.NO_DATA, measurement_count=0
            ),
            0,
        ),
    ],
)
def test_flags_say_what_is_ready(frame: Frame, flags: int) -> None:
    """VALID 1, NTP_READY 2, MODELS_READY 4, WARMUP_COMPLETE 8."""
    assert _derive(frame).flags == flags


def test_without_a_baseline_the_drift_may_be_anything_the_kernel_does() -> None:
    """The system clock can be slewed by 500 ppm, and nothing says that it is not."""
    record = _derive(make_frame(rate_ppb=3_000.0))

    assert record.drift_rate == pytest.approx(3e-6)
    assert record.drift_uncertainty >= 500e-6


@given(st.floats(-400, 400), st.floats(-400, 400))
def test_with_a_baseline_the_drift_is_relative_to_the_steered_clock(
    rate_ppm: float, steered_ppm: float
) -> None:
    """What the system clock is steered by is not to be corrected again."""
    frame = make_frame(rate_ppb=rate_ppm * 1000)
    past = _past(RAW_NS - 10 * NS_PER_S)
    moved = past._replace(realtime_ns=past.realtime_ns - round(steered_ppm * 10_000))
    record = _derive(frame, moved)

    assert record.drift_rate == pytest.approx((rate_ppm - steered_ppm) * 1e-6, abs=1e-9)


def test_the_uncertainty_takes_in_the_reading_of_the_system_clock() -> None:
    """A pair read 3 us apart cannot give an offset to the nanosecond."""
    frame = make_frame(variance=Variance(16e6), realtime_error_ns=3_000)

    assert _derive(frame).offset_uncertainty == pytest.approx(5e-6, rel=1e-3)


def test_no_sync_is_told_as_zero() -> None:
    """A timestamp of 0 is not taken for a recent one."""
    record = _derive(make_frame(measurement_count=0))

    assert record.last_ntp_sync == 0.0


def test_the_baseline_is_the_newest_that_is_a_second_old() -> None:
    """Long enough for a rate, short enough to be the present one."""
    history = [_past(RAW_NS - age * NS_PER_S // 10) for age in (0, 3, 8, 11, 40)]
    chosen = choose_baseline(_snapshot(make_frame()), history)

    assert chosen is history[3]


def test_else_it_is_the_oldest() -> None:
    """A daemon that has just started takes what it has, from 50 ms on."""
    history = [_past(RAW_NS - age * 1_000_000) for age in (10, 100, 200)]
    snapshot = _snapshot(make_frame())

    assert choose_baseline(snapshot, history) is history[2]
    assert choose_baseline(snapshot, history[:1]) is None
    assert choose_baseline(snapshot, []) is None


@pytest.mark.parametrize(
    "change",
    [
        {"realtime_ns": 0},
        {"suspend_ns": -NS_PER_S},
        {"realtime_error_ns": None},
    ],
    ids=["stepped", "slept", "no pair"],
)
def test_a_baseline_across_a_discontinuity_is_none(change: dict[str, object]) -> None:
    """A step is not a rate."""
    past = _past(RAW_NS - 2 * NS_PER_S, **change)

    assert choose_baseline(_snapshot(make_frame()), [past]) is None

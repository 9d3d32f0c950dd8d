"""Slots and ring entries: what goes in comes out, rounded to the safe side."""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.client.view import half_width_ns, midpoint_ns
from chronotick.core.records import Frame, Variance
from chronotick.core.status import Status
from chronotick.shm.codec import (
    decode_entry,
    decode_slot,
    encode_entry,
    encode_slot,
    restamp_slot,
    void_slot,
)
from chronotick.shm.layout import LIMITS, RING_ENTRY_SIZE, SLOT, SLOT_SIZE
from unit.shm.frames import frames, make_frame

_AT = {field.name: field.offset for field in SLOT}


@given(frames())
def test_what_is_exact_in_the_layout_survives_exactly(frame: Frame) -> None:
    """Instants, bound, growth and enumerations come back as they went in."""
    got = decode_slot(1, encode_slot(frame))
    correction = frame.correction

    assert got.raw_ns == correction.raw_ns
    assert got.utc_ns == correction.utc_ns
    assert got.bound_ns == correction.bound_ns
    assert got.bound_growth_ppb == correction.bound_growth_ppb
    assert got.as_of_raw_ns == frame.as_of_raw_ns
    assert got.void_after_raw_ns == frame.void_after_raw_ns
    assert got.realtime_ns == frame.clocks.realtime_ns
    assert got.suspend_ns == frame.clocks.suspend_ns
    assert got.status is correction.status
    assert got.source is correction.source
    assert got.reasons == correction.reasons
    assert got.leap is correction.leap
    assert got.smear is frame.smear
    assert got.tai_minus_utc_s == frame.tai_minus_utc_s
    assert got.disruption_marker == frame.disruption_marker
    assert got.measurement_count == correction.measurement_count % 2**32
    assert got.correction_count == frame.correction_count % 2**32


@given(frames())
def test_what_is_rounded_is_rounded_to_the_safe_side(frame: Frame) -> None:
    """A variance or coverage is never smaller than it was, nor a heartbeat shorter."""
    got = decode_slot(1, encode_slot(frame))
    correction = frame.correction

    for mine, theirs in zip(
        (got.v0, got.v1, got.v2, got.v3), correction.variance, strict=True
    ):
        assert mine >= theirs
        assert mine - theirs <= abs(theirs) * 2.5e-7 + 2.0**-126
    assert abs(got.rate_ppb - correction.rate_ppb) <= 0.51e-6
    assert abs(got.confidence - correction.confidence) <= 0.5 / 255 + 1e-12
    for factor, given_factor in (
        (got.coverage_99, correction.coverage_99),
        (got.coverage_999, correction.coverage_999),
    ):
        assert factor == 0 or given_factor - 1e-9 <= factor <= given_factor + 0.0101
    capped_heartbeat = min(frame.heartbeat_ns, (2**32 - 1) * 1000)
    assert 0 <= got.heartbeat_ns - capped_heartbeat < 1000
    assert got.delay_ns == min(correction.delay_ns, 2**32 - 1)


@pytest.mark.parametrize("v3", [-2.8002420561732843e-43, -(2.0**-126), -1e-300])
def test_a_falling_variance_too_small_for_a_float_is_none(v3: float) -> None:
    """Between numbers that are few, rounding to the nearest may go either way."""
    frame = make_frame()
    small = replace(
        frame, correction=replace(frame.correction, variance=Variance(1.0, v3=v3))
    )
    assert decode_slot(1, encode_slot(small)).v3 >= v3


@given(frames())
def test_the_last_sync_is_told_to_the_millisecond_and_never_too_late(
    frame: Frame,
) -> None:
    """A reader may believe the last sync a millisecond older, never younger."""
    got = decode_slot(1, encode_slot(frame))
    correction = frame.correction

    if got.last_sync_raw_ns is None:
        age_ns = frame.as_of_raw_ns - correction.last_sync_raw_ns
        assert correction.measurement_count == 0 or age_ns > 4_294_967_294_000_000
    else:
        assert 0 <= correction.last_sync_raw_ns - got.last_sync_raw_ns < 1_000_000


@given(frames(), st.integers(-(2**50), 2**50))
def test_the_hard_bound_never_narrows_by_the_round_trip(
    frame: Frame, age_ns: int
) -> None:
    """The published line stays within a nanosecond of the given one, 11 days long."""
    got = decode_slot(1, encode_slot(frame))
    rate = Fraction(frame.correction.rate_ppb) / 10**9
    exact = age_ns * rate
    told = Fraction(age_ns * got.rate_fs_per_s, 10**15)

    assert abs(told - exact) <= 1
    assert got.bound_ns >= frame.correction.bound_ns
    assert got.bound_growth_ppb >= frame.correction.bound_growth_ppb


def test_a_coverage_that_does_not_fit_is_unearned() -> None:
    """A factor beyond the field is not clamped to a smaller one: that would lie."""
    got = decode_slot(1, encode_slot(make_frame(coverage_99=656.0, coverage_999=3.0)))

    assert got.coverage_99 == 0
    assert got.coverage_999 == 3.0


def test_a_realtime_pair_that_is_too_poor_is_no_pair() -> None:
    """An error that does not fit the field is told as unknown."""
    got = decode_slot(1, encode_slot(make_frame(realtime_error_ns=65_535)))

    assert got.realtime_error_ns is None


@pytest.mark.parametrize(
    "frame",
    [
        make_frame(rate_ppb=float("nan")),
        make_frame(rate_ppb=float("inf")),
        make_frame(variance=Variance(float("nan"))),
        make_frame(variance=Variance(1.0, float("inf"))),
        make_frame(coverage_99=float("nan")),
        make_frame(coverage_99=-1.0),
        make_frame(bound_ns=-1),
        make_frame(bound_ns=2**64),
        make_frame(utc_ns=2**63),
        make_frame(utc_ns=3 * 2**61),
        make_frame(bound_ns=2**59),
        make_frame(rate_ppb=80e6),
        make_frame(bound_growth_ppb=2**32),
        make_frame(confidence=float("nan")),
    ],
)
def test_a_frame_that_cannot_be_said_is_refused(frame: Frame) -> None:
    """A bug of the daemon's stops at the door with one kind of error."""
    with pytest.raises(ValueError, match="cannot be published"):
        encode_slot(frame)


@given(st.binary(min_size=SLOT_SIZE, max_size=SLOT_SIZE))
def test_arbitrary_bytes_decode_or_are_named_impossible(data: bytes) -> None:
    """Garbage in a slot raises ValueError and nothing else."""
    try:
        got = decode_slot(1, data)
    except ValueError:
        return
    assert got.status in Status


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("status", "status 9"),
        ("source", "source 9"),
        ("leap", "leap"),
        ("smear", "sme"),
    ],
)
def test_an_unknown_number_is_impossible(name: str, what: str) -> None:
    """A number without a meaning is not read as some other status."""
    data = bytearray(encode_slot(make_frame()))
    data[_AT[name]] = 9

    with pytest.raises(ValueError, match=what):
        decode_slot(1, bytes(data))


def test_a_variance_that_is_not_finite_is_impossible() -> None:
    """No writer stores one, so it is damage."""
    data = bytearray(encode_slot(make_frame()))
    struct.pack_into("<f", data, _AT["variance_v1"], float("inf"))

    with pytest.raises(ValueError, match="finite"):
        decode_slot(1, bytes(data))


_SIGNED = [name for name in LIMITS if not name.startswith("bound")]


@pytest.mark.parametrize(
    ("name", "sign"), [(name, 1) for name in LIMITS] + [(name, -1) for name in _SIGNED]
)
def test_what_is_beyond_a_limit_is_impossible(name: str, sign: int) -> None:
    """Sums of it would pass 64 bits: a plausible interval that means nothing."""
    kind = next(field.format for field in SLOT if field.name == name)
    limit = LIMITS[name]
    data = bytearray(encode_slot(make_frame()))
    last, beyond = (limit - 1, limit) if sign > 0 else (-limit, -limit - 1)
    struct.pack_into(f"<{kind}", data, _AT[name], last)
    decode_slot(1, bytes(data))
    struct.pack_into(f"<{kind}", data, _AT[name], beyond)

    with pytest.raises(ValueError, match="beyond"):
        decode_slot(1, bytes(data))
    data[_AT["status"]] = Status.UNKNOWN
    assert decode_slot(1, bytes(data)).status is Status.UNKNOWN


@given(frames())
def test_an_interval_of_what_can_be_published_fits_64_bits(frame: Frame) -> None:
    """In C, too, at whatever age: until it is void, or 18 years long."""
    snapshot = decode_slot(1, encode_slot(frame))
    if snapshot.status is Status.UNKNOWN:
        return
    for raw_ns in (snapshot.raw_ns, 2**59):
        half_ns = half_width_ns(snapshot, raw_ns)
        middle_ns = midpoint_ns(snapshot, raw_ns)

        assert -(2**63) <= middle_ns - half_ns <= middle_ns + half_ns < 2**63


def test_a_void_slot_says_that_nothing_is_known() -> None:
    """Readers refuse it, whatever else they look at."""
    got = decode_slot(3, void_slot())

    assert got.status is Status.UNKNOWN
    assert got.last_sync_raw_ns is None
    assert got.realtime_error_ns is None
    assert got.tai_minus_utc_s is None


@given(frames(), st.integers(1, 2**64 - 1))
def test_a_ring_entry_repeats_what_the_slot_says(frame: Frame, number: int) -> None:
    """Every field of a ring entry equals the slot's field of that name."""
    snapshot = decode_slot(1, encode_slot(frame))
    data = encode_entry(number, snapshot)
    got = decode_entry(data)

    assert len(data) == RING_ENTRY_SIZE
    assert got.number == number
    for name in got._fields[1:]:
        assert getattr(got, name) == getattr(snapshot, name), name


def test_no_measurement_means_no_last_sync() -> None:
    """The RAW instant 0 of a daemon without samples is not told as a sync."""
    frame = make_frame(measurement_count=0, last_sync_raw_ns=0)

    assert decode_slot(1, encode_slot(frame)).last_sync_raw_ns is None


@given(frame=frames(), later=frames())
def test_a_restamped_slot_is_the_slot_of_the_later_frame(
    frame: Frame, later: Frame
) -> None:
    """A heartbeat's bytes are what packing its whole frame would have given."""
    beat = replace(frame, clocks=later.clocks)
    slot = bytearray(encode_slot(frame))
    restamp_slot(slot, beat)
    assert bytes(slot) == encode_slot(beat)

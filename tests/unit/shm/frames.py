"""Frames for tests: one that is plain, and Hypothesis strategies for any other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from chronotick.core.records import ClockPair, Correction, Frame, Variance
from chronotick.core.status import Leap, Reason, Smear, Source, Status
from chronotick.core.units import NS_PER_S

UTC_NS = 1_790_000_000 * NS_PER_S
RAW_NS = 5_000 * NS_PER_S


def make_frame(
    *,
    raw_ns: int = RAW_NS,
    utc_ns: int | None = None,
    realtime_error_ns: int = 100,
    frame: dict[str, Any] | None = None,
    **correction: Any,
) -> Frame:
    """Return a frame published at `raw_ns`, anchored there, with fields changed."""
    utc_ns = UTC_NS + raw_ns - RAW_NS if utc_ns is None else utc_ns
    plain = Correction(
        raw_ns=raw_ns,
        utc_ns=utc_ns,
        rate_ppb=0.0,
        bound_ns=100_000,
        bound_growth_ppb=15_000,
        variance=Variance(1e8, 0.0, 100.0, 0.0),
        status=Status.SYNCHRONIZED,
        reasons=Reason.NONE,
        source=Source.FUSION,
        confidence=1.0,
        last_sync_raw_ns=raw_ns,
        measurement_count=12,
        delay_ns=250_000,
    )
    return replace(
        Frame(
            correction=replace(plain, **correction),
            clocks=ClockPair(raw_ns, utc_ns - 1_000, realtime_error_ns, 0),
            void_after_raw_ns=raw_ns + 100 * NS_PER_S,
            heartbeat_ns=10_000_000,
            correction_count=7,
            started_raw_ns=RAW_NS - 60 * NS_PER_S,
        ),
        **(frame or {}),
    )


_raw = st.integers(0, 2**59 - 1)
_unix = st.integers(-3 * 2**61, 3 * 2**61 - 1)
_coefficients = st.floats(-1e30, 1e30) | st.sampled_from([0.0, 1e-20, 123456.789])
_variances = st.builds(
    Variance, st.floats(0, 1e30), _coefficients, _coefficients, _coefficients
)


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    """Any frame that a daemon can make."""
    as_of = draw(_raw)
    sync = draw(st.integers(0, as_of))
    correction = Correction(
        raw_ns=draw(st.integers(0, as_of)),
        utc_ns=draw(_unix),
        rate_ppb=draw(st.floats(-1e6, 1e6)),
        bound_ns=draw(st.integers(0, 2**59 - 1)),
        bound_growth_ppb=draw(st.integers(0, 2**28 - 1)),
        variance=draw(_variances),
        status=draw(st.sampled_from(Status)),
        reasons=draw(st.integers(0, 127).map(Reason)),
        source=draw(st.sampled_from(Source)),
        confidence=draw(st.floats(0, 1)),
        last_sync_raw_ns=sync,
        measurement_count=draw(st.integers(0, 2**40)),
        delay_ns=draw(st.integers(0, 2**40)),
        leap=draw(st.sampled_from(Leap)),
        coverage_99=draw(st.floats(0, 1e6)),
        coverage_999=draw(st.floats(0, 1e6)),
    )
    return Frame(
        correction=correction,
        clocks=ClockPair(as_of, draw(_unix), draw(st.integers(0, 2**40)), draw(_raw)),
        void_after_raw_ns=draw(_raw),
        heartbeat_ns=draw(st.integers(1, 2**40)),
        correction_count=draw(st.integers(0, 2**40)),
        started_raw_ns=draw(st.integers(0, as_of)),
        tai_minus_utc_s=draw(st.none() | st.integers(-100, 100)),
        smear=draw(st.sampled_from(Smear)),
        disruption_marker=draw(st.none() | st.integers(0, 2**64 - 1)),
    )

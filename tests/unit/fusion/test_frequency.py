"""`fusion.frequency`: the true rate never leaves what is claimed of it."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.span import Span
from chronotick.core.units import NS_PER_S
from chronotick.fusion import FrequencyBound, RateSpan
from unit.oscillators import Wandering, wandering

gaps = st.lists(
    st.tuples(
        st.integers(1, 20 * NS_PER_S),  # time since the last interval
        st.integers(0, 10_000_000),  # how far below the truth it begins
        st.integers(0, 10_000_000),  # how far above it ends
    ),
    min_size=1,
    max_size=120,
)


@given(wandering(), gaps)
def test_the_true_rate_is_always_within(
    clock: Wandering, steps: list[tuple[int, int, int]]
) -> None:
    """Whatever true intervals arrive, the rate bound holds and is never given up."""
    bound = FrequencyBound()
    raw_ns = 0
    for gap_ns, below_ns, above_ns in steps:
        raw_ns += gap_ns
        truth_ns = clock.offset_ns(raw_ns)
        # The oracle rounds its offset down by less than a nanosecond.
        assert bound.observe(raw_ns, Span(truth_ns - below_ns, truth_ns + above_ns + 1))
        assert bound.rate.lo_ppb <= clock.rate_ppb(raw_ns) <= bound.rate.hi_ppb


@given(wandering(), gaps, st.integers(0, 3600 * NS_PER_S))
def test_carried_intervals_keep_the_truth(
    clock: Wandering, steps: list[tuple[int, int, int]], ahead_ns: int
) -> None:
    """An interval carried to any later instant at the learned rates still holds."""
    bound = FrequencyBound()
    raw_ns = 0
    span = Span(0, 0)
    for gap_ns, below_ns, above_ns in steps:
        raw_ns += gap_ns
        truth_ns = clock.offset_ns(raw_ns)
        span = Span(truth_ns - below_ns, truth_ns + above_ns + 1)
        bound.observe(raw_ns, span)
    carried = bound.rate.carry(span, ahead_ns)
    assert carried.widen(1).holds(clock.offset_ns(raw_ns + ahead_ns))


@given(st.integers(-(2**60), 2**60), gaps)
def test_a_constant_added_to_every_interval_changes_nothing(
    constant_ns: int, steps: list[tuple[int, int, int]]
) -> None:
    """The rate bound is translation invariant, to the last digit."""
    plain, moved = FrequencyBound(), FrequencyBound()
    raw_ns = 0
    for gap_ns, below_ns, above_ns in steps:
        raw_ns += gap_ns
        span = Span(-below_ns, above_ns)
        plain.observe(raw_ns, span)
        moved.observe(raw_ns, span.shift(constant_ns))
        assert plain.rate == moved.rate


def test_a_quiet_hour_narrows_the_rate_to_the_drift_limit() -> None:
    """With 1 ms intervals for an hour, little more than the 15 ppm is left."""
    bound = FrequencyBound()
    for k in range(226):
        truth_ns = 20_000 * 16 * k  # 20 ppm
        bound.observe(16 * k * NS_PER_S, Span.around(truth_ns, 500_000))
    lo_ppb, hi_ppb = bound.rate
    assert lo_ppb <= 20_000 <= hi_ppb
    assert hi_ppb - lo_ppb < 2 * 15_000 + 2_000


def test_a_jump_is_reported_and_everything_older_forgotten() -> None:
    """A second's step cannot be a rate: False, and the prior is back."""
    bound = FrequencyBound(max_frequency_error_ppm=500.0)
    for k in range(10):
        bound.observe(16 * k * NS_PER_S, Span.around(0, 10_000))
    assert bound.rate.hi_ppb < 500_000

    assert not bound.observe(160 * NS_PER_S, Span.around(NS_PER_S, 10_000))
    assert bound.rate == RateSpan(-500_000, 500_000)


@given(st.integers(-500_000, 500_000), st.integers(0, 1_000_000), st.floats(-1e6, 1e6))
def test_growth_covers_both_ends(lo_ppb: int, width_ppb: int, rate_ppb: float) -> None:
    """Extrapolating at any rate, the growth reaches both ends of the span."""
    rate = RateSpan(lo_ppb, lo_ppb + width_ppb)
    growth_ppb = rate.growth_from(rate_ppb)
    assert rate_ppb - growth_ppb <= rate.lo_ppb
    assert rate_ppb + growth_ppb >= rate.hi_ppb
    assert rate.lo_ppb <= rate.nearest(rate_ppb) <= rate.hi_ppb


@given(
    st.integers(-(10**15), 10**15),
    st.integers(0, 10**12),
    st.integers(-500_000, 500_000),
    st.integers(0, 1_000_000),
    st.integers(-(10**13), 10**13),
)
def test_carrying_is_the_tightest_outward_rounding(
    lo_ns: int, width_ns: int, lo_ppb: int, spread_ppb: int, age_ns: int
) -> None:
    """Both ends are the exact extremes, rounded outwards by less than a nanosecond."""
    rate = RateSpan(lo_ppb, lo_ppb + spread_ppb)
    span = Span(lo_ns, lo_ns + width_ns)
    moves = [Fraction(age_ns * ppb, 10**9) for ppb in rate]
    carried = rate.carry(span, age_ns)
    assert 0 <= lo_ns + min(moves) - carried.lo_ns < 1
    assert 0 <= carried.hi_ns - (span.hi_ns + max(moves)) < 1

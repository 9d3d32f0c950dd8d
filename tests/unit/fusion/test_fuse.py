"""`fusion.fuse`: one correction from what is known, and no claim beyond it."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.records import Estimate, Variance
from chronotick.core.span import Span
from chronotick.core.status import Reason, Source, Status
from chronotick.fusion import Evidence, RateSpan, fuse

EPOCH_NS = 1_790_000_000 * 10**9
offsets_ns = st.integers(min_value=-(10**15), max_value=10**15)


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    """Anything that a majority and a model may say."""
    low_ns, high_ns = sorted((draw(offsets_ns), draw(offsets_ns)))
    slow_ppb, fast_ppb = sorted(draw(st.tuples(*[st.integers(-500_000, 500_000)] * 2)))
    raw_ns = draw(st.integers(0, 10**18))
    return Evidence(
        raw_ns=raw_ns,
        span=Span(low_ns, high_ns),
        rate=RateSpan(slow_ppb, fast_ppb),
        estimate=Estimate(
            raw_ns=raw_ns,
            offset_ns=draw(offsets_ns),
            rate_ppb=draw(st.floats(-1e6, 1e6)),
            variance=Variance(draw(st.floats(0.0, 1e40)), 1.0, 1.0, 0.1),
            source=Source.CPU_MODEL,
        ),
        status=Status.SYNCHRONIZED,
        reasons=Reason.NONE,
        confidence=1.0,
        last_sync_raw_ns=raw_ns,
        measurement_count=10,
        delay_ns=1000,
    )


@given(evidences())
def test_the_point_is_in_the_interval_and_the_bound_covers_it(said: Evidence) -> None:
    """Whatever a model says: it chooses a point, and none beyond the ends."""
    assert said.span is not None
    correction = fuse(said)
    offset_ns = correction.utc_ns - correction.raw_ns
    assert said.span.holds(offset_ns)
    assert correction.bound_ns == said.span.reach_from(offset_ns)


@given(evidences(), st.integers(0, 10**13))
def test_the_bound_covers_all_rates_that_are_possible(
    said: Evidence, age_ns: int
) -> None:
    """Extrapolated as a reader does, it holds everything that may be by then."""
    assert said.span is not None
    correction = fuse(said)
    possible = said.rate.carry(said.span, age_ns)
    offset_ns = correction.utc_ns - correction.raw_ns
    told_ns = offset_ns + age_ns * correction.rate_ppb / 1e9
    bound_ns = correction.bound_ns + age_ns * correction.bound_growth_ppb / 1e9
    # A float's last place, at 10¹⁵.
    assert told_ns - bound_ns <= possible.lo_ns + 1.0
    assert told_ns + bound_ns >= possible.hi_ns - 1.0


@given(evidences())
def test_no_spread_is_wider_than_the_bound(said: Evidence) -> None:
    """Right after a start models know less than intervals do."""
    correction = fuse(said)
    assert 0.0 <= correction.variance.v0 <= float(correction.bound_ns) ** 2


@given(evidences())
def test_a_constant_moves_the_answer_and_nothing_else(said: Evidence) -> None:
    """There is no threshold on an offset anywhere."""
    assert said.span is not None
    assert said.estimate is not None
    here = fuse(said)
    moved = said.estimate._replace(offset_ns=said.estimate.offset_ns + EPOCH_NS)
    there = fuse(replace(said, span=said.span.shift(EPOCH_NS), estimate=moved))
    assert there == replace(here, utc_ns=here.utc_ns + EPOCH_NS)


@given(evidences(), st.sampled_from(["span", "estimate"]))
def test_without_a_majority_or_a_guess_nothing_is_claimed(
    said: Evidence, lacking: str
) -> None:
    """UNKNOWN, with a reason; no number that anybody could take for time."""
    without = {
        "span": replace(said, span=None),
        "estimate": replace(said, estimate=None),
    }
    correction = fuse(without[lacking])
    assert correction.status is Status.UNKNOWN
    assert correction.reasons
    assert correction.utc_ns == correction.bound_ns == 0
    assert correction.variance.v0 < inf

"""`fusion.hard`: a truthful server's bound always holds the truth."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.units import NS_PER_S
from chronotick.fusion import RateSpan, ServerBound
from unit.oscillators import Wandering, sample, wandering

ANY_RATE = RateSpan(-500_000, 500_000)

exchanges = st.lists(
    st.tuples(
        st.integers(1, 20 * NS_PER_S),
        st.integers(0, 50_000_000),  # delay
        st.floats(0.0, 1.0),  # share of it on the way there
    ),
    min_size=1,
    max_size=30,
)


@given(wandering(), exchanges, st.integers(0, 3600 * NS_PER_S))
def test_the_truth_is_inside_however_the_delay_is_split(
    clock: Wandering, steps: list[tuple[int, int, float]], ahead_ns: int
) -> None:
    """Any asymmetry, any drift within the limits, at once and an hour later."""
    bound = ServerBound()
    raw_ns = 0
    for gap_ns, delay_ns, share in steps:
        raw_ns += gap_ns
        there_ns = round(delay_ns * share)
        error_ns = there_ns - delay_ns // 2
        truth_ns = clock.offset_ns(raw_ns)
        # The oracle rounds each truth down by less than a nanosecond; the precision
        # of the samples (100 ns) pays for that.
        bound.observe(sample(raw_ns, truth_ns + error_ns, delay_ns=delay_ns), ANY_RATE)
        assert bound.usable
        now = bound.span_at(raw_ns, ANY_RATE)
        later = bound.span_at(raw_ns + ahead_ns, ANY_RATE)
        assert now is not None
        assert now.holds(truth_ns)
        assert later is not None
        assert later.holds(clock.offset_ns(raw_ns + ahead_ns))


@given(exchanges)
def test_a_new_answer_never_widens_the_bound(
    steps: list[tuple[int, int, float]],
) -> None:
    """Between two answers at one instant, the second can only cut."""
    bound = ServerBound()
    raw_ns = 0
    for gap_ns, delay_ns, _ in steps:
        raw_ns += gap_ns
        before = bound.span_at(raw_ns, ANY_RATE)
        bound.observe(sample(raw_ns, 0, delay_ns=delay_ns), ANY_RATE)
        after = bound.span_at(raw_ns, ANY_RATE)
        assert after is not None
        if before is not None:
            assert after.width_ns <= before.width_ns


def test_a_server_that_contradicts_its_past_must_prove_itself() -> None:
    """After a jump: unusable, until three answers agree with each other."""
    bound = ServerBound()
    for k in range(4):
        bound.observe(sample(k * NS_PER_S, 0), ANY_RATE)
    assert bound.usable

    for k in range(4, 7):
        bound.observe(sample(k * NS_PER_S, NS_PER_S), ANY_RATE)
        assert bound.usable == (k == 6)
        assert bound.on_probation == (k < 6)
    assert bound.jumps == 1
    span = bound.span_at(7 * NS_PER_S, ANY_RATE)
    assert span is not None
    assert span.holds(NS_PER_S)
    assert not span.holds(0)


def test_two_jumps_in_a_row_start_the_probation_again() -> None:
    """A server that never says the same thing twice is never heard."""
    bound = ServerBound()
    for k in range(30):
        bound.observe(sample(k * NS_PER_S, k * k * NS_PER_S), ANY_RATE)
        assert bound.usable == (k == 0)


def test_an_answer_older_than_the_newest_is_ignored() -> None:
    """Reordered packets change nothing."""
    bound = ServerBound()
    bound.observe(sample(10 * NS_PER_S, 0), ANY_RATE)
    before = bound.span_at(20 * NS_PER_S, ANY_RATE)
    bound.observe(sample(5 * NS_PER_S, NS_PER_S), ANY_RATE)
    assert bound.span_at(20 * NS_PER_S, ANY_RATE) == before


def test_nothing_is_claimed_before_the_first_answer() -> None:
    """No span, not usable, no age."""
    bound = ServerBound()
    assert bound.span_at(0, ANY_RATE) is None
    assert not bound.usable

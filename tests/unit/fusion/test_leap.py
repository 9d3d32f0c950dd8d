"""`fusion.leap`: what is older than a leap is what can't be reconciled with the guess."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.span import Span
from chronotick.core.units import NS_PER_S
from chronotick.fusion import RateSpan, has_leapt, newest_against
from unit.oscillators import sample

if TYPE_CHECKING:
    from chronotick.core.records import Sample

STILL = RateSpan(0, 0)
OFFSETS_NS = st.lists(st.integers(-1_000_000, 1_000_000), max_size=12)


@given(OFFSETS_NS, st.integers(-1_000_000, 1_000_000), st.integers(0, 500_000))
def test_everything_newer_allows_for_all_of_the_guess(
    offsets_ns: list[int], middle_ns: int, half_ns: int
) -> None:
    """And the sample that is named does not."""
    samples = [sample(k, offset_ns) for k, offset_ns in enumerate(offsets_ns)]
    guess = Span.around(middle_ns, half_ns)
    newest_ns = newest_against(samples, guess, len(samples), STILL)
    allowed = [each.span.hull(guess) == each.span for each in samples]
    if newest_ns is None:
        assert all(allowed)
    else:
        assert not allowed[newest_ns]
        assert all(allowed[newest_ns + 1 :])


def test_a_sample_ages_before_it_is_held_against_the_guess() -> None:
    """500 ppm of doubt for a second are 500 µs: as much as it lacked."""
    old = [sample(0, 0, delay_ns=1_000_000)]
    guess = Span.around(1_000_000, 0)
    aged = RateSpan(-500_000, 500_000)
    assert newest_against(old, guess, 999_000_000, aged) == 0
    assert newest_against(old, guess, 1_000_000_000, aged) is None


FLOOR_NS = 10_000_000
# What packets are held up, there and back.
QUEUES_NS = st.tuples(st.integers(0, 10**9), st.integers(0, 10**9))


def answers(queues_ns: list[tuple[int, int]], leap_ns: int = 0) -> list[Sample]:
    """Return a server's answers, a second apart; the later half is after a leap."""
    return [
        sample(
            k * NS_PER_S,
            (there_ns - back_ns) // 2 + (leap_ns if 2 * k >= len(queues_ns) else 0),
            delay_ns=FLOOR_NS + there_ns + back_ns,
        )
        for k, (there_ns, back_ns) in enumerate(queues_ns)
    ]


@given(st.lists(QUEUES_NS, max_size=20), st.integers(0, 20), st.integers(0, 20))
def test_queues_alone_are_no_leap(
    queues_ns: list[tuple[int, int]], free_at: int, leapt_at: int
) -> None:
    """However long, on whichever leg, if one exchange has ever met with none."""
    queues_ns.insert(min(free_at, len(queues_ns)), (0, 0))
    assert not has_leapt(answers(queues_ns), leapt_at * NS_PER_S, STILL)


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6))),
    st.sampled_from([-1, 1]),
)
def test_a_leap_beyond_what_queues_do_is_one(
    queues_ns: list[tuple[int, int]], sign: int
) -> None:
    """As large as the delay is enough: intervals of before and after then touch."""
    queues_ns = [(0, 0), *queues_ns, (0, 0)]
    newest_before = (len(queues_ns) + 1) // 2 - 1
    samples = answers(queues_ns, leap_ns=sign * FLOOR_NS)
    assert has_leapt(samples, newest_before * NS_PER_S, STILL)


def test_without_answers_on_both_sides_nothing_is_said() -> None:
    """One that went silent, or came later, has no vote."""
    samples = answers([(0, 0)] * 4, leap_ns=10**9)
    assert not has_leapt([], 0, STILL)
    assert not has_leapt(samples, -1, STILL)
    assert not has_leapt(samples, 3 * NS_PER_S, STILL)

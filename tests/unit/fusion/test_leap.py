"""`fusion.leap`: what is older than a leap is what can't be reconciled with the guess."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.span import Span
from chronotick.fusion import RateSpan, newest_against
from unit.oscillators import sample

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

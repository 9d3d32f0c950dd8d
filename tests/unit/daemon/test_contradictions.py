"""`daemon.contradictions`: remembered while spans grow, taken back by spans as sharp."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.span import Span
from chronotick.core.units import NS_PER_S
from chronotick.daemon.contradictions import Contradictions

if TYPE_CHECKING:
    from collections.abc import Callable

US = 1_000
HOUR_NS = 3600 * NS_PER_S
AGREED = Span.around(0, 10 * US)
LIE = Span.around(100 * US, 10 * US)


def found_out() -> Contradictions:
    """Return what is known once a majority has found out `liar` at RAW 0."""
    known = Contradictions()
    known.find_out(0, "liar", LIE, AGREED)
    return known


@given(growth_us=st.integers(min_value=3, max_value=10**6))
def test_a_lie_that_has_grown_old_proves_nothing(growth_us: int) -> None:
    """Whether the two touch by then or not."""
    known = found_out()
    known.compare(1, {"a": AGREED, "liar": LIE.widen(growth_us * US)})
    assert known.outcasts == {"liar"}


@given(
    middle_us=st.integers(min_value=-20, max_value=20),
    more_us=st.integers(min_value=0, max_value=5),
)
def test_who_agrees_as_sharply_has_mended(middle_us: int, more_us: int) -> None:
    """As sharply means a quarter wider at most, both spans together."""
    known = found_out()
    mended = Span.around(middle_us * US, (10 + more_us) * US)
    known.compare(1, {"a": AGREED, "liar": mended})
    assert not known.outcasts


def test_one_that_agrees_with_some_only_has_not_mended() -> None:
    """Nor one with which nobody is there to agree."""
    known = found_out()
    between = Span.around(15 * US, 10 * US)
    known.compare(1, {"a": AGREED, "b": Span.around(-15 * US, 5 * US), "liar": between})
    assert known.outcasts == {"liar"}
    known.compare(2, {"liar": between})
    assert known.outcasts == {"liar"}


def test_the_sharpest_contradiction_counts() -> None:
    """Contradicted again by wider spans, it must still agree with sharp ones."""
    known = found_out()
    known.find_out(1, "liar", Span.around(999 * US, 500 * US), AGREED)
    known.compare(2, {"a": AGREED, "liar": Span.around(0, 500 * US)})
    assert known.outcasts == {"liar"}


def test_what_was_found_out_lapses_after_a_day() -> None:
    """Not before; and a later contradiction begins the day anew."""
    known = found_out()
    known.find_out(HOUR_NS, "liar", LIE, AGREED)
    known.compare(25 * HOUR_NS - 1, {"a": AGREED})
    assert known.outcasts == {"liar"}
    known.compare(25 * HOUR_NS, {"a": AGREED})
    assert not known.outcasts


def test_nobody_is_heard_again_because_all_others_are_gone() -> None:
    """After any time: there is nobody left to find it out again."""
    known = found_out()
    for hours in (25, 250):
        known.compare(hours * HOUR_NS, {"liar": LIE})
        known.compare(hours * HOUR_NS, {})
    assert known.outcasts == {"liar"}


def test_two_are_apart_until_they_agree_as_sharply() -> None:
    """A third one that is heard changes nothing between them."""
    known = Contradictions()
    known.compare(0, {"a": AGREED, "b": LIE})
    assert known.are_apart({"a", "b"})
    known.compare(1, {"a": AGREED.widen(90 * US), "b": LIE.widen(90 * US)})
    assert known.are_apart({"b", "a"})
    assert not known.are_apart({"a", "b", "c"})
    known.compare(2, {"a": AGREED, "b": AGREED, "c": LIE})
    assert not known.are_apart({"a", "b"})


def test_one_is_left_of_two_that_are_apart() -> None:
    """Of those two, not of others, and not of nobody's quarrel."""
    known = Contradictions()
    assert not known.is_left_of_two({"a"})
    known.compare(0, {"a": AGREED, "b": LIE})
    assert known.is_left_of_two({"a"})
    assert known.is_left_of_two({"b"})
    assert not known.is_left_of_two({"c"})
    assert not known.is_left_of_two({"a", "b"})


def test_of_three_none_are_apart() -> None:
    """Two of three are a majority: there is somebody to ask."""
    known = Contradictions()
    known.compare(0, {"a": AGREED, "b": AGREED, "c": LIE})
    known.compare(1, {"a": AGREED, "c": AGREED})
    assert not known.are_apart({"a", "c"})


@pytest.mark.parametrize(
    "forget",
    [
        lambda known: known.compare(HOUR_NS, {}),
        lambda known: known.absolve("b"),
        lambda known: known.forget_pairs(),
    ],
    ids=["an hour later", "one starts again", "a jump"],
)
def test_a_pair_is_compared_anew(forget: Callable[[Contradictions], None]) -> None:
    """Who was found out by a majority is not absolved by that."""
    known = found_out()
    known.compare(0, {"a": AGREED, "b": LIE})
    assert known.are_apart({"a", "b"})
    forget(known)
    assert not known.are_apart({"a", "b"})
    assert known.outcasts == {"liar"}


def test_outvoted_finders_are_not_believed() -> None:
    """The majority that found it out is none any more."""
    known = found_out()
    known.doubt_majorities()
    assert not known.outcasts

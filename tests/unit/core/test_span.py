"""`core.span`: interval arithmetic never loses the truth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.span import Span

ns = st.integers(min_value=-(2**62), max_value=2**62)
width = st.integers(min_value=0, max_value=2**40)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """Return any span."""
    lo_ns = draw(ns)
    return Span(lo_ns, lo_ns + draw(width))


@given(spans(), spans(), ns)
def test_intersection_holds_exactly_what_both_hold(a: Span, b: Span, x: int) -> None:
    """A value is in the intersection if and only if it is in both spans."""
    met = a.intersect(b)
    assert (met is not None and met.holds(x)) == (a.holds(x) and b.holds(x))


@given(spans(), spans())
def test_hull_is_the_smallest_cover(a: Span, b: Span) -> None:
    """The hull holds all four ends, and its own ends are two of them."""
    hull = a.hull(b)
    assert all(hull.holds(end) for end in (*a, *b))
    assert {hull.lo_ns, hull.hi_ns} <= {*a, *b}
    assert hull == Span.hull_of([a, b])


@given(spans(), ns)
def test_reach_covers_and_is_tight(span: Span, center: int) -> None:
    """`reach_from` is the smallest half width around the center that covers."""
    reach = span.reach_from(center)
    around = Span.around(center, max(reach, 0))
    assert around.holds(span.lo_ns)
    assert around.holds(span.hi_ns)
    assert center - reach == span.lo_ns or center + reach == span.hi_ns


@given(spans(), width, ns)
def test_widening_and_shifting_keep_what_was_held(
    span: Span, by: int, shift: int
) -> None:
    """Nothing that a span held is lost by widening; shifting moves it along."""
    assert span.widen(by).holds(span.lo_ns - by)
    assert span.widen(by).holds(span.hi_ns + by)
    assert span.shift(shift).width_ns == span.width_ns
    assert span.holds(span.midpoint_ns)


def test_a_bound_never_narrows_by_age() -> None:
    """Negative widening and negative half widths are refused."""
    with pytest.raises(ValueError, match="widened"):
        Span(0, 1).widen(-1)
    with pytest.raises(ValueError, match="half width"):
        Span.around(0, -1)

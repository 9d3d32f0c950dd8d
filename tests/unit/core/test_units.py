"""`core.units`: growth rounds outwards, exactly, at any age."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.units import PPB, grow_ns, scale_ppb_ns

age = st.integers(min_value=-(2**62), max_value=2**62)
growth = st.integers(min_value=0, max_value=10**9)


@given(age, growth)
def test_growth_is_the_ceiling(age_ns: int, growth_ppb: int) -> None:
    """The widening is the exact product rounded up: never short, never 1 ns over."""
    exact = Fraction(abs(age_ns) * growth_ppb, PPB)
    assert exact <= grow_ns(age_ns, growth_ppb) < exact + 1


@given(st.integers(-(10**15), 10**15), st.integers(-500_000, 500_000))
def test_scaling_is_antisymmetric(duration_ns: int, rate_ppb: int) -> None:
    """A clock that runs backwards at the opposite rate moves the same way."""
    assert scale_ppb_ns(duration_ns, rate_ppb) == -scale_ppb_ns(duration_ns, -rate_ppb)

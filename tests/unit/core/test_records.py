"""`core.records`: a sample's span is its root distance, rounded outwards."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.records import Endpoint, Sample, Variance

duration = st.integers(min_value=0, max_value=16 * 10**9)


@given(st.integers(-(2**61), 2**61), duration, duration, duration, duration)
def test_span_is_the_root_distance(
    offset: int, delay: int, root_delay: int, dispersion: int, precision: int
) -> None:
    """Half of both delays, plus what the server and the clocks admit, both ways."""
    sample = Sample(
        server="a",
        raw_ns=0,
        offset_ns=offset,
        delay_ns=delay,
        root_delay_ns=root_delay,
        root_dispersion_ns=dispersion,
        precision_ns=precision,
        stratum=1,
    )
    doubled = delay + root_delay + 2 * (dispersion + precision)
    assert doubled <= sample.span.width_ns <= doubled + 1
    assert sample.span.holds(offset)


def test_endpoints_print_as_they_are_written() -> None:
    """IPv6 gets brackets, IPv4 none."""
    assert str(Endpoint("192.0.2.1", 123)) == "192.0.2.1:123"
    assert str(Endpoint("2001:db8::1", 123)) == "[2001:db8::1]:123"


def test_variance_is_the_polynomial_and_holds_still_before_its_anchor() -> None:
    """v0 + v1 t + v2 t² + v3 t³; an age below zero counts as none."""
    assert Variance(1.0, 2.0, 3.0, 4.0).at(2.0) == 1 + 4 + 12 + 32
    assert Variance(1.0, 2.0, 3.0, 4.0).at(-5.0) == 1.0

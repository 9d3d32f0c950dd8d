"""Timing calls: percentiles by nearest rank, progress that adds up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.cli.latency import PERCENTILES, measure, summarize


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=300))
def test_percentiles_are_ordered_and_among_the_times(times_s: list[float]) -> None:
    """Each percentile is a time that was measured, none above the maximum."""
    found = summarize(times_s)

    values = list(found.percentiles_ns.values())
    assert values == sorted(values)
    assert values[-1] <= found.max_ns
    assert all(any(v == t * 1e9 for t in times_s) for v in values)
    assert found.calls == len(times_s)


def test_percentiles_of_a_known_list() -> None:
    """1 to 1000 ns: the percentiles are their own names."""
    found = summarize([n * 1e-9 for n in range(1, 1001)])

    assert [round(v) for v in found.percentiles_ns.values()] == [501, 901, 991, 1000]
    assert round(found.median_ns) == 501
    assert found.mean_ns == pytest.approx(500.5)


@pytest.mark.parametrize("iterations", [1, 99, 100, 1234])
def test_every_call_is_made_and_told(iterations: int) -> None:
    """Progress sums to the calls that were asked for."""
    told: list[int] = []

    found = measure(lambda: None, iterations, told.append)

    assert sum(told) == found.calls == iterations
    assert set(found.percentiles_ns) == set(PERCENTILES)

"""The sweeps count what the definitions say, pair by pair."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronotick.eval.streaming import judge_pairs
from chronotick.eval.streaming.judge_pairs import (
    contradictions,
    misorders,
    overlaps,
    pairs,
)

# Small numbers, so that ties and overlaps are the rule and not the exception.
triples = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 6), st.integers(0, 12)), max_size=24
)


def columns(rows: list[tuple[int, int, int]]) -> tuple[np.ndarray, ...]:
    """Return earliest, latest and truth."""
    begin, width, truth = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return begin, begin + width, truth


@pytest.fixture(params=["nearby", "anywhere"], autouse=True)
def both_ways(request: pytest.FixtureRequest) -> object:
    """Count inversions in both of the ways that there are."""
    limit = 512 if request.param == "nearby" else -1
    with patch.object(judge_pairs, "_MAX_LAGS", limit):
        yield


@settings(deadline=None)
@given(triples)
def test_overlaps_are_those_of_the_definition(rows: list[tuple[int, int, int]]) -> None:
    """An interval overlaps with those that are neither before nor after it."""
    begin, end, _ = columns(rows)
    expected = [
        sum(
            j != i and not (end[i] < begin[j] or end[j] < begin[i])
            for j in range(len(rows))
        )
        for i in range(len(rows))
    ]

    assert expected == list(overlaps(begin, end))


@settings(deadline=None)
@given(triples)
def test_contradictions_are_those_of_the_definition(
    rows: list[tuple[int, int, int]],
) -> None:
    """Provably before by the intervals, but truly after."""
    begin, end, truth = columns(rows)
    expected = sum(
        bool(end[i] < begin[j] and truth[i] > truth[j])
        for i in range(len(rows))
        for j in range(len(rows))
    )

    assert expected == contradictions(end, begin, truth)


@settings(deadline=None)
@given(triples)
def test_contradictions_take_a_value_for_each_side(
    rows: list[tuple[int, int, int]],
) -> None:
    """External consistency compares stamps with "at least", by one value a side."""
    begin, end, stamp = columns(rows)
    expected = sum(
        bool(end[i] < begin[j] and stamp[i] >= stamp[j])
        for i in range(len(rows))
        for j in range(len(rows))
    )

    assert expected == contradictions(end, begin, stamp, stamp - 1)


@settings(deadline=None)
@given(triples)
def test_misorders_are_those_of_the_definition(
    rows: list[tuple[int, int, int]],
) -> None:
    """Before by the stamps, but truly after; equal on either side is neither."""
    stamp, _, truth = columns(rows)
    expected = sum(
        bool(stamp[i] < stamp[j] and truth[i] > truth[j])
        for i in range(len(rows))
        for j in range(len(rows))
    )

    assert expected == misorders(stamp, truth)


def test_counts_do_not_overflow() -> None:
    """A column that runs backwards has all its pairs wrong, beyond 32 bits of them."""
    stamp = np.arange(200_000, dtype=np.int64)

    assert pairs(200_000) == misorders(stamp, -stamp)

"""How sure a score is: blocks, draws, and what has no interval."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from chronotick.eval.accuracy.bootstrap import (
    LEAST_BLOCKS,
    Bootstrap,
    blocks_of,
    tails,
)


def test_no_block_spans_two_runs() -> None:
    """Blocks are counted through, without gaps, run by run."""
    runs = [np.array([0.0, 90.0, 350.0]), np.array([10.0, 120.0])]

    assert blocks_of(runs, 100.0).tolist() == [0, 0, 1, 2, 3]


def test_the_same_seed_gives_the_same_interval() -> None:
    """And another seed another one."""
    values = np.random.default_rng(1).normal(0.0, 1.0, 400)
    block = np.arange(400) // 20

    one, again, other = (Bootstrap(block, seed=s).rms(values) for s in (1, 1, 2))

    assert one == again
    assert one != other


def test_too_few_blocks_have_no_interval() -> None:
    """Whatever the number of rows."""
    block = np.arange(1000) % (LEAST_BLOCKS - 1)
    drawn = Bootstrap(block, seed=0)

    assert drawn.rms(np.ones(1000)) is None
    assert drawn.mean(np.ones(1000)) is None
    assert drawn.quantile(np.ones(1000), 0.99) is None
    assert drawn.rms_ratio(np.ones(1000), np.ones(1000)) is None


def test_intervals_contain_the_truth_as_often_as_they_say() -> None:
    """95 % intervals over blocks that differ: between 88 and 99 of 100."""
    rng = np.random.default_rng(5)
    block = np.repeat(np.arange(40), 25)
    held = 0
    for _ in range(100):
        # Rows of a block share most of their error: the variance is 1 + 0.1.
        shared = rng.normal(0.0, 1.0, 40)[block]
        values = shared + rng.normal(0.0, np.sqrt(0.1), block.size)
        found = Bootstrap(block, seed=0, draws=400).rms(values)
        assert found is not None
        held += found.low <= np.sqrt(1.1) <= found.high
    assert 88 <= held <= 99


@pytest.mark.parametrize(
    ("blocks", "least", "most"), [(6, 88, 97), (12, 88, 97), (60, 91, 99)]
)
def test_few_blocks_are_as_honest_as_many(blocks: int, least: int, most: int) -> None:
    """Of independent normal errors; plain percentiles would hold 82 % with six."""
    rng, held = np.random.default_rng(9), 0
    block = np.repeat(np.arange(blocks), 30)
    for seed in range(400):
        values = rng.normal(0.0, 1.0, block.size)
        found = Bootstrap(block, seed=seed, draws=400).mean(values)
        assert found is not None
        held += found.low <= 0.0 <= found.high

    assert least <= held / 4.0 <= most


@pytest.mark.parametrize(
    ("blocks", "student"), [(6, 2.570582), (12, 2.200985), (61, 2.000298)]
)
def test_tails_are_student_s(blocks: int, student: float) -> None:
    """By the tabulated 97.5 % points; the more blocks, the nearer to 2.5 and 97.5 %."""
    low, high = tails(blocks)

    reach = -NormalDist().inv_cdf(low)
    assert reach == pytest.approx(student * (blocks / (blocks - 1)) ** 0.5, rel=3e-4)
    assert low + high == pytest.approx(1.0)
    assert tails(100_000)[0] == pytest.approx(0.025, abs=1e-5)


def test_correlated_rows_are_less_sure_than_independent_ones() -> None:
    """Blocks widen the interval; rows drawn one by one would pretend to know more."""
    shared = np.random.default_rng(6).normal(0.0, 1.0, 40)
    values = np.repeat(shared, 25)

    by_block = Bootstrap(np.repeat(np.arange(40), 25), seed=0).rms(values)
    by_row = Bootstrap(np.arange(1000), seed=0).rms(values)

    assert by_block is not None
    assert by_row is not None
    assert by_block.high - by_block.low > 3.0 * (by_row.high - by_row.low)


def test_a_ratio_of_equals_is_one() -> None:
    """Row against row the noise is the same, so it cancels."""
    values = np.random.default_rng(7).normal(0.0, 1.0, 300)

    found = Bootstrap(np.arange(300) // 10, seed=0).rms_ratio(2.0 * values, values)

    assert found is not None
    assert pytest.approx(tuple(found)) == (2.0, 2.0)


def test_a_ratio_to_what_may_be_none_has_no_interval() -> None:
    """One block of six has errors at all: a third of the draws leave it out."""
    block = np.repeat(np.arange(LEAST_BLOCKS), 10)
    theirs = np.where(block == 0, 1.0, 0.0)

    assert Bootstrap(block, seed=0).rms_ratio(np.ones(60), theirs) is None


def test_a_quantile_lies_within_its_interval() -> None:
    """The interval of the median brackets the median of many rows."""
    values = np.random.default_rng(8).exponential(1.0, 4000)

    found = Bootstrap(np.arange(4000) // 100, seed=0).quantile(values, 0.5)

    assert found is not None
    assert found.low < np.log(2.0) < found.high
    assert found.high - found.low < 0.15

"""What RMSE, coverage, width and warm-up mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.eval.accuracy.scores import (
    answered,
    coverage_curve,
    rms,
    score_coverage,
    score_errors,
    steady_limit_ns,
    warm_up_s,
)

ERRORS = st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=60).map(np.array)


@given(error_ns=ERRORS)
def test_scores_stand_in_the_order_that_mathematics_demands(
    error_ns: np.ndarray,
) -> None:
    """|mean| ≤ MAE ≤ RMSE ≤ max, and p99 is one of the errors."""
    found = score_errors(error_ns)

    slack = 1e-9 * found.max_ns + 1e-9
    assert abs(found.mean_ns) <= found.mae_ns + slack
    assert found.mae_ns <= found.rmse_ns + slack
    assert found.rmse_ns <= found.max_ns + slack
    assert found.p99_ns in np.abs(error_ns)
    assert np.mean(np.abs(error_ns) <= found.p99_ns) >= 0.99


@given(error_ns=ERRORS, offset_ns=st.floats(-1e12, 1e12))
def test_a_constant_error_is_all_bias(error_ns: np.ndarray, offset_ns: float) -> None:
    """Where every error is the same, all scores are its size."""
    found = score_errors(np.full(error_ns.size, offset_ns))

    sizes = [found.rmse_ns, found.mae_ns, found.p99_ns, found.max_ns]
    assert [abs(offset_ns)] * 4 == pytest.approx(sizes)


def test_scores_of_three_errors_by_hand() -> None:
    """3, −4, 0: RMSE √(25/3), MAE 7/3."""
    found = score_errors(np.array([3.0, -4.0, 0.0]))

    assert np.sqrt(25.0 / 3.0) == pytest.approx(found.rmse_ns)
    assert pytest.approx(found.mae_ns) == 7.0 / 3.0
    assert pytest.approx(found.mean_ns) == -1.0 / 3.0
    assert found.max_ns == 4.0
    assert found.count == 3


@given(error_ns=ERRORS, factor=st.floats(1.0, 10.0))
def test_a_wider_bound_never_holds_less_often(
    error_ns: np.ndarray, factor: float
) -> None:
    """Coverage grows with the width, and with what the yardstick is allowed."""
    width_ns = np.full(error_ns.size, 1e6)

    narrow = score_coverage(error_ns, width_ns)

    assert narrow.coverage <= score_coverage(error_ns, factor * width_ns).coverage
    assert narrow.coverage <= score_coverage(error_ns, width_ns, 5e5).coverage
    assert narrow.missed == np.count_nonzero(np.abs(error_ns) > width_ns)


def test_a_bound_holds_at_its_ends() -> None:
    """An error as large as the half width is within; a bit more is a miss of that bit."""
    found = score_coverage(np.array([5.0, -5.0, 8.0]), np.array([5.0, 5.0, 5.0]))

    assert (found.missed, found.worst_miss_ns) == (1, 3.0)
    assert pytest.approx(found.coverage) == 2.0 / 3.0


def test_a_curve_rises_to_the_bound_as_claimed() -> None:
    """At scale 1 it is the coverage itself, and it never falls."""
    rng = np.random.default_rng(1)
    error_ns, width_ns = rng.normal(0.0, 100.0, 500), rng.uniform(100.0, 300.0, 500)

    curve = coverage_curve(error_ns, width_ns)

    shares = [point.coverage for point in curve]
    assert sorted(shares) == shares
    as_claimed = next(point for point in curve if point.scale == 1.0)
    assert score_coverage(error_ns, width_ns).coverage == as_claimed.coverage


@pytest.mark.parametrize("bad", [np.array([]), np.array([1.0, np.nan])])
def test_what_was_not_answered_has_no_score(bad: np.ndarray) -> None:
    """NaN must be counted by the caller, not averaged away; nothing has no score."""
    with pytest.raises(ValueError, match=r"nothing to score|not a finite number"):
        rms(bad)
    with pytest.raises(ValueError, match=r"nothing to score|not a finite number"):
        score_coverage(bad, np.abs(bad))
    with pytest.raises(ValueError, match=r"nothing to score|not a finite number"):
        score_errors(bad)


def test_a_negative_width_is_refused() -> None:
    """A bound turned inside out is a bug, not a miss."""
    with pytest.raises(ValueError, match="half width is negative"):
        score_coverage(np.array([0.0]), np.array([-1.0]))


def test_only_rows_with_all_numbers_are_answered() -> None:
    """A missing width or error takes the row out."""
    mask = answered(np.array([1.0, np.nan, 3.0]), np.array([1.0, 2.0, np.inf]))

    assert mask.tolist() == [True, False, False]


def test_warm_up_ends_where_errors_stay_small() -> None:
    """A lucky hit within the bad start doesn't count; nor does one bad end."""
    t_s = np.arange(0.0, 10_000.0, 10.0)
    error_ns = np.where(t_s < 1000.0, 50.0, 1.0)
    error_ns[30] = 0.0

    assert warm_up_s(t_s, error_ns, limit_ns=2.0) == 1000.0
    error_ns[-1] = 50.0
    assert warm_up_s(t_s, error_ns, limit_ns=2.0) == 1000.0
    assert warm_up_s(t_s, error_ns, limit_ns=50.0) == 0.0


def test_warm_up_that_was_not_seen_to_end_has_no_time() -> None:
    """Too short a good end, or none at all, is None."""
    t_s = np.arange(0.0, 1000.0, 10.0)
    error_ns = np.where(t_s < 900.0, 50.0, 1.0)

    assert warm_up_s(t_s, error_ns, limit_ns=2.0, hold_s=200.0) is None
    assert warm_up_s(t_s, error_ns + 9.0, limit_ns=2.0, hold_s=10.0) is None


def test_the_steady_limit_is_that_of_the_second_half() -> None:
    """How bad the start was doesn't matter."""
    error_ns = np.concatenate((np.full(100, 1e9), np.linspace(-10.0, 10.0, 101)))

    assert steady_limit_ns(error_ns) == 10.0

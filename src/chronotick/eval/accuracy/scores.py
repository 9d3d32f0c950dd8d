"""Scores of an estimator: plain functions over numpy arrays, no opinion about them.

Decides what RMSE, coverage, width and warm-up mean here; not which rows count (see
`chronotick.eval.accuracy.backtest`), nor how sure the numbers are (`chronotick.eval.accuracy.bootstrap`),
nor how stable a clock is over time (`chronotick.eval.accuracy.stability`).

Errors and half widths are float64 nanoseconds, instants float64 seconds since any
epoch. An error is estimate − truth. NaN means that there was no answer, and no function
here lets it through: drop such rows first (`answered`) and report how many they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Truths = NDArray[np.bool_]

__all__ = [
    "CURVE_SCALES",
    "CoverageScores",
    "CurvePoint",
    "ErrorScores",
    "answered",
    "coverage_curve",
    "rms",
    "score_coverage",
    "score_errors",
    "steady_limit_ns",
    "warm_up_s",
]

CURVE_SCALES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0)
"""Factors by which `coverage_curve` stretches a bound."""
_STEADY_QUANTILE = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorScores:
    """How large errors are, in ns."""

    count: int
    mean_ns: float
    """What is left when all is averaged: the bias."""
    rmse_ns: float
    mae_ns: float
    """Mean of the absolute errors."""
    p99_ns: float
    """99 % of the absolute errors are not above it."""
    max_ns: float
    """Largest absolute error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageScores:
    """How often a bound holds, and at what width."""

    count: int
    missed: int
    coverage: float
    """Share of the errors that are within the bound, its ends included."""
    mean_width_ns: float
    """Mean half width."""
    median_width_ns: float
    """Median half width."""
    p99_width_ns: float
    worst_miss_ns: float
    """How far beyond its bound the worst error is; 0 if none is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """Coverage of a bound that was stretched by `scale`."""

    scale: float
    coverage: float
    mean_width_ns: float


def answered(*columns: Vector) -> Truths:
    """Return in which rows all of `columns` have a number."""
    mask = np.ones(columns[0].size, np.bool_)
    for column in columns:
        mask &= np.isfinite(column)
    return mask


def rms(values: Vector) -> float:
    """Return the root mean square.

    Raises:
        ValueError: there are no values, or one is not a number.
    """
    _check(values)
    return float(np.sqrt(np.mean(np.square(values))))


def score_errors(error_ns: Vector) -> ErrorScores:
    """Return the scores of errors (estimate − truth, ns).

    Raises:
        ValueError: there are no errors, or one is not a number.
    """
    size = np.abs(error_ns)
    return ErrorScores(
        count=int(error_ns.size),
        rmse_ns=rms(error_ns),
        mean_ns=float(error_ns.mean()),
        mae_ns=float(size.mean()),
        # Never between two errors: "not above" must be true of the number as printed.
        p99_ns=float(np.quantile(size, 0.99, method="higher")),
        max_ns=float(size.max()),
    )


def score_coverage(
    error_ns: Vector, half_width_ns: Vector, slack_ns: Vector | float = 0.0
) -> CoverageScores:
    """Return how often ``|error| <= half width``, and the widths.

    Args:
        error_ns: Estimate − truth, or − a measurement where the truth is not known.
        half_width_ns: What was claimed for each; not negative.
        slack_ns: By how much the yardstick itself can be wrong. With a measurement for
            a yardstick a miss is then a contradiction between the two and nothing less.

    Raises:
        ValueError: there are no rows, a value is not a number, or a width is negative.
    """
    _check(error_ns, half_width_ns)
    if half_width_ns.min() < 0.0:
        raise ValueError("a half width is negative")
    beyond = np.abs(error_ns) - half_width_ns - slack_ns
    missed = int(np.count_nonzero(beyond > 0.0))
    return CoverageScores(
        count=int(error_ns.size),
        missed=missed,
        coverage=1.0 - missed / error_ns.size,
        mean_width_ns=float(half_width_ns.mean()),
        median_width_ns=float(np.median(half_width_ns)),
        p99_width_ns=float(np.quantile(half_width_ns, 0.99, method="higher")),
        worst_miss_ns=float(max(beyond.max(), 0.0)),
    )


def coverage_curve(
    error_ns: Vector,
    half_width_ns: Vector,
    scales: Sequence[float] = CURVE_SCALES,
    slack_ns: Vector | float = 0.0,
) -> tuple[CurvePoint, ...]:
    """Return what the coverage would be, were the bound narrower or wider.

    Args: as for `score_coverage`; `scales` are the factors.
    """
    scored = (
        (scale, score_coverage(error_ns, scale * half_width_ns, slack_ns))
        for scale in scales
    )
    return tuple(
        CurvePoint(scale=scale, coverage=s.coverage, mean_width_ns=s.mean_width_ns)
        for scale, s in scored
    )


def steady_limit_ns(error_ns: Vector) -> float:
    """Return what 99 % of the absolute errors of the second half do not exceed.

    The yardstick for "warmed up" where nobody has stated one.
    """
    later = np.abs(error_ns[error_ns.size // 2 :])
    _check(later)
    return float(np.quantile(later, _STEADY_QUANTILE, method="higher"))


def warm_up_s(
    t_s: Vector, error_ns: Vector, limit_ns: float, hold_s: float = 1800.0
) -> float | None:
    """Return when the errors first came within `limit_ns` and stayed there.

    Args:
        t_s: Instants since the start of the recording, rising.
        error_ns: Estimate − truth at those instants.
        limit_ns: What counts as settled; see `steady_limit_ns`.
        hold_s: For how long they must stay there.

    Returns:
        Seconds since ``t_s == 0``; None where that never happened, or the recording is
        over before they had stayed for so long.
    """
    _check(t_s, error_ns)
    is_good = np.abs(error_ns) <= limit_ns
    turns = np.flatnonzero(np.diff(is_good)) + 1
    # Stretches of one kind: [edges[k], edges[k + 1]).
    edges = np.concatenate(([0], turns, [t_s.size]))
    for begin, end in pairwise(edges.tolist()):
        until_s = t_s[min(end, t_s.size - 1)]
        if is_good[begin] and until_s - t_s[begin] >= hold_s:
            return float(t_s[begin])
    return None


def _check(*columns: Vector) -> None:
    """Refuse what has no honest score."""
    for column in columns:
        if column.size == 0:
            raise ValueError("there is nothing to score")
        if not np.isfinite(column).all():
            raise ValueError(
                "a value is not a finite number: drop unanswered rows first"
            )

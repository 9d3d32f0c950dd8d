"""Accuracy and honesty: how wrong each clock was, and whether its bound said so.

Decides nothing without the truth: errors and coverage are null in a run on real nodes,
widths are not. Rows whose truth is not known are left out of what needs it, and hide no
other row. Errors are clock − true, so positive is ahead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chronotick.eval.streaming.judge_commit import spread
from chronotick.eval.streaming.judge_share import independent
from chronotick.eval.streaming.judged import (
    CLOCKS,
    INTERVALS,
    NO_TRUTH,
    POINTS,
    Group,
    not_judged,
    select,
    share,
)
from chronotick.eval.streaming.tables import NULL

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy.typing as npt

    from chronotick.eval.streaming.judged import IntervalClock, PointClock
    from chronotick.eval.streaming.tables import Floats, Ints, Run

__all__ = ["SIGMAS_99", "judge_accuracy", "judge_course", "judge_errors"]

SIGMAS_99 = 2.5758293035489004
"""Half width of the 99 % interval of a normal distribution, in standard deviations."""

_SCALES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0)
_BINS = 120


def judge_accuracy(run: Run) -> Group:
    """Return errors, coverage and widths, for all rows and node by node."""
    return judge_errors(run) | judge_course(run)


def judge_errors(run: Run, only: Collection[str] = CLOCKS) -> Group:
    """Return errors and coverage of the clocks named in `only`."""
    return {
        "clocks": {c.name: _errors(run, c) for c in POINTS if c.name in only},
        "intervals": {c.name: _coverage(run, c) for c in INTERVALS if c.name in only},
    }


def judge_course(run: Run) -> Group:
    """Return what the model claimed, and the course of all clocks over the run."""
    truth = run.workers.ints["true_time_ns"]
    return {
        "claimed_sigma": _sigma(run),
        "series": _series(run, relative_to_truth=bool((truth != NULL).any())),
    }


def _errors(run: Run, clock: PointClock) -> Group:
    known = run.workers.known(clock.receive, "true_time_ns")
    if not known.any():
        return not_judged(run.workers.why_null(clock.receive, "true_time_ns"))
    ints = run.workers.ints
    error = (ints[clock.receive] - ints["true_time_ns"])[known]
    node = run.node[known]
    return {
        "judged": len(error),
        "error_ns": _error(error),
        "nodes": {
            name: _error(error[node == index])
            for index, name in enumerate(run.nodes)
            if (node == index).any()
        },
    }


def _error(error: Ints) -> Group:
    return {
        "mean": float(error.mean()),
        "rms": float(np.sqrt(np.mean(np.square(error.astype(np.float64))))),
        "absolute": spread(np.abs(error)),
    }


def _coverage(run: Run, clock: IntervalClock) -> Group:
    known = run.workers.known(clock.lower, clock.upper)
    if not known.any():
        return not_judged(run.workers.why_null(clock.lower, clock.upper))
    run = select(run, known)
    ints = run.workers.ints
    width_ns = spread(ints[clock.upper] - ints[clock.lower])
    result: Group = {"judged": len(run.workers), "width_ns": width_ns}
    run = select(run, run.workers.known("true_time_ns"))
    result["rows_with_truth"] = len(run.workers)
    if not len(run.workers):
        return result | {"covered": None, "coverage": None, "why_null": NO_TRUTH}
    ints = run.workers.ints
    lower, upper, truth = ints[clock.lower], ints[clock.upper], ints["true_time_ns"]
    is_inside = (lower <= truth) & (truth <= upper)
    covered = int(np.count_nonzero(is_inside))
    miss = np.maximum(np.maximum(lower - truth, truth - upper), 0)
    return result | {
        "covered": covered,
        "missed": len(lower) - covered,
        "coverage": share(covered, len(lower)),
        "worst_miss_ns": int(miss.max()),
        "rows_independent": independent(run, 2 * truth - lower - upper),
        "nodes": _per_node(run, is_inside),
        "scaled": _scaled(lower, upper, truth),
    }


def _per_node(run: Run, is_inside: npt.NDArray[np.bool_]) -> Group:
    rows = np.bincount(run.node, minlength=len(run.nodes))
    inside = np.bincount(run.node, weights=is_inside, minlength=len(run.nodes))
    return {
        name: {
            "judged": int(rows[index]),
            "coverage": share(int(inside[index]), int(rows[index])),
        }
        for index, name in enumerate(run.nodes)
        if rows[index]
    }


def _scaled(lower: Ints, upper: Ints, truth: Ints) -> list[Group]:
    """Return what the coverage would be, were the interval narrower or wider."""
    width = (upper - lower).astype(np.float64)
    off = np.abs(2 * truth - lower - upper).astype(np.float64)
    # |truth − middle| / half width, without 0 / 0 for an interval of no width.
    ratio = np.divide(off, width, out=np.full(len(off), np.inf), where=width > 0)
    ratio[off == 0] = 0.0
    counts = np.histogram(ratio, bins=[0.0, *np.nextafter(_SCALES, np.inf)])[0]
    mean = float(width.mean())
    return [
        {
            "scale": scale,
            "coverage": int(within) / len(off),
            "mean_width_ns": mean * scale,
        }
        for scale, within in zip(_SCALES, np.cumsum(counts), strict=True)
    ]


def _sigma(run: Run) -> Group:
    """Take the model's standard deviation at its word: is 99 % of the truth within?"""
    sigma_ms: Floats = run.workers.floats["ct_uncertainty_ms"]
    known = run.workers.known("ct_timestamp_ns", "true_time_ns") & ~np.isnan(sigma_ms)
    judged = int(np.count_nonzero(known))
    if not judged:
        names = ("ct_timestamp_ns", "ct_uncertainty_ms", "true_time_ns")
        return not_judged(run.workers.why_null(*names))
    ints = run.workers.ints
    error_ms = (ints["ct_timestamp_ns"] - ints["true_time_ns"])[known] / 1e6
    # Not divided: nobody forbids a sigma of 0, and an error of 0 is within it.
    is_within = np.abs(error_ms) <= SIGMAS_99 * sigma_ms[known]
    return {
        "judged": judged,
        "level": 0.99,
        "coverage": share(int(np.count_nonzero(is_within)), judged),
    }


def _series(run: Run, *, relative_to_truth: bool) -> Group:
    """Return means over slices of the run, node by node, for the figure."""
    ints = run.workers.ints
    ruler = ints["true_time_ns" if relative_to_truth else "receive_time_ns"]
    known = ruler != NULL
    if not known.any():
        return not_judged(run.workers.why_null("true_time_ns", "receive_time_ns"))
    begin, end = int(ruler[known].min()), int(ruler[known].max())
    step_ns = max(-((begin - end - 1) // _BINS), 1)
    slot = np.where(known, (ruler - begin) // step_ns, 0)
    cell = run.node * _BINS + slot
    columns = {clock.name: clock.receive for clock in POINTS}
    columns |= {"hard_lower": "ct_hard_lower_ns", "hard_upper": "ct_hard_upper_ns"}
    nodes: Group = {name: {} for name in run.nodes}
    for series, column in columns.items():
        there = known & (ints[column] != NULL)
        away = (ints[column] - ruler)[there]
        means = _means(cell[there], away, len(run.nodes))
        for index, name in enumerate(run.nodes):
            nodes[name][series] = means[index]
    return {
        "judged": int(np.count_nonzero(known)),
        "relative_to": "true time" if relative_to_truth else "system clock",
        "at_s": [round((k + 0.5) * step_ns / 1e9, 6) for k in range(_BINS)],
        "nodes": nodes,
    }


def _means(cell: Ints, values: Ints, nodes: int) -> list[list[float | None]]:
    count = np.bincount(cell, minlength=nodes * _BINS)
    total = np.bincount(cell, weights=values, minlength=nodes * _BINS)
    return [
        [
            float(total[k]) / int(count[k]) if count[k] else None
            for k in range(index * _BINS, (index + 1) * _BINS)
        ]
        for index in range(nodes)
    ]

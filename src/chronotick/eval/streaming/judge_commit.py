"""Commit-wait, external consistency, and what coordination is left to do.

The rule (Spanner's): stamp an event with the interval's latest end, then wait until
now.earliest has passed the stamp. If A had finished its wait before B began, then
stamp(A) < stamp(B), always. Judged in true time over all pairs, the same node included:
every A that waited, and every B that has a stamp, whether it waited or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chronotick.eval.streaming.judge_pairs import contradictions, misorders
from chronotick.eval.streaming.judged import (
    CLOCKS,
    INTERVALS,
    NO_TRUTH,
    Group,
    not_judged,
    select,
    share,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from chronotick.eval.streaming.judged import IntervalClock
    from chronotick.eval.streaming.tables import Floats, Ints, Run

__all__ = ["judge_commit_wait", "judge_coordination", "spread"]

_NS_PER_MS = 1_000_000
# A wait is measured on the node's own oscillator, which is off by 0.1 % at most: so it
# ended no later than this many times its length after it began.
_LONGEST = 1.001


def judge_commit_wait(run: Run) -> Group:
    """Return the waits, the breaks of consistency, and the re-read uncertainties."""
    return {
        "wait": _waits(run),
        "external_consistency": _consistency(run),
        "reread": _reread(run),
    }


def spread(values: Ints | Floats) -> Group:
    """Return how `values` are spread: mean, quantiles, extremes; None of none."""
    if not len(values):
        return dict.fromkeys(("mean", "p50", "p95", "p99", "max"))
    p50, p95, p99 = np.percentile(values, (50, 95, 99))
    return {
        "mean": float(values.mean(dtype=np.float64)),
        "p50": float(p50),
        "p95": float(p95),
        "p99": float(p99),
        "max": float(values.max()),
    }


def _waits(run: Run) -> Group:
    known = run.workers.known("commit_wait_ns")
    judged = int(np.count_nonzero(known))
    if not judged:
        return not_judged(run.workers.why_null("commit_wait_ns"))
    wait_ns = run.workers.ints["commit_wait_ns"][known]
    return {"judged": judged, "wait_ns": spread(wait_ns)}


def _consistency(run: Run) -> Group:
    names = ("commit_wait_ns", "ct_hard_upper_ns", "true_time_ns")
    stamped = select(run, run.workers.known(*names[1:]))
    waited = select(stamped, stamped.workers.known(names[0])).workers.ints
    stamp, truth = (stamped.workers.ints[name] for name in names[1:])
    wait, stamp_a, truth_a = (waited[name] for name in names)
    if not len(wait):
        known = run.workers.known
        is_truth_all = known(*names[:2]).any() and not known(names[2]).any()
        return not_judged(NO_TRUTH if is_truth_all else run.workers.why_null(*names))
    finish = truth_a + np.ceil(wait * _LONGEST).astype(np.int64)
    finished = np.sort(finish, kind="stable")
    apart = int(np.searchsorted(finished, truth, side="left").sum())
    result: Group = {
        "judged": len(stamp),
        "waited": len(wait),
        "pairs": apart,
        # stamp(A) >= stamp(B) is a break, so equal counts: hence the 1 ns.
        "breaks": contradictions(finish, truth, stamp_a, stamp - 1),
        "breaks_without_wait": misorders(truth, stamp),
    }
    if not apart:
        why = "there are no pairs: no wait ended before another event arrived"
        return result | {"breaks": None, "why_null": why}
    return result


def _reread(run: Run) -> Group:
    now = run.workers.floats["ct_uncertainty_ms"]
    result: Group = {}
    for after_s in (30, 60):
        name = f"ct_uncertainty_{after_s}s_ms"
        later = run.workers.floats[name]
        known = ~np.isnan(now) & ~np.isnan(later)
        judged = int(np.count_nonzero(known))
        if not judged:
            result[f"after_{after_s}s"] = not_judged(run.workers.why_null(name))
            continue
        result[f"after_{after_s}s"] = {
            "judged": judged,
            "at_event_ms": spread(now[known]),
            "then_ms": spread(later[known]),
            "narrower_share": share(
                int(np.count_nonzero(later[known] < now[known])), judged
            ),
        }
    return result


def judge_coordination(
    run: Run,
    ordering: Group,
    windows_ms: Sequence[float],
    only: Collection[str] = CLOCKS,
) -> Group:
    """Return how many events need a round trip because intervals leave them open.

    The baseline is the system without trusted time, where every event does. An event
    without an interval needs one like any other that is open.

    Args:
        run: All that was recorded.
        ordering: What `judge_ordering` found in it, by the clocks' names.
        windows_ms: Sizes of windows.
        only: Names of clocks.
    """
    clocks: Group = {}
    for clock in INTERVALS:
        if clock.name not in only:
            continue
        open_rows = ordering[clock.name].get("rows_open")
        clocks[clock.name] = _round_trips(run, clock, open_rows, windows_ms)
    return {"clocks": clocks}


def _round_trips(
    run: Run, clock: IntervalClock, ordered: int, windows_ms: Sequence[float]
) -> Group:
    known = run.workers.known(clock.lower, clock.upper)
    if not known.any():
        return not_judged(run.workers.why_null(clock.lower, clock.upper))
    lower, upper = run.workers.ints[clock.lower], run.workers.ints[clock.upper]
    rows, judged = len(lower), int(np.count_nonzero(known))
    windows = []
    for size_ms in windows_ms:
        size_ns = round(size_ms * _NS_PER_MS)
        is_open = ~known | (lower // size_ns != upper // size_ns)
        trips = int(np.count_nonzero(is_open))
        windows.append(
            {
                "window_ms": size_ms,
                "round_trips": trips,
                "round_trip_share": share(trips, rows),
            }
        )
    ordered += rows - judged
    return {
        "judged": judged,
        "baseline_round_trips": rows,
        "order": {
            "round_trips": ordered,
            "round_trip_share": share(ordered, rows),
        },
        "windows": windows,
    }

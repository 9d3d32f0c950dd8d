"""Order of events across nodes: proven, open, or wrong; and what the open ones cost.

Two populations. *All pairs*: any two events of different nodes, however far apart.
*Same event*: the arrivals of one event on different nodes, which are close together and
so hard to order. A pair of intervals is provable if they are disjoint, ambiguous
otherwise; a point clock decides every pair (but a tie), rightly or not. Which of the
decided pairs are wrong is counted among those rows whose true time is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chronotick.eval.streaming.judge_pairs import (
    contradictions,
    misorders,
    overlaps,
    pairs,
)
from chronotick.eval.streaming.judged import (
    CLOCKS,
    INTERVALS,
    NO_TRUTH,
    POINTS,
    Group,
    by_node,
    not_judged,
    select,
    share,
)
from chronotick.eval.streaming.tables import NULL

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from chronotick.eval.streaming.judged import IntervalClock, PointClock
    from chronotick.eval.streaming.tables import Ints, Run

__all__ = ["judge_ordering"]


def judge_ordering(run: Run, only: Collection[str] = CLOCKS) -> Group:
    """Return the statistics of the clocks named in `only` over the rows of `run`."""
    clocks: Group = {}
    for point in POINTS:
        if point.name in only:
            clocks[point.name] = _point(run, point)
    for interval in INTERVALS:
        if interval.name in only:
            clocks[interval.name] = _interval(run, interval)
    return {"clocks": clocks}


def _cross_overlaps(run: Run, lower: Ints, upper: Ints) -> Ints:
    """Return with how many events of *other* nodes each interval overlaps."""
    count = overlaps(lower, upper)
    for index in range(len(run.nodes)):
        mine = np.flatnonzero(run.node == index)
        count[mine] -= overlaps(lower[mine], upper[mine])
    return count


def _point(run: Run, clock: PointClock) -> Group:
    known = run.workers.known(clock.receive)
    if not known.any():
        return not_judged(run.workers.why_null(clock.receive))
    run = select(run, known)
    stamp = run.workers.ints[clock.receive]
    judged = _cross_pairs(run)
    ties = _ties(run, stamp)
    with_truth = _with_truth(run)
    wrong = _across(with_truth, misorders, clock.receive, "true_time_ns")
    return {
        "judged": len(stamp),
        "rows_with_truth": len(with_truth.workers),
        "all_pairs": _counts(judged, judged - ties, _cross_pairs(with_truth), wrong),
        "same_event": _same_event(run, stamp, stamp),
    }


def _interval(run: Run, clock: IntervalClock) -> Group:
    known = run.workers.known(clock.lower, clock.upper)
    if not known.any():
        return not_judged(run.workers.why_null(clock.lower, clock.upper))
    run = select(run, known)
    lower, upper = run.workers.ints[clock.lower], run.workers.ints[clock.upper]
    judged = _cross_pairs(run)
    overlapping = _cross_overlaps(run, lower, upper)
    ambiguous = int(overlapping.sum()) // 2
    with_truth = _with_truth(run)
    wrong = _across(
        with_truth, contradictions, clock.upper, clock.lower, "true_time_ns"
    )
    return {
        "judged": len(lower),
        "rows_with_truth": len(with_truth.workers),
        "rows_open": int(np.count_nonzero(overlapping)),
        "all_pairs": _counts(
            judged, judged - ambiguous, _cross_pairs(with_truth), wrong
        ),
        "same_event": _same_event(run, lower, upper),
    }


def _with_truth(run: Run) -> Run:
    """Return the rows whose true time is known: one that is not hides no other."""
    return select(run, run.workers.known("true_time_ns"))


def _across(run: Run, count: Callable[..., int], *names: str) -> int:
    """Return what `count` finds in the columns `names` among pairs of different nodes."""
    columns = [run.workers.ints[name] for name in names]
    within = by_node(run.node, len(run.nodes), *columns)
    return count(*columns) - sum(count(*mine) for mine in within)


def _cross_pairs(run: Run) -> int:
    sizes = np.bincount(run.node, minlength=len(run.nodes))
    return pairs(len(run.node)) - sum(pairs(int(size)) for size in sizes)


def _ties(run: Run, stamp: Ints) -> int:
    """Count pairs of different nodes with the same stamp."""
    ties = _equal(stamp)
    if not ties:
        return 0
    for (mine,) in by_node(run.node, len(run.nodes), stamp):
        ties -= _equal(mine)
    return ties


def _equal(values: Ints) -> int:
    ordered = np.sort(values, kind="stable")
    breaks = np.flatnonzero(ordered[1:] != ordered[:-1])
    sizes = np.diff(breaks, prepend=-1, append=len(ordered) - 1)
    return int((sizes * (sizes - 1) // 2).sum())


def _same_event(run: Run, lower: Ints, upper: Ints) -> Group:
    """Compare each row with those of the same event, at one distance after another.

    As many steps as an event has rows: the number of nodes.
    """
    event, truth = run.workers.ints["event_id"], run.workers.ints["true_time_ns"]
    has_truth = truth != NULL
    judged = decided = with_truth = wrong = 0
    for lag in range(1, len(event)):
        is_pair = event[:-lag] == event[lag:]
        if not is_pair.any():
            break
        is_pair &= run.node[:-lag] != run.node[lag:]
        is_before = upper[:-lag] < lower[lag:]
        is_after = upper[lag:] < lower[:-lag]
        is_before &= is_pair
        is_after &= is_pair
        judged += int(np.count_nonzero(is_pair))
        decided += int(np.count_nonzero(is_before)) + int(np.count_nonzero(is_after))
        is_pair &= has_truth[:-lag] & has_truth[lag:]
        with_truth += int(np.count_nonzero(is_pair))
        is_before &= is_pair & (truth[:-lag] > truth[lag:])
        is_after &= is_pair & (truth[:-lag] < truth[lag:])
        wrong += int(np.count_nonzero(is_before)) + int(np.count_nonzero(is_after))
    return _counts(judged, decided, with_truth, wrong)


def _counts(judged: int, decided: int, with_truth: int, wrong: int) -> Group:
    """Return the counts of one population; none is wrong where none could be."""
    why = _why_null(judged, decided, with_truth)
    counts: Group = {
        "pairs": judged,
        "decided": decided,
        "decided_share": share(decided, judged),
        "ambiguous": judged - decided,
        "ambiguous_share": share(judged - decided, judged),
        "pairs_with_truth": with_truth,
        "wrong": None if why else wrong,
        "wrong_share": None if why else share(wrong, with_truth),
    }
    return counts | {"why_null": why} if why else counts


def _why_null(judged: int, decided: int, with_truth: int) -> str:
    """Return why nobody can say how many orders are wrong; empty: one can."""
    if not judged:
        return "there are no pairs of arrivals on different nodes"
    if not with_truth:
        return NO_TRUTH
    return "" if decided else "the order of no pair is decided"

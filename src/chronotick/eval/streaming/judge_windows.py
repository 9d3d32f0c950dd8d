"""Windows: do all nodes put an event into the same one?

Decides, for windows of each size, how far the nodes agree. A point clock always names a
window; an interval only where the whole of it lies in one. Agreement is counted among
the events that all nodes decided, and the undecided share stands beside it: consensus
is computed, never assumed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chronotick.eval.streaming.judged import (
    CLOCKS,
    INTERVALS,
    POINTS,
    Group,
    not_judged,
    select,
    share,
)
from chronotick.eval.streaming.tables import NULL

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from chronotick.eval.streaming.tables import Ints, Run

__all__ = ["DEFAULT_WINDOWS_MS", "judge_windows"]

DEFAULT_WINDOWS_MS = (50.0, 100.0, 500.0, 1000.0)
_NS_PER_MS = 1_000_000


def judge_windows(
    run: Run, windows_ms: Sequence[float], only: Collection[str] = CLOCKS
) -> Group:
    """Return the statistics of the clocks named in `only` for each size of window."""
    columns = {clock.name: (clock.receive, clock.receive) for clock in POINTS}
    columns |= {clock.name: (clock.lower, clock.upper) for clock in INTERVALS}
    # Perfect clocks do not always agree either: the arrivals differ.
    columns["truth"] = ("true_time_ns", "true_time_ns")
    clocks = {
        name: _clock(run, *ends, windows_ms)
        for name, ends in columns.items()
        if name in only
    }
    return {
        "windows": [
            {
                "window_ms": size_ms,
                "clocks": {name: found[k] for name, found in clocks.items()},
            }
            for k, size_ms in enumerate(windows_ms)
        ]
    }


def _clock(
    run: Run, lower: str, upper: str, windows_ms: Sequence[float]
) -> list[Group]:
    """Return the statistics of one clock, for each size."""
    known = run.workers.known(lower, upper)
    if not known.any():
        return [not_judged(run.workers.why_null(lower, upper)) for _ in windows_ms]
    run = select(run, known)
    events = _Events(run)
    ints = run.workers.ints
    return [
        events.agreement(ints[lower], ints[upper], round(size_ms * _NS_PER_MS))
        for size_ms in windows_ms
    ]


class _Events:
    """Rows grouped by event."""

    def __init__(self, run: Run) -> None:
        event = run.workers.ints["event_id"]
        self._starts = np.flatnonzero(event[1:] != event[:-1]) + 1
        self._starts = np.concatenate(([0], self._starts))
        self._is_shared = np.diff(self._starts, append=len(event)) > 1
        truth = run.workers.ints["true_time_ns"]
        self._truth = None if (truth == NULL).any() else truth

    def agreement(self, lower: Ints, upper: Ints, size_ns: int) -> Group:
        """Return who decided, who agreed, and who was wrong, for one size."""
        first = lower // size_ns
        last = first if upper is lower else upper // size_ns
        least = np.minimum.reduceat(first, self._starts)
        # An event is decided if each node has decided by itself, without asking others;
        # then all agree if the latest end is in the window of the earliest beginning.
        rows_open = last != first
        is_decided = self._is_shared & ~np.logical_or.reduceat(rows_open, self._starts)
        is_agreed = is_decided & (np.maximum.reduceat(last, self._starts) == least)
        events = int(np.count_nonzero(self._is_shared))
        decided = int(np.count_nonzero(is_decided))
        agreed = int(np.count_nonzero(is_agreed))
        result: Group = {
            "judged": len(first),
            "events": events,
            "decided": decided,
            "undecided_share": share(events - decided, events),
            "agreed": agreed,
            "agreement_share": share(agreed, decided),
            "rows_undecided": int(np.count_nonzero(rows_open)),
        }
        if self._truth is None:
            result |= {"rows_wrong": None, "why_null": "the true times are not known"}
            return result
        is_wrong = ~rows_open & (first != self._truth // size_ns)
        return result | {"rows_wrong": int(np.count_nonzero(is_wrong))}

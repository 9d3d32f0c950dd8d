"""Windows: do all nodes put an event into the same one?

Decides, for windows of each size, how far the nodes agree. A point clock names a window
wherever it gives a reading; an interval only where the whole of it lies in one. Agreement
is counted among the events that all nodes of the run decided, and the undecided share
stands beside it: consensus is computed, never assumed, and a node without a reading has
decided nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chronotick.eval.streaming.judged import (
    CLOCKS,
    INTERVALS,
    NO_TRUTH,
    POINTS,
    Group,
    not_judged,
    share,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from chronotick.eval.streaming.tables import Ints, Masks, Run

__all__ = ["DEFAULT_WINDOWS_MS", "judge_windows"]

DEFAULT_WINDOWS_MS = (50.0, 100.0, 500.0, 1000.0)
_NS_PER_MS = 1_000_000


def judge_windows(
    run: Run, windows_ms: Sequence[float], only: Collection[str] = CLOCKS
) -> Group:
    """Return the statistics of the clocks named in `only` for each size of window.

    Args:
        run: All that was recorded: a row without a reading counts as undecided.
        windows_ms: Sizes of windows, ms.
        only: Names of clocks.
    """
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
    events = _Events(run, known)
    ints = run.workers.ints
    return [
        events.agreement(ints[lower], ints[upper], round(size_ms * _NS_PER_MS))
        for size_ms in windows_ms
    ]


class _Events:
    """Rows grouped by event.

    Args:
        run: What was recorded; each node has an event once.
        known: In which rows the clock gave a reading.
    """

    def __init__(self, run: Run, known: Masks) -> None:
        event = run.workers.ints["event_id"]
        self._starts = np.flatnonzero(event[1:] != event[:-1]) + 1
        self._starts = np.concatenate(([0], self._starts))
        self._nodes = len(run.nodes)
        self._known = known
        self._truth = run.workers.ints["true_time_ns"]
        self._has_truth = known & run.workers.known("true_time_ns")

    def agreement(self, lower: Ints, upper: Ints, size_ns: int) -> Group:
        """Return who decided, who agreed, and who was wrong, for one size."""
        first = lower // size_ns
        last = first if upper is lower else upper // size_ns
        is_named = self._known & (last == first)
        # An event is decided if each node of the run has decided by itself, without
        # asking others; then all agree if they all name the least of the windows.
        named = np.add.reduceat(is_named, self._starts, dtype=np.int32)
        is_decided = (named == self._nodes) & (self._nodes > 1)
        least = np.minimum.reduceat(first, self._starts)
        is_agreed = is_decided & (np.maximum.reduceat(last, self._starts) == least)
        events = len(self._starts) if self._nodes > 1 else 0
        decided = int(np.count_nonzero(is_decided))
        agreed = int(np.count_nonzero(is_agreed))
        return {
            "judged": int(np.count_nonzero(self._known)),
            "rows_with_truth": int(np.count_nonzero(self._has_truth)),
            "events": events,
            "decided": decided,
            "undecided_share": share(events - decided, events),
            "agreed": agreed,
            "agreement_share": share(agreed, decided),
            "rows_undecided": len(is_named) - int(np.count_nonzero(is_named)),
            **self._wrong(first, is_named, size_ns),
        }

    def _wrong(self, first: Ints, is_named: Masks, size_ns: int) -> Group:
        """Return how many rows name another window than the true one."""
        if not self._has_truth.any():
            return {"rows_wrong": None, "why_null": NO_TRUTH}
        judged = is_named & self._has_truth
        if not judged.any():
            return {"rows_wrong": None, "why_null": "no arrival lies in one window"}
        is_wrong = judged & (first != self._truth // size_ns)
        return {"rows_wrong": int(np.count_nonzero(is_wrong))}

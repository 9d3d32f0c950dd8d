"""The intervals' promises, on every row that has the interval.

A promise is not kept by leaving rows out: where plain NTP has no reading, ChronoTick's
interval is judged all the same. Decides over which rows the claims are judged; the
comparison of all clocks, on the rows that all of them have, is another matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chronotick.eval.streaming.judge_causality import judge_causality
from chronotick.eval.streaming.judge_order import judge_ordering
from chronotick.eval.streaming.judged import CLOCKS, INTERVALS, Group

if TYPE_CHECKING:
    from collections.abc import Collection

    from chronotick.eval.streaming.judged import IntervalClock
    from chronotick.eval.streaming.tables import Run

__all__ = ["judge_bounds", "orders"]


def judge_bounds(
    run: Run,
    common: Run,
    causality: Group,
    ordering: Group,
    only: Collection[str] = CLOCKS,
) -> Group:
    """Return causality and order of the intervals named in `only`, over all their rows.

    Args:
        run: All that was recorded.
        common: Its rows on which all clocks are compared.
        causality: What `judge_causality` found in `common`.
        ordering: What `judge_ordering` found in `common`.
        only: Names of clocks.
    """
    clocks: Group = {}
    for clock in INTERVALS:
        if clock.name not in only:
            continue
        # Mostly no row was left out, and judging the same ones again takes as long.
        if _rows(run, clock) == _rows(common, clock):
            found, order = causality, ordering
        else:
            found = judge_causality(run, (clock.name,))
            order = judge_ordering(run, (clock.name,))
        clocks[clock.name] = {
            "causality": found["clocks"][clock.name],
            "ordering": order["clocks"][clock.name],
        }
    return {"clocks": clocks}


def orders(bounds: Group) -> Group:
    """Return what `judge_bounds` found of the order, by the clocks' names."""
    return {name: found["ordering"] for name, found in bounds["clocks"].items()}


def _rows(run: Run, clock: IntervalClock) -> int:
    return int(np.count_nonzero(run.workers.known(clock.lower, clock.upper)))

"""What every judge works on: the clocks of a run, laid side by side.

Decides which columns make which clock, and on which events they are compared: like
against like means the same rows for all of them, both ends by the same clock. A promise
is not judged on those alone: see `judge_bounds`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from chronotick.eval.streaming.tables import NULL, Run, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from chronotick.eval.streaming.tables import Ints, Masks

__all__ = [
    "CLOCKS",
    "COMMON",
    "INTERVALS",
    "NO_TRUTH",
    "POINTS",
    "Group",
    "IntervalClock",
    "PointClock",
    "by_node",
    "not_judged",
    "same_events",
    "select",
    "share",
]

Group: TypeAlias = dict[str, Any]
"""Statistics as they are written: JSON's own types. None is null, with a reason
beside it under `why_null`."""


class PointClock(NamedTuple):
    """A clock that gives one number, by its columns at both ends."""

    name: str
    send: str
    receive: str


class IntervalClock(NamedTuple):
    """A clock that gives two; the same columns at both ends."""

    name: str
    lower: str
    upper: str


POINTS = (
    PointClock("system", "send_time_ns", "receive_time_ns"),
    PointClock("ntp", "ntp_timestamp_ns", "ntp_timestamp_ns"),
    PointClock("chronotick", "ct_timestamp_ns", "ct_timestamp_ns"),
)
INTERVALS = (
    IntervalClock("hard", "ct_hard_lower_ns", "ct_hard_upper_ns"),
    IntervalClock("calibrated", "ct_lower_bound_ns", "ct_upper_bound_ns"),
)
CLOCKS = (*(c.name for c in POINTS), *(c.name for c in INTERVALS), "truth")
"""All that is judged; `truth` is what perfect clocks would say."""
NO_TRUTH = "the true times are not known"
"""Why what needs the truth is null where no row has it."""
# The calibrated interval must be earned first; while it is not, the others are judged.
COMMON = ("receive_time_ns", "ntp_timestamp_ns", "ct_timestamp_ns", "ct_hard_lower_ns")


def not_judged(why: str) -> Group:
    """Return the statistics of what could not be judged."""
    return {"judged": 0, "why_null": why}


def share(part: int, whole: int) -> float | None:
    """Return part / whole; None where there is no whole."""
    return part / whole if whole else None


def select(run: Run, mask: Masks) -> Run:
    """Return `run` with only the worker rows of `mask`."""
    if mask.all():
        return run
    table = Table(
        ints={name: values[mask] for name, values in run.workers.ints.items()},
        floats={name: values[mask] for name, values in run.workers.floats.items()},
        absent=run.workers.absent,
    )
    return Run(
        workers=table,
        node=run.node[mask],
        nodes=run.nodes,
        sends=run.sends,
        run_ids=run.run_ids,
        statuses=run.statuses,
        damaged=run.damaged,
        repeated=run.repeated,
        acknowledged_after_ns=run.acknowledged_after_ns,
    )


def same_events(run: Run) -> Run:
    """Return the rows in which every clock that the run has at all gave a reading."""
    mask = np.ones(len(run.workers), dtype=np.bool_)
    for name in COMMON:
        known = run.workers.ints[name] != NULL
        if known.any():
            mask &= known
    return select(run, mask)


def by_node(
    node: npt.NDArray[np.int32], nodes: int, *columns: Ints
) -> Iterator[tuple[Ints, ...]]:
    """Yield the columns of one node after another; of those that have rows."""
    for index in range(nodes):
        mine = np.flatnonzero(node == index)
        if len(mine):
            yield tuple(column[mine] for column in columns)

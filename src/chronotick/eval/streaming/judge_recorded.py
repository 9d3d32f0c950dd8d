"""What was acknowledged and is not there: a node that was lost, or its last rows.

Decides how much of a run is missing, and whose. A worker acknowledges an arrival as it
stamps it, so what the coordinator heard of and nobody recorded was lost: with a node that
died, with its file, or in a line that is damaged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chronotick.eval.streaming.judged import Group, not_judged
from chronotick.eval.streaming.tables import NULL

if TYPE_CHECKING:
    from chronotick.eval.streaming.tables import Ints, Run

__all__ = ["judge_recorded"]


def judge_recorded(run: Run) -> Group:
    """Return how many acknowledged arrivals there were, and how many have no row."""
    if not len(run.sends):
        return not_judged("there is no coordinator's file")
    if not run.acknowledged_after_ns:
        return not_judged("the coordinator's file does not tell who acknowledged")
    acknowledged = {
        name: run.sends.ints["event_id"][after_ns != NULL]
        for name, after_ns in sorted(run.acknowledged_after_ns.items())
    }
    total = sum(map(len, acknowledged.values()))
    if not total:
        return not_judged("nobody acknowledged anything in time")
    nodes: Group = {}
    if set(run.nodes) <= acknowledged.keys():
        nodes = {
            name: _node(run, name, events) for name, events in acknowledged.items()
        }
        missing = sum(node["missing"] for node in nodes.values())
    else:
        # The coordinator calls them otherwise than they call themselves.
        missing = _missing(run, np.concatenate(list(acknowledged.values())))
    return {
        "judged": total,
        "acknowledged": total,
        "missing": missing,
        "workers": len(acknowledged),
        "nodes": nodes,
    }


def _node(run: Run, name: str, acknowledged: Ints) -> Group:
    index = run.nodes.index(name) if name in run.nodes else -1
    recorded = run.workers.ints["event_id"][run.node == index]
    is_there = np.isin(acknowledged, recorded)
    return {
        "acknowledged": len(acknowledged),
        "recorded": len(recorded),
        "missing": int(np.count_nonzero(~is_there)),
    }


def _missing(run: Run, acknowledged: Ints) -> int:
    """Return how many rows there are too few, event by event, whosever they are."""
    events, counts = np.unique(acknowledged, return_counts=True)
    recorded = run.workers.ints["event_id"]
    rows = np.searchsorted(recorded, events, side="right")
    rows -= np.searchsorted(recorded, events, side="left")
    return int(np.maximum(counts - rows, 0).sum())

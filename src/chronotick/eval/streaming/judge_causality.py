"""Causality: no event is received before it was sent, nor after it was acknowledged.

Decides for each clock how often its own stamps say otherwise. A point clock that does is
wrong and says so only here; intervals contradict provably (receive.latest <
send.earliest, or receive.earliest after the latest instant at which the coordinator had
the acknowledgement), which must never happen, or prove the order, or leave it open. Both
ends are needed: a worker that is behind is found out by the first, one that is ahead by
the second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chronotick.core.units import PPB
from chronotick.eval.streaming.judged import (
    CLOCKS,
    INTERVALS,
    POINTS,
    Group,
    not_judged,
    share,
)
from chronotick.eval.streaming.stamping import MAX_RATE_PPB
from chronotick.eval.streaming.tables import NULL

if TYPE_CHECKING:
    from collections.abc import Collection

    from chronotick.eval.streaming.judged import IntervalClock, PointClock
    from chronotick.eval.streaming.tables import Ints, Masks, Run

__all__ = ["judge_causality"]


def judge_causality(run: Run, only: Collection[str] = CLOCKS) -> Group:
    """Return the statistics of the clocks named in `only` over the rows of `run`."""
    sender = _Sender(run)
    clocks = {c.name: _point(run, sender, c) for c in POINTS if c.name in only}
    for clock in INTERVALS:
        if clock.name in only:
            clocks[clock.name] = _interval(run, sender, clock)
    if "truth" in only:
        clocks["truth"] = _truth(run, sender)
    return {"clocks": clocks}


class _Sender:
    """The coordinator's columns, laid beside the workers' rows."""

    def __init__(self, run: Run) -> None:
        self._sends = run.sends
        events = run.workers.ints["event_id"]
        sent = run.sends.ints["event_id"]
        at = np.searchsorted(sent, events)
        self._at = np.minimum(at, max(len(sent) - 1, 0))
        self._is_there: Masks = (
            sent[self._at] == events
            if len(sent)
            else np.zeros(len(events), dtype=np.bool_)
        )

    def column(self, name: str) -> Ints:
        """Return the coordinator's `name` for every worker row; null without one."""
        if not len(self._sends):
            return np.full(len(self._at), NULL)
        return np.where(self._is_there, self._sends.ints[name][self._at], NULL)

    def acknowledged_ns(self, run: Run, sent_upper_ns: Ints) -> Ints:
        """Return the latest instant of each row's acknowledgement; null without one.

        Args:
            run: Of the rows.
            sent_upper_ns: The coordinator's latest instant of the send.
        """
        found = np.full(len(self._at), NULL)
        for index, name in enumerate(run.nodes):
            after_ns = run.acknowledged_after_ns.get(name)
            if after_ns is None or not len(after_ns):
                continue
            mine = (run.node == index) & self._is_there & (sent_upper_ns != NULL)
            mine &= after_ns[self._at] != NULL
            passed_ns = after_ns[self._at[mine]]
            # Measured on the coordinator's own oscillator, which may be slow: of true
            # time 1 / (1 - x) of it passed, which is 1 + 1 / (1/x - 1).
            passed_ns += passed_ns // (PPB // MAX_RATE_PPB - 1) + 1
            found[mine] = sent_upper_ns[mine] + passed_ns
        return found

    def why_null(self, run: Run, *names: str) -> str:
        if not len(self._sends):
            return "there is no coordinator's file"
        if not self._is_there.any():
            return "the coordinator's file has none of these events"
        gone = self._sends.absent.intersection(names)
        whose, table = (
            ("coordinator", self._sends) if gone else ("workers", run.workers)
        )
        return f"{whose}: {table.why_null(*names)}"


def _point(run: Run, sender: _Sender, clock: PointClock) -> Group:
    receive = run.workers.ints[clock.receive]
    # The datagram itself carries the system clock's stamp.
    send = (
        run.workers.ints["coordinator_send_time_ns"]
        if clock.name == "system"
        else sender.column(clock.send)
    )
    known = (receive != NULL) & (send != NULL)
    judged = int(np.count_nonzero(known))
    if not judged:
        return not_judged(sender.why_null(run, clock.send, clock.receive))
    late_ns = (receive - send)[known]
    violations = int(np.count_nonzero(late_ns < 0))
    return {
        "judged": judged,
        "violations": violations,
        "violation_share": share(violations, judged),
        "worst_ns": max(-int(late_ns.min()), 0),
    }


def _interval(run: Run, sender: _Sender, clock: IntervalClock) -> Group:
    lower, upper = run.workers.ints[clock.lower], run.workers.ints[clock.upper]
    sent_lower, sent_upper = sender.column(clock.lower), sender.column(clock.upper)
    known = (lower != NULL) & (upper != NULL)
    known &= (sent_lower != NULL) & (sent_upper != NULL)
    judged = int(np.count_nonzero(known))
    if not judged:
        return not_judged(sender.why_null(run, clock.lower, clock.upper))
    acknowledged = sender.acknowledged_ns(run, sent_upper)
    both = known & (acknowledged != NULL)
    before_send, after_ack = known & (upper < sent_lower), both & (lower > acknowledged)
    wrong = before_send | after_ack
    contradicted = int(np.count_nonzero(wrong))
    proven = int(np.count_nonzero(known & (sent_upper < lower) & ~wrong))
    return {
        "judged": judged,
        "judged_both_ways": int(np.count_nonzero(both)),
        "contradictions": contradicted,
        "contradiction_share": share(contradicted, judged),
        "before_send": int(np.count_nonzero(before_send)),
        "after_acknowledgement": int(np.count_nonzero(after_ack)),
        "contradictions_by_node": {
            name: count
            for index, name in enumerate(run.nodes)
            if (count := int(np.count_nonzero(wrong & (run.node == index))))
        },
        "proven": proven,
        "proven_share": share(proven, judged),
        "undecided": judged - contradicted - proven,
        "undecided_share": share(judged - contradicted - proven, judged),
    }


def _truth(run: Run, sender: _Sender) -> Group:
    """Check the judge's own ruler: in true time nothing arrives before it is sent."""
    receive, send = run.workers.ints["true_time_ns"], sender.column("true_time_ns")
    known = (receive != NULL) & (send != NULL)
    judged = int(np.count_nonzero(known))
    if not judged:
        return not_judged(sender.why_null(run, "true_time_ns"))
    transit_ns = (receive - send)[known]
    return {
        "judged": judged,
        "violations": int(np.count_nonzero(transit_ns < 0)),
        "shortest_transit_ns": int(transit_ns.min()),
        "median_transit_ns": float(np.median(transit_ns)),
    }

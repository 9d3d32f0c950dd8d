"""An arrival lies between the send and its acknowledgement, whatever a clock says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chronotick.eval.streaming.columns import ACKNOWLEDGED_AFTER
from chronotick.eval.streaming.judge import judge
from chronotick.eval.streaming.report import markdown
from unit.eval.streaming.recordings import EPOCH_NS, MS, imagine, run_of

NODES = ("n0", "n1", "n2")


def clock(at_ns: int, half_ns: int = MS) -> dict[str, int]:
    """Return a hard interval around an instant."""
    return {"ct_hard_lower_ns": at_ns - half_ns, "ct_hard_upper_ns": at_ns + half_ns}


def judged(
    off_ns: int, *, is_told: bool = True, events: int = 20, passed_ns: int = MS
) -> dict[str, Any]:
    """Judge a run without truth in which b's clock is off, and a's is not."""
    rows, sends = [], []
    for event in range(events):
        at_ns = EPOCH_NS + event * 100 * MS
        after = {f"{ACKNOWLEDGED_AFTER}{node}": passed_ns for node in "ab"}
        sends.append({"event_id": event, **clock(at_ns), **(after if is_told else {})})
        for node, error_ns in (("a", 0), ("b", off_ns)):
            row = {"event_id": event, "node_id": node}
            rows.append(row | clock(at_ns + MS // 2 + error_ns))
    return judge(run_of(rows, sends, "ab" if is_told else ""))


def causality(statistics: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the claim, and what the hard interval did."""
    (claim,) = [c for c in statistics["claims"] if c["id"] == "causality"]
    return claim, statistics["bounds"]["clocks"]["hard"]["causality"]


@pytest.mark.parametrize(
    ("off_ns", "kind"), [(-50 * MS, "before_send"), (50 * MS, "after_acknowledgement")]
)
def test_a_worker_is_found_out_whichever_way_it_is_off(off_ns: int, kind: str) -> None:
    """And named: no truth is needed for it."""
    statistics = judged(off_ns)
    claim, hard = causality(statistics)

    assert claim["holds"] is False
    assert claim["nodes"] == hard["contradictions_by_node"] == {"b": 20}
    assert hard[kind] == hard["contradictions"] == 20
    assert hard["judged_both_ways"] == 40
    assert hard["proven"] + hard["undecided"] == 20
    assert "BROKEN: b: 20" in markdown(statistics, {})


def test_files_that_do_not_tell_of_acknowledgements_show_one_end() -> None:
    """Those of earlier versions are judged as they were."""
    assert causality(judged(50 * MS, is_told=False))[0]["holds"] is True
    assert causality(judged(50 * MS, is_told=False))[1]["judged_both_ways"] == 0
    assert causality(judged(-50 * MS, is_told=False))[0]["holds"] is False


@pytest.mark.parametrize(("beyond_ns", "holds"), [(0, True), (1, False)])
def test_only_what_is_provable_is_a_contradiction(beyond_ns: int, holds: bool) -> None:
    """To the nanosecond, the coordinator's oscillator at its worst."""
    passed_ns = 10 * MS
    worst_ns = passed_ns + passed_ns // 1999 + 1
    # b's earliest instant against the latest one of the acknowledgement.
    off_ns = 2 * MS + worst_ns - MS // 2 + beyond_ns

    assert causality(judged(off_ns, passed_ns=passed_ns))[0]["holds"] is holds


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rate_ppm", [-500, 0, 500])
def test_honest_clocks_contradict_no_acknowledgement(seed: int, rate_ppm: int) -> None:
    """However soon it comes, on whatever oscillator."""
    rows, sends = imagine(seed=seed, events=300)
    dice = np.random.default_rng(seed)
    for row in rows:
        send = sends[row["event_id"]]
        passed_ns = row["true_time_ns"] - send["true_time_ns"] + int(dice.integers(MS))
        raw_ns = -(-passed_ns * (1_000_000 + rate_ppm) // 1_000_000)
        send[ACKNOWLEDGED_AFTER + row["node_id"]] = raw_ns
    claim, hard = causality(judge(run_of(rows, sends, NODES)))

    assert hard["judged_both_ways"] == 900
    assert claim["holds"] is True

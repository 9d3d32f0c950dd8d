"""A claim is judged on all that can be judged, and holds over nothing that cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chronotick.eval.streaming.judge import JudgeSettings, judge
from chronotick.eval.streaming.judge_share import independent, limits
from chronotick.eval.streaming.report import markdown
from unit.eval.streaming.recordings import EPOCH_NS, MS, imagine, run_of

TRUTH = (
    "order_all_pairs",
    "order_same_event",
    "windows_50ms",
    "external_consistency",
    "hard_coverage",
)


def row(event: int, node: str, true_ns: int, **other: Any) -> dict[str, Any]:
    """Return an arrival with all clocks, 1 ms wide either way, around `true_ns`."""
    return {
        "event_id": event,
        "node_id": node,
        "receive_time_ns": true_ns,
        "ntp_timestamp_ns": true_ns,
        "ct_timestamp_ns": true_ns,
        "ct_hard_lower_ns": true_ns - MS,
        "ct_hard_upper_ns": true_ns + MS,
        "ct_lower_bound_ns": true_ns - MS // 2,
        "ct_upper_bound_ns": true_ns + MS // 2,
        "commit_wait_ns": 3 * MS,
        "true_time_ns": true_ns,
        **other,
    }


def send(event: int, true_ns: int) -> dict[str, Any]:
    """Return what the coordinator records of an event that it sent at `true_ns`."""
    return {
        "event_id": event,
        "send_time_ns": true_ns,
        "ct_hard_lower_ns": true_ns - MS,
        "ct_hard_upper_ns": true_ns + MS,
        "true_time_ns": true_ns,
    }


def claims_of(statistics: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the claims by their identifiers."""
    return {claim["id"]: claim for claim in statistics["claims"]}


def lying(*gone: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a run in which b is 30 ms behind, far outside its bound, and lacks `gone`."""
    rows, sends = [], []
    for event in range(50):
        at_ns = EPOCH_NS + event * 10 * MS
        sends.append(send(event, at_ns))
        rows.append(row(event, "a", at_ns + MS))
        behind = row(event, "b", at_ns - 29 * MS, true_time_ns=at_ns + MS + 1000)
        rows.append({k: v for k, v in behind.items() if k not in gone})
    return rows, sends


@pytest.mark.parametrize("gone", [(), ("ntp_timestamp_ns",)])
def test_a_node_without_plain_ntp_is_judged_like_any_other(
    gone: tuple[str, ...],
) -> None:
    """A promise is not kept by leaving out the rows on which it is broken."""
    statistics = judge(run_of(*lying(*gone)))
    claims = claims_of(statistics)

    assert claims["causality"]["measured"] == 50
    assert claims["order_same_event"]["measured"] == 50
    others = {"recorded", "calibrated_coverage"}
    assert {c["holds"] for n, c in claims.items() if n not in others} == {False}
    assert statistics["run"]["rows_compared"] == (50 if gone else 100)
    # What compares all clocks is still of the rows that all of them have.
    hard = statistics["causality"]["clocks"]["hard"]
    assert hard["judged"] == statistics["run"]["rows_compared"]


def test_one_row_without_the_truth_hides_no_other() -> None:
    """What is known is judged, and what is not is counted and told."""
    rows, sends = lying()
    del rows[7]["true_time_ns"]
    statistics = judge(run_of(rows, sends))
    claims = claims_of(statistics)

    assert {name: claims[name]["holds"] for name in TRUTH} == dict.fromkeys(
        TRUTH, False
    )
    assert {claims[name]["rows_not_judged"] for name in TRUTH} == {1}
    assert claims["causality"]["rows_not_judged"] == 0
    assert "BROKEN: judged on 99 of 100 arrivals" in markdown(statistics, {})


def test_what_was_not_judged_stands_beside_what_holds() -> None:
    """A claim that holds says on how many arrivals."""
    rows, sends = imagine(events=30)
    for each in rows[:10]:
        del each["true_time_ns"]
    statistics = judge(run_of(rows, sends))

    assert "holds: judged on 80 of 90 arrivals" in markdown(statistics, {})
    assert statistics["verdict"] == "holds"


def test_a_node_whose_daemon_died_decides_nothing_more() -> None:
    """No interval: the event is open, needs a round trip, and is told with its status."""
    rows = [
        row(event, node, EPOCH_NS + event * 60 * MS + 7 * MS)
        for event in range(30)
        for node in "abc"
    ]
    ours = {name for name in rows[0] if name.startswith(("ct_", "commit"))}
    for each in rows:
        if each["node_id"] != "a" and each["event_id"] >= 3:
            for name in ours:
                del each[name]
    statistics = judge(run_of(rows))
    window = statistics["windows"]["windows"][-1]["clocks"]
    trips = statistics["coordination"]["clocks"]["hard"]

    assert (window["hard"]["events"], window["hard"]["decided"]) == (30, 3)
    assert window["system"]["decided"] == 30
    assert trips["windows"][-1]["round_trips"] == 54
    assert trips["order"]["round_trips"] == 54 + 3 * 3
    assert trips["baseline_round_trips"] == 90


def test_an_event_that_a_node_never_had_is_undecided() -> None:
    """Its packet was lost: nobody can say which window that node would have named."""
    rows = [
        row(event, node, EPOCH_NS + event * 60 * MS + 7 * MS)
        for event in range(10)
        for node in "abc"
        if node != "c" or event % 2
    ]
    window = judge(run_of(rows))["windows"]["windows"][-1]["clocks"]["hard"]

    assert (window["events"], window["decided"]) == (10, 5)
    assert window["undecided_share"] == 0.5


def test_the_statuses_of_the_readings_are_told() -> None:
    """In the first table: without them nobody sees why intervals are missing."""
    statistics = judge(run_of([row(1, "a", EPOCH_NS), row(1, "b", EPOCH_NS)]))
    statistics["run"]["statuses"] = {"synchronized": 1200, "StaleCorrection": 3}

    said = markdown(statistics, {})
    assert "| ChronoTick's status | synchronized 1,200, StaleCorrection 3 |" in said


@pytest.mark.parametrize("wait", [{"commit_wait_ns": 2000}, {}])
def test_whoever_waited_is_before_those_who_did_not_wait(wait: dict[str, int]) -> None:
    """The promise needs A's wait only: B is judged by its stamp."""
    late = row(0, "a", EPOCH_NS, ct_hard_upper_ns=EPOCH_NS + 100 * MS)
    late["commit_wait_ns"] = MS
    other = row(1, "b", EPOCH_NS + 50 * MS)
    del other["commit_wait_ns"]
    statistics = judge(run_of([late, other | wait]))

    order = statistics["commit_wait"]["external_consistency"]
    assert (order["pairs"], order["breaks"]) == (1, 1)
    assert claims_of(statistics)["external_consistency"]["holds"] is False


def test_a_claim_over_nothing_does_not_hold() -> None:
    """One node makes no pairs, and an interval of a minute lies in no window."""
    wide = {"ct_hard_lower_ns": EPOCH_NS - 30_000 * MS}
    wide["ct_hard_upper_ns"] = EPOCH_NS + 30_000 * MS
    rows = [row(k, "a", EPOCH_NS + k, commit_wait_ns=60_000 * MS) for k in range(5)]
    statistics = judge(run_of([each | wide for each in rows]))
    claims = claims_of(statistics)

    for name in ("order_all_pairs", "order_same_event", "external_consistency"):
        assert (claims[name]["measured"], claims[name]["holds"]) == (None, None)
        assert "there are no pairs" in claims[name]["why"]
    assert claims["windows_1000ms"]["holds"] is None
    assert claims["windows_1000ms"]["why"] == "no arrival lies in one window"
    assert claims["hard_coverage"]["holds"] is True


def test_an_order_that_nobody_decided_is_not_right() -> None:
    """Two bounds of a minute say nothing of the order, rightly or wrongly."""
    rows = [row(1, "a", EPOCH_NS), row(1, "b", EPOCH_NS + MS)]
    claim = claims_of(judge(run_of(rows)))["order_same_event"]

    assert claim["holds"] is None
    assert claim["why"] == "the order of no pair is decided"


def calibrated(
    half_ns: int, level: float, error: Any, events: int = 1500
) -> dict[str, Any]:
    """Return the claim of a calibrated interval of two nodes whose errors are `error`."""
    rows = []
    for event in range(events):
        for k, node in enumerate("ab"):
            at_ns = EPOCH_NS + event * 10 * MS
            middle_ns = at_ns + int(error[event, k])
            ends = {
                "ct_lower_bound_ns": middle_ns - half_ns,
                "ct_upper_bound_ns": middle_ns + half_ns,
            }
            rows.append(row(event, node, at_ns, **ends))
    settings = JudgeSettings(calibrated_level=level)
    return claims_of(judge(run_of(rows), settings))["calibrated_coverage"]


def test_far_too_wide_is_found_out_at_99_percent() -> None:
    """Ten sigma, 12,000 outcomes, none outside: that is no 99 %."""
    error = np.random.default_rng(1).normal(0, MS, (6000, 2))
    wide = calibrated(10 * MS, 0.99, error, 6000)
    right = calibrated(round(2.576 * MS), 0.99, error, 6000)

    assert (wide["measured"], wide["holds"]) == (1.0, False)
    assert right["measured"] == pytest.approx(0.99, abs=0.005)
    assert right["holds"] is True


def test_one_outcome_told_a_thousand_times_is_no_proof() -> None:
    """A path that stays lopsided, or drifts: all arrivals share one error or a few."""
    stays = np.full((1500, 2), 0.5 * MS)
    drifts = np.sin(np.arange(1500) / 300)[:, None] * np.array([[MS, -MS]])

    for error in (stays, drifts, 0 * stays):
        claim = calibrated(2 * MS, 0.99, error)
        assert (claim["measured"], claim["holds"]) == (1.0, True)
    # Ten percent off is not within one; but it is not proven to be wrong, either.
    claim = calibrated(2 * MS, 0.9, stays)
    assert (claim["measured"], claim["holds"]) == (1.0, None)
    assert "3000 arrivals count as 2 independent outcomes" in claim["why"]


def test_few_arrivals_break_no_calibrated_bound() -> None:
    """Nine of ten: chance does that once in ten runs."""
    error = np.zeros((5, 2))
    error[0, 0] = 3 * MS
    few = calibrated(2 * MS, 0.99, error, 5)
    many = calibrated(2 * MS, 0.99, np.tile(error, (60, 1)), 300)

    assert (few["measured"], few["holds"]) == (0.9, None)
    assert few["why"] == "10 arrivals are too few to tell chance from a wrong bound"
    assert (many["measured"], many["holds"]) == (0.9, False)


def test_outcomes_are_counted_by_how_long_errors_keep_their_sign() -> None:
    """All alike are one of each node; of its own each, they are nearly all there are."""
    rows = [row(k, node, EPOCH_NS) for k in range(1024) for node in "ab"]
    run = run_of(rows)
    dice = np.random.default_rng(3).choice([-1, 1], 2048)

    assert independent(run, np.ones(2048, dtype=np.int64)) == 2
    assert 400 < independent(run, dice) <= 2048
    held = np.repeat(dice[:64], 32)
    assert 8 < independent(run, held) < 160


def test_limits_of_a_share_close_in_on_it() -> None:
    """Always around it, and the closer the more outcomes there are."""
    few, many = limits(0.9, 10), limits(0.9, 10_000)

    assert 0 < few.least < many.least < 0.9 < many.greatest < few.greatest < 1
    assert limits(1.0, 100).greatest == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("gone", "why"),
    [
        (("true_time_ns",), "the true times are not known"),
        (("commit_wait_ns",), "no row has commit_wait_ns"),
        (
            ("commit_wait_ns", "true_time_ns"),
            "no row has commit_wait_ns and true_time_ns",
        ),
    ],
)
def test_what_is_missing_is_named_and_nothing_else(
    gone: tuple[str, ...], why: str
) -> None:
    """A column that is there is no reason."""
    rows, sends = imagine(events=10)
    rows = [{k: v for k, v in row.items() if k not in gone} for row in rows]
    claims = claims_of(judge(run_of(rows, sends)))

    assert claims["external_consistency"]["why"] == why

"""The judge agrees with the definitions, and can find against the product."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronotick.eval.streaming.judge import JudgeSettings, broken, judge
from chronotick.eval.streaming.judge_causality import judge_causality
from chronotick.eval.streaming.judge_commit import judge_commit_wait, judge_coordination
from chronotick.eval.streaming.judge_order import judge_ordering
from chronotick.eval.streaming.judge_windows import judge_windows
from chronotick.eval.streaming.report import markdown
from unit.eval.streaming.recordings import MS, imagine, run_of

WINDOW_MS = 0.00001  # 10 ns: the small numbers below
MOSTLY = st.sampled_from([True, True, True, False])


@st.composite
def rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return rows of three nodes with small times and intervals that may miss.

    Any of interval, wait and truth may not be there.
    """
    found = []
    for event in range(draw(st.integers(1, 8))):
        for node in draw(st.sets(st.sampled_from("abc"), min_size=1)):
            small = st.integers(0, 40)
            lower, truth = draw(small), draw(small)
            upper = lower + draw(st.integers(0, 15))
            row: dict[str, Any] = {
                "event_id": event,
                "node_id": node,
                "receive_time_ns": draw(small),
            }
            if draw(MOSTLY):
                row |= {"ct_hard_lower_ns": lower, "ct_hard_upper_ns": upper}
                if draw(MOSTLY):
                    row["commit_wait_ns"] = draw(st.integers(0, 9))
            if draw(MOSTLY):
                row["true_time_ns"] = truth
            found.append(row)
    return found


def those_with(found: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    """Return the rows that have all of `names`."""
    return [row for row in found if all(name in row for name in names)]


def pairs_of(
    found: list[dict[str, Any]],
) -> dict[str, list[tuple[dict[str, Any], dict[str, Any]]]]:
    """Return the two populations of pairs."""
    every = across(found)
    same = [(a, b) for a, b in every if a["event_id"] == b["event_id"]]
    return {"all_pairs": every, "same_event": same}


def truths(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Say whether the true times of both are known."""
    return "true_time_ns" in a and "true_time_ns" in b


def across(
    found: list[dict[str, Any]],
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the pairs of rows of different nodes."""
    return [(a, b) for a, b in combinations(found, 2) if a["node_id"] != b["node_id"]]


def provable(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Say whether a is provably before b."""
    return bool(a["ct_hard_upper_ns"] < b["ct_hard_lower_ns"])


@settings(deadline=None)
@given(rows())
def test_order_of_intervals_is_that_of_the_definition(
    found: list[dict[str, Any]],
) -> None:
    """Provable, ambiguous and wrong, over all pairs and over those of one event."""
    result = judge_ordering(run_of(found))["clocks"]["hard"]
    found = those_with(found, "ct_hard_lower_ns")
    assert result["judged"] == len(found)
    for population, chosen in pairs_of(found).items() if found else ():
        decided = [
            (a, b) if provable(a, b) else (b, a)
            for a, b in chosen
            if provable(a, b) or provable(b, a)
        ]
        ruled = [pair for pair in decided if truths(*pair)]
        wrong = sum(a["true_time_ns"] > b["true_time_ns"] for a, b in ruled)
        with_truth = sum(truths(*pair) for pair in chosen)
        counts = result[population]

        assert (len(chosen), len(decided), with_truth) == (
            counts["pairs"],
            counts["decided"],
            counts["pairs_with_truth"],
        )
        assert counts["wrong"] == (wrong if decided and with_truth else None)
        assert ("why_null" in counts) == (counts["wrong"] is None)
        assert counts["pairs"] == counts["decided"] + counts["ambiguous"]


@settings(deadline=None)
@given(rows())
def test_order_of_points_is_that_of_the_definition(found: list[dict[str, Any]]) -> None:
    """A point clock decides all but ties, and is wrong where truth is the other way."""
    result = judge_ordering(run_of(found))["clocks"]["system"]
    for population, chosen in pairs_of(found).items():
        ties = sum(a["receive_time_ns"] == b["receive_time_ns"] for a, b in chosen)
        ruled = [pair for pair in chosen if truths(*pair)]
        wrong = sum(
            (a["receive_time_ns"] - b["receive_time_ns"])
            * (a["true_time_ns"] - b["true_time_ns"])
            < 0
            for a, b in ruled
        )
        counts = result[population]

        assert ties == counts["ambiguous"]
        could = ruled and ties < len(chosen)
        assert counts["wrong"] == (wrong if could else None)


def windows_of(row: dict[str, Any]) -> set[int]:
    """Return the windows that a row's interval reaches into; all, if there is none."""
    if "ct_hard_lower_ns" not in row:
        return set(range(-1, 9))
    return {row["ct_hard_lower_ns"] // 10, row["ct_hard_upper_ns"] // 10}


@settings(deadline=None)
@given(rows())
def test_windows_are_those_of_the_definition(found: list[dict[str, Any]]) -> None:
    """Decided if every node's interval lies in one window; agreed if it is the same."""
    result = judge_windows(run_of(found), [WINDOW_MS])["windows"][0]["clocks"]["hard"]
    judged = those_with(found, "ct_hard_lower_ns")
    assert result["judged"] == len(judged)
    if not judged:
        return
    nodes = {row["node_id"] for row in found}
    events = {row["event_id"] for row in found} if len(nodes) > 1 else set()
    decided = agreed = 0
    for event in events:
        windows = [windows_of(row) for row in found if row["event_id"] == event]
        if len(windows) == len(nodes) and all(len(window) == 1 for window in windows):
            decided += 1
            agreed += len(set.union(*windows)) == 1
    named = [
        row for row in those_with(judged, "true_time_ns") if len(windows_of(row)) == 1
    ]
    wrong = sum(windows_of(row) != {row["true_time_ns"] // 10} for row in named)

    assert (len(events), decided, agreed) == (
        result["events"],
        result["decided"],
        result["agreed"],
    )
    assert result["rows_wrong"] == (wrong if named else None)


@settings(deadline=None)
@given(rows())
def test_round_trips_are_those_of_the_definition(found: list[dict[str, Any]]) -> None:
    """An event needs one if another node's interval overlaps, or there is none."""
    run = run_of(found)
    ordering = judge_ordering(run)["clocks"]
    result = judge_coordination(run, ordering, [WINDOW_MS])["clocks"]["hard"]
    judged = those_with(found, "ct_hard_lower_ns")
    assert result["judged"] == len(judged)
    if not judged:
        return
    open_order = len(found) - len(judged)
    open_order += sum(
        any(
            a["node_id"] != b["node_id"] and not provable(a, b) and not provable(b, a)
            for b in judged
        )
        for a in judged
    )
    open_window = sum(len(windows_of(row)) > 1 for row in found)

    assert open_order == result["order"]["round_trips"]
    assert open_window == result["windows"][0]["round_trips"]
    assert result["baseline_round_trips"] == len(found)


@settings(deadline=None)
@given(rows())
def test_external_consistency_is_that_of_the_definition(
    found: list[dict[str, Any]],
) -> None:
    """If A had finished before B began, in true time, A's stamp must be the smaller."""
    result = judge_commit_wait(run_of(found))["external_consistency"]
    found = those_with(found, "ct_hard_upper_ns", "true_time_ns")
    waited = those_with(found, "commit_wait_ns")
    assert result["judged"] == (len(found) if waited else 0)
    if not waited:
        return
    ordered = [
        (a, b)
        for a in waited
        for b in found
        # The judge allows for an oscillator that is off by 0.1 %.
        if a["true_time_ns"] + a["commit_wait_ns"] * 1.001 <= b["true_time_ns"] - 1
    ]
    breaks = sum(a["ct_hard_upper_ns"] >= b["ct_hard_upper_ns"] for a, b in ordered)

    assert len(ordered) == result["pairs"]
    assert result["breaks"] == (breaks if ordered else None)


def test_causality_compares_a_clock_with_itself() -> None:
    """A contradiction is receive.latest < send.earliest, by the same clock."""
    row = {
        "event_id": 1,
        "node_id": "a",
        "ct_hard_lower_ns": 10,
        "ct_hard_upper_ns": 19,
    }
    send = {"event_id": 1, "ct_hard_lower_ns": 20, "ct_hard_upper_ns": 25}

    contradicted = judge_causality(run_of([row], [send]))["clocks"]["hard"]
    undecided = judge_causality(run_of([row], [send | {"ct_hard_lower_ns": 19}]))

    assert (contradicted["judged"], contradicted["contradictions"]) == (1, 1)
    assert undecided["clocks"]["hard"]["undecided"] == 1


def test_a_clock_that_nobody_recorded_is_null_with_a_reason() -> None:
    """No reading, no statistics: never a zero that looks like a success."""
    found = [
        {"event_id": 1, "node_id": node, "receive_time_ns": 5} for node in ("a", "b")
    ]
    statistics = judge(run_of(found))

    hard = statistics["ordering"]["clocks"]["hard"]
    assert hard["judged"] == 0
    assert "ct_hard_lower_ns" in hard["why_null"]
    assert statistics["ordering"]["clocks"]["system"]["all_pairs"]["wrong"] is None
    assert all(claim["holds"] is None for claim in statistics["claims"])
    assert all(claim["why"] for claim in statistics["claims"])
    assert statistics["verdict"] == "not judged"


@pytest.mark.parametrize("seed", range(10))
def test_honest_bounds_pass(seed: int) -> None:
    """Where the bounds hold, every claim does, while point clocks are often wrong."""
    statistics = judge(run_of(*imagine(seed=seed, events=600)))

    assert broken(statistics) == []
    assert statistics["verdict"] == "holds"
    assert statistics["ordering"]["clocks"]["system"]["same_event"]["wrong"] > 0
    assert statistics["accuracy"]["intervals"]["hard"]["coverage"] == 1.0


def test_a_broken_bound_is_found_out() -> None:
    """Half the sigma, no hard bound: the judge says that all of it is broken."""
    rows_, sends = imagine(events=2000, squeeze=0.25, hard=False, gap_ns=MS)
    statistics = judge(run_of(rows_, sends))

    failed = {claim["id"] for claim in statistics["claims"] if claim["holds"] is False}
    assert {
        "causality",
        "order_all_pairs",
        "order_same_event",
        "hard_coverage",
        "calibrated_coverage",
        "windows_50ms",
    } <= failed
    assert statistics["verdict"] == "broken"
    coverage = statistics["accuracy"]["intervals"]["hard"]["coverage"]
    assert coverage == pytest.approx(0.484, abs=0.03)  # P(|z| < 0.65)


def calibrated_claim(**how: Any) -> dict[str, Any]:
    """Return the claim of the calibrated coverage, judged at a level of 0.99."""
    rows_, sends = imagine(events=600, **how)
    statistics = judge(run_of(rows_, sends))
    claims: dict[str, dict[str, Any]] = {c["id"]: c for c in statistics["claims"]}
    apart = {"recorded", "calibrated_coverage"}
    assert {c["holds"] for name, c in claims.items() if name not in apart} == {True}
    return claims["calibrated_coverage"] | {"verdict": statistics["verdict"]}


def test_half_a_sigma_is_found_out_even_where_the_hard_bound_holds() -> None:
    """The calibrated interval alone is a lie: that claim, and the verdict, are broken."""
    claim = calibrated_claim(squeeze=0.5)

    assert claim["measured"] == pytest.approx(0.806, abs=0.03)  # P(|z| < 1.3)
    assert claim["holds"] is False
    assert claim["verdict"] == "broken"


def test_a_calibrated_interval_that_is_too_wide_is_found_out() -> None:
    """Its coverage is to be what it says, and not whatever is easy to keep."""
    rows_, sends = imagine(events=600)
    run = run_of(rows_, sends)
    claims = {
        level: next(
            c
            for c in judge(run, JudgeSettings(calibrated_level=level))["claims"]
            if c["id"] == "calibrated_coverage"
        )
        for level in (0.99, 0.9)
    }

    assert claims[0.99]["holds"] is True
    assert claims[0.9]["measured"] == claims[0.99]["measured"] > 0.91
    assert claims[0.9]["holds"] is False


def test_the_calibrated_bound_is_judged_as_soon_as_it_is_there() -> None:
    """Earned half-way: judged on the rows that have it, and said to be fewer."""
    rows_, sends = imagine(events=600)
    for row in rows_[: len(rows_) // 2]:
        del row["ct_lower_bound_ns"], row["ct_upper_bound_ns"]
    statistics = judge(run_of(rows_, sends))
    claims = {claim["id"]: claim for claim in statistics["claims"]}

    assert statistics["accuracy"]["intervals"]["calibrated"]["judged"] == 900
    assert claims["calibrated_coverage"]["holds"] is True
    assert "calibrated (900 arrivals only)" in markdown(statistics, {})


def test_coverage_without_a_stated_level_is_reported_and_not_judged() -> None:
    """The original's files never said which coverage their bounds should have."""
    settings_ = JudgeSettings(calibrated_level=None)
    statistics = judge(run_of(*imagine()), settings_)
    claim = {claim["id"]: claim for claim in statistics["claims"]}[
        "calibrated_coverage"
    ]

    assert claim["measured"] == pytest.approx(0.99, abs=0.02)
    assert claim["holds"] is None
    assert claim["why"] == "no coverage was stated"


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_coverage_of_the_whole_interval_is_the_curve_at_one(seed: int) -> None:
    """The coverage-versus-width curve goes through what was measured, and rises."""
    intervals = judge(run_of(*imagine(seed=seed, events=50)))["accuracy"]["intervals"]
    curve = {
        point["scale"]: point["coverage"] for point in intervals["calibrated"]["scaled"]
    }

    assert intervals["calibrated"]["coverage"] == pytest.approx(curve[1.0])
    assert list(curve.values()) == sorted(curve.values())

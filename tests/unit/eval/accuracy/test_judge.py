"""The document that all tables and figures come from."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from chronotick.eval.accuracy.backtest import BOUNDS, Foretold, prepare, replay
from chronotick.eval.accuracy.contenders import contender
from chronotick.eval.accuracy.judge import (
    POOLED,
    AccuracySettings,
    Document,
    Run,
    judge,
)
from unit.eval.accuracy.clocks import S, recorded, trace_of

SETTLED = AccuracySettings(skip_s=0.0)


def foretold(
    error_ns: np.ndarray, *, horizon_s: float = 60.0, half_ns: float = np.nan
) -> Foretold:
    """Return answers every 100 s with these errors, all with one hard bound."""
    rows = error_ns.size
    widths = {name: np.full(rows, np.nan) for name in BOUNDS}
    widths["hard"] = np.full(rows, half_ns)
    return Foretold(
        horizon_s=horizon_s,
        t_s=horizon_s + 100.0 * np.arange(rows, dtype=np.float64),
        error_ns=error_ns,
        half_width_ns=widths,
        slack_ns=np.zeros(rows),
        hard_slack_ns=np.zeros(rows),
    )


def run_of(*parts: Foretold, seed: int = 1, model: str = "bank") -> Run:
    """Return a run on an imagined recording."""
    return Run(model, prepare(recorded(seed=seed), most_targets=50), parts)


def only(document: Document, trace: str | None = None) -> Document:
    """Return the one result there is, of all or of a trace."""
    (found,) = [r for r in document["results"] if trace in {None, r["trace"]}]
    assert isinstance(found, dict)
    return found


def test_scores_are_those_of_the_rows() -> None:
    """RMSE of alternating ±3 µs is 3 µs, and all lie within ± 3 µs."""
    error_ns = np.tile([3000.0, -3000.0], 400)

    result = only(judge([run_of(foretold(error_ns, half_ns=3000.0))], SETTLED))

    assert pytest.approx(result["error"]["rmse_ns"]) == 3000.0
    assert (result["asked"], result["unanswered"]) == (800, 0)
    assert pytest.approx(result["intervals"]["rmse_ns"]) == (3000.0, 3000.0)
    hard = result["bounds"]["hard"]
    assert (hard["coverage"], hard["missed"]) == (1.0, 0)
    assert set(result["bounds"]) == {"hard"}


def test_what_never_missed_has_no_interval() -> None:
    """Every draw of nothing is nothing: that must not read as certainty."""
    error_ns = np.concatenate((np.zeros(799), [9000.0]))

    held, missed = (
        only(judge([run_of(foretold(error_ns, half_ns=half_ns))], SETTLED))["bounds"]
        for half_ns in (9000.0, 8000.0)
    )

    assert held["hard"]["interval"] is None
    low, high = missed["hard"]["interval"]
    assert low < missed["hard"]["coverage"] <= high


def test_answers_that_were_not_given_are_counted_and_not_scored() -> None:
    """NaN is neither an error of 0 nor a miss."""
    error_ns = np.full(300, 5.0)
    error_ns[:100] = np.nan

    result = only(judge([run_of(foretold(error_ns))], SETTLED))

    assert (
        result["asked"],
        result["unanswered"],
        result["error"]["count"],
    ) == (300, 100, 200)
    assert result["error"]["max_ns"] == 5.0


@pytest.mark.parametrize(
    ("error_ns", "why"),
    [
        (np.full(9, np.nan), "no question was answered"),
        (np.zeros(0), "the recording is too short"),
    ],
)
def test_nothing_to_score_is_null_with_a_reason(error_ns: np.ndarray, why: str) -> None:
    """No number is made up for it."""
    result = only(judge([run_of(foretold(error_ns))], SETTLED))

    assert result["error"] is None
    assert why == result["why_null"]


def test_what_was_foretold_while_settling_is_not_scored() -> None:
    """It is the instant of the answer that counts, not that of the target."""
    error_ns = np.where(np.arange(200) < 50, 1e6, 1.0)

    settings = AccuracySettings(skip_s=5000.0)
    result = only(judge([run_of(foretold(error_ns, horizon_s=3600.0))], settings))

    assert (result["asked"], result["error"]["max_ns"]) == (150, 1.0)


def test_the_usual_time_to_settle_is_two_hours_or_a_quarter() -> None:
    """Of a recording of 3 h, three quarters of an hour."""
    document = judge([run_of(foretold(np.zeros(9)))], AccuracySettings())

    (trace,) = document["traces"]
    assert trace["span_s"] / 4.0 == trace["skip_s"]


def test_several_recordings_are_pooled_row_by_row() -> None:
    """The RMSE over all is that of all rows; each recording keeps its own."""
    runs = [
        run_of(foretold(np.full(300, 3.0)), seed=1),
        run_of(foretold(np.full(100, 9.0)), seed=2),
    ]

    document = judge(runs, SETTLED)

    assert len(document["results"]) == 3
    pooled = only(document, POOLED)
    mean_square = (300 * 9.0 + 100 * 81.0) / 400
    assert np.sqrt(mean_square) == pytest.approx(pooled["error"]["rmse_ns"])


def test_recordings_with_and_without_truth_are_not_pooled() -> None:
    """Their errors are not of the same thing."""
    known, measured = (prepare(recorded(truth=t, seed=t)) for t in (True, False))
    rows = foretold(np.zeros(50))

    document = judge(
        [Run("bank", known, (rows,)), Run("bank", measured, (rows,))], SETTLED
    )

    assert POOLED not in {result["trace"] for result in document["results"]}


def test_a_block_is_never_shorter_than_the_horizon() -> None:
    """Overlapping forecasts share their errors."""
    document = judge([run_of(foretold(np.zeros(2000), horizon_s=28_800.0))], SETTLED)

    assert only(document)["block_s"] == 28_800.0


def test_the_whole_way_gives_json_and_the_same_again() -> None:
    """A document is JSON without NaN, and a function of recording, model and seed."""
    recording = prepare(recorded(hours=4.0), most_targets=60)

    first, again = (
        json.dumps(
            judge(
                [
                    Run(
                        "bank",
                        recording,
                        replay(recording, contender("bank", ["server"])),
                    )
                ],
                AccuracySettings(seed=3),
            ),
            allow_nan=False,
        )
        for _ in range(2)
    )

    assert first == again
    document = json.loads(first)
    assert "local clock" in {s["model"] for s in document["stability"]}
    assert document["warm_up"][0]["settled_s"] is not None
    assert document["about"]["seed"] == 3


def test_stability_is_seen_by_one_server() -> None:
    """Several that are asked within seconds are no series, and differ by constants."""
    alone = recorded(hours=6.0, truth=False)
    rows = [
        replace(
            row,
            local_ns=row.local_ns + k * 5 * S,
            source=f"s{k}",
            offset_ns=(row.offset_ns or 0) + k * S,
        )
        for row in alone.measurements
        for k in range(3)
    ]
    recording = prepare(trace_of(rows), most_targets=10_000)
    found = replay(recording, contender("hold", ["s0", "s1", "s2"]), (60.0,))

    document = judge([Run("hold", recording, found)], AccuracySettings())

    for part in document["stability"]:
        assert part["step_s"] >= 64.0
        assert max(point["value"] for point in part["mtie"]) < S

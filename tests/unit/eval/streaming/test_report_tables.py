"""Numbers of the report are worded so that none says more than was measured."""

from __future__ import annotations

from chronotick.eval.streaming.judge import judge
from chronotick.eval.streaming.report import markdown
from unit.eval.streaming.recordings import imagine, run_of


def test_almost_all_is_not_all() -> None:
    """99.9996 % must not be rounded to the 100 % that a claim needs."""
    statistics = judge(run_of(*imagine(events=30)))
    statistics["accuracy"]["intervals"]["hard"]["coverage"] = 0.999996

    assert "| hard | 99.99960 % |" in markdown(statistics, {})

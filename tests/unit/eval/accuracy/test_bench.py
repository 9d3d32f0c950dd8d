"""The bench: which cells, who computes them, how numbers are pooled."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import distributed
import numpy as np
import pytest

from chronotick.eval import cluster
from chronotick.eval.accuracy.backtest import BOUNDS, Foretold
from chronotick.eval.accuracy.bench import cells, locally, on_cluster, perform
from chronotick.eval.accuracy.bench_cells import Outcome
from chronotick.eval.accuracy.bench_report import (
    bounds_table,
    errors_table,
    markdown,
    ratios_table,
    write_bench,
)
from chronotick.eval.accuracy.bench_scores import BenchSettings, judge
from chronotick.eval.cluster import Unreachable
from chronotick.sim.scenario import load_scenario

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

LAN, STEPS = load_scenario("lan"), load_scenario("steps")


def settings(**changes: object) -> BenchSettings:
    """Return a small bench."""
    values: dict[str, object] = {
        "scenarios": (LAN,),
        "seeds": (1, 2),
        "subjects": ("bank", "hold"),
        "baseline": "bank",
        "horizons_s": (60.0,),
        "hours": 0.5,
        "targets": 8,
        **changes,
    }
    return BenchSettings(**values)  # type: ignore[arg-type]


def outcome(
    subject: str, seed: int, error_ns: Vector, width_ns: float = np.nan
) -> Outcome:
    """Return answers for each minute of a day, a minute ahead."""
    t_s = np.linspace(60.0, 60.0 * error_ns.size, error_ns.size)
    widths = {name: np.full(error_ns.size, np.nan) for name in BOUNDS}
    widths["calibrated_99"] = np.full(error_ns.size, width_ns)
    zeros = np.zeros(error_ns.size)
    foretold = Foretold(
        horizon_s=60.0,
        t_s=t_s,
        error_ns=error_ns,
        half_width_ns=widths,
        slack_ns=zeros,
        hard_slack_ns=zeros,
    )
    return Outcome(
        scenario="lan", seed=seed, subject=subject, made_with="", foretold=(foretold,)
    )


DAY = settings(hours=24.0, skip_s=0.0)


def test_cells_are_the_product_and_those_of_a_world_stand_together() -> None:
    """What a process has measured once serves all estimators of that world."""
    wanted = cells(settings(scenarios=(LAN, STEPS)))

    assert [(c.scenario.name, c.seed, c.subject) for c in wanted] == [
        ("lan", 1, "bank"),
        ("lan", 1, "hold"),
        ("lan", 2, "bank"),
        ("lan", 2, "hold"),
    ]
    assert {c.length_s for c in wanted} == {1800.0}
    assert {c.length_s for c in cells(settings(hours=None))} == {LAN.duration_s}


def test_processes_give_the_numbers_of_this_process() -> None:
    """Bit for bit, pages included."""
    here = perform(settings(), locally(1))
    there = perform(settings(), locally(2))

    assert json.dumps(here) == json.dumps(there)
    assert markdown(here) == markdown(there)


@contextmanager
def dask(workers: int) -> Iterator[str]:
    """Run a Dask scheduler and workers in this process; yield the former's address."""
    started = distributed.LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=workers, threads_per_worker=1, processes=False,
        dashboard_address=":0", protocol="tcp://", host="127.0.0.1",
    )  # fmt: skip
    with started as running:
        yield running.scheduler_address


def test_processes_end_with_the_terminal_s_ctrl_c() -> None:
    """Nobody waits for the cells that they have begun."""
    mapper: Any = locally(2)
    # Of the standard library, since other processes need not find this file.
    handlers = list(mapper(signal.getsignal, [[signal.SIGINT]] * 2))
    assert handlers == [signal.SIG_DFL] * 2


def test_processes_that_end_end_the_bench(capfd: pytest.CaptureFixture[str]) -> None:
    """With one error, and none beside it of a thread that nobody knows."""
    mapper: Any = locally(2)
    with pytest.raises(BrokenProcessPool):
        list(mapper(os._exit, [[1]] * 5000))

    assert "Traceback" not in capfd.readouterr().err


def test_a_cluster_gives_the_numbers_of_this_process() -> None:
    """A Dask scheduler and a worker, spoken to over loopback."""
    small = settings(seeds=(1,), subjects=("hold",))
    with dask(workers=1) as scheduler:
        there = perform(small, on_cluster(scheduler))

    assert json.dumps(there) == json.dumps(perform(small, locally(1)))


def test_a_cluster_without_workers_is_refused() -> None:
    """At once: the bench would wait for a week, and say nothing."""
    with (
        dask(workers=0) as scheduler,
        pytest.raises(Unreachable, match="has no workers: start some with"),
    ):
        perform(settings(seeds=(1,)), on_cluster(scheduler))


def test_a_cluster_that_all_workers_have_left_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a while in which some might have come back, and not after a week."""
    monkeypatch.setattr(cluster, "_DESERTED_S", 0.5)
    with (
        dask(workers=0) as scheduler,
        cluster.Cluster(scheduler) as deserted,
        pytest.raises(
            cluster.CallFailed, match=r"one: no workers for 0\.5 s: start some"
        ),
    ):
        list(deserted.map(abs, {"one": (1,)}, limit_s=30.0))


def test_progress_counts_cells() -> None:
    """One by one, up to all."""
    told: list[tuple[float, float]] = []
    small = settings(seeds=(1,))
    perform(small, locally(1), lambda done, of: told.append((done, of)))

    assert told == [(1.0, 2.0), (2.0, 2.0)]


def test_errors_are_pooled_over_seeds() -> None:
    """The mean of squares over all rows, with an interval that contains it."""
    rng = np.random.default_rng(1)
    first, second = rng.normal(0.0, 100.0, 1440), rng.normal(0.0, 300.0, 1440)
    found = judge([outcome("bank", 1, first), outcome("bank", 2, second)], DAY)
    (result,) = found["results"]

    both = np.concatenate([first, second])
    assert result["rmse_ns"] == pytest.approx(np.sqrt(np.mean(both**2)))
    low, high = result["rmse_interval_ns"]
    assert low < result["rmse_ns"] < high
    assert (result["seeds"], result["count"]) == (2, 2880)


def test_a_ratio_is_of_the_same_questions() -> None:
    """Half the baseline's error is 0.5, exactly and surely."""
    error = np.random.default_rng(1).normal(0.0, 100.0, 1440)
    found = judge([outcome("bank", 1, error), outcome("hold", 1, error / 2.0)], DAY)
    bank, hold = found["results"]

    assert bank["ratio"] is None
    assert hold["ratio"]["value"] == pytest.approx(0.5)
    assert hold["ratio"]["interval"] == pytest.approx([0.5, 0.5])
    assert ratios_table(found).rows == [["hold", "1m", "0.500", "0.500", "lan"]]


def test_no_ratio_where_too_little_is_shared() -> None:
    """Answers for other instants, or another seed, compare with nothing."""
    error = np.random.default_rng(1).normal(0.0, 100.0, 1440)
    short = judge([outcome("bank", 1, error[:700]), outcome("hold", 1, error)], DAY)
    other = judge([outcome("bank", 1, error), outcome("hold", 2, error)], DAY)

    assert short["results"][1]["ratio"] is None
    assert other["results"][1]["ratio"] is None


def test_coverage_and_width_against_the_oracle() -> None:
    """The oracle's constant width holds just as often as was promised."""
    error = np.arange(-720.0, 720.0)
    found = judge([outcome("bank", 1, error, width_ns=720.0)], DAY)
    bound = found["results"][0]["bounds"]["calibrated_99"]

    assert bound["coverage"] == 1.0
    assert bound["oracle_half_width_ns"] == pytest.approx(713.0, abs=1.0)
    assert bound["interval"] is None, "no draw has a miss: that is no certainty"
    assert found["results"][0]["bounds"]["hard"] is None
    assert found["pooled"] == [
        {"subject": "bank", "bound": "calibrated_99", "claimed": 1440, "missed": 0,
         "coverage": 1.0},
    ]  # fmt: skip


def test_a_coverage_with_misses_has_an_interval() -> None:
    """From drawing blocks, as for the errors."""
    error = np.where(np.arange(1440) % 100 == 0, 2.0, 1.0)
    found = judge([outcome("bank", 1, error, width_ns=1.5)], DAY)
    bound = found["results"][0]["bounds"]["calibrated_99"]

    low, high = bound["interval"]
    assert low <= bound["coverage"] <= high < 1.0


def test_the_start_is_not_scored() -> None:
    """What was foretold before the time to settle is left out, by when it was said."""
    error = np.ones(1440)
    found = judge([outcome("bank", 1, error)], settings(hours=24.0))

    # Two hours are 120 answers, and those for the minute ahead were said before.
    assert found["results"][0]["count"] == 1440 - 120
    assert found["about"]["not_scored_s"] == {"lan": 7200.0}


def test_unanswered_questions_are_no_errors() -> None:
    """NaN is left out, and a cell without any answer gives no row."""
    error = np.where(np.arange(1440) % 2 == 0, np.nan, 5.0)
    found = judge([outcome("bank", 1, error)], DAY)
    nothing = judge([outcome("bank", 1, np.full(1440, np.nan))], DAY)

    assert found["results"][0]["count"] == 720
    assert nothing["results"] == []


def test_a_table_without_rows_is_not_in_the_report() -> None:
    """Nothing was compared with the baseline, for one."""
    error = np.random.default_rng(1).normal(0.0, 100.0, 1440)
    text = markdown(judge([outcome("hold", 1, error)], DAY))

    assert "## Errors" in text
    assert "RMSE over that of" not in text
    assert "Simulated: lan 24 h; asked for 8 instants" in text


def test_the_report_names_what_was_left_out(tmp_path: Path) -> None:
    """Seeds, worlds that cannot be replayed, and every table; JSON without NaN."""
    found = perform(settings(scenarios=(LAN, STEPS), seeds=(1,)), locally(1))
    page = write_bench(tmp_path / "out", found)
    text = page.read_text(encoding="utf-8")

    assert "bank in steps, hold in steps" in text
    assert ", seeds 1." in text
    for table in (errors_table(found), bounds_table(found), ratios_table(found)):
        assert f"## {table.title}" in text
        assert all(len(row) == len(table.head) for row in table.rows)
    read = json.loads((tmp_path / "out" / "bench.json").read_text(encoding="utf-8"))
    assert read == json.loads(json.dumps(found, allow_nan=False))
